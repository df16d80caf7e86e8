"""The settings of the gateway that speaks Binance's spot protocol."""

from __future__ import annotations

from typing import ClassVar

import attrs

from exchange.outside.params import OutsideParams
from runtime.config.rules import between, setting


@attrs.frozen(kw_only=True)
class BinanceParams(OutsideParams):
    """Settings of `BinanceGateway`; the limits begin as the venue has them."""

    PROTOCOL: ClassVar[str] = "Binance's spot protocol"
    REQUEST_PATH: ClassVar[str] = "/api/v3"
    SOCKET_PATH: ClassVar[str] = "/ws"

    port: int = setting("The port that it listens on; 0 takes a free one.", default=8766, rule=between(0, 65_535))
    weight_per_minute: int = setting(
        "Weight of requests that one address may use in a minute.", default=6_000, rule=between(1, 1_000_000_000)
    )
    orders_per_10_seconds: int = setting(
        "Orders that one account may enter in ten seconds.", default=100, rule=between(1, 1_000_000_000)
    )
    sockets_per_5_minutes: int = setting(
        "WebSocket connections that one address may open in five minutes.", default=300, rule=between(1, 1_000_000)
    )
    most_streams: int = setting("Streams of one WebSocket connection.", default=1_024, rule=between(1, 100_000))
    largest_window_ms: int = setting(
        "The largest recvWindow of a signed request.", default=60_000, rule=between(1_000, 600_000), unit="ms"
    )
    listen_key_ms: int = setting(
        "How long a listenKey lives after its last renewal.", default=3_600_000, rule=between(1_000, 86_400_000),
        unit="ms",
    )  # fmt: skip
