"""The message catalogue: that it is current, the binary form of every type, damage, and versions."""

from __future__ import annotations

import importlib.util
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
    GROUP_MARKET_DATA,
    MAX_SCHEMA_ID,
    MESSAGE_TYPES,
    BookSnapshot,
    CancelAll,
    ConnectionUp,
    FairValue,
    Message,
    MessageError,
    PauseQuoting,
    PositionChanged,
    PublicTrade,
    RawFrame,
    TopOfBook,
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

    @settings(max_examples=examples(5, 60), deadline=None)
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

    @settings(max_examples=examples(3, 30), deadline=None)
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


@settings(max_examples=examples(300, 2_000), deadline=None)
@given(st.data(), messages())
def test_damaged_bytes_give_a_message_or_a_message_error(data: st.DataObject, message: Message) -> None:
    """Bytes overwritten anywhere give a MessageError, or a message that has a form of its own; nothing else."""
    form = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        form[data.draw(st.integers(0, len(form) - 1))] = data.draw(st.integers(0, 255))
    check_decodes_or_refuses(bytes(form))
    check_decodes_or_refuses(with_length(bytes(form)))


@settings(max_examples=examples(300, 2_000), deadline=None)
@given(st.sampled_from(IDS), st.integers(0, 65535), st.binary(max_size=80))
def test_garbage_with_a_header_gives_a_message_or_a_message_error(schema_id: int, minor: int, body: bytes) -> None:
    """A right header before arbitrary bytes is no reason to fail otherwise."""
    check_decodes_or_refuses(struct.pack("<HHI", schema_id, minor, len(body)) + body)


@settings(max_examples=examples(200, 1_500), deadline=None)
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
    body = struct.pack("<4qI2s", 1, 0, 2, 3, 2, b"\x00\xff")
    assert encode(frame) == struct.pack("<HHI", 1, 2, 62) + body + struct.pack("<3q", 1, 1, 0)
    assert decode(struct.pack("<HHI", 1, 1, 38) + body) == frame

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
