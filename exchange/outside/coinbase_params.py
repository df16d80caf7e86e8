"""The settings of the gateway that speaks Coinbase's public protocol."""

from __future__ import annotations

from typing import ClassVar

import attrs

from exchange.outside.params import OutsideParams
from runtime.config.rules import between, setting


@attrs.frozen(kw_only=True)
class CoinbaseParams(OutsideParams):
    """Settings of `CoinbaseGateway`; the limits begin as the venue is said to have them."""

    PROTOCOL: ClassVar[str] = "Coinbase's public protocol (Advanced Trade)"
    REQUEST_PATH: ClassVar[str] = "/api/v3/brokerage"
    SOCKET_PATH: ClassVar[str] = ""
    SYMBOL: ClassVar[str] = "{base}-{quote}"

    port: int = setting("The port that it listens on; 0 takes a free one.", default=8768, rule=between(0, 65_535))
    frames_per_second: int = setting(
        "WebSocket frames a second that a client may send, pings and pongs included; more cut it.",
        default=8, rule=between(1, 1_000_000),
    )  # fmt: skip
    frames_burst: int = setting(
        "WebSocket frames that a client may send at once after a pause.", default=16, rule=between(1, 1_000_000)
    )
    sockets_per_second: int = setting(
        "WebSocket connections that one address may open in a second.", default=8, rule=between(1, 1_000_000)
    )
    requests_per_second: int = setting(
        "HTTP requests of one address in a second.", default=10, rule=between(1, 1_000_000)
    )
    subscribe_ms: int = setting(
        "A client that has not subscribed for so long after it came is cut.",
        default=5_000, rule=between(100, 3_600_000), unit="ms",
    )  # fmt: skip
    level2_ms: int = setting(
        "How long changes of the book, and quotes, are put together.", default=50, rule=between(50, 10_000), unit="ms"
    )
    trades_ms: int = setting(
        "How long trades are put together.", default=250, rule=between(50, 10_000), unit="ms"
    )
    ping_ms: int = setting(
        "Time between two ping frames to a WebSocket client; 0 sends none.",
        default=0, rule=between(0, 3_600_000), unit="ms",
    )  # fmt: skip
    queue_bytes: int = setting(
        "What may wait for a client that reads slowly; one frame more cuts it.",
        default=67_108_864, rule=between(4_096, 268_435_456), unit="bytes",
    )  # fmt: skip
