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
    flag,
    identifier,
    named,
    price,
    text,
    time,
)

ACTOR = identifier("actor_id", "The actor, by its place in the lane.")
LANE = text("lane", "The name of the lane.")
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
        field("sources_sha256", "str", "SHA-256 of the list of the actors' sources in the state.", "", "", "", 2),
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
    MessageSpec(319, "RiskRefused", "A risk check refused an order: which limit, which value, which order.", (
        identifier("order_id", "The order."),
        identifier("instrument_id", "Its instrument."),
        named("code", "reject_code", "The check."),
        text("limit", "The limit's key in the configuration."),
        field("value", "int", "The value that the order would have led to, in the unit of the limit."),
        field("bound", "int", "The limit, in the same unit."),
        time("receive_ns", "When the input that caused the order was received."),
    )),
    MessageSpec(320, "LimitReached", "A limit that watches the whole was reached, or nearly so.", (
        text("limit", "Its key in the configuration."),
        identifier("strategy_id", "The strategy; 0 for all."),
        identifier("instrument_id", "The instrument; 0 for all."),
        field("value", "int", "The value, in the unit of the limit."),
        field("bound", "int", "The limit, in the same unit."),
        flag("halts", "Whether trading halts, or this is a warning."),
    )),
    MessageSpec(321, "LimitChanged", "A limit was tightened, or loosened by an operator.", (
        text("limit", "Its key in the configuration."),
        identifier("instrument_id", "The instrument; 0 for all."),
        field("previous", "int", "What it was."),
        field("bound", "int", "What it is now."),
        OPERATOR,
    )),
    MessageSpec(322, "CircuitBreakerTripped", "A price moved too far too fast; an instrument or the market pauses.", (
        identifier("instrument_id", "The instrument; 0 for the whole market."),
        count("level", "Which of the breaker's levels, from 1."),
        price("reference_price", "Where the window began."),
        price("price", "Where it went."),
        time("resume_ns", "When trading may go on; 0 for not today."),
    )),
    MessageSpec(323, "CircuitBreakerReset", "A pause of a circuit breaker is over.", (
        identifier("instrument_id", "The instrument; 0 for the whole market."),
        count("level", "The level that had tripped."),
    )),
    MessageSpec(324, "LeaseWanted", "A lane asks the portfolio lane for a part of a limit.", (
        LANE,
        text("limit", "The limit's key in the configuration."),
        identifier("instrument_id", "The instrument; 0 for all."),
        field("amount", "int", "How much, in the unit of the limit."),
    )),
    MessageSpec(325, "LeaseGranted", "A lane may use a part of a limit until a time.", (
        LANE,
        identifier("lease_id", "The lease; a newer one for the same limit replaces it."),
        text("limit", "The limit's key in the configuration."),
        identifier("instrument_id", "The instrument; 0 for all."),
        field("amount", "int", "How much, in the unit of the limit; 0 refuses."),
        time("expire_ns", "After which the lane opens no risk."),
    )),
    MessageSpec(326, "LeaseReturned", "A lane gives a lease back, or the portfolio lane takes it back.", (
        LANE,
        identifier("lease_id", "The lease."),
        field("unused", "int", "How much of it was not used."),
        REASON,
    )),
    MessageSpec(327, "QuotingChanged", "A strategy's quotes were pulled, or may work again, and why.", (
        identifier("strategy_id", "The strategy."),
        identifier("instrument_id", "The instrument; 0 for all."),
        flag("quoting", "Whether quotes may work from now on."),
        REASON,
        time("receive_ns", "When the input that caused it was received."),
    )),
    MessageSpec(328, "HaltConfirmed", "A venue was asked after a halt for what is still working there.", (
        CONNECTION,
        count("open_orders", "Orders still working; 0 confirms."),
        count("asked", "How many times it was asked."),
    )),
    MessageSpec(329, "GuardianActed", "The guardian process cancelled at a venue, because the trading process hung.", (
        CONNECTION,
        count("open_orders", "Orders still working afterwards; -1 when the venue did not say."),
        REASON,
    )),
    MessageSpec(330, "HandlerStuck", "A handler has not returned for too long.", (
        ACTOR,
        duration("running_ns", "For how long it runs."),
    )),
    MessageSpec(331, "Escalated", "Restarts exceeded their intensity; the policy of the parent applies.", (
        text("name", "The actor, service or lane."),
        count("restarts", "How many."),
        duration("window_ns", "In which time."),
    )),
    MessageSpec(332, "ServiceStopped", "A service ended and is not started again.", (
        SERVICE,
        REASON,
    )),
    MessageSpec(333, "LaneStopped", "A lane takes no more inputs.", (
        LANE,
        identifier("input_sequence", "Its last input."),
        REASON,
    )),
    MessageSpec(334, "Heartbeat", "A sign of life between lanes, processes and machines.", (
        text("source", "Who lives."),
        identifier("sequence", "Counts them."),
        time("sent_ns", "When it was sent."),
    )),
    MessageSpec(335, "Alert", "Something that a person should know now.", (
        named("severity", "severity", "How urgent."),
        text("key", "Alerts of one key are shown once, until resolved."),
        text("title", "In a few words."),
        text("details", "In full."),
        flag("resolved", "True when it is over."),
    )),
    MessageSpec(336, "DayBegan", "A new trading day, by the configured boundary: daily limits begin anew.", (
        time("start_ns", "When it began."),
        text("day", "Its date."),
    )),
    MessageSpec(337, "ConfigRefused", "A changed setting cannot be applied while running.", (
        text("key", "Its key path."),
        REASON,
    )),
    MessageSpec(338, "SnapshotTaken", "The state of a lane was saved.", (
        LANE,
        identifier("input_sequence", "The last input that it covers."),
        count("size_bytes", "Its size in bytes."),
    )),
))  # fmt: skip
