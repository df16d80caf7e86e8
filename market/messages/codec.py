"""Messages to bytes and back: `encode`, `encode_into`, `decode`.

Promises that what `encode` gave decodes to an equal message, now and by every later minor version, and that any other
bytes give a `MessageError`. The form is told in `docs/messages.md`.
"""

from __future__ import annotations

from librt.strings import BytesWriter, read_i64_le
from mypy_extensions import i64

from market.messages.base import HEADER_BYTES, Message, MessageError
from market.messages.control import FIRST_CONTROL, decode_control
from market.messages.exchange import FIRST_EXCHANGE, decode_exchange
from market.messages.executions import FIRST_EXECUTIONS, decode_executions
from market.messages.market_data import decode_market_data
from market.messages.orders import FIRST_ORDERS, decode_orders


def encode_into(message: Message, writer: BytesWriter) -> None:
    """Append the binary form of a message; what cannot be encoded leaves the writer as it was."""
    start: i64 = len(writer)
    try:
        message.write_to(writer)
    except (ValueError, OverflowError) as error:
        writer.truncate(start)
        raise MessageError(f"{type(message).__name__} has no binary form: {error}") from error


def encode(message: Message) -> bytes:
    """The binary form of a message."""
    writer = BytesWriter()
    encode_into(message, writer)
    return writer.getvalue()


def decode(data: bytes, start: i64 = 0, end: i64 = -1) -> Message:
    """The message that fills `data` from `start` to `end` (-1: to the end of the data)."""
    size: i64 = len(data)
    if end == -1:
        end = size
    if start < 0 or end > size or end - start < HEADER_BYTES:
        raise MessageError(f"no message from {start} to {end} of {size} bytes: a header has {HEADER_BYTES}")
    header = read_i64_le(data, start)
    at = start + HEADER_BYTES
    # A length of 2^31 or more makes the header negative, and so never fits.
    if header >> 32 != end - at:
        raise MessageError(f"the header claims a body of {(header >> 32) & 0xFFFFFFFF} bytes, there are {end - at}")
    schema_id = header & 0xFFFF
    minor = (header >> 16) & 0xFFFF
    if schema_id < FIRST_ORDERS:
        return decode_market_data(schema_id, data, at, end, minor)
    if schema_id < FIRST_EXECUTIONS:
        return decode_orders(schema_id, data, at, end, minor)
    if schema_id < FIRST_CONTROL:
        return decode_executions(schema_id, data, at, end, minor)
    if schema_id < FIRST_EXCHANGE:
        return decode_control(schema_id, data, at, end, minor)
    return decode_exchange(schema_id, data, at, end, minor)
