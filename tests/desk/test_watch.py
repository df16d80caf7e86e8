"""`hftrun serve` and `hftrun watch` as a user has them: a venue made of a recording, watched from another process."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from desk.cli import main
from desk.exits import EXIT_OK, EXIT_USAGE
from desk.ladder_view import BOOK_WIDTH, GROUP_WIDTH
from desk.listings import Addresses, Found, ListingError, Target, parse_addresses, parse_target
from desk.watch_command import View, WatchError, WatchRequest, books_of, plan, tree_of
from market.instruments import Instrument
from runtime.clock import ManualClock
from runtime.logs import get_logger
from runtime.session import Session
from tests.desk.processes import Command
from venues.registry import venue_named

METADATA = {
    "retCode": 0,
    "retMsg": "OK",
    "result": {
        "category": "spot",
        "list": [
            {
                "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "Trading",
                "lotSizeFilter": {
                    "basePrecision": "0.000001", "quotePrecision": "0.0000001", "minOrderQty": "0.000001",
                    "maxOrderQty": "83", "minOrderAmt": "5", "maxOrderAmt": "8000000",
                },
                "priceFilter": {"tickSize": "0.1"},
            }
        ],
    },
    "retExtInfo": {},
    "time": 1,
}  # fmt: skip
ADDRESS = "wss://stream.bybit.com/v5/public/spot"


def recording(path: Path, changes: int = 40) -> Path:
    """A recording of our own making: metadata, a snapshot, and changes of the best bid, ten in a second."""
    lines: list[dict[str, Any]] = [
        {"t": "header", "format": 2, "exchange": "BYBIT"},
        {
            "t": "http", "conn": "http", "ts": 1.0, "data": json.dumps(METADATA),
            "url": "https://api.bybit.com/v5/market/instruments-info?category=spot",
        },
        {"t": "connect", "conn": "ws", "ts": 2.0, "addr": ADDRESS},
    ]  # fmt: skip
    for number in range(changes + 1):
        kind = "delta" if number else "snapshot"
        bids = [["65000.1", f"0.{number + 1:06d}"]]
        asks = [["65000.2", "0.5"], ["65000.9", "2"]] if number == 0 else []
        frame = {
            "topic": "orderbook.50.BTCUSDT", "ts": 3_000 + 100 * number, "type": kind,
            "data": {"s": "BTCUSDT", "b": bids, "a": asks, "u": 7 + number, "seq": 70 + number},
            "cts": 3_000 + 100 * number,
        }  # fmt: skip
        data = json.dumps(frame, separators=(",", ":"))
        lines.append({"t": "recv", "conn": "ws", "ts": 3.0 + number / 10, "data": data})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_served_recording_is_watched_from_another_process(tmp_path: Path) -> None:
    """The whole way: metadata, connection, subscription, snapshot, changes, a LIVE book in a line, an orderly end."""
    with Command("serve", "bybit", recording(tmp_path / "recording.jsonl")) as server:
        address = server.wait_for(lambda line: "a recording of bybit" in line).split("ws://")[1].split(" ")[0]
        where = ("--url", f"bybit=ws://{address}/v5/public/spot", "--rest-url", f"bybit=http://{address}")
        arguments = ("--plain", "--every", "200ms", "--duration", "20s")
        with Command("watch", "bybit:BTC/USDT", *where, *arguments) as watcher:
            line = watcher.wait_for(lambda line: "LIVE 65000.1" in line)
            assert "bybit BTCUSDT" in line
            watcher.process.send_signal(signal.SIGINT)
            assert watcher.end()[0] == EXIT_OK


def test_a_served_recording_can_be_damaged_on_purpose(tmp_path: Path) -> None:
    """A lost change is seen by who watches, and the server tells at its end what it did."""
    served = ("serve", "bybit", recording(tmp_path / "recording.jsonl"), "--faults", "drop:feed:every=10")
    with Command(*served) as server:
        address = server.wait_for(lambda line: "a recording of bybit" in line).split("ws://")[1].split(" ")[0]
        where = ("--url", f"bybit=ws://{address}", "--rest-url", f"bybit=http://{address}")
        with Command("watch", "bybit:BTCUSDT", *where, "--plain", "--every", "100ms", "--duration", "20s") as watcher:
            watcher.wait_for(lambda line: "missing" in line or "lost 1" in line)
        server.process.send_signal(signal.SIGINT)
        code, output, _ = server.end()
    assert code == EXIT_OK
    assert "faults injected: drop 1" in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["watch"], "name VENUE:SYMBOL"),
        (["watch", "kraken"], "write VENUE:SYMBOL"),
        (["watch", "nowhere:BTC/USD"], "there is no venue 'nowhere'"),
        (["watch", "kraken:BTC/USD", "--depth", "0"], "--depth 0: choose 1 to"),
        (["watch", "kraken:BTC/USD", "--duration", "5"], "is no duration"),
        (["watch", "kraken:BTC/USD", "--url", "binance=ws://127.0.0.1:1"], "binance, which is not watched"),
        (["watch", "kraken:BTC/USD", "--url", "kraken"], "write VENUE=URL"),
        (["watch", "kraken:BTC/USD", "--rest-url", "kraken=http://127.0.0.1:1"], "Is there a network?"),
        (["serve", "bybit"], "name a file of recorded frames"),
        (["serve", "bybit", "x", "--faults", "drop:other:every=1"], "is called feed"),
        (["serve", "bybit", "x", "--faults", "kill:feed:every=1"], "is called feed"),
        (["serve", "nowhere", "x"], "there is no venue 'nowhere'"),
        (["serve", "bybit", "/nowhere/x"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_told_with_the_remedy(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line of words, never a traceback."""
    assert main(arguments) == EXIT_USAGE
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told


