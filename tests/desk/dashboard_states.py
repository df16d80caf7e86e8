"""Greetings and states as a trading process would send them, for tests that draw."""

from __future__ import annotations

from typing import Any

START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
VENUES = ("binance", "kraken", "coinbase")


def hello(**more: Any) -> dict[str, Any]:  # noqa: ANN401  whatever a greeting has
    """The greeting of a market maker at three venues."""
    instruments = {
        number: {
            "symbol": "BTC/USDT", "venue": venue, "base": "BTC", "quote": "USDT", "price_scale": 2, "size_scale": 5,
        }
        for number, venue in enumerate(VENUES, start=1)
    }  # fmt: skip
    told = {
        "t": "hello", "version": 1, "name": "mm", "mode": "paper", "banner": "SIMULATED MARKET: made here",
        "modules": "compiled", "operator": "somebody", "process_id": 1, "started_ns": START_NS,
        "instruments": instruments, "actors": {1: "book_binance", 9: "market_maker"}, "strategies": [9],
    }  # fmt: skip
    return {**told, **more}


def book(number: int, state: str = "LIVE", levels: int = 25) -> dict[str, Any]:
    """A book around 60000 with levels 0.50 apart."""
    return {
        "instrument_id": number, "state": state, "cause": "" if state == "LIVE" else "gap: 7 after 5",
        "connected": True,
        "bid_prices": [6_000_000 - 50 * place for place in range(levels)], "bid_sizes": [10_000] * levels,
        "ask_prices": [6_000_050 + 50 * place for place in range(levels)], "ask_sizes": [20_000] * levels,
        "heard_ns": START_NS, "late_ms": 3, "live_percent": "99.8", "losses": 1,
    }  # fmt: skip


def group(levels: int = 25) -> dict[str, Any]:
    """The book of all three."""
    return {
        "instrument_id": 1, "symbol": "BTC/USDT", "price_scale": 2, "size_scale": 5, "live_venues": 3,
        "venues": dict.fromkeys(VENUES, True), "locked": 2, "crossed": 1,
        "bid_prices": [6_000_000 - 50 * place for place in range(levels)], "bid_sizes": [10_000] * levels,
        "bid_instruments": [1 + place % 3 for place in range(levels)],
        "ask_prices": [6_000_050 + 50 * place for place in range(levels)], "ask_sizes": [20_000] * levels,
        "ask_instruments": [1 + place % 3 for place in range(levels)],
    }  # fmt: skip


def portfolio(fills: int = 20) -> dict[str, Any]:
    """What the portfolio tells."""
    return {
        "kind": "portfolio", "currency": "USDT",
        "bracket": {
            "low": "-1.20", "high": "3.40", "queue": "0.55", "optimistic": "3.40", "pessimistic": "-1.20",
            "queue_at_touch": "0.41",
        },
        "positions": [
            {
                "strategy": "market_maker", "symbol": "BTC/USDT", "venue": venue, "net": "0.012", "average": "60000.10",
                "mark": "60000.25", "realised": "0.40", "unrealised": "0.15", "fees": "0.02", "profit": "0.53",
            }
            for venue in VENUES
        ],
        "fills": [
            {
                "time_ns": START_NS + place * SECOND_NS, "venue": "binance", "symbol": "BTC/USDT",
                "side": "buy" if place % 2 else "sell", "price": "60000.00", "size": "0.01", "liquidity": "maker",
                "fee": "0.00",
            }
            for place in range(fills)
        ],
        "markouts": [{"horizon_s": 10, "maker_bps": "0.12", "taker_bps": "", "count": 7}],
    }  # fmt: skip


def panels() -> list[list[Any]]:
    """What every actor shows."""
    why = "fair 60000.25, half spread 0.4 bps, skew -0.1 bps"
    return [
        *[[f"book_{venue}", {"kind": "book", "books": [book(place)]}] for place, venue in enumerate(VENUES, start=1)],
        ["aggregated_book", {"kind": "aggregated", "groups": [group()]}],
        ["fair_value", {"kind": "fair_value", "values": [{"instrument_id": 1, "symbol": "BTC/USDT", "venue": "binance",
                                                          "price": "60000.25", "confidence": "0.98"}]}],
        ["market_maker", {"kind": "strategy", "name": "market_maker", "status": "", "quoting": True,
                          "quotes": [{"instrument_id": 1, "side": "buy", "price": "59999.50", "size": "0.01",
                                      "why": why}],
                          "facts": [["model", "glft"], ["volatility", "0.3 bps/s"], ["skew", "-0.1 bps"]]}],
        ["paper_venue", {"kind": "paper", "orders": [{"order_id": 71, "queue_ahead": "0.03", "level_size": "0.1"}]}],
        ["risk", {"kind": "risk", "halted": False, "reason": "", "confirmed": None,
                  "gauges": [{"limit": "maximum_position", "scope": "BTC", "value": "0.03", "bound": "0.1",
                              "used": 0.3}],
                  "refusals": ["order 5: maximum_order_size 0.2 over 0.05"]}],
        ["portfolio", portfolio()],
        ["order_manager", {"kind": "orders", "unanswered": 0, "why_pulled": []}],
        ["router", {"kind": "router", "routes": ["buy 0.1: binance 0.06, kraken 0.04"],
                    "venues": [{"venue": "binance", "fill_rate": "0.97", "latency_ms": "12"}]}],
    ]  # fmt: skip


def state(seconds: int = 5, **more: Any) -> dict[str, Any]:  # noqa: ANN401  whatever a state has
    """The state some seconds after the start."""
    lane = {
        "name": "main", "inputs": 1_000 * seconds, "dispatched": 5_000, "decisions": 40, "anomalies": 0, "anomaly": "",
        "complete": True, "open_orders": 2, "orders": 40, "fills": 20, "rejections": 1, "refused_while_halted": 0,
        "undelivered": 0, "halted": False,
    }  # fmt: skip
    told = {
        "t": "state", "now_ns": START_NS + seconds * SECOND_NS, "paused": False, "halted": False, "halt_reason": "",
        "closing": False, "stalls": 0, "halts": [], "lanes": [lane],
        "log": [f"2026-01-01T00:00:0{place}.000Z info     hftrun something happened" for place in range(9)],
        "log_count": 9,
        "orders": [
            [71, 9, 1, "buy", 5_999_975, 1_000, 0, "working"],
            [72, 9, 1, "sell", 6_000_100, 1_000, 400, "partially filled"],
            [73, 9, 2, "buy", 5_900_000, 1_000, 0, "asked for"],
        ],
        "positions": [[9, 1, 1_200]],
        "actors": [["market_maker", "main", False, 900 * seconds, 80, 0, 0, 0]],
        "units": [
            ["lane main", "lane", "running", 0, 0, ""],
            ["market_maker", "actor", "running", 0, 0, ""],
            ["feed_kraken", "service", "backing off", 3, 2, "ConnectionError: refused"],
        ],
        "channels": [["main.inbox", 3, 4096, 17, 5_000, 0, 0, 0, 0]],
        "latency": [["tick to order", 40, 8_000, 25_000, 100_000, 250_000], ["input main", 0, 0, 0, 0, 0]],
        "panels": panels(),
    }  # fmt: skip
    return {**told, **more}
