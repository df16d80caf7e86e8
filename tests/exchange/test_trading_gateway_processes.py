"""The page's own example as a user runs it: the exchange is a process, the trading system another one."""

from __future__ import annotations

import json
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
import tomli
import trio

from exchange.client import open_exchange
from tests.data import ROOT
from tests.desk.processes import Command

PAGE = ROOT / "docs" / "gateways.md"
BLOCKS = re.compile(r"```toml\n(.*?)```", re.DOTALL)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    taken = [socket.socket() for _ in range(count)]
    try:
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]
    finally:
        for one in taken:
            one.close()


def exchange_file(folder: Path, native: int, outside: int) -> Path:
    """The shipped exchange with two of its gateways, on these ports."""
    path = folder / "exchange.toml"
    path.write_text(
        f"""include = ["{ROOT}/configs/exchange.toml"]
[services.gateway.params]
port = {native}
[channels."binance_gateway.inbox"]
policy = "block"
capacity = 65536
[services.binance_gateway]
class = "exchange.outside.binance:BinanceGateway"
[services.binance_gateway.params]
port = {outside}
keys_file = "exchange-keys.toml"
demo_accounts = [1, 2]
""",
        encoding="utf-8",
    )
    return path


def trading_file(folder: Path, native: int, outside: int, gateway: str) -> Path:
    """The page's system on these ports, with the native gateway or the page's other one."""
    system, other = BLOCKS.findall(PAGE.read_text(encoding="utf-8"))
    if gateway == "ccxt":
        before, _, rest = system.partition("[services.gateway]")
        system = before + other + rest[rest.index("[actors.book]") :]
        system = system.replace('binance = "all"', 'binance = "nothing"')
    path = folder / "system.toml"
    path.write_text(system.replace("8765", str(native)).replace("8766", str(outside)), encoding="utf-8")
    return path


def write_keys(folder: Path) -> str:
    """The demo key in files of its own; gives its secret."""
    secret: str = tomli.loads((folder / "exchange-keys.toml").read_text(encoding="utf-8"))["keys"]["demo-1"]["secret"]
    for name, text in (("key.txt", "demo-1"), ("secret.txt", secret)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    return secret


async def left_open(native: int, secret: str) -> list[Any]:
    """What the account has open at the exchange."""
    async with open_exchange(f"ws://127.0.0.1:{native}") as client:
        await client.login("demo-1", secret)
        return list(await client.state("open_orders"))


@pytest.mark.parametrize("gateway", ["native", "ccxt"])
async def test_a_system_trades_at_the_local_exchange(tmp_path: Path, gateway: str) -> None:
    """Quotes reach the exchange and trade there, the end is orderly, and nothing is left working."""
    native, outside = free_ports(2)
    with Command("exchange", exchange_file(tmp_path, native, outside), "--status-every", "50ms", cwd=tmp_path) as venue:
        await trio.to_thread.run_sync(venue.wait_for, lambda line: " clients " in line)
        secret = write_keys(tmp_path)
        config = trading_file(tmp_path, native, outside, gateway)
        words = (config, "--plain", "--duration", "4s", "--summary", "summary.json")
        with Command(*words, cwd=tmp_path) as system:
            code, output, errors = await trio.to_thread.run_sync(system.end)
        assert code == 0, (output, errors)
        assert await left_open(native, secret) == []
        venue.process.send_signal(signal.SIGTERM)
        assert (await trio.to_thread.run_sync(venue.end))[0] == 0
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    totals = summary["totals"]
    assert (totals["anomalies"], totals["open_orders"], summary["halts"]) == (0, 0, [])
    # Some may be refused as post-only, or because the gateway was not connected yet.
    assert totals["orders"] > totals["rejections"]
