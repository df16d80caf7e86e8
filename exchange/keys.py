"""The keys of clients: read from a private file, checked when a client logs in, made up for a first start.

A key has an id that may be seen, a secret that may not, an account and scopes. Secrets never leave this module but in
the demo keys' file: they are no part of any message, log line or error. A wrong key and a wrong signature take the
same time and give the same answer. Whether a nonce is new the exchange's lane says, as it must outlive the process.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from typing import Final

import attrs
import tomli

from exchange.protocol import LARGEST_ID, Login, Refused
from runtime.config.errors import RuleBroken
from runtime.config.rules import NAME, NAME_EXPECTED
from runtime.config.secrets import Secret, read_secret

READ: Final = 1
TRADE: Final = 2
ADMIN: Final = 4
SCOPES: Final[dict[str, int]] = {"read": READ, "trade": TRADE, "admin": ADMIN}

SHORTEST_SECRET: Final = 32
NANOSECONDS_PER_MILLISECOND: Final = 1_000_000

# What is compared where the key is unknown, so that the answer takes as long.
_NOBODY: Final = secrets.token_hex(32)


class KeyFileError(ValueError):
    """The file of keys cannot be used; the message says why and what to do, and names no secret."""


@attrs.frozen
class Key:
    """One key."""

    key_id: str
    secret: Secret = attrs.field(repr=False)
    account_id: int
    scopes: int

    def scope_words(self) -> list[str]:
        """Its scopes by name."""
        return [word for word, bit in SCOPES.items() if self.scopes & bit]


def signed_text(key_id: str, time_ms: int, nonce: int) -> str:
    """The text that a login signs."""
    return f"hftrun login\n{key_id}\n{time_ms}\n{nonce}"


def sign(secret: str, key_id: str, time_ms: int, nonce: int) -> str:
    """The signature of a login: HMAC-SHA256 of its text, in small hexadecimal digits."""
    return hmac.new(secret.encode(), signed_text(key_id, time_ms, nonce).encode(), hashlib.sha256).hexdigest()


class KeyRing:
    """All keys of an exchange."""

    def __init__(self, keys: Sequence[Key] = ()) -> None:
        self._keys = {key.key_id: key for key in keys}

    def __len__(self) -> int:
        return len(self._keys)

    def accounts(self) -> list[int]:
        """Every account that has a key."""
        return sorted({key.account_id for key in self._keys.values()})

    def find(self, key_id: str) -> Key | None:
        """The key of an id, which proves nothing yet."""
        return self._keys.get(key_id)

    def verify(self, key_id: str, payload: str, signature: str) -> Key | None:
        """The key that signed a payload, with HMAC-SHA256 in hexadecimal digits; None where none did."""
        key = self._keys.get(key_id)
        secret = _NOBODY if key is None else key.secret.reveal()
        expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        matches = hmac.compare_digest(expected.encode(), signature.lower().encode())
        return key if matches else None

    def check(self, login: Login, now_ns: int, window_ms: int) -> Key:
        """The key that a login proves to hold; `Refused` otherwise.

        How far the clocks differ is told only to whoever has signed rightly.
        """
        key = self._keys.get(login.key)
        secret = _NOBODY if key is None else key.secret.reveal()
        expected = sign(secret, login.key, login.time_ms, login.nonce)
        matches = hmac.compare_digest(expected.encode(), login.signature.encode())
        if key is None or not matches:
            raise Refused(
                "authentication",
                "the key is unknown or the signature is wrong: sign the text that docs/exchange-protocol.md gives, "
                "with the secret as it stands in the file of keys",
            )
        behind_ms = now_ns // NANOSECONDS_PER_MILLISECOND - login.time_ms
        if abs(behind_ms) > window_ms:
            raise Refused(
                "authentication",
                f"time_ms is {abs(behind_ms)} ms {'behind' if behind_ms > 0 else 'ahead of'} the exchange, "
                f"more than {window_ms} ms are refused: set the clock, or use time_ms of welcome and heartbeat",
            )
        return key


def read_keys(path: str) -> KeyRing:
    """The keys in a file that only its owner can read; a `KeyFileError` says what is wrong with it."""
    try:
        content = read_secret({"file": os.path.abspath(path)}, "", {}).reveal()
    except RuleBroken as broken:
        remedy = f": {broken.remedy}" if broken.remedy else ""
        raise KeyFileError(f"{path}: expected {broken.expected}{remedy}") from None
    try:
        tables = tomli.loads(content)
    except tomli.TOMLDecodeError as error:
        # The parser's text names a place and no value.
        raise KeyFileError(f"{path} is no TOML: {error}") from None
    rows = tables.pop("keys", None)
    if tables or not isinstance(rows, dict):
        raise KeyFileError(f"{path}: write one table [keys.NAME] for each key, and nothing else")
    return KeyRing([_key_of(path, key_id, row) for key_id, row in rows.items()])


def _key_of(path: str, key_id: str, row: object) -> Key:
    where = f"{path}: keys.{key_id}"
    if NAME.fullmatch(key_id) is None:
        raise KeyFileError(f"{where}: the id must be {NAME_EXPECTED}")
    if not isinstance(row, dict) or set(row) != {"secret", "account", "scopes"}:
        raise KeyFileError(f"{where}: write secret, account and scopes, and nothing else")
    secret, account, scopes = row["secret"], row["account"], row["scopes"]
    if not isinstance(secret, str) or len(secret) < SHORTEST_SECRET:
        raise KeyFileError(f"{where}: the secret must be text of at least {SHORTEST_SECRET} characters")
    if type(account) is not int or not 0 < account <= LARGEST_ID:
        raise KeyFileError(f"{where}: the account must be a whole number above 0")
    if not isinstance(scopes, list) or not scopes or not all(scope in SCOPES for scope in scopes):
        raise KeyFileError(f"{where}: scopes must be a list of some of {', '.join(SCOPES)}")
    bits = 0
    for scope in scopes:
        bits |= SCOPES[scope]
    return Key(key_id, Secret(secret, f"file:{path}"), account, bits)


def create_demo_keys(path: str, accounts: Sequence[int]) -> bool:
    """Write a file with a key that may read and trade for each account, and one that may administer.

    Gives False, and touches nothing, where the file is there. It is never readable by others, and never half written.
    """
    if os.path.exists(path):
        return False
    rows = [_demo_row(f"demo-{account}", account, '"read", "trade"') for account in accounts]
    rows.append(_demo_row("demo-admin", accounts[0], '"read", "admin"'))
    head = "# Keys of a local exchange, made up at its first start. Whoever has a secret can trade."
    text = "\n\n".join((head, *rows))
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, mode=0o700, exist_ok=True)
    temporary = os.path.join(folder, f".{os.path.basename(path)}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        # A link is refused where the name is taken meanwhile; a rename would replace what is there.
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    return True


def _demo_row(key_id: str, account: int, scopes: str) -> str:
    return f'[keys.{key_id}]\nsecret = "{secrets.token_hex(32)}"\naccount = {account}\nscopes = [{scopes}]\n'
