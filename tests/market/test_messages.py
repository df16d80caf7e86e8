"""The message catalogue: binary and JSON form of every type, damage, versions, digest, and that it is current."""

from __future__ import annotations

import importlib.util
import json
import math
import struct
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from librt.strings import BytesWriter
from librt.vecs import vec
from mypy_extensions import i64

import market.messages as catalogue
from market.message_schema import forms
from market.message_schema.catalogue import GROUPS, MESSAGES, VALUES, schema_faults
from market.messages import (
    BUY,
    CAUSE_REQUESTED,
    GROUP_MARKET_DATA,
    LIVE,
    MAX_SCHEMA_ID,
    MESSAGE_TYPES,
    BookSnapshot,
    CancelAll,
    ConnectionUp,
    Digest,
    FairValue,
    Message,
    MessageError,
    OrderCancelled,
    PauseQuoting,
    PositionChanged,
    PublicTrade,
    RawFrame,
    TopOfBook,
    base,
    decode,
    encode,
    encode_into,
    from_json,
    group_of,
    name_of,
    schema_id_of,
    to_json,
)
from tests.generators import messages
from tests.seeds import examples
from tools import generate_messages
from tools.message_classes import group_module

IDS = sorted(MESSAGES)
BASE_SOURCE = Path(generate_messages.ROOT) / "market/messages/base.py"


def compiled() -> bool:
    """Whether this process runs compiled messages."""
    return not str(base.__file__).endswith(".py")


def names(schema_id: int) -> str:
    """The name of a type, for test ids."""
    return MESSAGES[schema_id].name


# ------------------------------------------------------------------------------------------- schema and generator


def test_generated_files_are_current() -> None:
    """What is checked in is what the generator writes from the schema."""
    assert generate_messages.stale() == []
    assert generate_messages.main(["--check"]) == 0


def test_check_names_what_is_not_current(tmp_path: Path) -> None:
    """Beside an empty tree every generated file is stale, and is named."""
    assert "market/messages/orders.py" in generate_messages.stale(tmp_path)


def test_schema_has_no_faults() -> None:
    """The schema keeps its own rules."""
    assert schema_faults(GROUPS, VALUES) == []


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ((forms.field("a", "i32", "x"),), "unknown kind i32"),
        ((forms.field("a", "i64", "x", "furlong"),), "unknown unit furlong"),
        ((forms.field("a", "str", "x", "", "side"),), "or not an i64"),
        ((forms.field("a", "i64", "x"), forms.field("a", "i64", "x")), "the name is taken"),
        ((forms.field("type", "i64", "x"),), "the name is taken"),
        ((forms.field("a", "i64", "x", since=2),), "needs a default"),
        ((forms.field("a", "i64", "x", default=0), forms.field("b", "i64", "x")), "needs a default"),
        ((forms.field("a", "i64", "x", default=0, since=2), forms.field("b", "i64", "x", default=0)), "comes last"),
        ((forms.field("a", "bytes", "x", default=0),), "can have no default"),
    ],
)
def test_faults_of_fields_are_found(fields: tuple[forms.FieldSpec, ...], fault: str) -> None:
    """A field that breaks a rule of the schema is refused, with the rule."""
    group = forms.GroupSpec("g", "G", "g.", 1, 9, (forms.MessageSpec(1, "M", "m.", fields),))
    assert any(fault in each for each in schema_faults((group,), VALUES))


def test_faults_of_numbers_are_found() -> None:
    """A number or a name that is used twice, or lies outside its group, is refused; so is a constant used twice."""
    one = forms.MessageSpec(1, "M", "m.", ())
    group = forms.GroupSpec("g", "G", "g.", 1, 9, (one, one, one._replace(schema_id=10, name="N")))
    twice = forms.ValuesSpec("v", "v.", "", (("A", 1, "a."), ("A", 2, "a."), ("B", 2, "b.")))
    faults = schema_faults((group,), (twice,))
    assert [each.split(":")[0] for each in faults] == ["M", "M", "N", "v", "v"]


