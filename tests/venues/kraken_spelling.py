"""Other spellings of the same JSON, for tests: spaces, another order of keys, escapes; numbers stay as they are."""

from __future__ import annotations

import json
from random import Random


class Written(str):
    """A number as the frame writes it."""


def respelled(frame: bytes, random: Random) -> bytes:
    """The same frame in a spelling that no venue uses."""
    return _spelled(json.loads(frame, parse_float=Written, parse_int=Written), random).encode()


def _spelled(value: object, random: Random) -> str:
    space = random.choice(("", " ", "\n\t"))
    if isinstance(value, Written):
        return value + space
    if isinstance(value, dict):
        items = list(value.items())
        random.shuffle(items)
        items.append(("a_new_field", [None, Written("1e3")]))
        inner = ",".join(f"{space}{_spelled(key, random)}:{_spelled(one, random)}" for key, one in items)
        return "{" + inner + space + "}"
    if isinstance(value, list):
        return "[" + ",".join(space + _spelled(one, random) for one in value) + "]"
    if isinstance(value, str) and value and random.random() < 0.3:
        return f'"\\u{ord(value[0]):04x}{json.dumps(value[1:])[1:]}' + space
    return json.dumps(value) + space
