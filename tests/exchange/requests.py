"""Random inputs of an exchange in its lane: everything that clients, administrators and time can bring, from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from market.messages import (
    BUY,
    DAY,
    GROUP_BRACKET,
    GROUP_NONE,
    GROUP_OCO,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    PEG_NEAR,
    PEGGED,
    SELL,
    STATE_BALANCES,
    STATE_FILLS,
    STATE_OPEN_ORDERS,
    STATUS_HALTED,
    STATUS_TRADING,
    STOP,
    AccountStateWanted,
    CancelAllWanted,
    CancelWanted,
    EntryWanted,
    Message,
    ReplaceWanted,
    RunStarted,
    SessionClosed,
    SessionOpened,
    SnapshotWanted,
    StatusWanted,
    TransferWanted,
)
from tests.exchange.desk_of_orders import ALICE, BOB, BTC, CAROL, EXCHANGE_ID, ODD, SECOND, START_NS, UNIT

Input = tuple[Message, int, bool]


def random_inputs(seed: int, count: int) -> Iterator[Input]:
    """The beginning of a run, and so many inputs in batches; the run begins anew now and then."""
    random = Random(seed)
    now_ns = START_NS
    yield RunStarted(now_ns, 1, "", ""), now_ns, True
    for number in range(1, count + 1):
        now_ns += random.choice((1, 1_000_000, SECOND, 90 * SECOND, 2_000 * SECOND))
        yield one_input(random, number, now_ns), now_ns, random.random() < 0.6
    yield CancelAllWanted(EXCHANGE_ID, -1, ALICE, 0, 0, now_ns), now_ns, True


def one_input(random: Random, number: int, now_ns: int) -> Message:
    """One input; ids of orders are guessed, and often right."""
    who = random.choice((ALICE, BOB, CAROL))
    session_id = random.choice((-1, -2, 1, 2, 3))
    guessed = random.randrange(1, number + 1)
    kind = random.randrange(100)
    if kind < 60:
        return entry(random, who, session_id, number, now_ns)
    if kind < 68:
        return CancelWanted(EXCHANGE_ID, session_id, who, number, BTC, guessed, "", now_ns)
    if kind < 76:
        return ReplaceWanted(
            EXCHANGE_ID, session_id, who, number, BTC, guessed, "", price(random), random.randint(1, 300), now_ns
        )
    if kind < 84:
        return SessionOpened(
            EXCHANGE_ID, random.choice((1, 2, 3)), who, number, f"key-{who}", 3, number, random.random() < 0.5, now_ns
        )
    if kind < 88:
        return SessionClosed(EXCHANGE_ID, random.choice((1, 2, 3)), who, "", now_ns)
    if kind < 91:
        state = random.choice((STATE_OPEN_ORDERS, STATE_FILLS, STATE_BALANCES))
        return AccountStateWanted(EXCHANGE_ID, session_id, who, number, state, random.randrange(100), now_ns)
    if kind < 93:
        return TransferWanted(EXCHANGE_ID, 1, who, number, BOB, "BTC", random.randint(-UNIT, UNIT), now_ns)
    if kind < 95:
        status = random.choice((STATUS_HALTED, STATUS_TRADING, STATUS_TRADING, STATUS_TRADING))
        return StatusWanted(EXCHANGE_ID, 1, who, number, random.choice((BTC, ODD)), status, now_ns)
    if kind < 97:
        return SnapshotWanted(EXCHANGE_ID, random.choice((0, BTC)), "")
    if kind < 98:
        return RunStarted(now_ns, number, "", "")
    return CancelAllWanted(EXCHANGE_ID, session_id, who, number, random.choice((0, BTC, ODD)), now_ns)


def price(random: Random) -> int:
    """A price near the middle."""
    return 10_000 + random.randint(-12, 12)


def entry(random: Random, who: int, session_id: int, number: int, now_ns: int) -> EntryWanted:
    """An order of one of the usual kinds."""
    order_type = random.choice((LIMIT,) * 8 + (MARKET, STOP, PEGGED))
    time_in_force = random.choice((GTC, GTC, GTC, IOC, GTD, DAY)) if order_type == LIMIT else GTC
    group_kind = random.choice((GROUP_NONE,) * 8 + (GROUP_OCO, GROUP_BRACKET))
    return EntryWanted(
        EXCHANGE_ID, session_id, who, number, random.choice(("", f"order-{number}")), BTC, random.choice((BUY, SELL)),
        order_type, time_in_force, price(random) if order_type == LIMIT else 0, random.randint(1, 300),
        price(random) if order_type == STOP else 0, random.choice((0, 0, 0, -1, 50)) if order_type == LIMIT else 0, 0,
        now_ns + random.randint(1, 200) * SECOND if time_in_force == GTD else 0, random.randrange(6),
        PEG_NEAR if order_type == PEGGED else 0, random.randint(0, 3) if order_type == PEGGED else 0, group_kind,
        2 if group_kind else 0, now_ns,
    )  # fmt: skip
