"""What one request costs the embedded exchange: checks, holds, matching, fees and everything that is told about it.

Without network, disk and lane: requests are handed to the exchange from Python and what it says is read message by
message. The stream is seeded: 45 % cancels, 7 % orders that take, the rest near the touch of a book of a thousand
orders a side, all of them with the ids of eight clients' own. The samples return a checksum of all that was said.
"""

from __future__ import annotations

from functools import cache
from random import Random
from time import perf_counter_ns
from typing import Final

from benchmarks.figures import Measured, Run, Sample, figure
from exchange.core import Exchange
from exchange.params import AccountParams, ExchangeParams, LimitParams, deposit_all, make_exchange
from market.instruments import Instrument
from market.messages import (
    BUY,
    GTC,
    IOC,
    LIMIT,
    SELL,
    BalanceReported,
    CancelWanted,
    EntryWanted,
    Message,
    OrderReported,
    PublicTrade,
    RequestAnswered,
)
from runtime.config.rules import DecimalText

REQUESTS: Final = 20_000
RESTING: Final = 2_000
CLIENTS: Final = 8
MIDDLE: Final = 6_000_000
START_NS: Final = 1_700_000_000_000_000_000
STEP_NS: Final = 100_000
NANOSECONDS_PER_MICROSECOND: Final = 1_000
PRIME: Final = 2**61 - 1

PAIR: Final = Instrument.from_text(
    instrument_id=1, symbol="BTC/USDT", venue="embedded", venue_symbol="BTCUSDT", base="BTC", quote="USDT", kind="spot",
    tick="0.01", lot="0.00001", minimum_notional="5", maker_fee_bps="1", taker_fee_bps="5",
)  # fmt: skip


def fresh_exchange() -> Exchange:
    """An exchange of eight accounts that can pay for everything."""
    deposits = {"USDT": DecimalText("100000000"), "BTC": DecimalText("10000")}
    params = ExchangeParams(
        accounts={f"client-{one}": AccountParams(id=one, group=one, deposits=deposits) for one in _clients()},
        limits=LimitParams(messages=1_000_000, open_orders=100_000),
        most_orders=100_000,
    )
    exchange = make_exchange(params, [PAIR])
    deposit_all(params, exchange)
    exchange.reports.tell_balances()
    exchange.out.clear()
    return exchange


def _clients() -> range:
    return range(1, CLIENTS + 1)


def _entry(random: Random, number: int, takes: bool) -> EntryWanted:
    side = random.choice((BUY, SELL))
    distance = -200 if takes else 1 + int(random.expovariate(1 / 60))
    size = random.randint(1, 40) * 1_000 if takes else random.randint(1, 100) * 1_000
    return EntryWanted(
        1, 1, random.choice(_clients()), number, f"order-{number}", 1, side, LIMIT, IOC if takes else GTC,
        MIDDLE - side * distance, size, 0, 0, 0, 0, 3, 0, 0, 0, 0, START_NS,
    )  # fmt: skip


@cache
def seeded_requests(seed: int = 1) -> tuple[list[EntryWanted], list[Message]]:
    """The orders that rest at the beginning, and the stream; its cancels name orders that are open by then."""
    random = Random(seed)
    exchange = fresh_exchange()
    resting = [_entry(random, number, takes=False) for number in range(RESTING)]
    for entry in resting:
        exchange.enter(entry, START_NS)
    stream: list[Message] = []
    # In the order of their entry; the choice must not depend on how a set is laid out.
    working = [(entry.account_id, entry.client_order_id) for entry in resting]
    for number in range(RESTING, RESTING + REQUESTS):
        kind = random.random()
        exchange.out.clear()
        if kind < 0.45:
            account_id, client_order_id = _one_open(random, exchange, working)
            cancel = CancelWanted(1, 1, account_id, number, 1, 0, client_order_id, START_NS)
            exchange.cancel(cancel, START_NS + number * STEP_NS)
            stream.append(cancel)
        else:
            entry = _entry(random, number, takes=kind < 0.52)
            exchange.enter(entry, START_NS + number * STEP_NS)
            stream.append(entry)
            working.append((entry.account_id, entry.client_order_id))
    return resting, stream


def _one_open(random: Random, exchange: Exchange, working: list[tuple[int, str]]) -> tuple[int, str]:
    while True:
        place = random.randrange(len(working))
        working[place], working[-1] = working[-1], working[place]
        account_id, client_order_id = working.pop()
        if client_order_id in exchange.accounts.by_id[account_id].by_client:
            return account_id, client_order_id


def order_microseconds() -> Sample:
    """Microseconds a request, and a checksum of what was said."""
    resting, stream = seeded_requests()
    exchange = fresh_exchange()
    for entry in resting:
        exchange.enter(entry, START_NS)
    out = exchange.out
    out.clear()
    enter = exchange.enter
    cancel = exchange.cancel
    checksum = 0
    now_ns = START_NS
    taken_ns = 0
    for request in stream:
        now_ns += STEP_NS
        began_ns = perf_counter_ns()
        if isinstance(request, EntryWanted):
            enter(request, now_ns)
        elif isinstance(request, CancelWanted):
            cancel(request, now_ns)
        for message in out:
            checksum += message.schema_id
        taken_ns += perf_counter_ns() - began_ns
        checksum = (checksum * 31 + _digest(out)) % PRIME
        out.clear()
    exchange.check_invariants()
    return taken_ns / len(stream) / NANOSECONDS_PER_MICROSECOND, checksum


def _digest(out: list[Message]) -> int:
    """A number that depends on what was said."""
    digest = 0
    for message in out:
        if isinstance(message, OrderReported):
            digest += message.sequence * 7 + message.event + message.remaining + message.fee
        elif isinstance(message, BalanceReported):
            digest += message.total * 3 + message.held
        elif isinstance(message, PublicTrade):
            digest += message.price * message.size
        elif isinstance(message, RequestAnswered):
            digest += message.order_id * 5 + message.code
    return digest


@figure(name="exchange.order_us", unit="us", limit=5)
def order(run: Run) -> Measured:
    """One request of the embedded exchange, with all that it checks, books and tells."""
    return run.measure(order_microseconds)
