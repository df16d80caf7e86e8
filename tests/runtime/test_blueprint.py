"""The plan of a system: what is loaded, and what is wrong with a wiring, told with its key and a remedy."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from market.messages import CancelOrder, FairValue, PublicTrade, TopOfBook, WantedQuotes
from runtime.blueprint import Blueprint
from runtime.classes import params_of
from runtime.config.errors import ConfigErrors
from runtime.config.load import load_config
from runtime.trial import plan_checked
from tests.data import ROOT

CLASSES = '''
"""Actors and services of a user's own file."""

from typing import ClassVar

import attrs

from market.messages import CancelOrder, FairValue, PublicTrade, TopOfBook, WantedQuotes
from runtime.actor import Actor, ActorError, Strategy
from runtime.config.rules import DecimalText, decimal, setting
from runtime.service import Service


class Feed(Service):
    GIVES = (TopOfBook, PublicTrade)

    async def run(self):
        pass


class Gateway(Service):
    TAKES = (CancelOrder,)

    async def run(self):
        pass


class Display(Service):
    TAKES = (TopOfBook,)

    async def run(self):
        pass


class Critical(Actor):
    POLICY = "halt_trading"


class Unfinished(Service):
    GIVES = (TopOfBook,)


class Pricer(Actor):
    HANDLERS = {TopOfBook: "on_top"}
    GIVES = (FairValue,)
    OWNS = (FairValue,)

    def on_top(self, top):
        pass


class Quoter(Strategy):
    HANDLERS = {FairValue: "on_fair_value"}
    GIVES = (WantedQuotes,)

    def on_fair_value(self, fair):
        pass


class Orders(Actor):
    HANDLERS = {WantedQuotes: "on_wants"}
    GIVES = (CancelOrder,)

    def on_wants(self, wants):
        pass


class Venue(Actor):
    HANDLERS = {CancelOrder: "on_cancel"}

    def on_cancel(self, cancel):
        pass


class WithoutMethod(Pricer):
    HANDLERS = {TopOfBook: "on_top", PublicTrade: "on_trade", FairValue: "on_price"}


@attrs.frozen(kw_only=True)
class SizeParams:
    size: DecimalText = setting("Size.", default=DecimalText("1"), rule=decimal())


class Sized(Pricer):
    PARAMS = SizeParams

    def __init__(self, setup):
        super().__init__(setup)
        setup.instruments.by_id(1).parse_size(setup.params.size)


class Refusing(Pricer):
    def __init__(self, setup):
        super().__init__(setup)
        raise ActorError("no good")


class Clumsy(Pricer):
    def __init__(self, setup):
        super().__init__(setup)
        setup.nothing()


class NoActor:
    pass
