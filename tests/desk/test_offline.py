"""Which market a run has: the venues where one of them answers, else a simulated one or an error; never by surprise."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from desk.loading import load_and_plan
from desk.offline import (
    OFFLINE,
    ONLINE,
    PUBLIC,
    SIMULATED,
    NoFeedReached,
    OfflineError,
    bind_state,
    check_state,
    choose_market,
    feeds_of,
    reach_all,
)
from desk.offline_market import SimulatedMarket, market_process, simulated_market
from market.messages import NewOrder
from runtime.blueprint import Blueprint
from runtime.classes import params_of
from runtime.config.load import load_tree
from runtime.trial import plan_checked
from tests.data import ROOT
from venues.dialing import Dialing, Proxies
from venues.feed_params import FeedParams

MAIN_JOB = ROOT / "configs" / "mm.toml"
NO_PROXIES = Proxies()


async def refuse(host: str, port: int) -> trio.abc.Stream:
    """No network."""
    raise OSError(f"no route to {host}:{port}")


async def hang(host: str, port: int) -> trio.abc.Stream:
    """A network that swallows everything."""
    await trio.sleep_forever()
    raise AssertionError("never")


NOWHERE = Dialing(open_tcp=refuse, proxies=NO_PROXIES)


def plan(path: Path = MAIN_JOB) -> Blueprint:
    """The plan of a configuration."""
    return load_and_plan(path)[1]


def with_urls(blueprint: Blueprint, urls: dict[str, str]) -> Blueprint:
    """The same plan with feeds at other addresses, by venue."""

    def changed(params: object) -> object:
        if isinstance(params, FeedParams) and params.venue in urls:
            return attrs.evolve(params, url=urls[params.venue])
        return params

    return attrs.evolve(
        blueprint,
        services=tuple(attrs.evolve(node, params=changed(node.params)) for node in blueprint.services),
    )


@contextmanager
def listening() -> Iterator[str]:
    """Somebody who takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def refused_address() -> str:
    """An address of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_without_a_network_the_feeds_are_pointed_to_a_simulated_market() -> None:
    """Each feed goes to an address of this machine, the market is one more service, and a banner says so and why."""
    blueprint = plan()
    choice = choose_market(blueprint, dialing=NOWHERE)
    assert choice.market == SIMULATED
    assert choice.words[0].startswith("SIMULATED MARKET: no public feed can be reached.")
    assert [line.partition(":")[0].strip() for line in choice.words[1:]] == ["binance", "kraken", "coinbase"]
    feeds = feeds_of(choice.blueprint)
    addresses = {(feed.params.url, feed.params.rest_url) for feed in feeds if isinstance(feed.params, FeedParams)}
    assert len(addresses) == 3
    assert all(url.startswith("ws://127.0.0.1:") and rest.startswith("http://127.0.0.1:") for url, rest in addresses)
    assert choice.blueprint.services[-1].class_ is SimulatedMarket
    assert choice.blueprint.actors == blueprint.actors
    assert choice.blueprint.config == blueprint.config


def test_the_simulated_market_is_a_configuration_without_a_fault() -> None:
    """What its process is told to run passes every check: three exchanges of one hidden price, with venues' rules."""
    for name in ("mm.toml", "mm-multi.toml"):
        blueprint = plan(ROOT / "configs" / name)
        process = market_process(simulated_market(blueprint, feeds_of(blueprint)))
        assert process is not None
        market = plan_checked(load_tree(process.tree, "simulated", params_of=params_of))
        rules = {(one.venue, one.symbol): (one.tick, one.lot) for one in market.instruments}
        assert rules == {(one.venue, one.symbol): (one.tick, one.lot) for one in blueprint.instruments}
        latents = [table["params"]["latent"] for key, table in process.tree["actors"].items() if "agents" in key]
        assert len(latents) == 3
        assert latents[0] == latents[1] == latents[2]


def test_without_a_network_and_without_leave_to_simulate_it_is_an_error(tmp_path: Path) -> None:
    """`offline = "fail"` names every venue with its cause, and what could be done."""
    path = tmp_path / "strict.toml"
    path.write_text(f'include = ["{MAIN_JOB}"]\noffline = "fail"\n', encoding="utf-8")
    with pytest.raises(NoFeedReached, match=r"binance: .*kraken: .*coinbase: .*--offline"):
        choose_market(plan(path), dialing=NOWHERE)


def test_one_venue_that_answers_is_enough() -> None:
    """It goes on with the public market and says which venues do not answer."""
    with listening() as here:
        urls = {"kraken": f"ws://{here}/v2", "binance": f"ws://{refused_address()}", "coinbase": f"ws://{refused_address()}"}
        blueprint = with_urls(plan(), urls)
        choice = choose_market(blueprint, dialing=Dialing(proxies=NO_PROXIES))
    assert (choice.market, choice.blueprint) == (PUBLIC, blueprint)
    assert [line.split()[0] for line in choice.words] == ["binance", "coinbase"]
    assert all("cannot be reached" in line for line in choice.words)


