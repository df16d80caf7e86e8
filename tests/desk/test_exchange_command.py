"""`hftrun exchange` as a user runs it: what it prints, where it keeps its state, who may log in, how it ends."""

from __future__ import annotations

import re
import signal
import socket
import stat
import time
from pathlib import Path

import tomli
import trio

from exchange.client import open_exchange
from exchange.protocol import OrderForm
from exchange.protocol_events import Report
from runtime.clock import TrioClock
from tests.data import ROOT
from tests.desk.processes import Command
from tests.desk.test_exchange_kill import address_of
from tests.exchange.outside import Web

STATUS = re.compile(
    r"\d\d:\d\d:\d\d \| BTCUSDT [\d.]+/[\d.]+ last [\d.]+ open \d+ \| ETHUSDT \S+ last \S+ open \d+ "
    r"\| orders \d+ \(\d+/s\) trades \d+ \(\d+/s\) clients \d+"
)


def configuration(folder: Path) -> Path:
    """The shipped one, on a free port."""
    path = folder / "exchange.toml"
    path.write_text(f'include = ["{ROOT}/configs/exchange.toml"]\n[services.gateway.params]\nport = 0\n')
    return path


async def test_the_first_start_says_how_to_connect_and_a_bot_trades(tmp_path: Path) -> None:
    """Demo keys are made, readable by their owner alone; with one of them an order trades with the market's agents."""
    with Command("exchange", configuration(tmp_path), "--status-every", "20ms", cwd=tmp_path) as command:
        url = await trio.to_thread.run_sync(address_of, command)
        greeting = await trio.to_thread.run_sync(command.wait_for, lambda line: "keys are in" in line)
        assert "exchange-keys.toml" in greeting
        status = await trio.to_thread.run_sync(command.wait_for, lambda line: STATUS.match(line) is not None)
        assert status
        keys = tmp_path / "exchange-keys.toml"
        assert stat.S_IMODE(keys.stat().st_mode) == 0o600
        secrets = tomli.loads(keys.read_text(encoding="utf-8"))["keys"]
        assert set(secrets) == {"demo-1", "demo-2", "demo-admin"}
        async with open_exchange(url) as client:
            await client.login("demo-1", secrets["demo-1"]["secret"])
            answer = await client.order(OrderForm(symbol="BTCUSDT", side="buy", size="0.001", order_type="market"))
            assert answer.ok
            traded = [one for one in client.take_events() if isinstance(one, Report) and one.event == "traded"]
            assert traded
        command.process.send_signal(signal.SIGTERM)
        code, _, errors = await trio.to_thread.run_sync(command.end)
        assert code == 0, errors
    assert (tmp_path / "exchange-state" / "config.json").exists()


async def test_a_second_one_on_the_same_state_is_refused(tmp_path: Path) -> None:
    """It says who has the state, with exit code 2; the first one goes on."""
    config = configuration(tmp_path)
    with Command("exchange", config, "--status-every", "0s", cwd=tmp_path) as first:
        url = await trio.to_thread.run_sync(address_of, first)
        with Command("exchange", config, "--status-every", "0s", cwd=tmp_path) as second:
            code, _, errors = await trio.to_thread.run_sync(second.end)
            assert code == 2, errors
            assert "exchange-state" in errors
            assert "Traceback" not in errors
        async with open_exchange(url) as client:
            assert (await client.subscribe("trades.BTCUSDT")).ok
        first.process.send_signal(signal.SIGTERM)
        assert (await trio.to_thread.run_sync(first.end))[0] == 0


def test_a_port_that_is_taken_is_told_before_the_start(tmp_path: Path) -> None:
    """In words, with exit code 2, and nothing is left behind."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = configuration(tmp_path)
        config.write_text(config.read_text().replace("port = 0", f"port = {port}"))
        with Command("exchange", config, cwd=tmp_path) as command:
            code, _, errors = command.end()
    assert code == 2
    assert f"the gateway cannot listen on 127.0.0.1:{port}" in errors
    assert not (tmp_path / "exchange-state").exists()


def test_an_address_of_another_machine_is_told_before_the_start(tmp_path: Path) -> None:
    """With another remedy than a port that is taken."""
    config = configuration(tmp_path)
    config.write_text(config.read_text() + 'host = "203.0.113.1"\n')
    with Command("exchange", config, cwd=tmp_path) as command:
        code, _, errors = command.end()
    assert code == 2
    assert "give host an address of this machine" in errors


def test_a_configuration_without_an_exchange_is_refused(tmp_path: Path) -> None:
    """With the command that runs it."""
    with Command("exchange", ROOT / "configs" / "mm.toml", cwd=tmp_path) as command:
        code, _, errors = command.end()
    assert code == 2
    assert "no exchange with a gateway: run it as `hftrun CONFIG`" in errors


def outside_port(command: Command) -> int:
    """Where the gateway of another protocol listens, as its log says."""
    assert command.process.stderr is not None
    for line in command.process.stderr:
        if "binance gateway listens" in line:
            return int(line.rpartition(":")[2].split()[0])
    raise AssertionError("it never listened")


async def test_a_client_of_another_venue_trades_at_it(tmp_path: Path) -> None:
    """The greeting names the protocol and its page, and a signed order is taken."""
    path = tmp_path / "exchange.toml"
    path.write_text(
        f'include = ["{ROOT}/configs/exchange-venues.toml"]\n[services.gateway.params]\nport = 0\n'
        + "".join(f"[services.{name}_gateway.params]\nport = 0\n" for name in ("binance", "kraken", "coinbase"))
    )
    with Command("exchange", path, "--status-every", "0s", cwd=tmp_path) as command:
        port = await trio.to_thread.run_sync(outside_port, command)
        secrets = tomli.loads((tmp_path / "exchange-keys.toml").read_text(encoding="utf-8"))["keys"]
        clock = TrioClock(time.time_ns())
        secret = secrets["demo-1"]["secret"]
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001"}
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            made = await Web(stream, clock).signed("POST", "order", "demo-1", secret, True, price="10000", **order)
        assert (made.status, made.data["status"]) == (200, "NEW"), made.body
        command.process.send_signal(signal.SIGTERM)
        code, output, errors = await trio.to_thread.run_sync(command.end)
        assert code == 0, errors
    for told, symbols in (("Binance's spot", "BTCUSDT, ETHUSDT"), ("Kraken's public", "BTC/USDT, ETH/USDT"),
                          ("Coinbase's public", "BTC-USDT, ETH-USDT")):  # fmt: skip
        (line,) = [one for one in output.splitlines() if told in one]
        assert "at the address that the log names" in line
        assert line.endswith(symbols)
