"""A valid configuration that uses every part of the format; the tests of the loader start from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from runtime.config.errors import ConfigErrors, RuleBroken
from runtime.config.load import Loaded, load_config
from runtime.config.rules import DecimalText, at_least, between, decimal, setting
from runtime.config.secrets import Secret

VALID = """\
# A market maker on one venue.
name = "maker"
mode = "paper"
offline = "simulate"

[runtime]
seed = 7
max_lag_ms = 250

[restart]
initial_ms = 100
factor = 2
maximum_ms = 10_000

[journal]
durability = "interval"

[log]
level = "info"
levels = { "runtime.lane" = "debug" }

[instruments.btc]
symbol = "BTC/USDT"
venue = "binance"
venue_symbol = "BTCUSDT"
base = "BTC"
quote = "USDT"
tick = "0.01"
lot = "0.00001"
minimum_notional = "5"
taker_fee_bps = "7.5"

[instruments."eth-perp"]
symbol = "ETH/USDT"
venue = "binance"
venue_symbol = "ETHUSDT"
base = "ETH"
quote = "USDT"
kind = "perpetual"
tick = "0.01"
lot = "0.001"

[actors.quoter]
class = "strategies.quoter:Quoter"
policy = "restart"
instruments = [
  "btc",   # the first
  "eth-perp",
]

[actors.quoter.params]
size = "0.25"
levels = 3
spread = { bps = 4.5, skew = 0.1 }

[services.feed]
class = "venues.feed:Feed"
params = { url = "wss://localhost/ws", key = { env = "FEED_KEY" } }

[channels.orders]
capacity = 1024
policy = "halt"
"""


@attrs.frozen
class Spread:
    """A table inside settings."""

    bps: float = setting("Width.", rule=at_least(0), unit="bps", reload=True)
    skew: float = setting("Lean per lot of inventory.", default=0.0)


@attrs.frozen
class QuoterParams:
    """Settings of an actor."""

    size: DecimalText = setting("Size of a quote.", rule=decimal(above_zero=True), reload=True)
    levels: int = setting("Quotes a side.", default=1, rule=between(1, 20))
    spread: Spread = setting("Spread.", factory=lambda: Spread(bps=1.0))


@attrs.frozen
class FeedParams:
    """Settings of a service, with a secret."""

    url: str = setting("Address.")
    key: Secret | None = setting("Key.", default=None)


def params_of(class_path: str) -> type | None:
    """The settings' class of the classes named in `VALID`."""
    known = {"strategies.quoter:Quoter": QuoterParams, "venues.feed:Feed": FeedParams, "actors.bare:Bare": None}
    if class_path not in known:
        raise RuleBroken("a class that can be loaded", "install it")
    return known[class_path]


ENVIRONMENT = {"FEED_KEY": "s3cr3t-feed-key"}


def write(directory: Path, text: str = VALID, name: str = "system.toml") -> Path:
    """Write a configuration file."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def load(path: Path, environment: Mapping[str, str] | None = None, *, checked: bool = True) -> Loaded:
    """Load with an environment of its own, and with settings structured unless `checked` is false."""
    return load_config(path, {**ENVIRONMENT, **(environment or {})}, params_of if checked else None)


def errors_of(path: Path, environment: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with a configuration, as lines without remedies; fails when nothing is."""
    try:
        load(path, environment)
    except ConfigErrors as errors:
        return [str(error).split("\n")[0].removeprefix(f"{path.parent}/") for error in errors.errors]
    raise AssertionError("the configuration was accepted")
