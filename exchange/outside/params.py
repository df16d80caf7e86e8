"""The settings that every gateway of an outside venue's protocol has: where it listens, its limits, its keys."""

from __future__ import annotations

from typing import ClassVar

import attrs

from runtime.config.rules import at_least, between, each, setting


@attrs.frozen(kw_only=True)
class OutsideParams:
    """Settings of a gateway's server and of its place at the exchange; a venue's own settings come on top."""

    # What the greeting tells: whose protocol it is, the paths of requests and of WebSockets, how a symbol is spelled.
    PROTOCOL: ClassVar[str] = "an outside protocol"
    REQUEST_PATH: ClassVar[str] = ""
    SOCKET_PATH: ClassVar[str] = ""
    SYMBOL: ClassVar[str] = "{base}{quote}"

    exchange_id: int = setting("The exchange that it serves.", default=1, rule=between(1, 2**31))
    host: str = setting("The address that it listens on.", default="127.0.0.1")
    port: int = setting("The port that it listens on; 0 takes a free one.", default=0, rule=between(0, 65_535))
    certificate_file: str = setting("Certificate chain for TLS, as PEM; empty serves without TLS.", default="")
    certificate_key_file: str = setting("Private key of the certificate, as PEM.", default="")
    keys_file: str = setting("File of the clients' keys; empty serves public data alone.", default="")
    demo_accounts: tuple[int, ...] = setting(
        "Accounts that get a key made up when the file of keys is not there yet; empty makes none.",
        default=(), rule=each(at_least(1)),
    )  # fmt: skip
    request_ms: int = setting(
        "A client has this long to send a request it has begun.", default=5_000, rule=between(100, 60_000), unit="ms"
    )
    idle_ms: int = setting(
        "A connection without a request is closed after this.", default=60_000, rule=between(100, 600_000), unit="ms"
    )
    stall_ms: int = setting(
        "A client that takes nothing for so long is cut.", default=5_000, rule=between(50, 600_000), unit="ms"
    )
    close_ms: int = setting(
        "How long the closing of a connection may take.", default=500, rule=between(10, 10_000), unit="ms"
    )
    answer_ms: int = setting(
        "A request that the exchange has not answered for so long is answered with a timeout.",
        default=10_000, rule=between(50, 600_000), unit="ms",
    )  # fmt: skip
    ping_ms: int = setting(
        "Time between two pings to a WebSocket client; 0 sends none.", default=20_000, rule=between(0, 3_600_000),
        unit="ms",
    )  # fmt: skip
    pong_ms: int = setting(
        "A client that answers no ping for so long is cut.", default=60_000, rule=between(50, 3_600_000), unit="ms"
    )
    life_ms: int = setting(
        "A WebSocket connection lives no longer; 0 is for ever.", default=86_400_000, rule=between(0, 604_800_000),
        unit="ms",
    )  # fmt: skip
    most_connections: int = setting("Connections at once.", default=1_000, rule=between(1, 100_000))
    most_connections_per_address: int = setting(
        "Connections at once from one address.", default=100, rule=between(1, 100_000)
    )
    largest_body_bytes: int = setting(
        "A larger body of a request is refused.", default=65_536, rule=between(1_024, 16_777_216), unit="bytes"
    )
    largest_frame_bytes: int = setting(
        "A larger WebSocket message from a client cuts it.", default=65_536, rule=between(1_024, 16_777_216),
        unit="bytes",
    )  # fmt: skip
    frames_per_second: int = setting(
        "WebSocket frames a second that a client may send, pings and pongs included; more cut it.",
        default=5, rule=between(1, 1_000_000),
    )  # fmt: skip
    frames_burst: int = setting(
        "WebSocket frames that a client may send at once after a pause.", default=10, rule=between(1, 1_000_000)
    )
    queue_bytes: int = setting(
        "What may wait for a client that reads slowly; one frame more cuts it.",
        default=4_194_304, rule=between(4_096, 268_435_456), unit="bytes",
    )  # fmt: skip
    trades_kept: int = setting(
        "Public trades of each instrument that can be asked for.", default=1_000, rule=between(1, 100_000)
    )
    orders_kept: int = setting(
        "Ended orders of each account that can be asked for.", default=1_000, rule=between(1, 1_000_000)
    )
    fills_kept: int = setting(
        "Fills of each account that can be asked for.", default=1_000, rule=between(1, 1_000_000)
    )
