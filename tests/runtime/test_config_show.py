"""Secrets in configurations; showing and hashing what was loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config.errors import ConfigErrors
from runtime.config.secrets import Secret, read_secret
from runtime.config.show import config_sha256, show_data, show_lines
from tests.runtime.configurations import ENVIRONMENT, VALID, errors_of, load, write

# ---------------------------------------------------------------- secrets


def test_secret_in_plain_text_is_refused_and_not_shown(tmp_path: Path) -> None:
    """A secret written into the file is an error that does not repeat it."""
    text = VALID.replace('{ env = "FEED_KEY" }', '"hunter2"')
    with pytest.raises(ConfigErrors) as caught:
        load(write(tmp_path, text))
    told = str(caught.value)
    assert 'services.feed.params.key = "***": expected a secret, given as { env = "NAME" } or { file = "path" }' in told
    assert "hunter2" not in told


def test_misspelt_secret_is_not_shown(tmp_path: Path) -> None:
    """Neither the value of an unknown key nor of a key that is named like a secret is repeated."""
    text = VALID.replace('key = { env = "FEED_KEY" }', 'kee = "hunter2", api_key = "hunter2", url2 = "x"')
    assert not any("hunter2" in error for error in errors_of(write(tmp_path, text)))


def test_secret_from_the_environment_that_is_not_set(tmp_path: Path) -> None:
    """A variable that is missing is named, with what to do."""
    errors = errors_of(write(tmp_path), {"FEED_KEY": ""})
    assert len(errors) == 1
    assert "the environment variable FEED_KEY, which is not set" in errors[0]


def test_secret_file_must_be_private(tmp_path: Path) -> None:
    """A secret is read from a file only when nobody else can read it, relative to the configuration."""
    text = VALID.replace('{ env = "FEED_KEY" }', '{ file = "feed.key" }')
    path, secret = write(tmp_path, text), tmp_path / "feed.key"
    assert "No such file" in errors_of(path)[0]
    secret.write_text("from-the-file\n")
    secret.chmod(0o640)
    assert "others can read or write" in errors_of(path)[0]
    secret.chmod(0o600)
    assert load(path).params_of("services", "feed").key.reveal() == "from-the-file"
    secret.write_text(" \n")
    assert "empty" in errors_of(path)[0]
    secret.write_bytes(b"\xff")
    assert "not UTF-8" in errors_of(path)[0]
    secret.unlink()
    secret.mkdir(0o700)
    assert "not a file" in errors_of(path)[0]


def test_secret_shows_nothing() -> None:
    """A secret prints as a mask, cannot be pickled, and equals only the same secret of the same place."""
    secret = read_secret({"env": "K"}, "", {"K": "value-of-k"})
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"
    assert secret == Secret("value-of-k", "env:K") != Secret("other", "env:K")
    with pytest.raises(TypeError):
        secret.__reduce__()


# ---------------------------------------------------------------- showing, hashing


def test_show_has_origins_and_masks(tmp_path: Path) -> None:
    """Every value is shown with the file and line, the variable, or the default it comes from; secrets are masked."""
    loaded = load(write(tmp_path), {"HFTRUN_RUNTIME__MAX_LAG_MS": "100"})
    lines = dict(line.rsplit("  # ", 1) for line in show_lines(loaded))
    shown = {line.strip(): origin.removeprefix(f"{tmp_path}/") for line, origin in lines.items()}
    assert shown["runtime.seed = 7"] == "system.toml:7"
    assert shown["runtime.max_lag_ms = 100"] == "environment HFTRUN_RUNTIME__MAX_LAG_MS"
    assert shown["runtime.batch_limit = 64"] == "default"
    assert shown["actors.quoter.params.spread.bps = 4.5"] == "system.toml:54"
    assert shown['services.feed.params.key = { env = "FEED_KEY" }'] == "system.toml:58"
    assert ENVIRONMENT["FEED_KEY"] not in "".join(show_lines(loaded))
    data = show_data(loaded)
    assert {"key": "runtime.seed", "value": 7, "origin": f"{tmp_path}/system.toml:7"} in data["values"]


def test_show_masks_raw_secrets(tmp_path: Path) -> None:
    """Settings that were not structured are masked by their names."""
    text = VALID.replace("key = {", 'api_key = "hunter2", nested = { password = ["hunter2"] }, key = {')
    shown = "\n".join(show_lines(load(write(tmp_path, text), checked=False)))
    assert "hunter2" not in shown
    assert 'services.feed.params.api_key = "***"' in shown


def test_hash_is_of_what_is_said_not_of_where(tmp_path: Path) -> None:
    """The hash changes with any value, but not with comments, order, files or what a secret holds."""
    whole = config_sha256(load(write(tmp_path)).config)
    head, _, tail = VALID.partition("[instruments.btc]")
    write(tmp_path, f"[instruments.btc]{tail}", "tail.toml")
    split = load(write(tmp_path, f'include = ["tail.toml"]\n# moved\n{head}', "head.toml"))
    assert config_sha256(split.config) == whole
    assert config_sha256(load(write(tmp_path), {"FEED_KEY": "another"}).config) == whole
    assert config_sha256(load(write(tmp_path, VALID.replace("seed = 7", "seed = 8"))).config) != whole
    assert config_sha256(load(write(tmp_path, VALID.replace("size = \"0.25\"", 'size = "0.26"'))).config) != whole
