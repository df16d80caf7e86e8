"""What every message shares: the base class, the pieces of the binary form, and the digest over messages.

The binary form of a message is a header of eight bytes (u16 schema id, u16 minor version, u32 length of the body) and
its fields in order, little endian, without padding. `docs/messages.md` says it in full.
Bytes that are not a message give a `MessageError`, never anything else. Nothing here knows a single message type.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from librt.strings import (
    BytesWriter,
    read_i32_le,
    read_i64_le,
    write_f64_le,
    write_i32_le,
    write_i64_le,
)
from librt.vecs import append, vec
from mypy_extensions import i32, i64, mypyc_attr, u8

from market.message_schema.catalogue import MESSAGES

HEADER_BYTES: Final = 8
MAX_BODY_BYTES: Final = 0x7FFFFFFF
MAX_INT_BYTES: Final = 255
_MAX_I64: Final = 0x7FFFFFFFFFFFFFFF
_MIN_I64: Final = -0x8000000000000000

# Two prime moduli below 2^31, so that no step passes 2^63: the same result with i64 and with Python's integers.
_FIRST_PRIME: Final = 2147483647
_SECOND_PRIME: Final = 2147483629
_FIRST_FACTOR: Final = 1103515245
_SECOND_FACTOR: Final = 1540483477
_FIRST_SPREAD: Final = 479001599
_SECOND_SPREAD: Final = 433494437
_UPPER_OFFSET: Final = 0x80000000


class MessageError(ValueError):
    """Bytes or JSON text that are not a message, or a message that has no binary form."""


# No message refers to anything that could refer back to it, so the garbage collector need not look at any. With one
# freed object kept for each type, most messages of a lane are made without asking for memory.
@mypyc_attr(acyclic=True)
class Message:
    """A typed, immutable message. The catalogue is generated; users never subclass this.

    Two messages are equal when their binary forms are: all fields, f64 by its bits. So a NaN equals itself.
    """

    schema_id: Final[i64]

    def __init__(self, schema_id: i64) -> None:
        """Remember the number of the type."""
        self.schema_id = schema_id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message) or self.schema_id != other.schema_id:
            return False
        return _form(self) == _form(other)

    def __hash__(self) -> int:
        return hash(_form(self))

    def __repr__(self) -> str:
        parts: list[str] = []
        for field in MESSAGES[self.schema_id].fields:
            value = getattr(self, field.name)
            parts.append(f"{field.name}={list(value) if field.kind == 'i64s' else value!r}")
        return f"{MESSAGES[self.schema_id].name}({', '.join(parts)})"

    def route_key(self) -> i64:
        """The instrument that the message concerns; 0 where it concerns none or all."""
        return 0

    def write_to(self, writer: BytesWriter) -> None:
        """Append header and body; `encode_into` is the public way."""
        raise NotImplementedError

    def mix_into(self, digest: Digest) -> None:
        """Mix every field; `Digest.mix_message` is the public way."""
        raise NotImplementedError


def _form(message: Message) -> bytes:
    """The binary form, by which messages are compared."""
    writer = BytesWriter()
    message.write_to(writer)
    return writer.getvalue()


class Digest:
    """A running digest of messages, in integers: equal in compiled and interpreted form, over processes and hash seeds.

    It finds differences; it is not cryptographic. `count` is how many messages and single values were mixed.
    """

    def __init__(self) -> None:
        """Begin a new digest."""
        self._first: i64 = 1
        self._second: i64 = 1
        self.count: i64 = 0

    @property
    def value(self) -> i64:
        """The digest so far, from 0 to below 2^62."""
        return (self._first << 31) | self._second

    def mix(self, value: i64) -> None:
        """Mix one value."""
        self.count += 1
        self.mix_field(value)

    def mix_message(self, message: Message) -> None:
        """Mix the type and every field of a message."""
        self.count += 1
        self.mix_field(message.schema_id)
        message.mix_into(self)

    def mix_field(self, value: i64) -> None:
        """Mix one i64, without counting it."""
        low = value & 0xFFFFFFFF
        high = (value >> 32) + _UPPER_OFFSET
        self._first = (self._first * _FIRST_FACTOR + low * _FIRST_SPREAD + high) % _FIRST_PRIME
        self._second = (self._second * _SECOND_FACTOR + low * _SECOND_SPREAD + high) % _SECOND_PRIME

    def mix_int(self, value: int) -> None:
        """Mix an unbounded integer."""
        if _MIN_I64 <= value <= _MAX_I64:
            self.mix_field(value)
        else:
            self.mix_bytes(_int_bytes(value))

    def mix_f64(self, value: float) -> None:
        """Mix the bits of a float."""
        self.mix_field(f64_bits(value))

    def mix_text(self, text: str) -> None:
        """Mix a text by its length in bytes and its CRC-32."""
        self.mix_bytes(text_bytes(text))

    def mix_bytes(self, data: bytes) -> None:
        """Mix bytes by their length and their CRC-32."""
        length: i64 = len(data)
        checksum: i64 = 0
        if length > 0:
            checksum = crc32(data)
        self.mix_field((length << 32) | checksum)

    def mix_i64s(self, values: vec[i64]) -> None:
        """Mix the length and every value."""
        self.mix_field(i64(len(values)))
        for value in values:
            self.mix_field(value)

    def save(self) -> dict[str, int]:
        """The state as plain data."""
        return {"value": self.value, "count": self.count}

    def load(self, state: object) -> None:
        """Go on from what `save` gave."""
        if not isinstance(state, dict) or "value" not in state or "count" not in state:
            raise ValueError(f"a saved digest has value and count, this is {state!r}")
        value: i64 = state["value"]
        self._first = value >> 31
        self._second = value & 0x7FFFFFFF
        self.count = state["count"]


def f64_bits(value: float) -> i64:
    """The bits of a float as an i64."""
    writer = BytesWriter()
    write_f64_le(writer, value)
    return read_i64_le(writer.getvalue(), 0)


def text_bytes(text: str) -> bytes:
    """The UTF-8 of a text. Lone surrogates, which JSON of venues can bring, are kept as they are."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _int_bytes(value: int) -> bytes:
    """The shortest signed little-endian form of an integer, at least one byte."""
    bits = value.bit_length() if value >= 0 else (~value).bit_length()
    return value.to_bytes(bits // 8 + 1, "little", signed=True)


def finish(writer: BytesWriter, start: i64) -> None:
    """Write the length of the body into the header that begins at `start`."""
    length = i64(len(writer)) - start - HEADER_BYTES
    if length > MAX_BODY_BYTES:
        raise MessageError(f"the body would have {length} bytes, at most {MAX_BODY_BYTES} are possible")
    writer[start + 4] = u8(length & 255)
    writer[start + 5] = u8((length >> 8) & 255)
    writer[start + 6] = u8((length >> 16) & 255)
    writer[start + 7] = u8((length >> 24) & 255)


def write_bytes(writer: BytesWriter, data: bytes) -> None:
    """Append a u32 length and the bytes."""
    length: i64 = len(data)
    if length > MAX_BODY_BYTES:
        raise MessageError(f"a field has {length} bytes, at most {MAX_BODY_BYTES} are possible")
    write_i32_le(writer, i32(length))
    writer.write(data)


def write_text(writer: BytesWriter, text: str) -> None:
    """Append a u32 length in bytes and the UTF-8."""
    write_bytes(writer, text_bytes(text))


def write_i64s(writer: BytesWriter, values: vec[i64]) -> None:
    """Append a u32 count and the values."""
    count: i64 = len(values)
    if count > MAX_BODY_BYTES // 8:
        raise MessageError(f"a field has {count} values, at most {MAX_BODY_BYTES // 8} are possible")
    write_i32_le(writer, i32(count))
    for value in values:
        write_i64_le(writer, value)


def write_int(writer: BytesWriter, value: int) -> None:
    """Append a u8 length and the shortest signed form."""
    data = _int_bytes(value)
    length: i64 = len(data)
    if length > MAX_INT_BYTES:
        raise MessageError(f"an integer of {length} bytes does not fit, at most {MAX_INT_BYTES} are possible")
    writer.append(u8(length))
    writer.write(data)


def need(name: str, at: i64, end: i64, count: i64) -> None:
    """Refuse a body that ends before `count` more bytes."""
    if end - at < count:
        raise MessageError(f"{name}: the body ends after {end - at} of {count} bytes of a field")


def read_length(name: str, data: bytes, at: i64, end: i64) -> i64:
    """The u32 length of a text or of bytes, checked against what is left of the body."""
    need(name, at, end, 4)
    length: i64 = i64(read_i32_le(data, at))
    if length < 0 or length > end - at - 4:
        raise MessageError(f"{name}: a field claims {length & 0xFFFFFFFF} bytes, {end - at - 4} are left")
    return length


def read_text(name: str, data: bytes, start: i64, end: i64) -> str:
    """The text between two positions."""
    if start == end:
        return ""
    piece = data[start:end]
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return _surrogate_text(name, piece)


def _surrogate_text(name: str, piece: bytes) -> str:
    try:
        return piece.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise MessageError(f"{name}: a text is not UTF-8: {error}") from error


def read_count(name: str, data: bytes, at: i64, end: i64) -> i64:
    """The u32 count of a list of i64, checked against what is left of the body."""
    need(name, at, end, 4)
    count: i64 = i64(read_i32_le(data, at))
    if count < 0 or count * 8 > end - at - 4:
        raise MessageError(f"{name}: a field claims {count & 0xFFFFFFFF} values, {end - at - 4} bytes are left")
    return count


def read_i64s(data: bytes, at: i64, count: i64) -> vec[i64]:
    """That many values; the caller has checked that they are there."""
    values = vec[i64](capacity=count)
    for _ in range(count):
        values = append(values, read_i64_le(data, at))
        at += 8
    return values


def read_int_length(name: str, data: bytes, at: i64, end: i64) -> i64:
    """The u8 length of an unbounded integer, checked against what is left of the body."""
    need(name, at, end, 1)
    length: i64 = data[at]
    if length == 0 or length > end - at - 1:
        raise MessageError(f"{name}: an integer claims {length} bytes, {end - at - 1} are left")
    return length


def read_int(data: bytes, start: i64, end: i64) -> int:
    """The unbounded integer between two positions."""
    return int.from_bytes(data[start:end], "little", signed=True)


def read_bool(name: str, data: bytes, at: i64) -> bool:
    """A bool, which is a byte 0 or 1."""
    byte: i64 = data[at]
    if byte > 1:
        raise MessageError(f"{name}: a bool is {byte}, only 0 and 1 are possible")
    return byte == 1


def check_end(name: str, at: i64, end: i64, minor: i64, known_minor: i64) -> None:
    """Refuse what is left of a body, unless a newer minor version wrote fields that this one does not know."""
    if at != end and minor <= known_minor:
        raise MessageError(f"{name}: {end - at} bytes are left after the last field")
