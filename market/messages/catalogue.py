"""The message types by number and by name. For wiring, documents and tools; nothing on a hot path asks here."""

from __future__ import annotations

from hashlib import sha256
from importlib import import_module
from typing import Final

from market.message_schema.catalogue import GROUPS, MESSAGES
from market.messages.base import Message


def _types() -> dict[int, type[Message]]:
    """Every generated class by its number."""
    types: dict[int, type[Message]] = {}
    for group in GROUPS:
        module = import_module(f"market.messages.{group.module}")
        for message in group.messages:
            types[message.schema_id] = getattr(module, message.name)
    return types


MESSAGE_TYPES: Final = _types()
MAX_SCHEMA_ID: Final = max(MESSAGE_TYPES)
#: Tells two schemas apart: what one build wrote down is only compared with the same schema.
SCHEMA_FINGERPRINT: Final = sha256(repr(GROUPS).encode()).hexdigest()[:16]
_IDS: Final = {kind: schema_id for schema_id, kind in MESSAGE_TYPES.items()}
_GROUP_NAMES: Final = {message.schema_id: group.module for group in GROUPS for message in group.messages}


def schema_id_of(kind: type[Message]) -> int:
    """The number of a message type."""
    if kind not in _IDS:
        raise ValueError(f"{kind.__name__} is not a type of the message catalogue")
    return _IDS[kind]


def name_of(schema_id: int) -> str:
    """The name of the message type with that number."""
    if schema_id not in MESSAGES:
        raise ValueError(f"no message has the number {schema_id}")
    return MESSAGES[schema_id].name


def group_of(schema_id: int) -> str:
    """The group of the message type with that number, one of the GROUP constants."""
    if schema_id not in _GROUP_NAMES:
        raise ValueError(f"no message has the number {schema_id}")
    return _GROUP_NAMES[schema_id]
