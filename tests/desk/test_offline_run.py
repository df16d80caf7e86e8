"""The main job without a network, as a user runs it: three live books, trades, nothing left behind however it ends."""

from __future__ import annotations

import json
import os
import select
import signal
from pathlib import Path
from typing import Any

import pytest

from desk.exits import EXIT_OFFLINE, EXIT_OK, EXIT_USAGE
from desk.offline_market import free_ports
from tests.data import ROOT
from tests.desk.processes import LIMIT_SECONDS, Command, run

CONFIGS = ROOT / "configs"
MAIN_JOB = CONFIGS / "mm.toml"


def market_processes(cwd: Path) -> list[int]:
    """The processes of simulated markets that were started from a directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            is_there = Path(os.readlink(entry / "cwd")) == cwd
            if is_there and b"desk.offline_process" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_for_end(process_id: int) -> bool:
    """Whether a process that is no child of this one ends."""
    try:
        handle = os.pidfd_open(process_id)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], LIMIT_SECONDS)[0])
    finally:
        os.close(handle)


def all_live(line: str) -> bool:
    """A status line with every book of the main job."""
    return all(f"{venue} LIVE " in line for venue in ("binance", "kraken", "coinbase"))


@pytest.mark.parametrize("name", ["mm.toml", "mm-multi.toml"])
def test_a_shipped_configuration_trades_without_a_network(tmp_path: Path, name: str) -> None:
    """Every book is LIVE, orders are sent, it ends in order, says what it traded on, and its market is gone."""
    path = tmp_path / "summary.json"
    with Command(CONFIGS / name, "--offline", "--duration", "3s", "--summary", path, cwd=tmp_path) as command:
        code, output, errors = command.end()
    assert code == EXIT_OK, errors
    assert output.startswith("SIMULATED MARKET: as --offline asks.")
    summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert summary["market"] == "simulated"
    assert summary["shutdown"]["orderly"]
    assert summary["units"]["simulated_market"]["failures"] == 0
    result = summary["result"]
    assert result["orders"] > 0
    assert result["gaps"] == result["restarts"] == summary["totals"]["open_orders"] == 0
    assert len(result["book_live_percent"]) == (3 if name == "mm.toml" else 9)
    assert all(float(share) > 50 for share in result["book_live_percent"].values())
    assert "Traceback" not in errors
    assert market_processes(tmp_path) == []


def test_a_market_that_dies_is_started_again(tmp_path: Path) -> None:
    """The feeds lose their connections, the books their state; then both are back, and the summary tells of it."""
    path = tmp_path / "summary.json"
    with Command(
        MAIN_JOB, "--offline", "--status-every", "50ms", "--summary", path, cwd=tmp_path
    ) as command:
        command.wait_for(all_live)
        (market,) = market_processes(tmp_path)
        os.kill(market, signal.SIGKILL)
        command.wait_for(lambda line: " LIVE " not in line)
        command.wait_for(all_live)
        assert market_processes(tmp_path) != [market]
        command.process.send_signal(signal.SIGINT)
        code, _, errors = command.end()
    assert code == EXIT_OK, errors
    summary = json.loads(path.read_text(encoding="utf-8"))
    unit = summary["units"]["simulated_market"]
    assert (unit["failures"], unit["restarts"]) == (1, 1)
    assert "MarketDied: the simulated market ended" in unit["last_error"]
    assert summary["result"]["restarts"] >= 1
    assert market_processes(tmp_path) == []


def test_a_market_does_not_outlive_its_run(tmp_path: Path) -> None:
    """kill -9 of the trading process ends the market's process too."""
    with Command(MAIN_JOB, "--offline", "--status-every", "50ms", cwd=tmp_path) as command:
        command.wait_for(all_live)
        (market,) = market_processes(tmp_path)
        command.process.kill()
        assert wait_for_end(market)


def test_a_stopped_market_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """The market's process may hang: quotes are pulled when its books go silent, and the run ends in order."""
    with Command(MAIN_JOB, "--offline", "--status-every", "50ms", cwd=tmp_path) as command:
        command.wait_for(all_live)
        (market,) = market_processes(tmp_path)
        os.kill(market, signal.SIGSTOP)
        command.process.send_signal(signal.SIGTERM)
        code, output, errors = command.end()
    assert code == EXIT_OK, errors
    assert "0 open" in output
    assert market_processes(tmp_path) == []


