"""Makes the parts of `Risk` from its settings: limits, watched instruments, groups, checks and losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from actors.portfolio_rates import BASE_SCALE, Rates
from actors.risk_balances import ACCOUNT, Balances
from actors.risk_checks import RiskChecks
from actors.risk_limits import Bound, Limits, scaled
from actors.risk_losses import NANOSECONDS_PER_MINUTE, PERCENT_SCALE, Losses
from actors.risk_params import InstrumentLimits, RiskParams
from actors.risk_watched import Group, Watched
from market.instruments import Instrument, InstrumentKind, InstrumentTable
from runtime.actor import ActorSetup
from runtime.ledger import Ledger
from runtime.ledger_orders import MoneyTerms

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000


class RiskParts:
    """What `Risk` is made of."""

    def __init__(self, setup: ActorSetup, params: RiskParams) -> None:
        instruments = [setup.instruments.by_id(instrument_id) for instrument_id in setup.instrument_ids]
        ledger = setup.outlet.ledger
        self.limits: Final = Limits()
        self.rates: Final = Rates(params.currency, params.rates, params.parity, instruments, setup.instruments)
        check_symbols(params, setup.instruments)
        check_roads(params, setup)
        collars = (
            self.limits.add("collar_bps", str(params.collar_bps), 0),
            self.limits.add("fair_collar_bps", positive(params.fair_collar_bps), 0),
        )
        watched = [self.watch(ledger, instrument, params, collars) for instrument in instruments]
        self.watched: Final[dict[int, Watched]] = {int(one.instrument_id): one for one in watched}
        self.groups: Final = self.make_groups(watched, params)
        for one in watched:
            one.peers.extend(other for other in watched if other is not one and is_same_pair(one, other))
        self.balances: Final = Balances(params.balances, watched, self.limits)
        self.checks: Final = self.make_checks(ledger, watched, params)
        self.losses: Final = self.make_losses(watched, params)
        # What has no tighter and no looser, as the file has it; and what of it was otherwise in an earlier run.
        self.settled: Final = settled_by(params)
        self.unsettled: Final[list[list[str]]] = []

    def save(self) -> dict[str, object]:
        """The state of all parts as plain data."""
        return {
            "limits": self.limits.save(),
            "rates": self.rates.save(),
            "watched": [watched.save() for watched in self.watched.values()],
            "windows": self.checks.save(),
            "balances": self.balances.save(),
            "losses": self.losses.save(),
            "settled": [[name, text] for name, text in self.settled.items()],
        }

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, dict)
        for name, filed, _, _ in state["limits"]:
            key, _, account = name.partition(":")
            if key == ACCOUNT and account not in self.balances.balances:
                self.balances.keep(account, filed)
        self.limits.load(state["limits"])
        self.rates.load(state["rates"])
        for row in state["watched"]:
            self.watched[row[0]].load(row)
        self.checks.aim()
        self.checks.load(state["windows"])
        self.balances.load(state["balances"])
        self.losses.load(state["losses"])
        self.unsettled.clear()
        for name, text in state["settled"]:
            now = self.settled.get(name, text)
            if now != text:
                self.unsettled.append([name, f"{now} is not the {text} of the last run"])

    def watch(
        self, ledger: Ledger, instrument: Instrument, params: RiskParams, collars: tuple[Bound, Bound]
    ) -> Watched:
        """One instrument with its limits."""
        own = params.limits.get(instrument.symbol, InstrumentLimits())
        scope = f"{instrument.venue} {instrument.symbol}"
        number = instrument.instrument_id
        size = own.maximum_order_size or params.maximum_order_size
        notional = own.maximum_order_notional or params.maximum_order_notional
        position = own.maximum_position or params.maximum_position
        base_scale: int = instrument.size_scale + instrument.multiplier_scale
        add = self.limits.add
        order_size = add("maximum_order_size", size, base_scale, scope, number)
        order_notional = add("maximum_order_notional", notional, instrument.money_scale, scope, number)
        whole = add("maximum_position", position, base_scale, scope, number)
        order_size.is_own = own.maximum_order_size is not None
        order_notional.is_own = own.maximum_order_notional is not None
        whole.is_own = own.maximum_position is not None
        terms = MoneyTerms(instrument.money_multiplier, instrument.money_divisor, instrument.inverse)
        return Watched(
            instrument, ledger.standing(number), terms, self.rates.of(instrument.money_asset), order_size,
            order_notional, whole, *collars,
        )  # fmt: skip

    def make_groups(self, watched: list[Watched], params: RiskParams) -> list[Group]:
        """The instruments of one base asset together; an inverse contract counts in another unit, and for itself."""
        members: dict[str, list[Watched]] = {}
        for one in watched:
            instrument = one.instrument
            name = f"{instrument.base} in {instrument.quote}" if instrument.inverse else instrument.base
            members.setdefault(name, []).append(one)
        groups: list[Group] = []
        for name, found in members.items():
            scale = max(one.instrument.size_scale + one.instrument.multiplier_scale for one in found)
            own = smallest_group_limit(found, params, scale)
            bound = self.limits.add("maximum_group_position", own or params.maximum_group_position, scale, name)
            bound.is_own = own is not None
            group = Group(name, scale, bound)
            for one in found:
                instrument = one.instrument
                larger: int = 10 ** (scale - instrument.size_scale - instrument.multiplier_scale)
                one.group_factor = larger * instrument.multiplier
                one.group = group
                group.members.append(one)
            groups.append(group)
        return groups

    def make_checks(self, ledger: Ledger, watched: list[Watched], params: RiskParams) -> RiskChecks:
        """The checks of one order."""
        add = self.limits.add
        return RiskChecks(
            ledger,
            self.rates.currency,
            watched,
            add("maximum_open_orders", str(params.maximum_open_orders), 0),
            add("maximum_orders", str(params.maximum_orders), 0),
            add("maximum_requests", positive(params.maximum_requests), 0),
            add("maximum_positions", positive(params.maximum_positions), 0),
            add("maximum_gross_exposure", params.maximum_gross_exposure, BASE_SCALE),
            add("maximum_net_exposure", params.maximum_net_exposure, BASE_SCALE),
            # The window, the room and the two switches are tighter the larger they are.
            add("window_ms", str(params.window_ms), 0, floor=True),
            add("cancel_room", str(params.cancel_room), 0, floor=True),
            add("maximum_book_age_ms", positive(params.maximum_book_age_ms), 0),
            add("refuse_self_trade", "1" if params.refuse_self_trade else "0", 0, floor=True),
            add("refuse_duplicates", "1" if params.refuse_duplicates else "0", 0, floor=True),
        )

    def make_losses(self, watched: list[Watched], params: RiskParams) -> Losses:
        """The limits on what may be lost."""
        add = self.limits.add
        begins: int = params.day_begins_minutes
        return Losses(
            watched,
            self.rates.currency,
            begins * NANOSECONDS_PER_MINUTE,
            add("starting_value", params.starting_value, BASE_SCALE),
            params.warn_percent,
            add("maximum_daily_loss", params.maximum_daily_loss, BASE_SCALE),
            add("maximum_drawdown", params.maximum_drawdown, BASE_SCALE),
            add("stop_loss_percent", params.stop_loss_percent, PERCENT_SCALE),
            add("minimum_portfolio_value", params.minimum_portfolio_value, BASE_SCALE, floor=True),
        )


def smallest_group_limit(members: list[Watched], params: RiskParams, scale: int) -> str | None:
    """The smallest of the limits that the symbols of a group have of their own; None where none has."""
    found: str | None = None
    for one in members:
        own = params.limits.get(one.instrument.symbol)
        text = None if own is None else own.maximum_group_position
        if text is not None and (found is None or scaled(text, scale) < scaled(found, scale)):
            found = text
    return found


def is_same_pair(one: Watched, other: Watched) -> bool:
    """Whether a price of one is a price of the other."""
    left, right = one.instrument, other.instrument
    if left.kind is not right.kind or left.inverse != right.inverse or left.kind is InstrumentKind.OPTION:
        return False
    return (left.base, left.quote, left.expiry_ns) == (right.base, right.quote, right.expiry_ns)


def check_roads(params: RiskParams, setup: ActorSetup) -> None:
    """Refuses a service or a connection that carries no orders of the venue that it is named for."""
    services = dict(params.gateways)
    for venue, number in params.connections.items():
        service = setup.connections.get(number)
        if service is None and setup.connections:
            told = ", ".join(str(one) for one in sorted(setup.connections))
            raise ValueError(f"connections: no gateway has connection {number} ({venue}): there are {told}")
        if service is not None:
            services.setdefault(venue, service)
    for venue, service in services.items():
        if not setup.gateways:
            # On paper, or in a lane whose gateways nobody told of.
            continue
        carried = setup.gateways.get(service)
        if carried is None:
            there = ", ".join(sorted(setup.gateways))
            raise ValueError(f"gateways: no service {service!r} takes orders ({venue}): there are {there}")
        if carried and all(setup.instruments.by_id(number).venue != venue for number in carried):
            raise ValueError(f"gateways: {service} carries no instrument of {venue}")


def settled_by(params: RiskParams) -> dict[str, str]:
    """The settings by which money is counted and orders travel, as text: another one is neither tighter nor looser."""
    return {
        "currency": params.currency,
        "rates": listed(params.rates),
        "parity": listed(params.parity),
        "day_begins": f"{params.day_begins} {params.day_offset}",
        "gateways": listed(params.gateways),
        "connections": listed({venue: str(number) for venue, number in params.connections.items()}),
        "leased": "true" if params.leased else "false",
    }


def listed(table: Mapping[str, str]) -> str:
    """A table in one line, in an order that its file does not decide."""
    return "{" + ", ".join(f"{key} = {table[key]}" for key in sorted(table)) + "}"


def positive(number: int) -> str:
    """A whole number as the text of a limit; 0 is off."""
    return str(number) if number > 0 else ""


def check_symbols(params: RiskParams, table: InstrumentTable) -> None:
    """Refuses limits of a symbol and roads to a venue that nothing is traded by."""
    symbols = {one.symbol for one in table}
    for symbol in params.limits:
        if symbol not in symbols:
            raise ValueError(f"limits: there is no instrument {symbol!r}: there are {', '.join(sorted(symbols))}")
    venues = {one.venue for one in table}
    for name, roads in (("gateways", params.gateways), ("connections", params.connections)):
        for venue in roads:
            if venue not in venues:
                raise ValueError(f"{name}: there is no instrument at {venue!r}: there are {', '.join(sorted(venues))}")
