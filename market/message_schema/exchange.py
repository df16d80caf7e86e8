"""The schema of the embedded exchange's messages: what its clients ask, and what it answers. Numbers 400 to 499.

A gateway turns what a client wrote into these, once it has checked the form; the exchange's lane journals and executes
them. `exchange_id` tells apart the exchanges of one process; whoever reads another's message leaves it alone.
"""

from __future__ import annotations

from typing import Final

from market.message_schema.forms import (
    INSTRUMENT,
    REASON,
    RECEIVE_NS,
    SIDE,
    VENUE_NS,
    FieldSpec,
    GroupSpec,
    MessageSpec,
    count,
    field,
    flag,
    identifier,
    named,
    price,
    size,
    text,
    time,
)


def held_amount(name: str, meaning: str) -> FieldSpec:
    """A field that is an exact amount of an asset as the exchange keeps it."""
    return field(name, "int", meaning, "exchange asset")


EXCHANGE: Final = identifier("exchange_id", "Which exchange of this process.")
SESSION: Final = identifier("session_id", "The client's connection; negative for one inside the process.")
ACCOUNT: Final = identifier("account_id", "The account.")
REQUEST: Final = identifier("request_id", "The client's own number of the request, given back in the answer.")
VENUE_ORDER: Final = identifier("order_id", "The exchange's id of the order; 0 where the client's id names it.")
CLIENT_ORDER: Final = text("client_order_id", "The client's id of the order, empty for none.")
CODE: Final = named("code", "reject_code", "Why it was refused, for programs; only where it was.")
REFUSED: Final = flag("refused", "Whether it was refused.")
PRIVATE_SEQUENCE: Final = count("sequence", "The number of this report in the account; none is left out.")

ASKED: Final = (EXCHANGE, SESSION, ACCOUNT, REQUEST)