'''

INSTRUMENT = """
[instruments.{name}]
symbol = "{name}/USDT"
venue = "here"
venue_symbol = "{name}USDT"
base = "{name}"
quote = "USDT"
tick = "0.01"
lot = "0.001"
"""

WHOLE = """
name = "whole"
services.feed.class = "own.py:Feed"
actors.pricer.class = "own.py:Pricer"
actors.quoter.class = "own.py:Quoter"
actors.orders.class = "own.py:Orders"
actors.venue.class = "own.py:Venue"
"""


def plan(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, of_eth: str = "") -> Blueprint:
    """The plan of a configuration over the classes above and two instruments, the second with more settings."""
    monkeypatch.chdir(folder)
    (folder / "own.py").write_text(CLASSES, encoding="utf-8")
    instruments = INSTRUMENT.format(name="BTC") + INSTRUMENT.format(name="ETH") + of_eth
    (folder / "system.toml").write_text(text + instruments, encoding="utf-8")
    return plan_checked(load_config("system.toml", {}, params_of))


def problems(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    """What is wrong with a configuration, as the command prints it."""
    with pytest.raises(ConfigErrors) as refused:
        plan(folder, monkeypatch, text)
    return str(refused.value)


def test_whole_plan_says_who_gives_what_to_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Actors and services keep the order of the file; givers and takers find each other by type."""
    blueprint = plan(tmp_path, monkeypatch, WHOLE)
    assert [node.name for node in blueprint.actors] == ["pricer", "quoter", "orders", "venue"]
    assert [node.node_id for node in blueprint.actors] == [1, 2, 3, 4]
    assert [node.name for node in blueprint.takers_of(FairValue)] == ["quoter"]
    assert [node.name for node in blueprint.givers_of(TopOfBook)] == ["feed"]
    assert [node.name for node in blueprint.takers_of(PublicTrade)] == []
    assert [node.is_strategy for node in blueprint.actors] == [False, True, False, False]
    assert blueprint.instrument_names == {"BTC": 1, "ETH": 2}
    assert blueprint.lanes == ("main",)


def test_an_instrument_has_the_places_that_its_configuration_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finer than tick and lot where the venue's numbers are; those of tick and lot where nothing is said."""
    blueprint = plan(tmp_path, monkeypatch, WHOLE, "price_places = 4\nsize_places = 6\n")
    usual, finer = (blueprint.instruments.by_id(number) for number in (1, 2))
    assert (usual.price_scale, usual.size_scale) == (2, 3)
    assert (finer.price_scale, finer.size_scale) == (4, 6)
    assert (finer.parse_price("100.01"), finer.parse_size("0.005")) == (1_000_100, 5_000)
    assert (finer.tick, finer.lot) == (100, 1_000)
    with pytest.raises(ConfigErrors, match="ETH"):
        plan(tmp_path, monkeypatch, WHOLE, "price_places = 1\n")


def test_own_lane_is_called_as_its_actor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`lane = "own"` makes a lane of the actor's name; the order of the lanes is that of their first actors."""
    blueprint = plan(tmp_path, monkeypatch, WHOLE + 'actors.quoter.lane = "own"\nactors.venue.lane = "fast"\n')
    assert blueprint.lanes == ("main", "quoter", "fast")
    assert [node.name for node in blueprint.actors_in("main")] == ["pricer", "orders"]


def test_dependents_are_those_who_see_the_market_through_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Market data makes dependent, directly or not; wants and orders do not, nor what is of another instrument."""
    blueprint = plan(tmp_path, monkeypatch, WHOLE)
    names = {node.name: [one.name for one in blueprint.dependents_of(node)] for node in blueprint.actors}
    assert names == {"pricer": ["quoter"], "quoter": [], "orders": [], "venue": []}
    apart = plan(
        tmp_path,
        monkeypatch,
        WHOLE
        + 'actors.pricer.instruments = ["ETH"]\nactors.quoter.instruments = ["BTC"]\n'
        + 'actors.second.class = "own.py:Pricer"\nactors.second.instruments = ["BTC"]\n',
    )
    assert [one.name for one in apart.dependents_of(apart.actors[0])] == []


WRONG = {
    "nobody gives": (
        WHOLE.replace('actors.pricer.class = "own.py:Pricer"\n', ""),
        "system.toml:4: actors.quoter: takes FairValue, which nobody gives",
        "remedy: add an actor or service that gives FairValue",
    ),
    "nobody gives for its instrument": (
        WHOLE + 'actors.quoter.instruments = ["BTC"]\nactors.pricer.instruments = ["ETH"]\n',
        "actors.quoter: takes FairValue, which nobody gives for its instruments",
        "remedy: name the same instruments there and at pricer",
    ),
    "nobody takes an order": (
        WHOLE.replace('actors.orders.class = "own.py:Orders"\n', ""),
        "actors.quoter: gives WantedQuotes, which nobody takes",
        "remedy: add an actor or service that takes WantedQuotes",
    ),
    "two owners": (
        WHOLE + 'actors.second.class = "own.py:Pricer"\n',
        "actors.second: owns FairValue, and for an instrument of its own pricer owns it already",
        "remedy: name different instruments at pricer and second, or remove one of them",
    ),
    "unknown channel": (
        WHOLE + 'channels."main.outbox".capacity = 5\n',
        'channels."main.outbox": the name of a channel',
        "remedy: there are main.inbox, main.lanes, main.urgent, feed.inbox, feed.urgent",
    ),
    "a lane's inbox that loses": (
        WHOLE + 'channels."main.inbox".policy = "drop_oldest"\n',
        'channels."main.inbox".policy = "drop_oldest": expected block or halt: what a lane is sent must not be lost',
        "remedy: remove this policy, or give the channel a larger capacity",
    ),
    "lanes that wait for each other": (
        WHOLE + 'channels."main.lanes".policy = "block"\n',
        'channels."main.lanes".policy = "block": expected halt: lanes that wait for one another would wait for ever',
        "remedy: remove this policy",
    ),
    "cancels that wait": (
        WHOLE + 'channels."main.urgent".policy = "block"\n',
        'channels."main.urgent".policy = "block": expected halt: cancels and halts must neither be lost nor wait',
        "remedy: remove this policy",
    ),
    "cancels to a service that are lost": (
        WHOLE + 'channels."feed.urgent".policy = "coalesce"\n',
        'channels."feed.urgent".policy = "coalesce": expected halt: cancels and halts must neither be lost nor wait',
        "remedy: remove this policy",
    ),
    "orders to a service that are lost": (
        WHOLE + 'services.gate.class = "own.py:Gateway"\nchannels."gate.inbox".policy = "drop_oldest"\n',
        'channels."gate.inbox".policy = "drop_oldest": expected halt: orders and reports must not be lost',
        "remedy: remove this policy",
    ),
    "a critical actor made careless": (
        WHOLE + 'actors.critical.class = "own.py:Critical"\nactors.critical.policy = "restart"\n',
        'actors.critical.policy = "restart": expected halt_trading, as Critical says: nothing may trade while it is',
        "remedy: remove this policy",
    ),
    "a service with dependents": (
        WHOLE + 'services.feed.policy = "restart_with_dependents"\n',
        'services.feed.policy = "restart_with_dependents": expected a policy of services',
        "remedy: a service has no dependents in a lane; use restart or halt_trading",
    ),
    "channel of a lane that is no more": (
        WHOLE + 'actors.quoter.lane = "own"\nchannels."fast.inbox".capacity = 5\n',
        'channels."fast.inbox": the name of a channel',
        "quoter.inbox, quoter.lanes, quoter.urgent",
    ),
    "handler without method": (
        WHOLE.replace("own.py:Pricer", "own.py:WithoutMethod"),
        "actors.pricer.class = own.py:WithoutMethod: expected a method on_trade, which its HANDLERS names",
        "remedy: add the method",
    ),
    "no such class": (
        WHOLE.replace("own.py:Pricer", "own.py:Prizer"),
        'actors.pricer.class = "own.py:Prizer": expected a class that can be loaded',
        "remedy: own.py has no class Prizer",
    ),
    "no such file": (
        WHOLE.replace("own.py:Pricer", "gone.py:Pricer"),
        'actors.pricer.class = "gone.py:Pricer": expected a class that can be loaded',
        "there is no file gone.py",
    ),
    "no actor": (
        WHOLE.replace("own.py:Pricer", "own.py:NoActor"),
        'actors.pricer.class = "own.py:NoActor": expected an actor, a strategy or a service',
        "remedy: derive it from runtime.actor or runtime.service",
    ),
    "a service among the actors": (
        WHOLE + 'actors.second.class = "own.py:Feed"\n',
        "actors.second.class = own.py:Feed: expected a subclass of Actor",
        "remedy: move it to [services]",
    ),
    "an actor among the services": (
        WHOLE + 'services.second.class = "own.py:Pricer"\n',
        "services.second.class = own.py:Pricer: expected a subclass of Service",
        "remedy: move it to [actors]",
    ),
    "a service without run": (
        WHOLE + 'services.second.class = "own.py:Unfinished"\n',
        "services.second.params: settings that Unfinished can be made with: TypeError",
        "abstract",
    ),
    "unknown instrument": (
        WHOLE + 'actors.pricer.instruments = ["XRP"]\n',
        "actors.pricer.instruments",
        "BTC, ETH",
    ),
    "a setting that the class finds wrong": (
        WHOLE.replace("own.py:Pricer", "own.py:Sized") + 'actors.pricer.params.size = "0.0001"\n',
        "actors.pricer.params: settings that Sized can be made with: '0.0001' has more than 3 decimal places",
        "1 error in the configuration",
    ),
    "an actor that refuses": (
        WHOLE.replace("own.py:Pricer", "own.py:Refusing"),
        "actors.pricer.params: settings that Refusing can be made with: ActorError: no good",
        "own.py:",
    ),
    "an actor that cannot be made": (
        WHOLE.replace("own.py:Pricer", "own.py:Clumsy"),
        "actors.pricer.params: settings that Clumsy can be made with: AttributeError",
        "(own.py:",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_key_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Every fault of a wiring names the key where it was said, what was expected, and what to do."""
    text, told, remedy = WRONG[case]
    # A class in a file is told by its whole path.
    report = problems(tmp_path, monkeypatch, text).replace(f"{tmp_path}/", "")
    assert told in report
    assert remedy in report


def test_everything_wrong_with_a_wiring_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two unrelated faults of a wiring are two errors of one report."""
    text = WHOLE + 'actors.second.class = "own.py:Pricer"\nchannels.nothing.capacity = 5\n'
    assert problems(tmp_path, monkeypatch, text).endswith("2 errors in the configuration")


def test_owners_of_different_instruments_are_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One owner for each instrument is one owner."""
    text = WHOLE + 'actors.second.class = "own.py:Pricer"\nactors.second.instruments = ["ETH"]\n'
    blueprint = plan(tmp_path, monkeypatch, text + 'actors.pricer.instruments = ["BTC"]\n')
    assert [node.name for node in blueprint.givers_of(FairValue)] == ["pricer", "second"]


def test_news_that_nobody_reads_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The feed's trades and the venue's reports may go unheard; only a command must have a taker."""
    blueprint = plan(tmp_path, monkeypatch, WHOLE)
    assert blueprint.takers_of(PublicTrade) == []
    assert blueprint.takers_of(WantedQuotes) != []


def test_shipped_configuration_is_whole() -> None:
    """The main job's own wiring has no fault, and every actor of it has its settings."""
    blueprint = plan_checked(load_config(ROOT / "configs" / "mm.toml", {}, params_of))
    assert [node.name for node in blueprint.actors][-1] == "market_maker"
    assert all((node.params is None) == (node.class_.PARAMS is None) for node in blueprint.actors)  # type: ignore[attr-defined]


SECOND = {
    "risk": ("actors.risk:Risk", "NewOrder ReplaceOrder"),
    "order_manager": ("actors.order_manager:OrderManager", "ChildOrder"),
    "paper_venue": ("actors.paper_venue:PaperVenue", "OrderAccepted OrderFilled OrderCancelled"),
}


@pytest.mark.parametrize("name", SECOND)
def test_a_second_one_of_what_moves_orders_is_refused(tmp_path: Path, name: str) -> None:
    """A second risk, order manager or paper venue on the same instrument is named, with the first."""
    class_path, owned = SECOND[name]
    params = tmp_path / "second.toml"
    shipped = tomllib.loads((ROOT / "configs" / "standard-actors.toml").read_text(encoding="utf-8"))
    values = shipped["actors"][name]["params"]
    lines = [f'include = ["{ROOT / "configs" / "mm.toml"}"]', "[actors.second]", f'class = "{class_path}"']
    lines += ["[actors.second.params]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    params.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(ConfigErrors) as refused:
        plan_checked(load_config(params, {}, params_of))
    told = str(refused.value)
    names = owned.split()
    them = "it" if len(names) == 1 else "them"
    owns = f"actors.second: owns {', '.join(names)}"
    assert f"{owns}, and for an instrument of its own {name} owns {them} already" in told
    assert len(refused.value.errors) == 1


def test_who_emits_orders_and_owns_none_may_stand_beside_the_order_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two givers of a command that do not say that they own it are no error."""
    text = WHOLE + 'actors.more.class = "own.py:Orders"\n'
    assert [node.name for node in plan(tmp_path, monkeypatch, text).givers_of(CancelOrder)] == ["orders", "more"]


def test_policies_that_lose_nothing_that_matters_are_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A display may lose what it shows, a lane may halt instead of letting wait, any actor may halt trading."""
    text = WHOLE + 'services.display.class = "own.py:Display"\nchannels."display.inbox".policy = "drop_oldest"\n'
    text += 'channels."main.inbox".policy = "halt"\nchannels."main.lanes".policy = "halt"\n'
    text += 'actors.pricer.policy = "halt_trading"\nactors.critical.class = "own.py:Critical"\n'
    text += 'actors.critical.policy = "halt_trading"\nservices.feed.policy = "halt_trading"\n'
    blueprint = plan(tmp_path, monkeypatch, text)
    policies = {node.name: node.policy for node in (*blueprint.actors, *blueprint.services)}
    assert (policies["pricer"], policies["critical"], policies["feed"]) == ("halt_trading",) * 3


def test_what_nobody_hears_is_listed_with_its_givers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A type that is given and not taken is listed once, with all who give it."""
    text = WHOLE + 'services.second.class = "own.py:Feed"\n'
    unheard = plan(tmp_path, monkeypatch, text).unheard()
    assert [(kind, [node.name for node in givers]) for kind, givers in unheard] == [(PublicTrade, ["feed", "second"])]
