"""What clients of the exchange write: the form of every request, and how a frame becomes requests.

A frame is one request or an array of them, in JSON. Forms are strict: a field that is not known, a value of another
type, a price that is a JSON number are refused with a text that says what to write instead, and the other requests of
the frame are served. Prices and sizes are decimal text and become scaled integers exactly. It knows no socket, no
session and no clock. The page `docs/exchange-protocol.md` is the contract; a test reads its examples with this module.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from market.message_schema.values import VALUES
from market.messages import EntryWanted
from market.numbers import NumberError, TooManyDigits, decimal_places, parse_decimal

LONGEST_WHOLE: Final = 20
LARGEST_ID: Final = 2**53 - 1
"""The largest integer that every JSON library keeps exactly."""

MAX_I64: Final = 2**63 - 1
NANOSECONDS_PER_MILLISECOND: Final = 1_000_000

Id = Annotated[int, Meta(ge=1, le=LARGEST_ID)]
OrderId = Annotated[int, Meta(ge=0, le=MAX_I64)]
Milliseconds = Annotated[int, Meta(ge=0, le=LARGEST_ID)]
Symbol = Annotated[str, Meta(max_length=64)]
Decimal = Annotated[str, Meta(max_length=40)]
ClientId = Annotated[str, Meta(max_length=36)]

SideWord = Literal["buy", "sell"]
TypeWord = Literal[
    "limit", "market", "stop", "stop_limit", "trailing_stop", "trailing_stop_limit", "pegged", "take_profit",
    "take_profit_limit",
]  # fmt: skip
ForceWord = Literal["gtc", "ioc", "fok", "gtd", "day"]
PostOnlyWord = Literal["none", "reject", "reprice"]
SelfTradeWord = Literal[
    "none", "cancel_resting", "cancel_incoming", "cancel_both", "cancel_smallest", "decrement_both"
]  # fmt: skip
PegWord = Literal["none", "mid", "near", "far"]
GroupWord = Literal["oco", "bracket"]
StatusWord = Literal["closed", "trading", "halted", "auction", "cancel_only", "post_only", "delisted"]
StateWord = Literal["open_orders", "fills", "balances"]

HIDDEN: Final = "hidden"


class Refused(Exception):
    """A request that cannot be served: a code for programs and a text that says what to do."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class Malformed(Refused):
    """A frame, or a request in it, that does not have the form; `request_id` is 0 where none could be read."""

    def __init__(self, text: str, request_id: int = 0) -> None:
        super().__init__("malformed", text)
        self.request_id = request_id


# ---- the words of fields, as the schema of messages has them


def _words(name: str) -> dict[int, str]:
    spec = next(one for one in VALUES if one.name == name)
    return {number: spec.json_name(constant) for constant, number, _meaning in spec.members}


SIDES: Final = _words("side")
ORDER_TYPES: Final = _words("order_type")
TIMES_IN_FORCE: Final = _words("time_in_force")
POST_ONLY: Final = _words("post_only")
SELF_TRADES: Final = _words("self_trade")
PEGS: Final = _words("peg_reference")
GROUPS: Final = _words("order_group")
STATUSES: Final = _words("instrument_status")
ORDER_EVENTS: Final = _words("order_event")
REJECT_CODES: Final = _words("reject_code")
CAUSES: Final = _words("cancel_cause")
LIQUIDITIES: Final = _words("liquidity")


def _numbers(words: dict[int, str]) -> dict[str, int]:
    return {word: number for number, word in words.items()}


SIDE_NUMBERS: Final = _numbers(SIDES)
TYPE_NUMBERS: Final = _numbers(ORDER_TYPES)
FORCE_NUMBERS: Final = _numbers(TIMES_IN_FORCE)
POST_ONLY_NUMBERS: Final = _numbers(POST_ONLY)
SELF_TRADE_NUMBERS: Final = _numbers(SELF_TRADES)
PEG_NUMBERS: Final = _numbers(PEGS)
GROUP_NUMBERS: Final = _numbers(GROUPS)
STATUS_NUMBERS: Final = _numbers(STATUSES)
STATE_NUMBERS: Final[dict[str, int]] = {
    word: number for word, number in _numbers(_words("venue_state")).items() if word != "positions"
}