def test_every_type_has_a_number_a_name_and_a_group() -> None:
    """Numbers, names and groups lead to each other, and what is not of the catalogue is refused."""
    for schema_id, kind in MESSAGE_TYPES.items():
        assert schema_id_of(kind) == schema_id
        assert name_of(schema_id) == kind.__name__
        assert getattr(catalogue, kind.__name__) is kind
    assert group_of(schema_id_of(TopOfBook)) == GROUP_MARKET_DATA
    assert max(MESSAGE_TYPES) == MAX_SCHEMA_ID
    for ask in (name_of, group_of):
        with pytest.raises(ValueError, match="no message has the number 0"):
            ask(0)
    with pytest.raises(ValueError, match="not a type of the message catalogue"):
        schema_id_of(Message)


# ------------------------------------------------------------------------------------------------ every type, whole


@pytest.mark.parametrize("schema_id", IDS, ids=names)
def test_every_type_survives_both_forms(schema_id: int) -> None:
    """What was encoded decodes to an equal message with equal hash, and so does the JSON form, on one line."""

    @settings(max_examples=examples(5, 2000), deadline=None)
    @given(messages(schema_id))
    def check(message: Message) -> None:
        data = encode(message)
        again = decode(data)
        assert type(again) is type(message)
        assert again == message
        assert hash(again) == hash(message)
        assert encode(again) == data
        text = to_json(message)
        assert from_json(text) == message
        assert "\n" not in text
        assert repr(message).startswith(f"{MESSAGES[schema_id].name}(")

    check()


