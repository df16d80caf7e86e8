"""An order as it is handed to the matching engine: all of its fields, in integers.

The engine reads an entry and keeps nothing of the object, so one object may be changed and handed in again.
"""

from __future__ import annotations

from typing import final

from mypy_extensions import i64, mypyc_attr

from market.messages.constants import GTC, LIMIT


@mypyc_attr(acyclic=True, free_list_len=1)
@final
class OrderEntry:
    """The fields of an order; see `docs/matching.md` for what each does."""

    def __init__(
        self,
        order_id: i64,
        account_id: i64,
        account_group: i64,
        side: i64,
        order_type: i64 = LIMIT,
        time_in_force: i64 = GTC,
        price: i64 = 0,
        size: i64 = 0,
        stop_price: i64 = 0,
        display_size: i64 = 0,
        post_only: i64 = 0,
        expire_ns: i64 = 0,
        self_trade: i64 = 0,
        peg_reference: i64 = 0,
        offset: i64 = 0,
    ) -> None:
        """Take the fields as they are: the engine judges them."""
        self.order_id: i64 = order_id
        self.account_id: i64 = account_id
        self.account_group: i64 = account_group
        self.side: i64 = side
        self.order_type: i64 = order_type
        self.time_in_force: i64 = time_in_force
        self.price: i64 = price
        self.size: i64 = size
        self.stop_price: i64 = stop_price
        self.display_size: i64 = display_size
        self.post_only: i64 = post_only
        self.expire_ns: i64 = expire_ns
        self.self_trade: i64 = self_trade
        self.peg_reference: i64 = peg_reference
        self.offset: i64 = offset
