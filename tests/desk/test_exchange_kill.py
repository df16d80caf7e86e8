"""kill -9 at random moments, under load: the exchange comes back with all that it has acknowledged, and nothing else.

The process kills itself, from a thread that knows nothing of the rest, at a moment that follows from the seed, while
three clients trade with each other. Afterwards every client compares what it was told with what the exchange knows:
orders, fills, balances to the last unit. Then the journal is replayed and must agree with itself.
"""

from __future__ import annotations

import random
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import tomli
import trio
from trio_websocket import ConnectionClosed, HandshakeError

from exchange.client import ExchangeClient, open_exchange
from runtime.replay import replay_state
from tests.desk.exchange_witness import DEPOSITS, Witness
from tests.desk.processes import Command, kill_after
from tests.seeds import SOAK, seeds

LISTENS = re.compile(r"exchange gateway listens .*url=(ws://\S+)")
ACCOUNTS = (1, 2, 3)

CONFIG = """
[journal]
durability = "{durability}"
snapshot_every_ms = {snapshot_every_ms}
[runtime]
dispatch_limit = 100000
[channels."gateway.inbox"]
policy = "block"
capacity = 65536
[instruments.btc]
symbol = "BTC/USDT"
venue = "test"
venue_symbol = "BTCUSDT"
base = "BTC"
quote = "USDT"
tick = "0.01"
lot = "0.001"
maker_fee_bps = "-1"
taker_fee_bps = "5"
[actors.exchange]
class = "exchange.venue:ExchangeVenue"
[actors.exchange.params]
fee_in = "{fee_in}"
fills_kept = 100000
[actors.exchange.params.fee_deposits]
BTC = "1000"
USDT = "1000000"
[actors.exchange.params.limits]
messages = 1000000
[services.gateway]
class = "exchange.gateway:Gateway"
[services.gateway.params]
port = 0
keys_file = "{keys}"
demo_accounts = [1, 2, 3]
messages_per_second = 1000000
burst = 1000000
"""


def configuration(folder: Path, draw: random.Random) -> Path:
    """An exchange with three accounts, its durability and its snapshots as the seed says."""
    text = CONFIG.format(
        durability=draw.choice(("always", "interval", "never")),
        snapshot_every_ms=draw.choice((0, 50, 200, 60_000)),
        fee_in=draw.choice(("quote", "received")),
        keys=folder / "keys.toml",
    )
    deposits = ", ".join(f'{asset} = "{amount}"' for asset, amount in DEPOSITS.items())
    for number in ACCOUNTS:
        text += f"[actors.exchange.params.accounts.a{number}]\nid = {number}\ndeposits = {{ {deposits} }}\n"
    path = folder / "exchange.toml"
    path.write_text(text, encoding="utf-8")
    return path


def address_of(command: Command) -> str:
    """Where it listens, as its log says; empty where it died before."""
    assert command.process.stderr is not None
    for line in command.process.stderr:
        found = LISTENS.search(line)
        if found:
            return found[1]
    return ""


@asynccontextmanager
async def clients_of(url: str, keys: Path, witnesses: list[Witness]) -> AsyncIterator[list[ExchangeClient]]:
    """A client of each account, logged in."""
    tables = tomli.loads(keys.read_text(encoding="utf-8"))["keys"]
    async with open_exchange(url) as one, open_exchange(url) as two, open_exchange(url) as three:
        found = [one, two, three]
        for witness, client in zip(witnesses, found, strict=True):
            key = f"demo-{witness.number}"
            answer = await client.login(key, tables[key]["secret"])
            # Deposits are the first that the account hears of.
            witness.sequence = witness.sequence or answer.sequence
            assert answer.sequence >= witness.sequence
        yield found


async def run_and_kill(config: Path, folder: Path, witnesses: list[Witness], draw: random.Random) -> None:
    """One life of the exchange, which ends by kill -9 while everybody trades."""
    seconds = draw.uniform(0.3, 1.6)
    words: list[str | Path] = ["exchange", config, "--state", folder / "state", "--status-every", "0s"]
    with Command(*words, before=kill_after(seconds)) as command:
        url = await trio.to_thread.run_sync(address_of, command)
        try:
            if url:
                async with clients_of(url, folder / "keys.toml", witnesses) as clients, trio.open_nursery() as nursery:
                    for witness, client in zip(witnesses, clients, strict=True):
                        nursery.start_soon(witness.trade, client)
        except* (HandshakeError, ConnectionClosed, OSError):
            # A life may end before anybody could connect, or in the middle of that.
            pass
        code, _, errors = await trio.to_thread.run_sync(command.end)
        assert code == -signal.SIGKILL, errors
        assert "Traceback" not in errors


async def judge(config: Path, folder: Path, witnesses: list[Witness]) -> None:
    """A life in which everybody asks what is known, and that ends in order."""
    with Command("exchange", config, "--state", folder / "state", "--status-every", "0s") as command:
        url = await trio.to_thread.run_sync(address_of, command)
        assert url
        async with clients_of(url, folder / "keys.toml", witnesses) as clients:
            for witness, client in zip(witnesses, clients, strict=True):
                await witness.judge(client)
        command.process.send_signal(signal.SIGTERM)
        code, _, errors = await trio.to_thread.run_sync(command.end)
        assert code == 0, errors


@pytest.mark.parametrize("seed", seeds(3, 100))
async def test_a_killed_exchange_keeps_its_word(tmp_path: Path, seed: int) -> None:
    """Killed once or twice: each order, fill and balance that was told is there, and no order nobody sent."""
    print(f"seed: exchange kill {seed}")
    draw = random.Random(f"exchange kill {seed}")
    config = configuration(tmp_path, draw)
    witnesses = [Witness(number, random.Random(f"witness {seed} {number}")) for number in ACCOUNTS]
    for _ in range(draw.choice((1, 1, 2)) if SOAK else 1):
        await run_and_kill(config, tmp_path, witnesses, draw)
        await judge(config, tmp_path, witnesses)
    (lane,) = replay_state(tmp_path / "state")
    assert lane.agrees, (lane.divergence, lane.damage)
