"""The schema of order messages: what strategies want, and the commands that go to venues. Numbers 100 to 199."""

from __future__ import annotations

from typing import Final

from market.message_schema.forms import (
    INSTRUMENT,
    LADDER,
    ORDER,
    PARENT,
    REASON,
    RECEIVE_NS,
    SIDE,
    SIZE,
    STRATEGY,
    GroupSpec,
    MessageSpec,
    field,
    identifier,
    named,
    price,
    ratio,
    size,
    time,
)

ORDER_FIELDS: Final = (
    ORDER,
    PARENT,
    STRATEGY,
    INSTRUMENT,
    SIDE,
    named("order_type", "order_type", "When and how it may trade."),
    named("time_in_force", "time_in_force", "How long it stays."),
    price("price", "The limit price; 0 for market and stop orders. For a pegged order its cap."),
    SIZE,
    price("stop_price", "Where a stop order triggers; 0 for others."),
    size("display_size", "The size that an iceberg shows; 0 shows everything, -1 hides everything."),
    field("post_only", "bool", "Refused or repriced rather than taking liquidity."),
    field("reduce_only", "bool", "May only make the position smaller."),
    time("expire_ns", "When a GTD order ends; 0 for others."),
    RECEIVE_NS,
    field("group_id", "i64", "Orders of one group cancel each other (one-cancels-other, bracket).", "id", "", 0),
    field("self_trade", "i64", "Self-trade prevention.", "", "self_trade", 0),
    field("peg_reference", "i64", "What a pegged order follows.", "", "peg_reference", 0),
    field("offset", "i64", "The distance of a pegged price or a trailing stop from what it follows.", "price", "", 0),
)

REPLACE_FIELDS: Final = (
    ORDER,
    INSTRUMENT,
    price("price", "The new limit price."),
    size("size", "The new total size, what has been filled included."),
    RECEIVE_NS,
)

ORDERS: Final = GroupSpec(
    "orders", "Orders", "What strategies want, and the commands that go to venues.", 100, 199, (
    MessageSpec(100, "WantedQuotes", "The quotes that a strategy wants to have working; empty ladders mean none.", (
        STRATEGY,
        INSTRUMENT,
        *LADDER,
        ratio("fair_value", "The fair price they were made from, in scaled price units.", "price"),
        field("reason", "str", "Why they are where they are: fair, spread parts, skew."),
        RECEIVE_NS,
    )),
    MessageSpec(101, "ChildOrder", "A new order on its way to the risk checks.", ORDER_FIELDS),
    MessageSpec(102, "NewOrder", "A new order that risk has passed, on its way to the gateway.", ORDER_FIELDS),
    MessageSpec(103, "CancelOrder", "Cancel one order.", (
        ORDER,
        INSTRUMENT,
        REASON,
        RECEIVE_NS,
    )),
    MessageSpec(104, "ChildReplace", "A change of a working order on its way to the risk checks.", REPLACE_FIELDS),
    MessageSpec(105, "ReplaceOrder", "A change of a working order that risk has passed.", REPLACE_FIELDS),
    MessageSpec(106, "CancelAll", "Cancel every working order.", (
        identifier("instrument_id", "Of this instrument; 0 means of all."),
        REASON,
    )),
))  # fmt: skip