# ---- the requests


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What all objects that clients write have in common: no field may be there that is not known."""


class Request(Form, frozen=True, kw_only=True, tag_field="type"):
    """A request: `id` is the client's own number of it and comes back in the answer."""

    id: Id


class OrderForm(Form, frozen=True, kw_only=True):
    """An order, as it stands in a request of its own or in a group."""

    symbol: Symbol
    side: SideWord
    size: Decimal
    order_type: TypeWord = "limit"
    price: Decimal = ""
    time_in_force: ForceWord = "gtc"
    client_order_id: ClientId = ""
    stop_price: Decimal = ""
    display_size: Decimal = ""
    post_only: PostOnlyWord = "none"
    expire_ms: Milliseconds = 0
    self_trade: SelfTradeWord = "none"
    peg: PegWord = "none"
    offset: Decimal = ""


class Login(Request, frozen=True, kw_only=True, tag="login"):
    """Prove that the client holds a key."""

    key: Annotated[str, Meta(max_length=64)]
    time_ms: Milliseconds
    nonce: Annotated[int, Meta(ge=1, le=MAX_I64)]
    signature: Annotated[str, Meta(max_length=128)]
    cancel_on_disconnect: bool = False


class Order(OrderForm, frozen=True, kw_only=True, tag_field="type", tag="order"):
    """Put an order in."""

    id: Id


class Group(Request, frozen=True, kw_only=True, tag="group"):
    """Put orders in that depend on each other."""

    kind: GroupWord
    orders: Annotated[list[OrderForm], Meta(min_length=2, max_length=3)]


class Cancel(Request, frozen=True, kw_only=True, tag="cancel"):
    """Take an order out, by the exchange's id or by the client's."""

    symbol: Symbol
    order_id: OrderId = 0
    client_order_id: ClientId = ""


class Replace(Request, frozen=True, kw_only=True, tag="replace"):
    """Give an order another price or size."""

    symbol: Symbol
    size: Decimal
    price: Decimal = ""
    order_id: OrderId = 0
    client_order_id: ClientId = ""


class CancelAll(Request, frozen=True, kw_only=True, tag="cancel_all"):
    """Take all orders of the account out, of one symbol or of all."""

    symbol: Symbol = ""


class State(Request, frozen=True, kw_only=True, tag="state"):
    """Ask what the exchange knows of the account."""

    what: StateWord
    since_sequence: OrderId = 0


class Transfer(Request, frozen=True, kw_only=True, tag="transfer"):
    """Deposit to an account, or withdraw from it with a negative amount."""

    account: Annotated[int, Meta(ge=1, le=LARGEST_ID)]
    asset: Annotated[str, Meta(min_length=1, max_length=32)]
    amount: Decimal


class SetStatus(Request, frozen=True, kw_only=True, tag="set_status"):
    """Change how an instrument trades."""

    symbol: Symbol
    status: StatusWord


class Subscribe(Request, frozen=True, kw_only=True, tag="subscribe"):
    """Begin to receive public channels."""

    channels: Annotated[list[Annotated[str, Meta(max_length=80)]], Meta(min_length=1, max_length=100)]
    checksum: bool = False


class Unsubscribe(Request, frozen=True, kw_only=True, tag="unsubscribe"):
    """Receive public channels no longer."""

    channels: Annotated[list[Annotated[str, Meta(max_length=80)]], Meta(min_length=1, max_length=100)]


class Instruments(Request, frozen=True, kw_only=True, tag="instruments"):
    """Ask what is traded here, with steps and minimums."""


class PingRequest(Request, frozen=True, kw_only=True, tag="ping"):
    """Ask for an answer, to measure the way there and back."""


