"""Where the keys of a gateway are: named in the configuration, read when they are needed, and never shown.

A configuration says `{ env = "NAME" }` or `{ file = "path" }`. They are not read with the configuration, so that one
without keys can be checked and shown; without them no gateway connects, and live trading does not start.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from runtime.config.errors import RuleBroken
from runtime.config.rules import Rule
from runtime.config.secrets import EXPECTED, REMEDY, Secret, read_secret

Reference = Mapping[str, str]

REFERENCE = Rule(EXPECTED, lambda value: set(value) in ({"env"}, {"file"}) and all(value.values()), REMEDY)


class KeysMissing(Exception):
    """A key cannot be read; the message says which, why and what to do, and shows nothing of it."""


def read_key(what: str, reference: Reference, environment: Mapping[str, str] | None = None) -> Secret:
    """The key that a reference names; a relative path begins in the working directory."""
    try:
        return read_secret(dict(reference), os.getcwd(), os.environ if environment is None else environment)
    except RuleBroken as broken:
        remedy = f": {broken.remedy}" if broken.remedy else ""
        raise KeysMissing(f"{what}: expected {broken.expected}{remedy}") from None
