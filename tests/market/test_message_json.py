"""The JSON form of messages: what people read, and what is refused when they write it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.message_schema.catalogue import MESSAGES
from market.messages import (
    CAUSE_REQUESTED,
    LIVE,
    MESSAGE_TYPES,
    Message,
    MessageError,
    OrderCancelled,
    PositionChanged,
    RawFrame,
    TopOfBook,
    encode,
    from_json,
    name_of,
    to_json,
)
from tests.generators import messages
from tests.seeds import examples


def test_json_form_is_readable() -> None:
    """Fields by name, named values by their names, unknown values as numbers, bytes as text or as base64."""
    top = TopOfBook(1, LIVE, 2, 3, 4, 5, 6, 7, 8)
    assert to_json(top).startswith('{"type": "TopOfBook", "instrument_id": 1, "state": "live", "bid_price": 2,')
    cancelled = json.loads(to_json(OrderCancelled(1, 2, 3, CAUSE_REQUESTED, "done")))
    assert cancelled["cause"] == "requested"
    assert json.loads(to_json(OrderCancelled(1, 2, 3, 99, "")))["cause"] == 99
    assert json.loads(to_json(RawFrame(1, 1, 0, 0, b'{"a":1}')))["data"] == '{"a":1}'
    assert json.loads(to_json(RawFrame(1, 1, 0, 0, b"\xff")))["data"] == {"base64": "/w=="}
    assert json.loads(to_json(RawFrame(1, 1, 0, 0, b"")))["kind"] == "snapshot"
    big = json.loads(to_json(PositionChanged(1, 2, 3, 10**40, -(10**40), 0)))
    assert (big["average_price_numerator"], big["realised"]) == (10**40, -(10**40))


def test_json_may_leave_out_what_has_a_default() -> None:
    """An order without the rarer fields is an order with their defaults."""
    kind = MESSAGE_TYPES[101]
    fields = {field.name: 1 for field in MESSAGES[101].fields if field.default is None and field.kind == "i64"}
    form = {"type": "ChildOrder", "post_only": True, "reduce_only": False, **fields, "side": "sell"}
    order = from_json(json.dumps(form))
    assert isinstance(order, kind)
    assert json.loads(to_json(order))["self_trade"] == "none"
    assert json.loads(to_json(order))["side"] == "sell"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "a message is a JSON object"),
        ("{}", "no message has the type None"),
        ('{"type": ["TopOfBook"]}', "no message has the type"),
        ('{"type": "Nonsense"}', "no message has the type 'Nonsense'"),
        ('{"type": "ConnectionUp", "epoch": 1}', "ConnectionUp.connection_id is missing"),
        ('{"type": "ConnectionUp", "connection_id": 1, "epoch": 1, "age": 1}', "ConnectionUp has no field 'age'"),
        ('{"type": "ConnectionUp", "connection_id": true, "epoch": 1}', "connection_id is a whole number, not True"),
        ('{"type": "ConnectionUp", "connection_id": 1.0, "epoch": 1}', "connection_id is a whole number, not 1.0"),
        ('{"type": "ConnectionUp", "connection_id": 9223372036854775808, "epoch": 1}', "does not fit 64 bits"),
        ('{"type": "ConnectionUp", "connection_id": 1e400, "epoch": 1}', "is a whole number"),
        ('{"type": "PauseQuoting", "paused": 1, "operator": ""}', "PauseQuoting.paused is a bool, not 1"),
        ('{"type": "PauseQuoting", "paused": true, "operator": 1}', "PauseQuoting.operator is a str, not 1"),
    ],
)
def test_json_that_is_no_message_is_refused(text: str, fault: str) -> None:
    """The error says which field is wrong, and how."""
    with pytest.raises(MessageError, match=fault.replace("[", r"\[").replace(".", r"\.")):
        from_json(text)


@pytest.mark.parametrize(
    ("schema_id", "field", "value", "fault"),
    [
        (4, "state", '"lively"', "is one of syncing, live, stale, broken"),
        (6, "bid_prices", "3", "is an array of whole numbers"),
        (6, "bid_prices", "[3, null]", "is a whole number, not None"),
        (10, "price", '"high"', "is a number"),
        (10, "price", "true", "is a number"),
        (10, "price", "1" + "0" * 400, "too large for a float"),
        (10, "price", '"NaN:0"', "is no NaN"),
        (10, "price", '"NaN:fffffffffffffffff"', "is no NaN"),
        (10, "price", '"NaN:-8000000000000001"', "is no NaN"),
        (10, "price", '"NaN:xyz"', "is no NaN"),
        (1, "data", "3", "is text, or an object"),
        (1, "data", '{"base64": "#"}', "is not base64"),
        (1, "data", '{"base64": "\\u00e9"}', "is not base64"),
        (1, "data", '"\\ud800"', "lone surrogate"),
        (209, "realised", "1.5", "is a whole number"),
    ],
)
def test_json_with_a_wrong_value_is_refused(schema_id: int, field: str, value: str, fault: str) -> None:
    """A value of the wrong kind is refused, for every kind of field."""
    samples: dict[str, object] = {"i64": 1, "int": 1, "f64": 1.0, "str": "", "bytes": "", "i64s": [], "bool": True}
    form = {"type": name_of(schema_id), **{each.name: samples[each.kind] for each in MESSAGES[schema_id].fields}}
    from_json(json.dumps(form))
    form[field] = "HERE"
    with pytest.raises(MessageError, match=fault):
        from_json(json.dumps(form).replace('"HERE"', value))


@settings(max_examples=examples(200, 1_500), deadline=None)
@given(st.data(), messages())
def test_damaged_json_gives_a_message_or_a_message_error(data: st.DataObject, message: Message) -> None:
    """Characters overwritten or cut anywhere give a MessageError or a message, nothing else."""
    text = to_json(message)
    at = data.draw(st.integers(0, len(text) - 1))
    text = text[:at] + data.draw(st.text('0123456789"[]{},:.-eE\\ntruefals', max_size=3)) + text[at + 1 :]
    try:
        read = from_json(text)
        encode(read)
    except MessageError:
        pass
