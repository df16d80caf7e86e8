"""The state of the exchange as plain data, and back.

Open orders are packed, numbers as 64-bit integers in base64 and clients' ids as one text, for there may be many. What
is held is not saved: it follows from the open orders. What is loaded must agree with itself, or it is refused.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

from librt.strings import BytesWriter, read_i64_le, write_i64_le
from mypy_extensions import i64

from exchange.accounts import Accounts
from exchange.core import Exchange
from exchange.publishing import changed_levels
from exchange.records import Account, Collecting, ExchangeError, Market, OpenOrder, OrderGroup
from exchange.reports import remember
from market.messages import EntryWanted, OrderReported, decode, encode
from market.messages.base import HEADER_BYTES

WORDS: Final = 20
# No client's id holds a line break, for all its characters are printable.
BETWEEN: Final = "\n"
LOW_BITS: Final = 62
LOW_MASK: Final = 2**62 - 1


def save_exchange(exchange: Exchange) -> dict[str, object]:
    """Everything that the exchange has to remember."""
    return {
        "last_order_id": int(exchange.last_order_id),
        "deposited": [*exchange.accounts.deposited],
        "accounts": [save_account(account) for account in exchange.accounts.in_order()],
        "orders": save_orders(exchange),
        "markets": [save_market(market) for market in exchange.markets],
        "collecting": [
            [session_id, [packed(encode(entry)) for entry in collecting.entries]]
            for session_id, collecting in exchange.collecting.items()
        ],
    }


def load_exchange(exchange: Exchange, state: dict[str, object]) -> None:
    """Take back what `save_exchange` gave, into an exchange that has done nothing yet."""
    last_order_id = state["last_order_id"]
    deposited = state["deposited"]
    accounts = state["accounts"]
    orders = state["orders"]
    markets = state["markets"]
    collecting = state["collecting"]
    assert isinstance(last_order_id, int)
    assert isinstance(deposited, list)
    assert isinstance(accounts, list)
    assert isinstance(orders, dict)
    assert isinstance(markets, list)
    assert isinstance(collecting, list)
    exchange.last_order_id = last_order_id
    exchange.accounts.deposited = [int(amount) for amount in deposited]
    for row in accounts:
        load_account(account_of(exchange.accounts, row["id"]), row, exchange.reports.ended_kept)
    for market, row in zip(exchange.markets, markets, strict=True):
        load_market(market, row)
    load_orders(exchange, orders)
    for session_id, entries in collecting:
        load_collecting(exchange, session_id, entries)


def account_of(accounts: Accounts, account_id: int) -> Account:
    """The account of this id, the exchange's own one included."""
    if account_id == 0:
        return accounts.fees
    account = accounts.by_id.get(account_id)
    if account is None:
        raise ExchangeError(f"the saved state has an account {account_id}: put it back into params.accounts")
    return account


def save_account(account: Account) -> dict[str, object]:
    """One account without its orders."""
    writer = BytesWriter()
    for report in oldest_first(account):
        writer.write(encode(report))
    ended = account.ended_at
    return {
        "id": int(account.account_id),
        "total": [*account.total],
        "sequence": int(account.sequence),
        "ended": [*account.ended[ended:], *account.ended[:ended]],
        "ended_clients": [*account.ended_clients[ended:], *account.ended_clients[:ended]],
        "fills": packed(writer.getvalue()),
        "fills_dropped": int(account.fills_dropped),
        "limits": [
            int(account.tokens), int(account.tokens_ns), int(account.day_end_ns), int(account.day_orders),
            int(account.day_trades),
        ],
    }  # fmt: skip


def oldest_first(account: Account) -> list[OrderReported]:
    """The fills that are kept, in their order."""
    return [*account.fills[account.fills_at :], *account.fills[: account.fills_at]]


def load_account(account: Account, row: dict[str, object], ended_kept: i64) -> None:
    """Take back what `save_account` gave."""
    total = row["total"]
    sequence = row["sequence"]
    ended = row["ended"]
    clients = row["ended_clients"]
    fills = row["fills"]
    dropped = row["fills_dropped"]
    limits = row["limits"]
    assert isinstance(total, list)
    assert isinstance(sequence, int)
    assert isinstance(ended, list)
    assert isinstance(clients, list)
    assert isinstance(fills, str)
    assert isinstance(dropped, int)
    assert isinstance(limits, list)
    account.total = [int(amount) for amount in total]
    account.sequence = sequence
    for order_id, client_order_id in zip(ended, clients, strict=True):
        remember(account, order_id, client_order_id, ended_kept)
    data = b64decode(fills)
    start: i64 = 0
    while start < len(data):
        end = start + HEADER_BYTES + (read_i64_le(data, start) >> 32)
        message = decode(data, start, end)
        assert isinstance(message, OrderReported)
        account.fills.append(message)
        start = end
    account.fills_dropped = dropped
    account.tokens = limits[0]
    account.tokens_ns = limits[1]
    account.day_end_ns = limits[2]
    account.day_orders = limits[3]
    account.day_trades = limits[4]


def save_orders(exchange: Exchange) -> dict[str, object]:
    """The open orders of all accounts, each account's in the order in which they were accepted."""
    writer = BytesWriter()
    clients: list[str] = []
    groups: dict[OrderGroup, int] = {}
    kinds: list[int] = []
    count = 0
    for account in exchange.accounts.in_order():
        for order in account.orders.values():
            number = -1
            group = order.group
            if group is not None:
                if group not in groups:
                    groups[group] = len(kinds)
                    kinds.append(group.kind)
                number = groups[group]
            write_order(writer, order, number)
            clients.append(order.client_order_id)
            count += 1
    return {
        "count": count,
        "words": packed(writer.getvalue()),
        "clients": BETWEEN.join(clients),
        "groups": kinds,
    }


