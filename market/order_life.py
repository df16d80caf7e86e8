"""The life of an order as a table of (state, event) -> state, the same for live, paper, backtest and the exchange.

The rules:

- An order begins `PENDING`: sent, not yet acknowledged. It ends `FILLED`, `CANCELLED`, `REJECTED` or `EXPIRED`.
- A fill, a cancel or an expiry may be reported before the acknowledgement, which then changes nothing when it comes.
- A request to cancel or to replace is a wish until the venue answers. Fills go on while it is pending, so the state
  remembers how far the order had come, and a refusal leads back there: to pending, working or partially filled.
- A cancel may be asked for as long as the order is open, more than once, and while a replace is pending: then two
  answers are due, in either order. Because it may be asked for twice, its refusal may come when nothing is pending.
- A replace needs an acknowledged order with no cancel and no other replace pending.
- A refusal may arrive after the end: the order was filled, cancelled or expired before the request reached it.
- Nothing else may follow an end. A fill after a cancel, an end after an end, a replace that succeeds after an end mean
  that two parties no longer agree on what exists: `ImpossibleTransition`, which must never be swallowed.
- A stop order is `WORKING` while it waits; its trigger changes no state.

`docs/order-life.md` is drawn from the tables below by `tools/generate_order_life.py`.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

PENDING: Final = 0
WORKING: Final = 1
PARTIALLY_FILLED: Final = 2
CANCEL_PENDING_UNACKNOWLEDGED: Final = 3
CANCEL_PENDING: Final = 4
CANCEL_PENDING_PARTIALLY_FILLED: Final = 5
REPLACE_PENDING: Final = 6
REPLACE_PENDING_PARTIALLY_FILLED: Final = 7
REPLACE_AND_CANCEL_PENDING: Final = 8
REPLACE_AND_CANCEL_PENDING_PARTIALLY_FILLED: Final = 9
FILLED: Final = 10
CANCELLED: Final = 11
REJECTED: Final = 12
EXPIRED: Final = 13

STATE_NAMES: Final[tuple[str, ...]] = (
    "pending",
    "working",
    "partially filled",
    "cancel pending, unacknowledged",
    "cancel pending",
    "cancel pending, partially filled",
    "replace pending",
    "replace pending, partially filled",
    "replace and cancel pending",
    "replace and cancel pending, partially filled",
    "filled",
    "cancelled",
    "rejected",
    "expired",
)

ACCEPT: Final = 0
REJECT: Final = 1
FILL_PART: Final = 2
FILL_REST: Final = 3
REQUEST_CANCEL: Final = 4
CANCEL: Final = 5
REJECT_CANCEL: Final = 6
REQUEST_REPLACE: Final = 7
REPLACE: Final = 8
REJECT_REPLACE: Final = 9
EXPIRE: Final = 10
TRIGGER: Final = 11

EVENT_NAMES: Final[tuple[str, ...]] = (
    "accept",
    "reject",
    "fill part",
    "fill rest",
    "request cancel",
    "cancel",
    "reject cancel",
    "request replace",
    "replace",
    "reject replace",
    "expire",
    "trigger",
)

TRANSITIONS: Final[dict[int, dict[int, int]]] = {
    PENDING: {
        ACCEPT: WORKING,
        REJECT: REJECTED,
        FILL_PART: PARTIALLY_FILLED,
        FILL_REST: FILLED,
        REQUEST_CANCEL: CANCEL_PENDING_UNACKNOWLEDGED,
        CANCEL: CANCELLED,
        REJECT_CANCEL: PENDING,
        EXPIRE: EXPIRED,
    },
    WORKING: {
        FILL_PART: PARTIALLY_FILLED,
        FILL_REST: FILLED,
        REQUEST_CANCEL: CANCEL_PENDING,
        CANCEL: CANCELLED,
        REJECT_CANCEL: WORKING,
        REQUEST_REPLACE: REPLACE_PENDING,
        EXPIRE: EXPIRED,
        TRIGGER: WORKING,
    },
    PARTIALLY_FILLED: {
        ACCEPT: PARTIALLY_FILLED,
        FILL_PART: PARTIALLY_FILLED,
        FILL_REST: FILLED,
        REQUEST_CANCEL: CANCEL_PENDING_PARTIALLY_FILLED,
        CANCEL: CANCELLED,
        REJECT_CANCEL: PARTIALLY_FILLED,
        REQUEST_REPLACE: REPLACE_PENDING_PARTIALLY_FILLED,
        EXPIRE: EXPIRED,
    },
    CANCEL_PENDING_UNACKNOWLEDGED: {
        ACCEPT: CANCEL_PENDING,
        REJECT: REJECTED,
        FILL_PART: CANCEL_PENDING_PARTIALLY_FILLED,
        FILL_REST: FILLED,
        REQUEST_CANCEL: CANCEL_PENDING_UNACKNOWLEDGED,
        CANCEL: CANCELLED,
        REJECT_CANCEL: PENDING,
        EXPIRE: EXPIRED,
    },
    CANCEL_PENDING: {
        FILL_PART: CANCEL_PENDING_PARTIALLY_FILLED,
        FILL_REST: FILLED,
        REQUEST_CANCEL: CANCEL_PENDING,
        CANCEL: CANCELLED,
        REJECT_CANCEL: WORKING,
        EXPIRE: EXPIRED,
        TRIGGER: CANCEL_PENDING,
    },
    CANCEL_PENDING_PARTIALLY_FILLED: {
        ACCEPT: CANCEL_PENDING_PARTIALLY_FILLED,
        FILL_PART: CANCEL_PENDING_PARTIALLY_FILLED,
        FILL_REST: FILLED,
        REQUEST_CANCEL: CANCEL_PENDING_PARTIALLY_FILLED,
        CANCEL: CANCELLED,
        REJECT_CANCEL: PARTIALLY_FILLED,
        EXPIRE: EXPIRED,
    },
    REPLACE_PENDING: {
        FILL_PART: REPLACE_PENDING_PARTIALLY_FILLED,
        FILL_REST: FILLED,
        REQUEST_CANCEL: REPLACE_AND_CANCEL_PENDING,
        CANCEL: CANCELLED,
        REJECT_CANCEL: REPLACE_PENDING,
        REPLACE: WORKING,
        REJECT_REPLACE: WORKING,
        EXPIRE: EXPIRED,
        TRIGGER: REPLACE_PENDING,
    },
    REPLACE_PENDING_PARTIALLY_FILLED: {
        ACCEPT: REPLACE_PENDING_PARTIALLY_FILLED,
        FILL_PART: REPLACE_PENDING_PARTIALLY_FILLED,
        FILL_REST: FILLED,
        REQUEST_CANCEL: REPLACE_AND_CANCEL_PENDING_PARTIALLY_FILLED,
        CANCEL: CANCELLED,
        REJECT_CANCEL: REPLACE_PENDING_PARTIALLY_FILLED,
        REPLACE: PARTIALLY_FILLED,
        REJECT_REPLACE: PARTIALLY_FILLED,
        EXPIRE: EXPIRED,
    },
    REPLACE_AND_CANCEL_PENDING: {
        FILL_PART: REPLACE_AND_CANCEL_PENDING_PARTIALLY_FILLED,
        FILL_REST: FILLED,
        REQUEST_CANCEL: REPLACE_AND_CANCEL_PENDING,
        CANCEL: CANCELLED,
        REJECT_CANCEL: REPLACE_PENDING,
        REPLACE: CANCEL_PENDING,
        REJECT_REPLACE: CANCEL_PENDING,
        EXPIRE: EXPIRED,
        TRIGGER: REPLACE_AND_CANCEL_PENDING,
    },
    REPLACE_AND_CANCEL_PENDING_PARTIALLY_FILLED: {
        ACCEPT: REPLACE_AND_CANCEL_PENDING_PARTIALLY_FILLED,
        FILL_PART: REPLACE_AND_CANCEL_PENDING_PARTIALLY_FILLED,
        FILL_REST: FILLED,
        REQUEST_CANCEL: REPLACE_AND_CANCEL_PENDING_PARTIALLY_FILLED,
        CANCEL: CANCELLED,
        REJECT_CANCEL: REPLACE_PENDING_PARTIALLY_FILLED,
        REPLACE: CANCEL_PENDING_PARTIALLY_FILLED,
        REJECT_REPLACE: CANCEL_PENDING_PARTIALLY_FILLED,
        EXPIRE: EXPIRED,
    },
    FILLED: {ACCEPT: FILLED, REJECT_CANCEL: FILLED, REJECT_REPLACE: FILLED},
    CANCELLED: {ACCEPT: CANCELLED, REJECT_CANCEL: CANCELLED, REJECT_REPLACE: CANCELLED},
    REJECTED: {REJECT_CANCEL: REJECTED},
    EXPIRED: {ACCEPT: EXPIRED, REJECT_CANCEL: EXPIRED, REJECT_REPLACE: EXPIRED},
}

_STATES: Final = 14
_EVENTS: Final = 12
_IMPOSSIBLE: Final = 255


def _flattened() -> bytes:
    """The tables as one row of bytes a state, so that a lookup is one read."""
    flat = bytearray([_IMPOSSIBLE] * (_STATES * _EVENTS))
    for state, row in TRANSITIONS.items():
        for event, following in row.items():
            flat[state * _EVENTS + event] = following
    return bytes(flat)


_FLAT: Final[bytes] = _flattened()


class ImpossibleTransition(ValueError):
    """An order was told what cannot follow from its state: trust nothing that is known of it, and ask the venue.

    `state` and `event` are the numbers, the message names both.
    """

    def __init__(self, state: int, event: int) -> None:
        """Name the state and the event."""
        super().__init__(f"an order that is {state_name(state)!r} cannot take the event {event_name(event)!r}")
        self.state = state
        self.event = event


def next_state(state: i64, event: i64) -> i64:
    """The state after an event, or `ImpossibleTransition`."""
    following = _looked_up(state, event)
    if following == _IMPOSSIBLE:
        raise ImpossibleTransition(state, event)
    return following


def may(state: i64, event: i64) -> bool:
    """Whether an order in this state can take this event."""
    return _looked_up(state, event) != _IMPOSSIBLE


def is_final(state: i64) -> bool:
    """Whether the order's life is over."""
    return state >= FILLED


def is_cancel_pending(state: i64) -> bool:
    """Whether a request to cancel awaits its answer."""
    return (
        CANCEL_PENDING_UNACKNOWLEDGED <= state <= CANCEL_PENDING_PARTIALLY_FILLED
        or REPLACE_AND_CANCEL_PENDING <= state <= REPLACE_AND_CANCEL_PENDING_PARTIALLY_FILLED
    )


def is_replace_pending(state: i64) -> bool:
    """Whether a request to replace awaits its answer."""
    return REPLACE_PENDING <= state <= REPLACE_AND_CANCEL_PENDING_PARTIALLY_FILLED


def state_name(state: int) -> str:
    """The state in words, for people."""
    if 0 <= state < _STATES:
        return STATE_NAMES[state]
    return f"unknown state {state}"


def event_name(event: int) -> str:
    """The event in words, for people."""
    if 0 <= event < _EVENTS:
        return EVENT_NAMES[event]
    return f"unknown event {event}"


def _looked_up(state: i64, event: i64) -> i64:
    if state < 0 or state >= _STATES or event < 0 or event >= _EVENTS:
        return _IMPOSSIBLE
    return _FLAT[state * _EVENTS + event]