EXCHANGE_GROUP: Final = GroupSpec(
    "exchange", "Exchange", "What clients of the embedded exchange ask, and what it answers.", 400, 499, (
    MessageSpec(400, "SessionOpened", "A client has proved that it holds a key, and asks to trade.", (
        *ASKED,
        text("key_id", "The key."),
        count("scopes", "What the key may do: 1 read, 2 trade, 4 administer, added up."),
        count("nonce", "The key's nonce; each must be larger than the one before."),
        flag("cancel_on_disconnect", "Whether its orders are cancelled when the connection ends."),
        RECEIVE_NS,
    )),
    MessageSpec(401, "SessionClosed", "A client's connection has ended.", (
        EXCHANGE,
        SESSION,
        ACCOUNT,
        REASON,
        RECEIVE_NS,
    )),
    MessageSpec(402, "EntryWanted", "A client wants an order in the book.", (
        *ASKED,
        CLIENT_ORDER,
        INSTRUMENT,
        SIDE,
        named("order_type", "order_type", "When and how it may trade."),
        named("time_in_force", "time_in_force", "How long it stays."),
        price("price", "The limit price; for market-like orders the worst one, for pegged ones the cap."),
        size("size", "The size."),
        price("stop_price", "Where a stop order triggers; 0 for others."),
        size("display_size", "The size that an iceberg shows; 0 shows everything, -1 hides everything."),
        named("post_only", "post_only", "What becomes of it where it would take."),
        time("expire_ns", "When a GTD order ends; 0 for others."),
        named("self_trade", "self_trade", "Self-trade prevention."),
        named("peg_reference", "peg_reference", "What a pegged order follows."),
        field("offset", "i64", "The distance of a pegged price or a trailing stop from what it follows.", "price"),
        named("group_kind", "order_group", "The kind of group that it comes in."),
        count("group_count", "How many orders the group has; they come one behind the other."),
        RECEIVE_NS,
    )),
    MessageSpec(403, "CancelWanted", "A client wants an order cancelled.", (
        *ASKED,
        INSTRUMENT,
        VENUE_ORDER,
        CLIENT_ORDER,
        RECEIVE_NS,
    )),
    MessageSpec(404, "ReplaceWanted", "A client wants another price or size for an order.", (
        *ASKED,
        INSTRUMENT,
        VENUE_ORDER,
        CLIENT_ORDER,
        price("price", "The new price."),
        size("size", "The new total size, what has traded included."),
        RECEIVE_NS,
    )),
    MessageSpec(405, "CancelAllWanted", "A client wants all of its orders cancelled.", (
        *ASKED,
        INSTRUMENT,
        RECEIVE_NS,
    )),
    MessageSpec(406, "AccountStateWanted", "A client asks for what the exchange knows of its account.", (
        *ASKED,
        named("state", "venue_state", "Open orders, fills or balances."),
        count("since_sequence", "For fills: those with a later report number."),
        RECEIVE_NS,
    )),
    MessageSpec(407, "TransferWanted", "An administrator deposits to an account or withdraws from it.", (
        *ASKED,
        identifier("target_account_id", "The account."),
        text("asset", "The asset."),
        held_amount("amount", "How much; negative withdraws."),
        RECEIVE_NS,
    )),
    MessageSpec(408, "StatusWanted", "An administrator changes how an instrument trades.", (
        *ASKED,
        INSTRUMENT,
        named("status", "instrument_status", "How it shall trade."),
        RECEIVE_NS,
    )),
    MessageSpec(420, "SessionAnswered", "Whether a session may go on.", (
        EXCHANGE,
        SESSION,
        ACCOUNT,
        REQUEST,
        REFUSED,
        CODE,
        REASON,
        count("sequence", "The number of the account's last report."),
        VENUE_NS,
    )),
    MessageSpec(421, "RequestAnswered", "The end of the answer to a request.", (
        EXCHANGE,
        SESSION,
        ACCOUNT,
        REQUEST,
        REFUSED,
        CODE,
        REASON,
        VENUE_ORDER,
        CLIENT_ORDER,
        count("affected", "How many orders it concerned, or rows it brought."),
        count("sequence", "The number of the account's last report."),
        VENUE_NS,
    )),
    MessageSpec(422, "OrderReported", "Something has happened to an order of an account.", (
        EXCHANGE,
        ACCOUNT,
        PRIVATE_SEQUENCE,
        identifier("session_id", "The session that asked for the order, or for the row that this is."),
        identifier("request_id", "The request that this answers; 0 where none asked."),
        named("event", "order_event", "What has happened."),
        INSTRUMENT,
        identifier("order_id", "The exchange's id of the order."),
        CLIENT_ORDER,
        SIDE,
        named("order_type", "order_type", "Its type."),
        named("time_in_force", "time_in_force", "Its time in force."),
        price("price", "Its price now; 0 where it has none."),
        size("size", "Its total size."),
        size("filled", "How much of it has traded."),
        size("remaining", "How much of it is left."),
        field("turnover", "int", "What has traded at its prices: average price times filled.", "money"),
        price("stop_price", "Where it triggers, 0 for none."),
        identifier("trade_id", "The trade; 0 where there was none."),
        price("trade_price", "The price of the trade."),
        size("trade_size", "The size of the trade."),
        held_amount("fee", "The fee of the trade; negative for a rebate."),
        text("fee_asset", "The asset of the fee."),
        named("liquidity", "liquidity", "Maker or taker in the trade."),
        named("cause", "cancel_cause", "Why it was cancelled or reduced."),
        named("code", "reject_code", "Why it was refused."),
        identifier("other_order_id", "The other order of a self-trade prevention."),
        REASON,
        VENUE_NS,
    )),
    MessageSpec(423, "BalanceReported", "An account has another balance of an asset.", (
        EXCHANGE,
        ACCOUNT,
        PRIVATE_SEQUENCE,
        identifier("session_id", "For a row of an answer the session that asked; 0 for news."),
        text("asset", "The asset."),
        held_amount("total", "All of it, what is held included."),
        held_amount("held", "What is held for working orders."),
        VENUE_NS,
    )),
))  # fmt: skip