def write_order(writer: BytesWriter, order: OpenOrder, group: i64) -> None:
    """One order as words."""
    turnover = order.turnover
    write_i64_le(writer, order.order_id)
    write_i64_le(writer, order.market.place)
    write_i64_le(writer, order.account.account_id)
    write_i64_le(writer, order.session_id)
    write_i64_le(writer, order.side)
    write_i64_le(writer, order.order_type)
    write_i64_le(writer, order.time_in_force)
    write_i64_le(writer, order.price)
    write_i64_le(writer, order.worst_price)
    write_i64_le(writer, order.stop_price)
    write_i64_le(writer, order.size)
    write_i64_le(writer, order.remaining)
    write_i64_le(writer, order.filled)
    write_i64_le(writer, turnover >> LOW_BITS)
    write_i64_le(writer, turnover & LOW_MASK)
    write_i64_le(writer, group)
    write_i64_le(writer, order.room)
    write_i64_le(writer, 1 if order.is_exit else 0)
    write_i64_le(writer, order.display_size)
    write_i64_le(writer, order.slices)


def load_orders(exchange: Exchange, saved: dict[str, object]) -> None:
    """Take back the open orders, and hold for them what they need."""
    count = saved["count"]
    words = saved["words"]
    clients = saved["clients"]
    kinds = saved["groups"]
    assert isinstance(count, int)
    assert isinstance(words, str)
    assert isinstance(clients, str)
    assert isinstance(kinds, list)
    data = b64decode(words)
    names = clients.split(BETWEEN) if count > 0 else []
    if len(data) != count * WORDS * 8 or len(names) != count:
        raise ExchangeError("the saved open orders are damaged: their parts have different lengths")
    groups = [OrderGroup(kind) for kind in kinds]
    accounts = exchange.accounts
    number: i64 = 0
    while number < count:
        order = read_order(exchange, data, number * WORDS * 8, names[number])
        group_number = word(data, number * WORDS * 8, 15)
        if group_number >= 0:
            order.group = groups[group_number]
            # They come in the order of their ids, which is that of the members.
            groups[group_number].members.append(order)
        exchange.reports.orders[order.order_id] = order
        order.account.orders[order.order_id] = order
        if len(order.client_order_id) > 0:
            order.account.by_client[order.client_order_id] = order
        accounts.note_order(order)
        number += 1
    accounts.settle_holds()
    for account in accounts.changed_accounts:
        account.changed = [False] * len(account.changed)
    accounts.changed_accounts.clear()
    accounts.changed_assets.clear()


def read_order(exchange: Exchange, data: bytes, at: i64, client_order_id: str) -> OpenOrder:
    """One order from its words."""
    order = OpenOrder(
        word(data, at, 0), exchange.markets[word(data, at, 1)], account_of(exchange.accounts, word(data, at, 2)),
        word(data, at, 3), client_order_id, word(data, at, 4), word(data, at, 5), word(data, at, 6), word(data, at, 7),
        word(data, at, 10), word(data, at, 9), word(data, at, 18),
    )  # fmt: skip
    order.worst_price = word(data, at, 8)
    order.remaining = word(data, at, 11)
    order.filled = word(data, at, 12)
    high: int = word(data, at, 13)
    low: int = word(data, at, 14)
    order.turnover = (high << LOW_BITS) + low
    order.room = word(data, at, 16)
    order.is_exit = word(data, at, 17) == 1
    order.slices = word(data, at, 19)
    order.market.open_slices += order.slices
    return order


def word(data: bytes, at: i64, place: i64) -> i64:
    """One word of an order."""
    return read_i64_le(data, at + place * 8)


def save_market(market: Market) -> dict[str, object]:
    """One market: its engine, its status and what was published."""
    return {
        "id": int(market.instrument_id),
        "wanted_status": int(market.wanted_status),
        "status": int(market.status),
        "update_id": int(market.update_id),
        "statistics": market.statistics.save(),
        "unpublished": [[side, price] for side, price in changed_levels(market)],
        "engine": market.engine.save(),
    }


def load_market(market: Market, row: dict[str, object]) -> None:
    """Take back what `save_market` gave."""
    instrument_id = row["id"]
    wanted_status = row["wanted_status"]
    status = row["status"]
    update_id = row["update_id"]
    statistics = row["statistics"]
    unpublished = row["unpublished"]
    engine = row["engine"]
    assert isinstance(wanted_status, int)
    assert isinstance(status, int)
    assert isinstance(update_id, int)
    assert isinstance(statistics, list)
    assert isinstance(unpublished, list)
    assert isinstance(engine, dict)
    if instrument_id != market.instrument_id:
        raise ExchangeError(f"the saved state has instrument {instrument_id} in the place of {market.name}")
    market.wanted_status = wanted_status
    market.status = status
    market.update_id = update_id
    market.statistics.load(statistics)
    market.unpublished = [(side, price) for side, price in unpublished]
    market.engine.load(engine)
    # That every order came to rest as it was loaded is no change of the book.
    market.engine.clear_touched()


def load_collecting(exchange: Exchange, session_id: int, entries: list[str]) -> None:
    """Take back a group that has not arrived whole."""
    for text in entries:
        entry = decode(b64decode(text))
        assert isinstance(entry, EntryWanted)
        collecting = exchange.collecting.get(session_id)
        if collecting is None:
            exchange.collecting[session_id] = Collecting(entry)
        else:
            collecting.entries.append(entry)


def packed(data: bytes) -> str:
    """Bytes as text."""
    return b64encode(data).decode("ascii")