AnyRequest = (
    Login
    | Order
    | Group
    | Cancel
    | Replace
    | CancelAll
    | State
    | Transfer
    | SetStatus
    | Subscribe
    | Unsubscribe
    | Instruments
    | PingRequest
)

_FRAMES: Final = msgspec.json.Decoder(list[AnyRequest] | AnyRequest)
_ONE: Final = msgspec.json.Decoder(AnyRequest)
_PARTS: Final = msgspec.json.Decoder(list[msgspec.Raw])


class _OnlyId(msgspec.Struct):
    id: Id


_ID: Final = msgspec.json.Decoder(_OnlyId)
_RAW_HALF: Final = re.compile(r"[\ud800-\udfff]")
_HALF_OF_A_PAIR: Final = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


def decode_frame(frame: str, most_requests: int) -> list[AnyRequest | Malformed]:
    """The requests of a frame, in order; in the place of one that has no right form stands what is wrong with it.

    Raises `Malformed` where the frame as a whole is none.
    """
    try:
        found = _FRAMES.decode(frame)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        halved = _decode_halved(frame, most_requests)
        if halved:
            return halved
        if isinstance(error, msgspec.ValidationError):
            return _decode_each(frame, most_requests)
        raise Malformed(f"the frame is no JSON: {_shortened(error)}") from None
    if not isinstance(found, list):
        return [found]
    _check_count(len(found), most_requests)
    return list(found)


def _decode_each(frame: str, most_requests: int) -> list[AnyRequest | Malformed]:
    """Request by request, so that a bad one spoils no other."""
    if not frame.lstrip().startswith("["):
        return [_decode_one(frame)]
    try:
        parts = _PARTS.decode(frame)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"the frame is no JSON: {_shortened(error)}") from None
    _check_count(len(parts), most_requests)
    return [_decode_one(bytes(part)) for part in parts]


def _decode_halved(frame: str, most_requests: int) -> list[AnyRequest | Malformed]:
    """A frame with half of a surrogate pair in a text, which a stricter reader takes for no JSON; empty for others."""
    if not _HALF_OF_A_PAIR.search(frame):
        return []
    try:
        found = json.loads(frame)
        parts = found if isinstance(found, list) else [found]
        texts = [json.dumps(part, ensure_ascii=False) for part in parts]
    except (ValueError, RecursionError):
        return []
    if not any(map(_RAW_HALF.search, texts)):
        return []
    _check_count(len(parts), most_requests)
    return [
        Malformed("a text has half of a surrogate pair: write whole characters", _loose_id(part))
        if _RAW_HALF.search(text)
        else _decode_one(text)
        for part, text in zip(parts, texts, strict=True)
    ]


def _loose_id(part: object) -> int:
    found = part.get("id") if isinstance(part, dict) else None
    return found if type(found) is int and 1 <= found <= LARGEST_ID else 0


def _decode_one(text: str | bytes) -> AnyRequest | Malformed:
    try:
        request: AnyRequest = _ONE.decode(text)
        return request
    except (msgspec.ValidationError, RecursionError) as error:
        wrong = error
    except msgspec.DecodeError as error:
        return Malformed(f"the request is no JSON: {_shortened(error)}")
    try:
        request_id = _ID.decode(text).id
    except (msgspec.DecodeError, RecursionError):
        request_id = 0
    return Malformed(_told(wrong), request_id)


def _check_count(count: int, most_requests: int) -> None:
    if count > most_requests:
        raise Malformed(f"the frame holds {count} requests: send at most {most_requests} in one")


def _told(error: Exception) -> str:
    """What is wrong with a request, with the remedy where the mistake is a common one."""
    text = _shortened(error)
    found = re.match(r"Expected `str`, got `(int|float)` - at `\$\.(.+)`", text)
    if found:
        return f"{found[2]} is a JSON number: write it as text in quotes, such as \"0.01\""
    return text


def _shortened(error: Exception) -> str:
    text = str(error)
    return text if len(text) <= 200 else f"{text[:200]}..."