def test_an_interruption_during_the_start_leaves_no_market(tmp_path: Path) -> None:
    """Ctrl-C before the first status line ends both processes."""
    with Command(MAIN_JOB, "--offline", cwd=tmp_path) as command:
        while not market_processes(tmp_path):
            assert command.process.poll() is None
        command.process.send_signal(signal.SIGINT)
        code, _, errors = command.end()
    assert "Traceback" not in errors
    assert code in (EXIT_OK, 130)
    assert market_processes(tmp_path) == []


def test_a_simulated_state_is_not_gone_on_from_at_the_venues(tmp_path: Path) -> None:
    """The second run is refused before it starts, with the way out; on the same market it goes on."""
    state = tmp_path / "state"
    words = ("--duration", "1s", "--state", state)
    assert run(MAIN_JOB, "--offline", *words)[0] == EXIT_OK
    code, _, errors = run(MAIN_JOB, "--online", *words)
    assert code == EXIT_USAGE
    assert "begun on the simulated market and this run has the public one: --offline goes on there" in errors
    code, output, errors = run(MAIN_JOB, "--offline", *words)
    assert code == EXIT_OK, errors
    assert "resumes after input" in output


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((MAIN_JOB, "--offline", "--online"), EXIT_USAGE, "--offline and --online exclude each other"),
        ((ROOT / "tests/desk/one_venue.toml", "--offline"), EXIT_USAGE, "has no feed of a venue"),
    ],
)
def test_what_cannot_be_asked_for_of_the_market(arguments: tuple[str | Path, ...], code: int, told: str) -> None:
    """One line that says why."""
    found, _, errors = run(*arguments)
    assert (found, "Traceback" in errors) == (code, False)
    assert told in errors


def test_no_venue_and_no_leave_to_simulate_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    """A script can tell a missing network from a wrong configuration."""
    config = tmp_path / "strict.toml"
    lines = [f'include = ["{MAIN_JOB}"]', 'offline = "fail"']
    for venue in ("binance", "kraken", "coinbase"):
        # Nobody listens on this port of this machine.
        lines += [f"[services.feed_{venue}.params]", 'url = "ws://127.0.0.1:9"']
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, _, errors = run(config)
    assert code == EXIT_OFFLINE
    assert "no public feed can be reached (binance: " in errors


def test_venues_that_answer_are_traded_at(tmp_path: Path) -> None:
    """Servers that stand in for the venues are found, no market is simulated, and all three books are theirs."""
    ports = dict(zip(("binance", "kraken", "coinbase", "native"), free_ports(4), strict=True))
    exchange, job = tmp_path / "venues.toml", tmp_path / "job.toml"
    lines = [f'include = ["{CONFIGS / "exchange-venues.toml"}"]']
    for name, port in ports.items():
        lines += [f"[services.{'gateway' if name == 'native' else name + '_gateway'}.params]", f"port = {port}"]
    exchange.write_text("\n".join(lines) + "\n", encoding="utf-8")
    # The one instrument there has rules of its own, which a checksum depends on.
    lines = [f'include = ["{MAIN_JOB}"]', "[instruments.btc_kraken]", 'tick = "0.01"', 'lot = "0.00001"']
    for name, port in list(ports.items())[:3]:
        address = f"127.0.0.1:{port}"
        lines += [f"[services.feed_{name}.params]", f'url = "ws://{address}"', f'rest_url = "http://{address}"']
    job.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = tmp_path / "summary.json"
    with Command("exchange", exchange, cwd=tmp_path) as venues:
        venues.wait_for(lambda line: "BTCUSDT" in line and " last " in line)
        with Command(job, "--status-every", "50ms", "--summary", path, cwd=tmp_path) as command:
            command.wait_for(lambda line: all_live(line) and "SIMULATED" not in line)
            command.process.send_signal(signal.SIGINT)
            code, _, errors = command.end()
    assert code == EXIT_OK, errors
    summary = json.loads(path.read_text(encoding="utf-8"))
    assert summary["market"] == "public"
    assert "simulated_market" not in summary["units"]
