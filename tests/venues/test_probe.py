"""A probe connects, subscribes and asks, and whatever goes wrong is words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from tests.data import ROOT
from tests.venues.venue_server import Behaviour, Client, FakeVenue, Server, mute, obedient
from venues.dialing import Dialing, Proxies
from venues.probe import USUAL_SYMBOLS, ProbeResult, probe
from venues.registry import DIALECTS, venue_named
from venues.rules import RULES

TIMEOUT_S = 5.0


class ProbedVenue(FakeVenue):
    """The made-up venue, whose messages have names."""

    def message_type(self, frame: bytes) -> str:
        """The second word."""
        return frame.split(b" ")[1].decode()


async def probed(behaviour: Behaviour, prepare: Callable[[Server], None] = lambda server: None) -> ProbeResult:
    """Try the made-up venue, whose server behaves so."""
    async with trio.open_nursery() as nursery:
        server = Server(nursery, behaviour)
        prepare(server)
        dialing = Dialing(proxies=Proxies(), open_tcp=server.open_tcp, timeout_s=TIMEOUT_S)
        result = await probe(ProbedVenue(), "AAA", TIMEOUT_S, dialing=dialing)
        nursery.cancel_scope.cancel()
    return result


async def refuse(client: Client) -> None:
    """Say no to the first request."""
    await client.socket.get_message()
    await client.tell("no AAA: there is no such thing")
    await trio.sleep_forever()


async def hang_up(client: Client) -> None:
    """Go away at once."""
    await client.leave()


async def test_a_venue_that_answers_is_good(autojump_clock: trio.testing.MockClock) -> None:
    """Connected, subscribed, first frame by its own name, and a request answered."""
    result = await probed(obedient)
    assert (result.ok, result.symbol, result.failures) == (True, "AAA", [])
    assert result.first_message == "snapshot"
    assert min(result.connected_ns, result.first_data_ns, result.answered_ns) > 0


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (mute, "stream: no frame of it in 5 s"),
        (refuse, "stream: refused: no AAA: there is no such thing"),
        (hang_up, "stream: closed with code 1000"),
    ],
)
async def test_what_goes_wrong_is_told(
    autojump_clock: trio.testing.MockClock, behaviour: Callable[[Client], Awaitable[None]], words: str
) -> None:
    """Silence, a refusal and a farewell each have their words; the request beside them may be good."""
    result = await probed(behaviour)
    assert not result.ok
    assert [words] == [failure[: len(words)] for failure in result.failures]


async def test_without_a_network_both_parts_say_so(autojump_clock: trio.testing.MockClock) -> None:
    """Nothing is raised when nothing can be reached."""

    def cut(server: Server) -> None:
        server.is_up = False

    result = await probed(obedient, cut)
    assert sorted(failure.partition(":")[0] for failure in result.failures) == ["request", "stream"]
    assert all("the network is down" in failure for failure in result.failures)


async def test_a_refused_request_is_told(autojump_clock: trio.testing.MockClock) -> None:
    """The venue's status and words."""
    result = await probed(obedient, lambda server: server.answers.append((403, "", b"not from there")))
    (failure,) = result.failures
    assert "403" in failure
    assert "not from there" in failure


def test_every_venue_can_be_tried_and_has_its_rule() -> None:
    """No venue is missing in the tables, and each knows the words to subscribe to its usual instrument."""
    assert set(USUAL_SYMBOLS) == set(RULES) == set(DIALECTS)
    for name, symbol in USUAL_SYMBOLS.items():
        venue = venue_named(name)
        route = venue.routes[0]
        said = b"".join(venue.route_conversation(route).open([symbol])).decode()
        assert symbol.lower() in (said + venue.route_url(route, [symbol])).lower(), name


def test_the_page_tells_every_rule() -> None:
    """`docs/verifying.md` has the rules that the command prints and the damage is tested against."""
    page = (ROOT / "docs" / "verifying.md").read_text(encoding="utf-8")
    for name, rule in RULES.items():
        numbering = "nothing" if rule.numbering == "-" else rule.numbering
        assert f"| {name} | {numbering} | {rule.checksum or 'nothing'} |" in page