# ---- from the words of a request to the numbers of a message


class Listing:
    """An instrument as a request needs it: its number, its symbol and its scales."""

    __slots__ = ("instrument_id", "money_scale", "price_scale", "size_scale", "symbol")

    def __init__(self, instrument_id: int, symbol: str, price_scale: int, size_scale: int, money_scale: int) -> None:
        self.instrument_id = instrument_id
        self.symbol = symbol
        self.price_scale = price_scale
        self.size_scale = size_scale
        self.money_scale = money_scale


def parse_amount(name: str, text: str, scale: int) -> int:
    """Decimal text as a scaled integer, exactly; empty text is 0."""
    if not text:
        return 0
    try:
        value = parse_decimal(text, scale, True)
    except TooManyDigits:
        places = f"{text!r} has more than {scale} decimal places"
        raise Refused("malformed", f"{name}: {places}: keep to the steps that the request instruments tells") from None
    except NumberError as error:
        raise Refused("malformed", f"{name}: {error}") from None
    if value < 0 or "-" in text:
        raise Refused("malformed", f"{name}: {text!r} is negative, or has a sign: write it without one")
    if "e" in text or "E" in text or "+" in text:
        raise Refused("malformed", f"{name}: {text!r}: write all digits, without sign or exponent")
    return value


def parse_transfer(text: str, scale: int) -> int:
    """The amount of a transfer, exactly; it may be negative, and larger than what prices and sizes can be."""
    try:
        places = decimal_places(text)
    except NumberError as error:
        raise Refused("malformed", f"amount: {error}") from None
    if places > scale:
        raise Refused("malformed", f"amount: {text!r} has more than {scale} decimal places")
    whole, _, fraction = text.removeprefix("-").partition(".")
    if text.startswith("+") or len(whole) > LONGEST_WHOLE:
        raise Refused("malformed", f"amount: write it without +, with at most {LONGEST_WHOLE} digits before the point")
    amount = int(whole + fraction.rstrip("0").ljust(scale, "0"))
    return -amount if text.startswith("-") else amount


def check_client_order_id(text: str) -> str:
    """The client's id of an order: printable characters of ASCII."""
    if text and not (text.isascii() and text.isprintable()):
        raise Refused("malformed", "client_order_id: use printable ASCII characters only")
    return text


class Asker:
    """Who asks: the session, the account, and the exchange that is asked."""

    __slots__ = ("account_id", "exchange_id", "session_id")

    def __init__(self, exchange_id: int, session_id: int, account_id: int) -> None:
        self.exchange_id = exchange_id
        self.session_id = session_id
        self.account_id = account_id


def entry_of(
    form: OrderForm, asker: Asker, request_id: int, listing: Listing, now_ns: int, group_kind: int = 0, count: int = 1
) -> EntryWanted:
    """The message of an order; its numbers are exact or it is refused. Whether they make sense the engine says."""
    size_scale = listing.size_scale
    price_scale = listing.price_scale
    display = form.display_size
    return EntryWanted(
        asker.exchange_id,
        asker.session_id,
        asker.account_id,
        request_id,
        check_client_order_id(form.client_order_id),
        listing.instrument_id,
        SIDE_NUMBERS[form.side],
        TYPE_NUMBERS[form.order_type],
        FORCE_NUMBERS[form.time_in_force],
        parse_amount("price", form.price, price_scale),
        parse_amount("size", form.size, size_scale),
        parse_amount("stop_price", form.stop_price, price_scale) if form.stop_price else 0,
        (-1 if display == HIDDEN else parse_amount("display_size", display, size_scale)) if display else 0,
        POST_ONLY_NUMBERS[form.post_only],
        form.expire_ms * NANOSECONDS_PER_MILLISECOND if form.expire_ms else 0,
        SELF_TRADE_NUMBERS[form.self_trade],
        PEG_NUMBERS[form.peg],
        parse_amount("offset", form.offset, price_scale) if form.offset else 0,
        group_kind,
        count,
        now_ns,
    )
