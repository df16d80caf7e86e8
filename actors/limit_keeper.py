"""Lends the limits of the whole system to lanes: the sum of what they may use never passes a limit.

Whoever comes first gets what it asks for. When all together want more than there is, nobody gets more than an equal
share, and what one does not want of its share goes to the others. What was lent counts until its holder says how much
of it is in use, and what is in use counts until it says otherwise. Nothing is taken back by the clock: neither a late
message nor a lane that fell silent can make it lend the same amount twice. It also halts every lane when all together
have lost more than they may. docs/limits.md has the rules.
"""

from __future__ import annotations

from typing import ClassVar, Final

from actors.leases import OPEN_ORDERS, exposure_limit, money_from_text, told
from actors.limit_keeper_params import LimitKeeperParams
from actors.limit_losses import TotalLosses
from market.messages import (
    HaltReset,
    LeaseGranted,
    LeaseReturned,
    LeaseWanted,
    LimitReached,
    Message,
    ProfitChanged,
    TradingHalted,
)
from runtime.actor import HALT_TRADING, Actor, ActorSetup

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
SOURCE: Final = "limits"
# A holder that gives nothing back for so many leases has its oldest two counted as one.
LEASES_OUT: Final = 8


def fair_share(limit: int, wants: list[int], mine: int) -> int:
    """What one that wants `mine` gets of a limit when each of these is wanted: at most an equal share of what is left
    when those that want less than that have what they want.
    """
    left = limit
    count = len(wants)
    for want in sorted(wants):
        share = left // count
        if want > share:
            return min(mine, max(share, 0))
        left -= want
        count -= 1
    return mine


class Lease:
    """One lease that is out."""

    def __init__(self, lease_id: int, amount: int, counted: int) -> None:
        self.lease_id: Final = lease_id
        self.amount: Final = amount
        self.counted: int = counted