def test_all_venues_that_answer_need_no_words() -> None:
    """Nothing is said of what is as it should be."""
    with listening() as here:
        blueprint = with_urls(plan(), dict.fromkeys(("binance", "kraken", "coinbase"), f"ws://{here}"))
        choice = choose_market(blueprint, dialing=Dialing(proxies=NO_PROXIES))
    assert (choice.market, choice.words) == (PUBLIC, ())


def test_looking_is_bounded_and_at_the_same_time() -> None:
    """Three venues that never answer take two seconds together, not two seconds each, and the cause is told."""
    blueprint = plan()

    async def look() -> float:
        began = trio.current_time()
        dialing = Dialing(open_tcp=hang, proxies=NO_PROXIES)
        found = await reach_all(feeds_of(blueprint), blueprint.instruments, 2.0, dialing)
        assert all("2 s" in one.failure for one in found)
        return trio.current_time() - began

    assert trio.run(look, clock=trio.testing.MockClock(autojump_threshold=0)) == pytest.approx(2.0)


def test_a_proxy_that_refuses_counts_as_no_way_out() -> None:
    """Whatever stands between here and the venue, what counts is whether the venue is reached."""
    proxies = Proxies(secure=f"http://{refused_address()}")
    assert choose_market(plan(), dialing=Dialing(proxies=proxies)).market == SIMULATED


def test_live_trading_is_never_moved_to_a_simulated_market() -> None:
    """With real money and no venue the run ends and says why; --online waits for them, and --offline is refused."""
    blueprint = plan()
    live = attrs.evolve(blueprint, config=attrs.evolve(blueprint.config, mode="live"))
    with pytest.raises(NoFeedReached, match=r'mode = "live" never trades on a simulated.*--online starts without'):
        choose_market(live, dialing=NOWHERE)
    choice = choose_market(live, ONLINE, dialing=NOWHERE)
    assert (choice.market, choice.blueprint) == (PUBLIC, live)
    with pytest.raises(OfflineError, match='--offline: mode = "live"'):
        choose_market(live, OFFLINE)


def test_what_is_asked_for_is_not_looked_up() -> None:
    """--online and --offline decide without a connection."""
    assert choose_market(plan(), ONLINE, dialing=NOWHERE).market == PUBLIC
    with listening() as here:
        blueprint = with_urls(plan(), {"kraken": f"ws://{here}"})
        assert choose_market(blueprint, OFFLINE).market == SIMULATED


def test_a_run_without_feeds_of_venues_has_no_market_to_choose() -> None:
    """A market made in the process needs no network; to ask for a simulated one in its place is an error."""
    blueprint = plan(ROOT / "tests" / "desk" / "one_venue.toml")
    assert choose_market(blueprint, dialing=NOWHERE).market == ""
    with pytest.raises(OfflineError, match="no feed of a venue"):
        choose_market(blueprint, OFFLINE)


def test_a_venue_that_nobody_speaks_for_cannot_be_simulated(tmp_path: Path) -> None:
    """It is named, with those that can be."""
    path = tmp_path / "okx.toml"
    path.write_text(
        f'include = ["{MAIN_JOB}"]\n[instruments.btc_kraken]\nvenue = "okx"\nvenue_symbol = "BTC-USDT"\n'
        '[services.feed_kraken.params]\nvenue = "okx"\n[actors.book_kraken.params]\ndialect = "venues.okx:Okx"\n',
        encoding="utf-8",
    )
    with pytest.raises(OfflineError, match="speaks binance, kraken, coinbase and not okx"):
        choose_market(plan(path), dialing=NOWHERE)


def test_a_state_belongs_to_the_market_it_was_begun_on(tmp_path: Path) -> None:
    """What is held on a simulated market is no position at the venues, and the other way round."""
    check_state(None, PUBLIC)
    check_state(tmp_path, SIMULATED)
    bind_state(tmp_path, SIMULATED)
    check_state(tmp_path, SIMULATED)
    with pytest.raises(OfflineError, match="begun on the simulated market and this run has the public one: --offline"):
        check_state(tmp_path, PUBLIC)
    bind_state(tmp_path, PUBLIC)
    with pytest.raises(OfflineError, match="--online goes on there"):
        check_state(tmp_path, SIMULATED)


def test_orders_that_leave_the_process_never_follow_simulated_prices() -> None:
    """Where a gateway takes the orders, a simulated market is refused, asked for or not."""
    blueprint = plan()
    gateway = attrs.evolve(blueprint.services[0], name="gateway", params=None, takes={NewOrder: "run"})
    with_gateway = attrs.evolve(blueprint, services=(*blueprint.services, gateway))
    for asked in (OFFLINE, ""):
        with pytest.raises(OfflineError, match="its orders leave by gateway"):
            choose_market(with_gateway, asked, dialing=NOWHERE)


def test_a_feed_with_an_instrument_of_another_venue_is_told(tmp_path: Path) -> None:
    """The simulated market lists what the instruments say of themselves, and says which does not fit."""
    path = tmp_path / "mixed.toml"
    path.write_text(f'include = ["{MAIN_JOB}"]\n[instruments.btc_kraken]\nvenue = "coinbase"\n', encoding="utf-8")
    with pytest.raises(OfflineError, match="feed_kraken is a feed of kraken and has btc_kraken, which says"):
        choose_market(plan(path), OFFLINE)
