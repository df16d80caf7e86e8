"""Keys: the file that holds them, what it may look like, and who is let in."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from exchange.keys import ADMIN, READ, TRADE, KeyFileError, KeyRing, create_demo_keys, read_keys, sign
from exchange.protocol import Login, Refused

SECRET = "0123456789abcdef" * 4
GOOD = f'[keys.alice]\nsecret = "{SECRET}"\naccount = 1\nscopes = ["read", "trade"]\n'
NOW_NS = 1_700_000_000_000_000_000
NOW_MS = NOW_NS // 1_000_000


def key_file(folder: Path, text: str, mode: int = 0o600) -> str:
    """A file of keys with these contents."""
    path = folder / "keys.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return str(path)


def login(key: str = "alice", time_ms: int = NOW_MS, nonce: int = 5, signature: str | None = None) -> Login:
    """A login, signed rightly where nothing else is said."""
    signature = sign(SECRET, key, time_ms, nonce) if signature is None else signature
    return Login(id=1, key=key, time_ms=time_ms, nonce=nonce, signature=signature)


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    """A ring of one key."""
    return read_keys(key_file(tmp_path, GOOD))


def test_a_right_signature_is_let_in(ring: KeyRing) -> None:
    """The key tells account and scopes, and does not show its secret."""
    key = ring.check(login(), NOW_NS, 5_000)
    assert (key.key_id, key.account_id, key.scopes, key.scope_words()) == ("alice", 1, READ | TRADE, ["read", "trade"])
    assert SECRET not in repr(key)


@pytest.mark.parametrize(
    "bad",
    [
        login(signature=""),
        login(signature="0" * 64),
        login(signature=sign(SECRET, "alice", NOW_MS, 5).upper()),
        login(signature=sign(SECRET, "alice", NOW_MS, 6)),
        login(signature=sign(SECRET, "alice", NOW_MS + 1, 5)),
        login(signature=sign("f" * 64, "alice", NOW_MS, 5)),
        login(signature="é" * 64),
        login(key="bob"),
        login(key=""),
        login(key="alice\n"),
    ],
)
def test_wrong_keys_and_signatures_get_one_answer(ring: KeyRing, bad: Login) -> None:
    """Whether the key or the signature is wrong cannot be told apart, nor how far the clock is off."""
    for now_ns in (NOW_NS, NOW_NS + 10**12):
        with pytest.raises(Refused, match="the key is unknown or the signature is wrong") as caught:
            ring.check(bad, now_ns, 5_000)
        assert caught.value.code == "authentication"


def test_the_time_window(ring: KeyRing) -> None:
    """A login may be as old or as early as the window says; past it the difference is told to who signed rightly."""
    for late_ms in (-5_000, 0, 5_000):
        assert ring.check(login(), NOW_NS + late_ms * 1_000_000, 5_000).key_id == "alice"
    with pytest.raises(Refused, match="5001 ms behind the exchange"):
        ring.check(login(), NOW_NS + 5_001_000_000, 5_000)
    with pytest.raises(Refused, match="5001 ms ahead of the exchange"):
        ring.check(login(), NOW_NS - 5_001_000_000, 5_000)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666, 0o620])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The remedy is told, the secret is not."""
    with pytest.raises(KeyFileError, match=r"others can read or write this one.*chmod 600") as caught:
        read_keys(key_file(tmp_path, GOOD, mode))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "this one is empty"),
        ("= =", "is no TOML"),
        ("x = 1", "one table"),
        ("[keys]\nalice = 1", "write secret, account and scopes"),
        (GOOD.replace("account = 1\n", ""), "write secret, account and scopes"),
        (GOOD + "more = 1\n", "write secret, account and scopes"),
        (GOOD.replace(SECRET, "short"), "at least 32 characters"),
        (GOOD.replace("= 1", '= "1"'), "whole number above 0"),
        (GOOD.replace("= 1", "= true"), "whole number above 0"),
        (GOOD.replace("= 1", "= -1"), "whole number above 0"),
        (GOOD.replace('"trade"', '"everything"'), "some of read, trade, admin"),
        (GOOD.replace('["read", "trade"]', "[]"), "some of read, trade, admin"),
        (GOOD.replace("keys.alice", 'keys."a b"'), "the id must be"),
        (GOOD + GOOD, "is no TOML"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """Everything wrong is told with the file's name, and never with a secret."""
    with pytest.raises(KeyFileError, match=told) as caught:
        read_keys(key_file(tmp_path, text))
    assert "keys.toml" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    """What is not there, or no file, is told as such."""
    with pytest.raises(KeyFileError, match="No such file"):
        read_keys(str(tmp_path / "none.toml"))
    with pytest.raises(KeyFileError, match=r"not a file|directory"):
        read_keys(str(tmp_path))


def test_demo_keys_are_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    """Each account gets a key that trades, one key administers; a second start changes nothing."""
    path = str(tmp_path / "state" / "keys.toml")
    previous = os.umask(0)
    try:
        assert create_demo_keys(path, [1, 2])
    finally:
        os.umask(previous)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(os.path.dirname(path)) == ["keys.toml"]
    before = Path(path).read_text(encoding="utf-8")
    assert not create_demo_keys(path, [1, 2, 3])
    assert Path(path).read_text(encoding="utf-8") == before
    assert len(read_keys(path)) == 3
    secrets = [line.split('"')[1] for line in before.splitlines() if line.startswith("secret")]
    assert len(set(secrets)) == 3
    signature = sign(secrets[2], "demo-admin", NOW_MS, 1)
    admin = read_keys(path).check(login("demo-admin", nonce=1, signature=signature), NOW_NS, 5_000)
    assert admin.scopes == READ | ADMIN
