"""Makes every actor and service of a plan once, before anything runs, and throws them away again.

What a class finds wrong with its settings when it is made, such as a size with more digits than the instrument has,
is then an error of the configuration, told at its key. A service is only made here, never run.
"""

from __future__ import annotations

import random
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.actor import ActorError
from runtime.blueprint import draw_blueprint
from runtime.build_core import make_actor
from runtime.channels import Channel, Doorbell, policy_of
from runtime.clock import LiveClock
from runtime.config.errors import Problem, RuleBroken
from runtime.logs import get_logger
from runtime.service import Mailbox, ServiceSetup

if TYPE_CHECKING:
    from runtime.blueprint import Blueprint, Node
    from runtime.config.load import Loaded

# What making an object from settings raises when they do not fit. Anything else is a fault of the class.
UNFIT = (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, NotImplementedError, ActorError)


def plan_checked(loaded: Loaded) -> Blueprint:
    """The plan of a configuration; raises `ConfigErrors` with everything that is wrong with it."""
    blueprint, problems = draw_blueprint(loaded)
    collector = loaded.collector()
    for problem in problems or try_nodes(blueprint):
        collector.add_problem(problem)
    collector.raise_if_any()
    return blueprint


def try_nodes(blueprint: Blueprint) -> list[Problem]:
    """Make everything once; gives what is wrong."""
    problems = []
    for node in (*blueprint.actors, *blueprint.services):
        try:
            if node.kind == "actor":
                make_actor(blueprint, node)
            else:
                _make_service(blueprint, node)
        except UNFIT as error:
            problems.append(_problem(node, error))
    return problems


def _make_service(blueprint: Blueprint, node: Node) -> None:
    doorbell = Doorbell()
    inbox, urgent = (Channel(f"{node.name}.{kind}", 1, policy_of("halt"), doorbell=doorbell) for kind in ("a", "b"))
    node.class_(
        ServiceSetup(
            name=node.name,
            params=node.params,
            instruments=blueprint.instruments,
            instrument_ids=node.instrument_ids or tuple(sorted(blueprint.instrument_names.values())),
            clock=LiveClock(),
            randomness=random.Random(0),
            mailbox=Mailbox(doorbell, inbox, urgent),
            log=get_logger(node.name),
            number=blueprint.services.index(node),
        )
    )


def _problem(node: Node, error: Exception) -> Problem:
    section = "actors" if node.kind == "actor" else "services"
    key = (section, node.name, "params")
    if isinstance(error, RuleBroken):
        return Problem((*key, *error.key), error.value or "", error.expected, error.remedy)
    expected = f"settings that {node.class_.__name__} can be made with"
    if isinstance(error, ValueError):
        return Problem(key, "", f"{expected}: {error}")
    # Not said in the words of a person, so say where: it may well be a fault of the class.
    last = traceback.extract_tb(error.__traceback__)[-1]
    return Problem(key, "", f"{expected}: {type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})")
