"""The settings of the exchange's gateway: where it listens, its keys, and every limit that it holds clients to."""

from __future__ import annotations

import attrs

from runtime.config.rules import at_least, between, each, setting


@attrs.frozen(kw_only=True)
class GatewayParams:
    """Settings of `Gateway`."""

    exchange_id: int = setting("The exchange that it serves.", default=1, rule=between(1, 2**31))
    host: str = setting("The address that it listens on.", default="127.0.0.1")
    port: int = setting("The port that it listens on; 0 takes a free one.", default=8765, rule=between(0, 65_535))
    certificate_file: str = setting("Certificate chain for TLS, as PEM; empty serves without TLS.", default="")
    certificate_key_file: str = setting("Private key of the certificate, as PEM.", default="")
    keys_file: str = setting("File of the clients' keys; empty lets nobody log in.", default="")
    demo_accounts: tuple[int, ...] = setting(
        "Accounts that get a key made up when the file of keys is not there yet; empty makes none.",
        default=(), rule=each(at_least(1)),
    )  # fmt: skip
    login_window_ms: int = setting(
        "A login whose time differs by more is refused.", default=5_000, rule=between(100, 600_000), unit="ms"
    )
    most_logins: int = setting("A connection is cut after so many failed logins.", default=5, rule=at_least(1))
    handshake_ms: int = setting(
        "A client has this long to open the WebSocket.", default=5_000, rule=between(100, 60_000), unit="ms"
    )
    heartbeat_ms: int = setting(
        "Time between two heartbeats and pings.", default=5_000, rule=between(50, 600_000), unit="ms"
    )
    silence_ms: int = setting(
        "A client that answers no ping for so long is cut.", default=10_000, rule=between(50, 600_000), unit="ms"
    )
    stall_ms: int = setting(
        "A client that does not take a frame for so long is cut.", default=5_000, rule=between(50, 600_000), unit="ms"
    )
    close_ms: int = setting(
        "How long the closing of a connection may take.", default=500, rule=between(10, 10_000), unit="ms"
    )
    answer_ms: int = setting(
        "A request that the exchange has not answered for so long is answered with a timeout.",
        default=10_000, rule=between(50, 600_000), unit="ms",
    )  # fmt: skip
    most_connections: int = setting("Connections at once.", default=1_000, rule=between(1, 100_000))
    most_connections_per_address: int = setting(
        "Connections at once from one address.", default=100, rule=between(1, 100_000)
    )
    largest_frame_bytes: int = setting(
        "A larger frame from a client cuts the connection.", default=65_536, rule=between(1_024, 16_777_216),
        unit="bytes",
    )  # fmt: skip
    most_requests: int = setting("Requests in one frame.", default=100, rule=between(1, 10_000))
    messages_per_second: int = setting(
        "Requests a second and connection.", default=5_000, rule=between(1, 1_000_000)
    )
    burst: int = setting(
        "Requests at once after a pause; a tenth of it is for cancels alone.", default=5_000, rule=between(1, 1_000_000)
    )
    most_faults: int = setting(
        "Refusals for form or rate in a row that cut the connection; a tenth of them is forgiven each second.",
        default=200, rule=between(1, 100_000),
    )  # fmt: skip
    most_pending: int = setting(
        "Requests of a connection that wait for the exchange.", default=1_000, rule=between(1, 100_000)
    )
    most_subscriptions: int = setting("Channels of one connection.", default=100, rule=between(1, 10_000))
    private_queue_bytes: int = setting(
        "Private events that wait for a slow client; one more cuts it.",
        default=8_388_608, rule=between(4_096, 268_435_456), unit="bytes",
    )  # fmt: skip
    public_queue_bytes: int = setting(
        "Public events that wait for a slow client; past it books are sent afresh and other events are left out.",
        default=1_048_576, rule=between(4_096, 268_435_456), unit="bytes",
    )  # fmt: skip
