"""The schema of execution messages: what became of orders, and what we hold. Numbers 200 to 299."""

from __future__ import annotations

from typing import Final

from market.message_schema.forms import (
    INSTRUMENT,
    ORDER,
    PRICE,
    REASON,
    SIDE,
    SIZE,
    STRATEGY,
    VENUE_NS,
    GroupSpec,
    MessageSpec,
    identifier,
    money,
    named,
    price,
    size,
    text,
)

CODE = named("code", "reject_code", "Why, for programs.")

EXECUTIONS: Final = GroupSpec(
    "executions", "Executions", "What became of orders, and what we hold.", 200, 299, (
    MessageSpec(200, "OrderAccepted", "The venue has the order and it is working.", (
        ORDER,
        INSTRUMENT,
        text("venue_order_id", "The venue's own id of the order."),
        VENUE_NS,
    )),
    MessageSpec(201, "OrderRejected", "The order was refused and never worked.", (
        ORDER,
        INSTRUMENT,
        CODE,
        REASON,
        text("source", "Who refused: risk, gateway, venue."),
    )),
    MessageSpec(202, "OrderFilled", "The order traded, in part or whole.", (
        ORDER,
        INSTRUMENT,
        STRATEGY,
        identifier("trade_id", "The venue's trade number; a fill with one seen before is a duplicate."),
        SIDE,
        price("price", "The price of this fill."),
        size("size", "The size of this fill."),
        size("remaining", "What is left of the order."),
        money("fee", "The fee; negative for a rebate."),
        named("liquidity", "liquidity", "Maker or taker."),
        VENUE_NS,
    )),
    MessageSpec(203, "OrderCancelled", "The order is no longer working.", (
        ORDER,
        INSTRUMENT,
        size("remaining", "The size that will not trade."),
        named("cause", "cancel_cause", "Why, for programs."),
        REASON,
    )),
    MessageSpec(204, "CancelRejected", "A cancel was refused; the order is as it was, or unknown.", (
        ORDER,
        INSTRUMENT,
        CODE,
        REASON,
    )),
    MessageSpec(205, "OrderReplaced", "The order works at its new price and size.", (
        ORDER,
        INSTRUMENT,
        PRICE,
        SIZE,
        VENUE_NS,
    )),
    MessageSpec(206, "ReplaceRejected", "A change was refused; the order is as it was, or unknown.", (
        ORDER,
        INSTRUMENT,
        CODE,
        REASON,
    )),
    MessageSpec(207, "OrderExpired", "The time of the order ran out.", (
        ORDER,
        INSTRUMENT,
        size("remaining", "The size that will not trade."),
    )),
    MessageSpec(208, "OrderTriggered", "A stop order reached its stop price and now works.", (
        ORDER,
        INSTRUMENT,
        price("stop_price", "The price that triggered it."),
        VENUE_NS,
    )),
    MessageSpec(209, "PositionChanged", "A position after a fill, funding or settlement.", (
        INSTRUMENT,
        STRATEGY,
        size("net_size", "The position; negative is short."),
        money("average_price_numerator", "The sum of price times size of what is open; over |net_size| the average."),
        money("realised", "Realised P&L since the start, without fees."),
        money("fees", "Fees paid since the start; negative when rebates prevail."),
    )),
))  # fmt: skip
