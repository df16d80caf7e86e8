"""The page's own example as a user runs it: the exchange is a process, the trading system another one."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import tomli
import trio

from exchange.client import open_exchange
from exchange.protocol_events import Balance
from tests.data import ROOT
from tests.desk.processes import Command

PAGE = ROOT / "docs" / "gateways.md"
DEPOSIT = Decimal(10)
UNIT = Decimal("0.00001")
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


def exchange_file(folder: Path, native: int, outside: int, fee_in: str) -> Path:
    """The shipped exchange with two of its gateways, on these ports; whoever rests pays, out of this."""
    path = folder / "exchange.toml"
    path.write_text(
        f"""include = ["{ROOT}/configs/exchange.toml"]
[services.gateway.params]
port = {native}
[instruments.btc]
maker_fee_bps = "7.77"
[actors.exchange.params]
fee_in = "{fee_in}"
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


async def account(native: int, secret: str) -> tuple[list[Any], Decimal]:
    """What the account has open at the exchange, and how much of the base it has won or lost."""
    async with open_exchange(f"ws://127.0.0.1:{native}") as client:
        await client.login("demo-1", secret)
        working = list(await client.state("open_orders"))
        rows = [row for row in await client.state("balances") if isinstance(row, Balance)]
        return working, next(Decimal(row.total) for row in rows if row.asset == "BTC") - DEPOSIT


@contextmanager
def exchange(folder: Path, fee_in: str = "quote") -> Iterator[tuple[int, int, str]]:
    """The exchange as a process, with its ports and the secret of a key."""
    native, outside = free_ports(2)
    file = exchange_file(folder, native, outside, fee_in)
    with Command("exchange", file, "--status-every", "1s", cwd=folder) as venue:
        venue.wait_for(lambda line: " clients " in line)
        yield native, outside, write_keys(folder)
        venue.process.send_signal(signal.SIGTERM)
        assert venue.end()[0] == 0


def position_in(summary: dict[str, Any]) -> Decimal:
    """What the system believes to hold."""
    return sum((Decimal(row["position"]) for row in summary["lanes"]["main"]["positions"]), Decimal(0))


def has_traded(line: str) -> bool:
    """Whether a status line tells of a few fills."""
    found = re.search(r"orders (\d+) fills (\d+)", line)
    return found is not None and int(found[2]) >= 3


@pytest.mark.parametrize("gateway", ["native", "ccxt"])
def test_a_system_trades_at_the_local_exchange(tmp_path: Path, gateway: str) -> None:
    """Quotes reach the exchange and trade there, the end is orderly, and nothing is left working."""
    with exchange(tmp_path) as (native, outside, secret):
        words = (trading_file(tmp_path, native, outside, gateway), "--plain", "--duration", "4s")
        with Command(*words, "--summary", "summary.json", cwd=tmp_path) as system:
            code, output, errors = system.end()
        assert code == 0, (output, errors)
        working, won = trio.run(account, native, secret)
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    totals = summary["totals"]
    assert (totals["anomalies"], totals["open_orders"], summary["halts"], working) == (0, 0, [], [])
    # Some may be refused as post-only.
    assert totals["orders"] > totals["rejections"]
    assert won == position_in(summary)


@pytest.mark.parametrize("gateway", ["native", "ccxt"])
def test_a_system_that_was_killed_goes_on(tmp_path: Path, gateway: str) -> None:
    """After kill -9 in the middle of trading no order, fill, fee or position is lost: the exchange has the same."""
    with exchange(tmp_path, "received") as (native, outside, secret):
        words = (trading_file(tmp_path, native, outside, gateway), "--plain", "--state", "state")
        with Command(*words, "--status-every", "50ms", cwd=tmp_path) as system:
            system.wait_for(has_traded)
            system.process.kill()
        with Command(*words, "--duration", "4s", "--summary", "summary.json", cwd=tmp_path) as system:
            code, output, errors = system.end()
        assert code == 0, (output, errors)
        working, won = trio.run(account, native, secret)
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert (summary["lanes"]["main"]["anomalies"], summary["halts"], working) == ([], [], [])
    assert summary["totals"]["fills"] >= 3
    # Fees are taken out of what is bought: a position is what there is, rounded down to a unit of size.
    assert 0 <= won - position_in(summary) < UNIT
