"""The forms that the message schema is written in, and the fields that many messages share.

Plain data, checked by the generator. Nothing here is on a hot path: compiled code uses what is generated from it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

FIELD_KINDS: Final = ("i64", "int", "bool", "f64", "str", "bytes", "i64s")

#: What a unit name means, for the documentation. Every unit that a field names stands here.
UNITS: Final[dict[str, str]] = {
    "price": "price in units of 10^-price_scale of the instrument",
    "size": "size in units of 10^-size_scale of the instrument",
    "size parts": "exact size in units of 10^-(size_scale + 9) of the instrument, billionths of a unit of its sizes",
    "money": "exact amount in the quote currency, in units of 10^-(price_scale + size_scale) of the instrument",
    "base money": "exact amount in the portfolio's base currency, in units of 10^-8",
    "asset": "exact amount of an asset, in units of 10^-8",
    "exchange asset": "exact amount of an asset as the embedded exchange keeps it, in units of 10^-12",
    "ns": "wall time in nanoseconds since 1970-01-01 UTC",
    "duration ns": "length of time in nanoseconds",
    "rate": "exact rate in units of 10^-12 (a funding rate of 0.01 % is 100,000,000)",
    "ppm": "parts per million",
    "bps": "basis points, as a float for statistics",
    "id": "identifier; 0 means none unless said otherwise",
    "count": "a number of things",
    "ratio": "a plain number without unit",
}


class FieldSpec(NamedTuple):
    """One field of a message: its kind, its meaning, and since which minor version it exists."""

    name: str
    kind: str
    meaning: str
    unit: str = ""
    values: str = ""
    default: int | float | bool | str | None = None
    since: int = 1


class MessageSpec(NamedTuple):
    """One message: a number that is never used again for another, and its fields in the order of the binary form."""

    schema_id: int
    name: str
    meaning: str
    fields: tuple[FieldSpec, ...]
    since: int = 1

    @property
    def minor(self) -> int:
        """The minor version that is written into the header: the newest of the message and of its fields."""
        return max([self.since, *(field.since for field in self.fields)])

    @property
    def route_field(self) -> str:
        """The field that routes the message: its instrument, or none."""
        for field in self.fields:
            if field.name == "instrument_id":
                return field.name
        return ""


class GroupSpec(NamedTuple):
    """One group of the catalogue, which is one generated module; its numbers lie in `first_id` to `last_id`."""

    module: str
    title: str
    meaning: str
    first_id: int
    last_id: int
    messages: tuple[MessageSpec, ...]


class ValuesSpec(NamedTuple):
    """The named values of a field. A member is (constant, value, meaning); `prefix` is left out of its JSON name."""

    name: str
    meaning: str
    prefix: str
    members: tuple[tuple[str, int, str], ...]

    def json_name(self, constant: str) -> str:
        """The readable name of a constant in the JSON form."""
        return constant.removeprefix(self.prefix).lower()


def field(
    name: str,
    kind: str,
    meaning: str,
    unit: str = "",
    values: str = "",
    default: int | float | bool | str | None = None,
    since: int = 1,
) -> FieldSpec:
    """A field of its own, for what is not shared."""
    return FieldSpec(name, kind, meaning, unit, values, default, since)


def text(name: str, meaning: str) -> FieldSpec:
    """A field of text."""
    return FieldSpec(name, "str", meaning)


def identifier(name: str, meaning: str) -> FieldSpec:
    """A field that identifies something by a number."""
    return FieldSpec(name, "i64", meaning, "id")


def price(name: str, meaning: str) -> FieldSpec:
    """A field that is a scaled price."""
    return FieldSpec(name, "i64", meaning, "price")


def size(name: str, meaning: str) -> FieldSpec:
    """A field that is a scaled size."""
    return FieldSpec(name, "i64", meaning, "size")


def time(name: str, meaning: str) -> FieldSpec:
    """A field that is a point in time."""
    return FieldSpec(name, "i64", meaning, "ns")


def duration(name: str, meaning: str) -> FieldSpec:
    """A field that is a length of time."""
    return FieldSpec(name, "i64", meaning, "duration ns")


def count(name: str, meaning: str) -> FieldSpec:
    """A field that counts."""
    return FieldSpec(name, "i64", meaning, "count")


def money(name: str, meaning: str) -> FieldSpec:
    """A field that is an exact amount in the instrument's quote currency."""
    return FieldSpec(name, "int", meaning, "money")


def base_money(name: str, meaning: str) -> FieldSpec:
    """A field that is an exact amount in the portfolio's base currency."""
    return FieldSpec(name, "int", meaning, "base money")


def asset_amount(name: str, meaning: str) -> FieldSpec:
    """A field that is an exact amount of an asset."""
    return FieldSpec(name, "int", meaning, "asset")


def ratio(name: str, meaning: str, unit: str = "ratio") -> FieldSpec:
    """A field that is a statistic."""
    return FieldSpec(name, "f64", meaning, unit)


def ids(name: str, meaning: str) -> FieldSpec:
    """A field that lists identifiers."""
    return FieldSpec(name, "i64s", meaning, "id")


def sizes(name: str, meaning: str) -> FieldSpec:
    """A field that lists scaled sizes."""
    return FieldSpec(name, "i64s", meaning, "size")


def flag(name: str, meaning: str) -> FieldSpec:
    """A field that is true or false."""
    return FieldSpec(name, "bool", meaning)


def raw(name: str, meaning: str) -> FieldSpec:
    """A field of bytes."""
    return FieldSpec(name, "bytes", meaning)


def named(name: str, values: str, meaning: str) -> FieldSpec:
    """A field that holds one of the named values."""
    return FieldSpec(name, "i64", meaning, "", values)


INSTRUMENT: Final = identifier("instrument_id", "The instrument.")
CONNECTION: Final = identifier("connection_id", "The connection to the venue.")
STRATEGY: Final = identifier("strategy_id", "The strategy it belongs to.")
ORDER: Final = identifier("order_id", "Our own order id, unique across restarts.")
PARENT: Final = identifier("parent_id", "The parent order that it works for; 0 for a quote.")
SIDE: Final = named("side", "side", "Buy or sell.")
PRICE: Final = price("price", "The price.")
SIZE: Final = size("size", "The size.")
REASON: Final = text("reason", "Why, for people.")
VENUE_NS: Final = time("venue_ns", "When the venue says that it happened; 0 when it does not say.")
RECEIVE_NS: Final = time("receive_ns", "When the input that caused it was received, for measuring latency.")
LADDER: Final = (
    field("bid_prices", "i64s", "Bid prices, best first.", "price"),
    field("bid_sizes", "i64s", "The size at each bid price.", "size"),
    field("ask_prices", "i64s", "Ask prices, best first.", "price"),
    field("ask_sizes", "i64s", "The size at each ask price.", "size"),
)