@pytest.mark.parametrize("schema_id", IDS, ids=names)
def test_every_type_cut_or_lengthened_is_refused(schema_id: int) -> None:
    """Bytes that end early or go on too long give a MessageError, wherever cut and whatever the header says."""

    @settings(max_examples=examples(3, 200), deadline=None)
    @given(messages(schema_id))
    def check(message: Message) -> None:
        data = encode(message)
        for cut in range(0, len(data), max(1, len(data) // 60)):
            with pytest.raises(MessageError):
                decode(data[:cut])
            with pytest.raises(MessageError):
                decode(with_length(data[:cut] or data[:1]))
        with pytest.raises(MessageError):
            decode(data + b"\0")
        with pytest.raises(MessageError):
            decode(with_length(data + b"\0"))

    check()


@settings(max_examples=examples(300, 20_000), deadline=None)
@given(st.data(), messages())
def test_damaged_bytes_give_a_message_or_a_message_error(data: st.DataObject, message: Message) -> None:
    """Bytes overwritten anywhere give a MessageError, or a message that has a form of its own; nothing else."""
    form = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        form[data.draw(st.integers(0, len(form) - 1))] = data.draw(st.integers(0, 255))
    check_decodes_or_refuses(bytes(form))
    check_decodes_or_refuses(with_length(bytes(form)))


@settings(max_examples=examples(300, 20_000), deadline=None)
@given(st.sampled_from(IDS), st.integers(0, 65535), st.binary(max_size=80))
def test_garbage_with_a_header_gives_a_message_or_a_message_error(schema_id: int, minor: int, body: bytes) -> None:
    """A right header before arbitrary bytes is no reason to fail otherwise."""
    check_decodes_or_refuses(struct.pack("<HHI", schema_id, minor, len(body)) + body)


@settings(max_examples=examples(200, 10_000), deadline=None)
@given(st.binary(max_size=40), st.integers(-50, 50), st.integers(-50, 50))
def test_garbage_at_any_place_gives_a_message_error(data: bytes, start: int, end: int) -> None:
    """Any bytes, from any position to any other."""
    try:
        decode(data, start, end)
    except MessageError:
        pass
    else:
        assert decode(data[start : len(data) if end == -1 else end]) == decode(data, start, end)


def check_decodes_or_refuses(data: bytes) -> None:
    """Decode, and let only a MessageError pass; what decodes must survive both forms."""
    try:
        message = decode(data)
    except MessageError:
        return
    assert decode(encode(message)) == message
    assert from_json(to_json(message)) == message


def with_length(data: bytes) -> bytes:
    """The bytes with a header whose length is right."""
    return data[:4] + struct.pack("<I", max(0, len(data) - 8)) + data[8:] if len(data) >= 8 else data


# ---------------------------------------------------------------------------------------------------- binary form


def test_binary_form_is_as_documented() -> None:
    """Header and fields lie as docs/messages.md says, for every kind of field."""
    trade = PublicTrade(7, -1, 2**63 - 1, -(2**63), BUY, 5, 6)
    body = struct.pack("<7q", 7, -1, 2**63 - 1, -(2**63), 1, 5, 6)
    assert encode(trade) == struct.pack("<HHI", 8, 1, 56) + body

    fair = FairValue(1, -0.5, math.inf, 2)
    assert encode(fair) == struct.pack("<HHIqddq", 10, 1, 32, 1, -0.5, math.inf, 2)

    pause = PauseQuoting(True, "é")
    assert encode(pause) == struct.pack("<HHI?I2s", 310, 1, 7, True, 2, b"\xc3\xa9")

    frame = RawFrame(1, 0, 2, 3, b"\x00\xff")
    assert encode(frame) == struct.pack("<HHI4qI2s", 1, 1, 38, 1, 0, 2, 3, 2, b"\x00\xff")

    position = PositionChanged(1, 2, -3, 255, -(2**64), 0)
    money = b"\x02\xff\x00" + b"\x09" + b"\x00" * 8 + b"\xff" + b"\x01\x00"
    assert encode(position) == struct.pack("<HHI3q", 209, 1, 24 + len(money), 1, 2, -3) + money

    empty = vec[i64]()
    book = BookSnapshot(1, 2, vec[i64]([3, 4]), empty, empty, empty, 5, 6)
    lists = struct.pack("<I2q3I", 2, 3, 4, 0, 0, 0)
    assert encode(book) == struct.pack("<HHI2q", 6, 1, 64, 1, 2) + lists + struct.pack("<2q", 5, 6)


def test_message_is_read_from_the_middle_of_other_bytes() -> None:
    """Start and end name the message; what lies around it does not matter."""
    trade = PublicTrade(1, 2, 3, 4, 5, 6, 7)
    form = encode(trade)
    assert decode(b"abc" + form + b"de", 3, 3 + len(form)) == trade
    with pytest.raises(MessageError, match="claims a body of 56 bytes, there are 58"):
        decode(b"abc" + form + b"de", 3)


def test_encoding_appends() -> None:
    """Several messages can follow each other in one writer."""
    writer = BytesWriter()
    writer.write(b"head")
    first, second = CancelAll(0, "kill"), ConnectionUp(1, 2)
    encode_into(first, writer)
    encode_into(second, writer)
    assert writer.getvalue() == b"head" + encode(first) + encode(second)


def test_what_cannot_be_encoded_leaves_the_writer_as_it_was() -> None:
    """An integer past the bound of the form is a MessageError, and nothing half-written stays behind."""
    writer = BytesWriter()
    writer.write(b"head")
    with pytest.raises(MessageError, match="PositionChanged has no binary form"):
        encode_into(PositionChanged(1, 2, 3, 4, 2**2039, 6), writer)
    assert writer.getvalue() == b"head"
    assert decode(encode(PositionChanged(1, 2, 3, 4, -(2**2039), 6))) == PositionChanged(1, 2, 3, 4, -(2**2039), 6)


def test_numbers_past_64_bits_are_refused() -> None:
    """Compiled at once, interpreted when it is encoded: no field ever wraps."""
    with pytest.raises((TypeError, MessageError)):
        encode(ConnectionUp(1, 2**63))


# ------------------------------------------------------------------------------------------------------- versions


def interpreted_modules(group: forms.GroupSpec, name: str) -> ModuleType:
    """The module that the generator writes for a group, run interpreted in both modes: its base too."""
    module_name = "interpreted_message_base"
    if module_name not in sys.modules:
        loader = SourceFileLoader(module_name, str(BASE_SOURCE))
        spec = importlib.util.spec_from_loader(module_name, loader)
        assert spec is not None
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = loaded
        loader.exec_module(loaded)
    module = ModuleType(name)
    exec(group_module(group).replace("market.messages.base", module_name), module.__dict__)
    return module


OLD = forms.MessageSpec(1, "Sample", "A sample.", (forms.INSTRUMENT, forms.REASON))
NEW = OLD._replace(
    fields=(
        *OLD.fields,
        forms.field("size", "i64", "A size.", "size", default=-7, since=2),
        forms.field("weight", "f64", "A weight.", "ratio", default=0.5, since=2),
        forms.field("note", "str", "A note.", default="none", since=3),
        forms.field("paid", "int", "What was paid.", "money", default=2**70, since=3),
        forms.field("final", "bool", "Whether it is over.", default=True, since=4),
    )
)


def version(message: forms.MessageSpec, minor: int) -> ModuleType:
    """The generated module of the sample with the fields that a minor version had."""
    fields = tuple(field for field in message.fields if field.since <= minor)
    return interpreted_modules(
        forms.GroupSpec("sample", "Sample", "One.", 1, 9, (message._replace(fields=fields),)), f"sample_{minor}"
    )


def form_of(message: Message) -> bytes:
    """The binary form of a message of an interpreted module."""
    writer = BytesWriter()
    message.write_to(writer)
    return writer.getvalue()


def read_by(module: ModuleType, data: bytes) -> dict[str, object]:
    """The fields that a version of the module reads from bytes."""
    schema_id, minor, length = struct.unpack_from("<HHI", data)
    assert length == len(data) - 8
    message = module.decode_sample(schema_id, data, 8, len(data), minor)
    return {name: value for name, value in vars(message).items() if name != "schema_id"}


def test_newer_code_reads_older_bytes_and_older_code_newer_bytes() -> None:
    """Fields that older bytes lack take their defaults; fields that older code does not know are skipped."""
    values: dict[str, object] = {"instrument_id": 5, "reason": "why", "size": 1, "weight": 2.0}
    values.update(note="n", paid=-1, final=False)
    defaults = {field.name: field.default for field in NEW.fields if field.default is not None}
    modules = {minor: version(NEW, minor) for minor in (1, 2, 3, 4)}
    known = {minor: [field.name for field in NEW.fields if field.since <= minor] for minor in modules}
    for written, writer in modules.items():
        data = form_of(writer.Sample(*[values[name] for name in known[written]]))
        assert struct.unpack_from("<H", data, 2) == (written,)
        for read, reader in modules.items():
            both = known[min(written, read)]
            expected = {name: values[name] if name in both else defaults[name] for name in known[read]}
            assert read_by(reader, data) == expected


def test_bytes_left_over_need_a_newer_version() -> None:
    """Skipping is for newer versions only: left-over bytes of a known version, or missing ones, are damage."""
    old, new = version(NEW, 1), version(NEW, 2)
    sys_error = sys.modules["interpreted_message_base"].MessageError
    body = form_of(new.Sample(5, "why", 1, 2.0))[8:]
    old.decode_sample(1, body, 0, len(body), 2)
    with pytest.raises(sys_error, match="16 bytes are left"):
        old.decode_sample(1, body, 0, len(body), 1)
    with pytest.raises(sys_error, match="the body ends"):
        new.decode_sample(1, body, 0, len(body) - 1, 2)
    with pytest.raises(sys_error, match="no message has the number 2"):
        new.decode_sample(2, body, 0, len(body), 2)


# ------------------------------------------------------------------------------------------------------ JSON form


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


@settings(max_examples=examples(200, 10_000), deadline=None)
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


# --------------------------------------------------------------------------------------------- equality and digest


def test_messages_are_equal_by_type_and_every_field() -> None:
    """Another type, another value, or another bit of a float makes a difference; a NaN equals itself."""
    assert ConnectionUp(1, 2) == ConnectionUp(1, 2)
    assert ConnectionUp(1, 2) != ConnectionUp(1, 3)
    assert ConnectionUp(1, 2) != CancelAll(1, "2")
    assert ConnectionUp(1, 2) != (1, 2)
    assert FairValue(1, 0.0, 1.0, 2) != FairValue(1, -0.0, 1.0, 2)
    assert FairValue(1, math.nan, 1.0, 2) == FairValue(1, math.nan, 1.0, 2)
    assert len({ConnectionUp(1, 2), ConnectionUp(1, 2), ConnectionUp(2, 2)}) == 2
    assert repr(CancelAll(3, "it's over")) == 'CancelAll(instrument_id=3, reason="it\'s over")'


def test_route_key_is_the_instrument() -> None:
    """Messages about one instrument are routed by it, others to everyone."""
    assert TopOfBook(9, 1, 2, 3, 4, 5, 6, 7, 8).route_key() == 9
    assert RawFrame(4, 0, 9, 0, b"").route_key() == 9
    assert ConnectionUp(4, 1).route_key() == 0
    assert CancelAll(0, "all").route_key() == 0


@pytest.mark.skipif(not compiled(), reason="the interpreter does not enforce Final")
def test_compiled_messages_cannot_be_changed() -> None:
    """No field and no number of a compiled message can be assigned."""
    up = ConnectionUp(1, 2)
    for name in ("connection_id", "schema_id", "other"):
        with pytest.raises(AttributeError):
            setattr(up, name, 5)


def test_digest_is_the_same_everywhere() -> None:
    """These values hold in compiled and interpreted form, on every machine: a change breaks every kept digest."""
    digest = Digest()
    assert (digest.value, digest.count) == (EMPTY_DIGEST, 0)
    digest.mix(-1)
    digest.mix(2**63 - 1)
    digest.mix(-(2**63))
    assert (digest.value, digest.count) == (DIGEST_OF_VALUES, 3)
    digest.mix_message(PositionChanged(1, 2, -3, 2**80, -(2**80), 5))
    digest.mix_message(RawFrame(1, 0, 2, 3, b"\x00\xff"))
    digest.mix_message(FairValue(1, 0.1, -0.0, 2))
    digest.mix_message(CancelAll(0, "why é \ud800"))
    digest.mix_message(BookSnapshot(1, 2, vec[i64]([3, 4]), vec[i64](), vec[i64]([-1]), vec[i64](), 5, 6))
    digest.mix_message(PauseQuoting(True, ""))
    assert (digest.value, digest.count) == (DIGEST_OF_MESSAGES, 9)


@settings(max_examples=examples(100, 5000), deadline=None)
@given(st.lists(messages(), min_size=1, max_size=4), st.data())
def test_digest_goes_on_from_what_was_saved(several: list[Message], data: st.DataObject) -> None:
    """Save and load at any point give the digest of going on; it stays below 2^62; another order is another digest."""
    at = data.draw(st.integers(0, len(several)))
    whole, first, second = Digest(), Digest(), Digest()
    for message in several:
        whole.mix_message(message)
        assert 0 <= whole.value < 2**62
    for message in several[:at]:
        first.mix_message(message)
    second.load(json.loads(json.dumps(first.save())))
    for message in several[at:]:
        second.mix_message(message)
    assert (second.value, second.count) == (whole.value, whole.count)
    turned = Digest()
    for message in reversed(several):
        turned.mix_message(message)
    if several != several[::-1]:
        assert turned.value != whole.value


@settings(max_examples=examples(200, 10_000), deadline=None)
@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 63))
def test_digest_sees_a_single_bit(value: int, bit: int) -> None:
    """Two values that differ in one bit have different digests."""
    changed = value ^ (1 << bit) if bit < 63 else -value - 1
    one, other = Digest(), Digest()
    one.mix(value)
    other.mix(changed)
    assert one.value != other.value


@pytest.mark.parametrize("state", [None, {}, {"value": 1}, []])
def test_digest_refuses_a_state_that_is_none(state: object) -> None:
    """What was not saved by a digest is refused."""
    with pytest.raises(ValueError, match="a saved digest has value and count"):
        Digest().load(state)


EMPTY_DIGEST = 2147483649
DIGEST_OF_VALUES = 3055413296480229004
DIGEST_OF_MESSAGES = 1615753322447374792
