"""The message catalogue as data: every message, field and named value, from which code and documentation are generated.

`tools/generate_messages.py` writes the message classes, their binary form, the constants and `docs/messages.md` from
here. The JSON form reads it directly. Numbers of messages and values are never changed and never used again.
"""

from __future__ import annotations

from typing import Final

from market.message_schema.control import CONTROL
from market.message_schema.exchange import EXCHANGE_GROUP
from market.message_schema.executions import EXECUTIONS
from market.message_schema.forms import FIELD_KINDS, UNITS, FieldSpec, GroupSpec, MessageSpec, ValuesSpec
from market.message_schema.market_data import MARKET_DATA
from market.message_schema.orders import ORDERS
from market.message_schema.values import VALUES

GROUPS: Final[tuple[GroupSpec, ...]] = (MARKET_DATA, ORDERS, EXECUTIONS, CONTROL, EXCHANGE_GROUP)
MESSAGES: Final[dict[int, MessageSpec]] = {message.schema_id: message for group in GROUPS for message in group.messages}
VALUES_BY_NAME: Final[dict[str, ValuesSpec]] = {values.name: values for values in VALUES}

#: Numbers of messages that once existed. They stay here so that no new message takes one.
RETIRED_IDS: Final[frozenset[int]] = frozenset()

_MAY_DEFAULT: Final = ("i64", "int", "bool", "f64", "str")


def schema_faults(groups: tuple[GroupSpec, ...], values: tuple[ValuesSpec, ...]) -> list[str]:
    """What is wrong with a schema, one line each; empty when nothing is."""
    faults: list[str] = []
    names: set[str] = set()
    numbers: set[int] = set(RETIRED_IDS)
    for group in groups:
        for message in group.messages:
            if message.schema_id in numbers or not group.first_id <= message.schema_id <= group.last_id:
                faults.append(f"{message.name}: number {message.schema_id} is taken or outside the group")
            if message.name in names:
                faults.append(f"{message.name}: the name is taken")
            numbers.add(message.schema_id)
            names.add(message.name)
            faults.extend(_field_faults(message, {each.name for each in values}))
    constants: set[str] = set()
    for each in values:
        taken: set[int] = set()
        for constant, value, _ in each.members:
            if constant in constants or value in taken:
                faults.append(f"{each.name}: {constant} or its value {value} is taken")
            constants.add(constant)
            taken.add(value)
    return faults


def _field_faults(message: MessageSpec, value_names: set[str]) -> list[str]:
    """What is wrong with the fields of one message."""
    faults: list[str] = []
    seen: set[str] = set()
    since = 1
    must_default = False
    for field in message.fields:
        where = f"{message.name}.{field.name}"
        if field.name in seen or field.name in ("type", "schema_id"):
            faults.append(f"{where}: the name is taken")
        if field.kind not in FIELD_KINDS:
            faults.append(f"{where}: unknown kind {field.kind}")
        if field.unit and field.unit not in UNITS:
            faults.append(f"{where}: unknown unit {field.unit}")
        if field.values and (field.values not in value_names or field.kind != "i64"):
            faults.append(f"{where}: unknown named values {field.values}, or not an i64")
        if field.since < since:
            faults.append(f"{where}: a newer field comes last")
        if (must_default or field.since > message.since) and field.default is None:
            faults.append(f"{where}: needs a default, for older bytes or because an earlier field has one")
        if field.default is not None and field.kind not in _MAY_DEFAULT:
            faults.append(f"{where}: a {field.kind} field can have no default")
        seen.add(field.name)
        since = max(since, field.since)
        must_default = must_default or field.default is not None
    return faults


__all__ = [
    "GROUPS",
    "MESSAGES",
    "RETIRED_IDS",
    "UNITS",
    "VALUES",
    "VALUES_BY_NAME",
    "FieldSpec",
    "GroupSpec",
    "MessageSpec",
    "ValuesSpec",
    "schema_faults",
]
