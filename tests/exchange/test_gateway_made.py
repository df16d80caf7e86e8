"""What a gateway begins with: numbers that no other gateway gives, a certificate, an exchange that answers or not."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trustme

from exchange.certificates import certificate_context
from exchange.client import RequestFailed
from exchange.gateway_params import GatewayParams
from exchange.session_numbers import GATEWAYS, SessionNumbers
from tests.exchange.gateways import SECRET, START_NS, snapshot, world
from tests.simulation.world import Silence

LARGEST_EXACT = 2**53
A_SECOND_NS = 1_000_000_000


def numbers_of(service: int, start_ns: int, count: int) -> list[int]:
    """The first numbers that a gateway gives."""
    numbers = SessionNumbers(service, start_ns)
    return [numbers.next() for _ in range(count)]


async def test_two_gateways_never_give_the_same_session(autojump_clock: object) -> None:
    """Gateways of one process that start in the same moment tell all their clients apart."""
    sessions = []
    async with world(number=0) as one, world(number=1) as other:
        for _ in range(20):
            for here in (one, other):
                async with here.trader() as client:
                    sessions.append(client.session_id)
    assert len(set(sessions)) == 40


def test_numbers_rise_and_stay_apart() -> None:
    """Whatever service, start and connection, no number comes twice, and each start goes on above the last."""
    starts = [START_NS, START_NS + A_SECOND_NS, START_NS + 2 * A_SECOND_NS]
    seen: list[int] = []
    for service in range(GATEWAYS):
        given = [number for start_ns in starts for number in numbers_of(service, start_ns, 1_000)]
        assert given == sorted(given)
        seen += given
    # A start in a later microsecond of the others, as after the failure of one of them alone.
    seen += numbers_of(5, START_NS + A_SECOND_NS * 3 + 17_000, 100)
    assert len(set(seen)) == len(seen)
    assert max(seen) < LARGEST_EXACT


def test_too_many_services_are_told() -> None:
    """A gateway for which no numbers are left is refused with what to do."""
    with pytest.raises(ValueError, match="put every gateway among the first 64 services"):
        SessionNumbers(GATEWAYS, START_NS)


def test_a_certificate_is_read_when_the_gateway_is_made(tmp_path: Path) -> None:
    """Files that are not there, are no certificate, or do not belong together are told with what to do."""
    authority = trustme.CA()
    certificate, other = authority.issue_cert("127.0.0.1"), authority.issue_cert("127.0.0.2")
    chain, key, foreign, garbage = (tmp_path / name for name in ("chain.pem", "key.pem", "foreign.pem", "garbage.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(chain))
    certificate.private_key_pem.write_to_path(str(key))
    other.private_key_pem.write_to_path(str(foreign))
    garbage.write_text("no certificate", encoding="utf-8")
    missing = tmp_path / "missing.pem"
    told: dict[tuple[Path | str, Path | str], str] = {
        (missing, key): r"certificate_file .*missing\.pem' cannot be read .*: name a PEM file",
        (chain, missing): r"certificate_key_file .*missing\.pem' cannot be read",
        (tmp_path, key): "cannot be read",
        (garbage, key): "write the certificate chain and its private key as PEM",
        (chain, garbage): "are no certificate with its key",
        (chain, foreign): "are no certificate with its key",
        (chain, ""): "are no certificate with its key",
        ("", key): "set certificate_file as well",
    }
    for files, message in told.items():
        with pytest.raises(ValueError, match=message):
            certificate_context(params_of(*files))
    assert certificate_context(params_of(chain, key)) is not None
    assert certificate_context(GatewayParams()) is None


def params_of(chain: Path | str, key: Path | str) -> GatewayParams:
    """Settings with a certificate."""
    return GatewayParams(port=0, certificate_file=str(chain), certificate_key_file=str(key))


async def test_a_gateway_without_its_certificate_is_not_made(tmp_path: Path) -> None:
    """The fault is told before it listens, as `hftrun check` does."""
    with pytest.raises(ValueError, match="cannot be read"):
        async with world(params_of(tmp_path / "missing.pem", "")):
            raise AssertionError("it was made")


class Warnings(Silence):
    """A logger that keeps warnings."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str, dict[str, object]]] = []

    def warning(self, event: str, **fields: object) -> None:
        """Keep it, with its time."""
        self.told.append((trio.current_time(), event, fields))


async def pause(seconds: float) -> None:
    """Let simulated time pass."""
    with trio.move_on_after(seconds):
        await trio.Event().wait()


async def test_an_exchange_that_never_answers_is_told(autojump_clock: object) -> None:
    """After a few questions for the books, once a minute, with the number that must be the same; then no more."""
    log = Warnings()
    started = trio.current_time()
    async with world(GatewayParams(port=0, exchange_id=77), log=log) as here:
        here.lane.is_silent = True
        here.gateway.hub.public.books[1].is_synced = False
        await pause(130)
        assert [round(time - started) for time, _, _ in log.told] == [3, 63, 123]
        for _, event, fields in log.told:
            assert "give both the same exchange_id" in event
            assert fields == {"exchange_id": 77, "books_missing": ["BTCUSDT"], "logins": 0}
        here.tell(snapshot(10, {}, {}))
        await pause(300)
        assert len(log.told) == 3


async def test_a_login_at_an_exchange_that_never_answers(autojump_clock: object) -> None:
    """The client gets a timeout with what to do, and the log names the number, though books come from elsewhere."""
    log = Warnings()
    async with world(GatewayParams(port=0, exchange_id=77), log=log) as here:
        # The lane that the test plays answers for exchange 1.
        await pause(10)
        assert log.told == []
        async with here.client() as client:
            with pytest.raises(RequestFailed, match="log in on another connection") as caught:
                await client.login("trader", SECRET)
            assert caught.value.answer.code == "timeout"
            await pause(300)
        (told,) = log.told
        assert told[2] == {"exchange_id": 77, "books_missing": [], "logins": 1}