def test_targets_and_addresses_are_read() -> None:
    """A symbol may have colons; an address is VENUE=URL."""
    assert parse_target("bitfinex:tTESTBTC:TESTUSD") == Target("bitfinex", "tTESTBTC:TESTUSD")
    assert parse_addresses(["a=ws://x", "b=ws://y"], "--url") == {"a": "ws://x", "b": "ws://y"}
    for text in ("kraken", ":x", "kraken:"):
        with pytest.raises(ListingError, match="write VENUE:SYMBOL"):
            parse_target(text)


def found(number: int, venue: str, symbol: str, base: str, quote: str) -> Found:
    """An instrument of a venue as its metadata would tell."""
    instrument = Instrument.from_text(
        instrument_id=number, symbol=f"{base}/{quote}", venue=venue, venue_symbol=symbol, base=base, quote=quote,
        kind="spot", tick="0.1", lot="0.001",
    )  # fmt: skip
    return Found(venue_named(venue), instrument)


BYBIT = found(1, "bybit", "BTCUSDT", "BTC", "USDT")
KRAKEN = found(2, "kraken", "BTC/USD", "BTC", "USD")
RATE = found(3, "kraken", "USDT/USD", "USDT", "USD")
EURO = found(4, "kraken", "BTC/EUR", "BTC", "EUR")


def request(**more: Any) -> WatchRequest:  # noqa: ANN401  whatever a request has
    """A request of a test."""
    return WatchRequest(targets=(), **more)


def test_currencies_are_put_together_by_a_watched_rate_by_parity_or_not_at_all() -> None:
    """Dollars and their stablecoins are at parity unless a rate is watched; anything else must be said."""
    params = tree_of([BYBIT, KRAKEN], request(), Addresses())["actors"]["aggregated"]["params"]
    assert params == {"quote": "USD", "rates": {}, "parity": {"USDT": "1"}}
    params = tree_of([BYBIT, KRAKEN, RATE], request(), Addresses())["actors"]["aggregated"]["params"]
    assert params == {"quote": "USD", "rates": {"USDT": "USDT/USD"}, "parity": {}}
    with pytest.raises(WatchError, match="say --quote"):
        tree_of([KRAKEN, EURO], request(), Addresses())
    with pytest.raises(WatchError, match="what is EUR worth in USD"):
        tree_of([KRAKEN, EURO], request(quote="USD"), Addresses())
    params = tree_of([KRAKEN, EURO], request(quote="USD", parity=("EUR=1.1",)), Addresses())["actors"]["aggregated"]
    assert params["params"]["parity"] == {"EUR": "1.1"}
    assert "aggregated" not in tree_of([KRAKEN], request(), Addresses())["actors"]


def test_the_screen_shows_every_book_and_all_together(tmp_path: Path) -> None:
    """Before anything has come, too: states and causes stand where levels would."""
    from rich.console import Console

    blueprint = plan([BYBIT, KRAKEN], request(), Addresses())
    with Session(blueprint, ManualClock(1_000_000_000), get_logger("test"), tmp_path / "state") as session:
        with open(os.devnull, "w") as nowhere:
            console = Console(width=2 * BOOK_WIDTH + GROUP_WIDTH + 4, height=30, record=True, file=nowhere)
            console.print(View(3).screen(session))
            text = console.export_text()
        assert "0 of 2 books LIVE" in text
        for words in ("all venues, BTC/USD", "bybit BTCUSDT", "kraken BTC/USD", "SYNCING", "one side is empty"):
            assert words in text
        assert "bybit BTCUSDT SYNCING" in View(3).line(session)
        assert [book.books[0].instrument.venue for book in books_of(session)] == ["bybit", "kraken"]
