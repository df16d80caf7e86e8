"""The lock of live trading: who may send orders where money is at stake, and what is missing when nobody may.

Live trading needs three things at once: `mode = "live"` in the configuration, `--live` on the command line, and keys
that can be read. A gateway whose class does not say otherwise is taken to trade with real money. It reads keys only to
see that they are there, starts nothing, and asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final, Protocol, runtime_checkable

from market.messages import NewOrder
from runtime.blueprint import Blueprint, Node
from venues.dialing import REQUEST_SCHEMES, DialFailed, address_of
from venues.gateway_keys import KeysMissing, Reference, read_key

LIVE: Final = "live"
# What parts an address, beside its scheme, host and port.
UNPLAIN: Final = frozenset("\\@?#%")


@runtime_checkable
class GatewaySettings(Protocol):
    """What the settings of a gateway can be asked."""

    def is_play_money(self) -> bool:
        """Whether what stands behind its address is a sandbox or an exchange of this machine."""
        ...

    def key_references(self) -> Mapping[str, Reference]:
        """Where its keys are, by what they are called."""
        ...


def base_of(url: str) -> str:
    """An address as SCHEME://HOST:PORT, made anew of its parts; `DialFailed` where it has anything beside them.

    Those who read addresses do not agree on where the host of an odd one ends. What is not plain is refused, and
    requests go to what was judged here, not to what was written.
    """
    if any(letter in UNPLAIN or letter.isspace() or not letter.isprintable() for letter in url):
        raise DialFailed(f"{url!r} is no plain address: write http://HOST:PORT or https://HOST:PORT and nothing else")
    address = address_of(url, REQUEST_SCHEMES)
    if address.target != "/":
        raise DialFailed(f"{url!r} has a path: write http://HOST:PORT or https://HOST:PORT and nothing else")
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{'https' if address.is_secure else 'http'}://{host}:{address.port}"


def is_loopback(url: str) -> bool:
    """Whether an address is one of this machine's own; one that is not plain is none."""
    try:
        host = address_of(base_of(url), REQUEST_SCHEMES).host
    except DialFailed:
        return False
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def trades_real_money(node: Node) -> bool:
    """Whether orders of this node reach a market where money is at stake; what does not say so is taken to do."""
    if node.kind == "actor" or NewOrder not in node.takes:
        # Actors have no way out of the process.
        return False
    if getattr(node.class_, "REAL_MONEY", True) is False:
        return False
    params = node.params
    return not (isinstance(params, GatewaySettings) and params.is_play_money())


def mode_problem(blueprint: Blueprint) -> tuple[str, str] | None:
    """What mode and gateways of a plan have against each other, and the remedy; None when they fit."""
    real = real_gateways(blueprint)
    if blueprint.config.mode == LIVE:
        if real:
            return None
        return "no gateway here trades with real money", 'add one (docs/gateways.md), or set mode = "paper"'
    if not real:
        return None
    return (
        f"{', '.join(node.name for node in real)} would trade with real money",
        "let the paper venue take the orders, point the gateway at a sandbox or a local exchange, or set mode = "
        f'"{LIVE}"',
    )


def live_problem(blueprint: Blueprint, live_flag: bool, environment: Mapping[str, str]) -> str | None:
    """Why this plan may not run as it was asked for, with the remedy; None when it may."""
    mode = blueprint.config.mode
    unfit = mode_problem(blueprint)
    if unfit is not None:
        return f'mode = "{mode}": {unfit[0]}: {unfit[1]}'
    if mode != LIVE:
        return f'--live needs mode = "{LIVE}" in the configuration as well' if live_flag else None
    real = real_gateways(blueprint)
    if not live_flag:
        names = ", ".join(node.name for node in real)
        return (
            f'mode = "live" trades with real money through {names}: add --live to the command if that is what you want,'
            ' or set mode = "paper"'
        )
    missing = [told for node in real for told in _missing_keys(node, environment)]
    return "; ".join(missing) or None


def real_gateways(blueprint: Blueprint) -> list[Node]:
    """The gateways of a plan that trade with real money."""
    return [node for node in blueprint.services if trades_real_money(node)]


def _missing_keys(node: Node, environment: Mapping[str, str]) -> list[str]:
    params = node.params
    if not isinstance(params, GatewaySettings):
        return [f"{node.name}: its class does not say where its keys are"]
    missing = []
    for what, reference in params.key_references().items():
        try:
            read_key(f"services.{node.name}.params.{what}", reference, environment)
        except KeysMissing as error:
            missing.append(str(error))
    return missing
