"""Messages as JSON text and back: readable names, exact numbers. `docs/messages.md` tells the form.

For people, logs and tools; what is kept is kept in the binary form. Text that is not a message gives a `MessageError`
that names the field.
"""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from typing import Final

from librt.strings import read_f64_be
from librt.vecs import vec
from mypy_extensions import i64

from market.message_schema.catalogue import MESSAGES, VALUES, FieldSpec, MessageSpec
from market.messages.base import Message, MessageError, f64_bits
from market.messages.catalogue import MESSAGE_TYPES

_BY_NAME: Final = {message.name: message for message in MESSAGES.values()}
_NAMES: Final = {
    values.name: {value: values.json_name(constant) for constant, value, _ in values.members} for values in VALUES
}
_NUMBERS: Final = {
    values: {name: number for number, name in names.items()} for values, names in _NAMES.items()
}  # fmt: skip
_QUIET_NAN_BITS: Final = f64_bits(math.nan)
_I64_LIMIT: Final = 1 << 63


def to_json(message: Message) -> str:
    """The JSON form of a message, on one line."""
    spec = MESSAGES[message.schema_id]
    form: dict[str, object] = {"type": spec.name}
    for field in spec.fields:
        form[field.name] = _written(field, getattr(message, field.name))
    return json.dumps(form, allow_nan=False)


def from_json(text: str) -> Message:
    """The message of a JSON text."""
    try:
        form = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"not JSON: {error}") from error
    if not isinstance(form, dict):
        raise MessageError("a message is a JSON object")
    name = form.pop("type", None)
    spec = _BY_NAME.get(name) if isinstance(name, str) else None
    if spec is None:
        raise MessageError(f"no message has the type {name!r}")
    return _built(spec, form)


def _built(spec: MessageSpec, form: dict[str, object]) -> Message:
    arguments: dict[str, object] = {}
    for field in spec.fields:
        if field.name in form:
            arguments[field.name] = _read(f"{spec.name}.{field.name}", field, form.pop(field.name))
        elif field.default is None:
            raise MessageError(f"{spec.name}.{field.name} is missing")
    if form:
        raise MessageError(f"{spec.name} has no field {', '.join(map(repr, form))}")
    make: type = MESSAGE_TYPES[spec.schema_id]
    message = make(**arguments)
    assert isinstance(message, Message)
    return message


def _written(field: FieldSpec, value: object) -> object:
    """A field's value in the JSON form."""
    if field.values:
        assert isinstance(value, int)
        return _NAMES[field.values].get(value, value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _not_finite(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": b64encode(value).decode()}
    if field.kind == "i64s":
        assert isinstance(value, vec)
        return list(value)
    return value


def _not_finite(value: float) -> str:
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    bits = f64_bits(value)
    return "NaN" if bits == _QUIET_NAN_BITS else f"NaN:{bits & (1 << 64) - 1:016x}"


def _read(where: str, field: FieldSpec, value: object) -> object:
    """A field's value from the JSON form, checked."""
    if field.kind == "i64":
        if field.values and isinstance(value, str):
            return _number(where, field.values, value)
        return _whole(where, value)
    if field.kind == "int":
        if isinstance(value, bool) or not isinstance(value, int):
            raise MessageError(f"{where} is a whole number, not {value!r}")
        return value
    if field.kind == "f64":
        return _float(where, value)
    if field.kind == "i64s":
        if not isinstance(value, list):
            raise MessageError(f"{where} is an array of whole numbers, not {value!r}")
        return vec[i64]([_whole(where, each) for each in value])
    if field.kind == "bytes":
        return _bytes(where, value)
    wanted = bool if field.kind == "bool" else str
    if not isinstance(value, wanted):
        raise MessageError(f"{where} is a {field.kind}, not {value!r}")
    return value


def _number(where: str, values: str, name: str) -> int:
    if name not in _NUMBERS[values]:
        raise MessageError(f"{where} is one of {', '.join(_NUMBERS[values])}, not {name!r}")
    return _NUMBERS[values][name]


def _whole(where: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise MessageError(f"{where} is a whole number, not {value!r}")
    if not -_I64_LIMIT <= value < _I64_LIMIT:
        raise MessageError(f"{where} does not fit 64 bits: {value}")
    return value


def _float(where: str, value: object) -> float:
    if value == "Infinity":
        return math.inf
    if value == "-Infinity":
        return -math.inf
    if isinstance(value, str) and value.startswith("NaN"):
        return _nan(where, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MessageError(f"{where} is a number, not {value!r}")
    try:
        return float(value)
    except OverflowError as error:
        raise MessageError(f"{where} is too large for a float: {value}") from error


def _nan(where: str, text: str) -> float:
    if text == "NaN":
        return math.nan
    try:
        bits = bytes.fromhex(text.removeprefix("NaN:"))
    except ValueError:
        bits = b""
    if len(bits) != 8 or not math.isnan(read_f64_be(bits, 0)):
        raise MessageError(f"{where} is no NaN with its bits in hex: {text!r}")
    return read_f64_be(bits, 0)


def _bytes(where: str, value: object) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise MessageError(f"{where} has a lone surrogate, which no bytes have") from error
    if isinstance(value, dict) and list(value) == ["base64"] and isinstance(value["base64"], str):
        try:
            return b64decode(value["base64"], validate=True)
        except ValueError as error:
            raise MessageError(f"{where} is not base64: {error}") from error
    raise MessageError(f'{where} is text, or an object {{"base64": "..."}}, not {value!r}')
