"""The lock of live trading: what may run in which mode, with which words, and where keys have to be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from market.messages import NewOrder
from runtime.blueprint import Blueprint
from runtime.classes import params_of
from runtime.config.errors import ConfigErrors, RuleBroken
from runtime.config.load import load_config
from runtime.config.secrets import Secret
from runtime.service import Service
from runtime.trial import plan_checked
from tests.data import ROOT
from venues.ccxt_binance import make_client
from venues.ccxt_gateway import CcxtGateway
from venues.ccxt_params import CcxtParams
from venues.gateway_keys import KeysMissing, read_key
from venues.gateway_lock import is_loopback, live_problem, mode_problem, real_gateways, trades_real_money

CONFIG = ROOT / "configs" / "live-example.toml"
KEYS = {"BINANCE_API_KEY": "k" * 20, "BINANCE_API_SECRET": "s" * 20}


def plan(tmp_path: Path, text: str = "") -> Blueprint:
    """The shipped example, with some keys set anew."""
    path = tmp_path / "system.toml"
    path.write_text(f'include = ["{CONFIG}"]\n{text}', encoding="utf-8")
    return plan_checked(load_config(path, params_of=params_of))


@pytest.mark.parametrize(
    ("mode", "live_flag", "keys", "told"),
    [
        ("live", True, KEYS, None),
        ("live", False, KEYS, "add --live"),
        ("live", True, {}, "BINANCE_API_KEY"),
        ("live", True, {"BINANCE_API_KEY": "k" * 20}, "BINANCE_API_SECRET"),
        ("paper", False, KEYS, "gateway would trade with real money"),
        ("paper", True, KEYS, "gateway would trade with real money"),
    ],
)
def test_three_things_open_the_lock(
    tmp_path: Path, mode: str, live_flag: bool, keys: Mapping[str, str], told: str | None
) -> None:
    """Configuration, command and keys: each that is missing is named with what to do, and no key is shown."""
    problem = live_problem(plan(tmp_path, f'mode = "{mode}"\n'), live_flag, keys)
    assert (problem is None) == (told is None)
    assert told is None or (problem is not None and told in problem)
    assert problem is None or not any(key in problem for key in KEYS.values())


@pytest.mark.parametrize(
    "place", ["sandbox = true", 'url = "http://127.0.0.1:8766"', 'url = "http://localhost:1"', 'url = "http://[::1]:1"']
)
def test_play_money_is_paper(tmp_path: Path, place: str) -> None:
    """A sandbox, or an exchange of this machine, may be traded at in paper mode, and not in live mode."""
    text = f'mode = "{{mode}}"\n[services.gateway.params]\n{place}\n'
    paper = plan(tmp_path, text.format(mode="paper"))
    assert (mode_problem(paper), live_problem(paper, False, {}), real_gateways(paper)) == (None, None, [])
    assert "--live needs" in (live_problem(paper, True, {}) or "")
    live = plan(tmp_path, text.format(mode="live"))
    assert "no gateway here trades with real money" in (live_problem(live, True, KEYS) or "")


def test_other_addresses_are_real_money(tmp_path: Path) -> None:
    """An address of another machine is the venue's, whatever it is called; names are not looked up."""
    for url in ("https://api.binance.com", "http://10.0.0.1:8766", "http://127.0.0.1.example.com", "http://loopback"):
        assert not is_loopback(url)
        assert real_gateways(plan(tmp_path, f'[services.gateway.params]\nurl = "{url}"\n'))


@pytest.mark.parametrize(
    "url",
    [
        "http://api.binance.com\\@localhost", "http://localhost@api.binance.com", "http://u:p@localhost:1",
        "http://localhost?@api.binance.com", "http://api.binance.com#@localhost", "http://localhost:1/api",
        "https://api.binance.com/@127.0.0.1", "http://local host", "http://localhost\t:1", " http://localhost:1",
        "http://localhost:1\n", "http://127.0.0.1%2f@x", "ws://localhost:1", "http://", "localhost:1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_plain_is_none(tmp_path: Path, url: str) -> None:
    """Readers of addresses do not agree on the host of such a one: it is refused, and is never play money."""
    assert not is_loopback(url)
    with pytest.raises(RuleBroken, match="without a path"):
        CcxtParams(api_key={"env": "A"}, api_secret={"env": "B"}, url=url)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://127.0.0.1:8766/", "http://127.0.0.1:8766"), ("http://LOCALHOST", "http://localhost:80"),
        ("https://[::1]:1", "https://[::1]:1"), ("https://api.binance.com", "https://api.binance.com:443"),
    ],
)  # fmt: skip
def test_requests_go_to_the_host_that_was_judged(url: str, base: str) -> None:
    """The address is made anew of the scheme, host and port that were read."""
    params = CcxtParams(api_key={"env": "A"}, api_secret={"env": "B"}, url=url)
    client = make_client(params, Secret("k", "test"), Secret("s", "test"))
    assert client.urls["api"]["private"] == client.urls["api"]["public"] == f"{base}/api/v3"


class Unspoken(Service):
    """A gateway that does not say whether money is at stake."""

    TAKES = (NewOrder,)

    async def run(self) -> None:
        """Nothing."""


def test_who_does_not_say_trades_with_real_money(tmp_path: Path) -> None:
    """It fails closed: a gateway of a user's own that does not declare itself needs the lock opened."""
    node = next(one for one in plan(tmp_path).services if one.class_ is CcxtGateway)
    blueprint = plan(tmp_path)
    unspoken = attrs.evolve(node, class_=Unspoken, params=None)
    assert trades_real_money(unspoken)
    changed = attrs.evolve(blueprint, services=(unspoken,))
    assert "does not say where its keys are" in (live_problem(changed, True, KEYS) or "")


def test_keys_are_named_and_never_written(tmp_path: Path) -> None:
    """A key that stands in the configuration is refused unshown; a file that others can read is too."""
    for bad in ('"abcdef"', '{ env = "A", file = "b" }', '{ value = "abcdef" }'):
        with pytest.raises(ConfigErrors) as caught:
            plan(tmp_path, f"[services.gateway.params]\napi_key = {bad}\n")
        assert "abcdef" not in str(caught.value)
    path = tmp_path / "key"
    path.write_text("abcdef")
    path.chmod(0o644)
    with pytest.raises(KeysMissing, match="chmod 600"):
        read_key("api_key", {"file": str(path)})
    path.chmod(0o600)
    assert read_key("api_key", {"file": str(path)}).reveal() == "abcdef"


def test_the_keys_of_the_example_are_no_overrides() -> None:
    """Variables that begin with HFTRUN_ set keys of the configuration: a secret is never called so."""
    assert not any(name.startswith("HFTRUN_") for name in KEYS)
    assert all(name in CONFIG.read_text(encoding="utf-8") for name in KEYS)