class Holder:
    """One that was lent a limit: what it wants, what it said was in use, and the leases that are out."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self.wanted: int = 0
        self.asked_ns: int = 0
        self.used: int = 0
        self.leases: list[Lease] = []

    def counted(self) -> int:
        """The most that it may be using."""
        most = self.used
        for lease in self.leases:
            most = max(most, lease.counted)
        return most

    def lend(self, lease_id: int, amount: int) -> None:
        """One more lease; those before it count until they come back."""
        self.leases.append(Lease(lease_id, amount, amount))
        if len(self.leases) > LEASES_OUT:
            oldest = self.leases.pop(0)
            self.leases[0].counted = max(self.leases[0].counted, oldest.counted)

    def take_back(self, lease_id: int, unused: int) -> bool:
        """A lease comes back, and with it all older ones; says whether it was out."""
        for index, lease in enumerate(self.leases):
            if lease.lease_id == lease_id:
                self.used = max(lease.amount - unused, 0)
                del self.leases[: index + 1]
                return True
        return False

    def save(self) -> list[object]:
        """The holder as plain data."""
        leases = [[lease.lease_id, lease.amount, lease.counted] for lease in self.leases]
        return [self.name, self.wanted, self.asked_ns, self.used, leases]


def load_holder(row: list[object]) -> Holder:
    """The holder that `save` described."""
    name, wanted, asked_ns, used, leases = row
    assert isinstance(name, str)
    assert isinstance(wanted, int)
    assert isinstance(asked_ns, int)
    assert isinstance(used, int)
    assert isinstance(leases, list)
    holder = Holder(name)
    holder.wanted, holder.asked_ns, holder.used = wanted, asked_ns, used
    holder.leases = [Lease(one[0], one[1], one[2]) for one in leases]
    return holder


class Kept:
    """One limit, and who was lent of it."""

    def __init__(self, limit: str, amount: int) -> None:
        self.limit: Final = limit
        self.amount: Final = amount
        self.holders: dict[str, Holder] = {}

    def counted(self) -> int:
        """The most that may be in use by all."""
        total = 0
        for holder in self.holders.values():
            total += holder.counted()
        return total

    def grant(self, asker: Holder, now_ns: int, lease_ns: int) -> int:
        """How much one that asks may use: what it wants, its fair share at most, and never what another may use."""
        wants = []
        for holder in self.holders.values():
            # One that has not asked for longer than a lease lasts wants nothing more, and keeps what it may use.
            silent = now_ns - holder.asked_ns > lease_ns
            wants.append(holder.counted() if silent else holder.wanted)
        share = fair_share(self.amount, wants, asker.wanted)
        room = self.amount - (self.counted() - asker.counted())
        return max(min(share, room), 0)


class LimitKeeper(Actor):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        LeaseWanted: "on_wanted",
        LeaseReturned: "on_returned",
        ProfitChanged: "on_profit",
        HaltReset: "on_halt_reset",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (LeaseGranted, LimitReached, TradingHalted)
    OWNS: ClassVar[tuple[type[Message], ...]] = (LeaseGranted,)
    PARAMS: ClassVar[type | None] = LimitKeeperParams
    POLICY: ClassVar[str] = HALT_TRADING

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, LimitKeeperParams)
        self.lease_ns: Final[int] = params.lease_ms * NANOSECONDS_PER_MILLISECOND
        self.limits: dict[str, Kept] = {OPEN_ORDERS: Kept(OPEN_ORDERS, params.maximum_open_orders)}
        for currency, amount in params.maximum_exposure.items():
            limit = exposure_limit(currency)
            self.limits[limit] = Kept(limit, money_from_text(amount))
        for instrument_id in setup.instrument_ids:
            currency = setup.instruments.by_id(instrument_id).money_asset
            if exposure_limit(currency) not in self.limits:
                raise ValueError(f"maximum_exposure names no {currency}, which an instrument is paid in: add it there")
        self.losses: Final = TotalLosses(params)
        # Only one that was there from the beginning knows what is lent; another lends nothing.
        self.remembers: bool = False
        self.last_id: int = 0
        self.granted: int = 0
        self.cut: int = 0
        # A halt of our own that the ledger hears of when this step is over.
        self.halting: bool = False

    @classmethod
    def unused(cls, params: object) -> tuple[type[Message], ...]:
        """Without a limit on losses it hears of none."""
        if isinstance(params, LimitKeeperParams) and (params.maximum_daily_loss or params.maximum_drawdown):
            return ()
        return (ProfitChanged, HaltReset, LimitReached, TradingHalted)

    def start(self) -> None:
        """A new system: nothing is lent."""
        self.remembers = True

    def on_wanted(self, wanted: LeaseWanted) -> None:
        """Every request is answered, with 0 when nothing is to be had."""
        amount = 0
        asked: int = wanted.amount
        self.last_id += 1
        kept = self.limits.get(wanted.limit)
        if kept is not None and self.remembers:
            holder = kept.holders.get(wanted.lane)
            if holder is None:
                holder = Holder(wanted.lane)
                kept.holders[wanted.lane] = holder
            holder.wanted = max(asked, 0)
            holder.asked_ns = self.now
            amount = kept.grant(holder, self.now, self.lease_ns)
            holder.lend(self.last_id, amount)
        self.granted += 1
        if amount < asked:
            self.cut += 1
        expire_ns = self.now + self.lease_ns
        self.emit(LeaseGranted(wanted.lane, self.last_id, wanted.limit, wanted.instrument_id, amount, expire_ns))

    def on_returned(self, returned: LeaseReturned) -> None:
        """Its holder no longer uses a lease; what it says is in use counts, and the leases that it still has."""
        for kept in self.limits.values():
            holder = kept.holders.get(returned.lane)
            if holder is not None and holder.take_back(returned.lease_id, returned.unused):
                return

    # ---- losses

    def on_profit(self, told: ProfitChanged) -> None:
        """What a lane has earned: together with all others it may be a loss too large, and then every lane stops."""
        reached = self.losses.take(told, self.now, self.remembers)
        if reached is None or self.ledger.halted or self.halting:
            return
        self.halting = True
        self.emit(LimitReached(reached.limit, 0, 0, reached.value, reached.bound, True))
        self.emit(TradingHalted(reached.reason, SOURCE))

    def on_halt_reset(self, _: HaltReset) -> None:
        """A person has looked at it: losses count anew from here."""
        self.halting = False
        self.losses.forgive()

    # ---- state

    def summary(self) -> dict[str, object]:
        """Each limit, how much of it may be in use, and by whom."""
        limits: dict[str, object] = {}
        words: list[str] = []
        for kept in self.limits.values():
            lent = told(kept.limit, kept.counted())
            words.append(f"{kept.limit} {lent} of {told(kept.limit, kept.amount)} lent")
            limits[kept.limit] = {
                "limit": told(kept.limit, kept.amount),
                "lent": lent,
                "holders": {one.name: told(kept.limit, one.counted()) for one in kept.holders.values()},
            }
        if not self.remembers:
            words.append("what was lent before it failed is not known: it lends nothing until a new start")
        told_losses = self.losses.told()
        return {"status": "; ".join(words), "limits": limits, "granted": self.granted, "cut": self.cut, **told_losses}

    def save(self) -> dict[str, object]:
        """Who was lent how much."""
        return {
            "counts": [self.last_id, self.granted, self.cut],
            "remembers": self.remembers,
            "losses": self.losses.save(),
            "halting": self.halting,
            "limits": [
                [kept.limit, [holder.save() for holder in kept.holders.values()]] for kept in self.limits.values()
            ],
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        counts, remembers, limits = state["counts"], state["remembers"], state["limits"]
        assert isinstance(counts, list)
        assert isinstance(remembers, bool)
        assert isinstance(limits, list)
        self.last_id, self.granted, self.cut = counts
        self.remembers = remembers
        self.losses.load(state["losses"])
        halting = state["halting"]
        assert isinstance(halting, bool)
        self.halting = halting
        for limit, holders in limits:
            self.limits[limit].holders = {row[0]: load_holder(row) for row in holders}
