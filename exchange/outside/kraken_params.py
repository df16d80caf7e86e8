"""The settings of the gateway that speaks Kraken's public protocol."""

from __future__ import annotations

from typing import ClassVar

import attrs

from exchange.outside.params import OutsideParams
from runtime.config.rules import between, setting


@attrs.frozen(kw_only=True)
class KrakenParams(OutsideParams):
    """Settings of `KrakenGateway`; the limits begin as the venue is said to have them."""

    PROTOCOL: ClassVar[str] = "Kraken's public protocol (WebSocket v2)"
    REQUEST_PATH: ClassVar[str] = "/0/public"
    SOCKET_PATH: ClassVar[str] = "/v2"
    SYMBOL: ClassVar[str] = "{base}/{quote}"

    port: int = setting("The port that it listens on; 0 takes a free one.", default=8767, rule=between(0, 65_535))
    frames_per_second: int = setting(
        "WebSocket frames a second that a client may send, pings and pongs included; more cut it.",
        default=200, rule=between(1, 1_000_000),
    )  # fmt: skip
    frames_burst: int = setting(
        "WebSocket frames that a client may send at once after a pause.", default=400, rule=between(1, 1_000_000)
    )
    messages_per_second: int = setting(
        "Requests a second over one WebSocket connection; more are refused.", default=50, rule=between(1, 1_000_000)
    )
    messages_burst: int = setting(
        "Requests at once over one WebSocket connection after a pause.", default=100, rule=between(1, 1_000_000)
    )
    requests_per_minute: int = setting(
        "HTTP requests of one address in a minute.", default=120, rule=between(1, 1_000_000_000)
    )
    sockets_per_10_minutes: int = setting(
        "WebSocket connections that one address may open in ten minutes.", default=150, rule=between(1, 1_000_000)
    )
    ping_ms: int = setting(
        "Time between two ping frames to a WebSocket client; 0 sends none: the heartbeat is a message.",
        default=0, rule=between(0, 3_600_000), unit="ms",
    )  # fmt: skip
    queue_bytes: int = setting(
        "What may wait for a client that reads slowly; one frame more cuts it.",
        default=16_777_216, rule=between(4_096, 268_435_456), unit="bytes",
    )  # fmt: skip
