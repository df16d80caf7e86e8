"""The schema of control messages: the system, its clock, faults and operators. Numbers 300 to 399."""

from __future__ import annotations

from typing import Final

from market.message_schema.forms import (
    CONNECTION,
    REASON,
    GroupSpec,
    MessageSpec,
    count,
    duration,
    field,
    identifier,
    text,
    time,
)

ACTOR = identifier("actor_id", "The actor, by its place in the lane.")
SERVICE = text("service", "The name of the service.")
ATTEMPT = count("attempt", "How many times in a row it has been started again.")
ERROR = text("error", "The exception in one line; its traceback is in the log.")
OPERATOR = text("operator", "Who did it.")

CONTROL: Final = GroupSpec(
    "control", "Control", "The life of the system: its clock, faults and operators.", 300, 399, (
    MessageSpec(300, "RunStarted", "The first input of every run.", (
        time("start_ns", "When the run began."),
        identifier("session", "Counts the runs on one state directory."),
        text("config_sha256", "SHA-256 of the effective configuration, in hex."),
        text("build", "Version and kind of the build; digests compare within one build."),
    )),
    MessageSpec(301, "TimerFired", "A timer of an actor is due.", (
        ACTOR,
        identifier("timer_id", "The timer, as set_timer returned it."),
        time("due_ns", "When it was due."),
    )),
    MessageSpec(302, "Lagging", "The lane takes its inputs later than it may.", (
        duration("lag_ns", "How late."),
    )),
    MessageSpec(303, "ActorFailed", "A handler raised; what it had emitted is void.", (
        ACTOR,
        identifier("input_sequence", "The input that the lane was working on."),
        count("dispatch_index", "Which handler call within the input, from 0."),
        ERROR,
    )),
    MessageSpec(304, "ActorRestarted", "A failed actor was made anew.", (
        ACTOR,
        ATTEMPT,
    )),
    MessageSpec(305, "ActorStopped", "An actor takes part no more.", (
        ACTOR,
        REASON,
    )),
    MessageSpec(306, "ServiceFailed", "A service raised.", (
        SERVICE,
        ERROR,
        ATTEMPT,
    )),
    MessageSpec(307, "ServiceRestarted", "A failed service was started again.", (
        SERVICE,
        ATTEMPT,
    )),
    MessageSpec(308, "TradingHalted", "All orders are cancelled and nothing new is sent until a reset.", (
        REASON,
        text("source", "What tripped it: a limit, an actor, an operator, a channel."),
    )),
    MessageSpec(309, "HaltReset", "A person ended a halt.", (
        OPERATOR,
    )),
    MessageSpec(310, "PauseQuoting", "Quotes are pulled, or wanted again; positions and orders are still watched.", (
        field("paused", "bool", "True pauses, false resumes."),
        OPERATOR,
    )),
    MessageSpec(311, "ShutdownRequested", "The system is to stop in order.", (
        REASON,
        time("deadline_ns", "When it has to be over."),
    )),
    MessageSpec(312, "ClockCorrected", "The wall clock was found to differ from the clock of the run.", (
        duration("offset_ns", "Wall clock minus the clock of the run."),
    )),
    MessageSpec(313, "ChannelTripped", "A full channel did what its policy says.", (
        text("channel", "Its name."),
        text("policy", "block, coalesce, drop_oldest or halt."),
        count("depth", "How many messages it held."),
    )),
    MessageSpec(314, "Rejected", "Bytes from a venue that could not be understood.", (
        CONNECTION,
        REASON,
        field("data", "bytes", "The bytes, cut to a bound."),
    )),
    MessageSpec(315, "FaultInjected", "A fault was made on purpose.", (
        text("kind", "drop, duplicate, reorder, delay, disconnect or kill."),
        text("target", "What it was done to."),
    )),
    MessageSpec(316, "ConfigChanged", "One setting was changed while running.", (
        text("key", "Its key path."),
        text("value", "Its new value, as written in TOML; never a secret."),
    )),
    MessageSpec(317, "OperatorCommand", "A person asked for something.", (
        text("command", "What."),
        text("argument", "With which argument; empty for none."),
        OPERATOR,
    )),
    MessageSpec(318, "BatchMark", "The inputs that follow are one batch; strategies run after the last.", (
        count("count", "How many."),
    )),
))  # fmt: skip
