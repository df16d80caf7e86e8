"""What `Risk` makes of an order that passes: the same order, on its way to its venue. It changes nothing in it."""

from __future__ import annotations

from market.messages import ChildOrder, NewOrder


def new_order(order: ChildOrder) -> NewOrder:
    """The order as it leaves."""
    return NewOrder(
        order.order_id, order.parent_id, order.strategy_id, order.instrument_id, order.side, order.order_type,
        order.time_in_force, order.price, order.size, order.stop_price, order.display_size, order.post_only,
        order.reduce_only, order.expire_ns, order.receive_ns, order.group_id, order.self_trade, order.peg_reference,
        order.offset,
    )  # fmt: skip
