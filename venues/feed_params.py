"""The settings of the feed service."""

from __future__ import annotations

import attrs

from runtime.config.rules import Rule, at_least, between, setting
from venues.dialing import REQUEST_SCHEMES, STREAM_SCHEMES, DialFailed, address_of


def _address(plain: str, schemes: frozenset[str]) -> Rule:
    """An address of one of these schemes, or none."""

    def holds(url: str) -> bool:
        try:
            return not url or bool(address_of(url, schemes))
        except DialFailed:
            return False

    return Rule(f"{plain}://HOST:PORT or {plain}s://HOST:PORT, or nothing", holds)


@attrs.frozen(kw_only=True)
class FeedParams:
    """Settings of `Feed`. Numbers of 0 mean what the venue documents."""

    venue: str = setting("The venue, as `hftrun venues` lists it.")
    connection_id: int = setting(
        "The number that its frames carry; where one connection cannot hold all instruments, those after it too.",
        default=1, rule=at_least(1),
    )  # fmt: skip
    url: str = setting(
        "Where to connect instead of the venue's own address.", default="", rule=_address("ws", STREAM_SCHEMES)
    )
    rest_url: str = setting(
        "Where to ask instead of the venue's own address.", default="", rule=_address("http", REQUEST_SCHEMES)
    )
    ca_file: str = setting("A file of certificates to trust beside the system's.", default="")
    depth: int = setting("Levels a side that are subscribed to; 0 is the venue's usual.", default=0, rule=at_least(0))
    snapshot_levels: int = setting("Levels a side of a requested snapshot.", default=1_000, rule=between(1, 100_000))
    instruments_per_connection: int = setting("Instruments on one connection at most.", default=0, rule=at_least(0))
    connect_timeout_s: float = setting(
        "For a connection with its handshake.", default=10.0, rule=between(0.01, 600.0), unit="s"
    )
    request_timeout_s: float = setting(
        "For a request with its answer.", default=10.0, rule=between(0.01, 600.0), unit="s"
    )
    silence_s: float = setting(
        "A connection on which nothing came for so long is given up.", default=0.0, rule=between(0.0, 3_600.0), unit="s"
    )
    stall_s: float = setting(
        "So is one with signs of life and no frame for so long; 0 is three times `silence_s`, a minute at least.",
        default=0.0, rule=between(0.0, 86_400.0), unit="s",
    )  # fmt: skip
    first_data_s: float = setting(
        "After so long without a frame of an instrument it is told, and subscribed to again.",
        default=10.0, rule=between(0.01, 3_600.0), unit="s",
    )  # fmt: skip
    life_s: float = setting(
        "A connection is replaced before it is so old.", default=0.0, rule=between(0.0, 604_800.0), unit="s"
    )
    first_pause_ms: int = setting(
        "The longest wait after one failure; it doubles with each in a row.", default=500, rule=at_least(1), unit="ms"
    )
    longest_pause_ms: int = setting("The longest wait after many.", default=30_000, rule=at_least(1), unit="ms")
    receive_buffer_bytes: int = setting(
        "The kernel's buffer of a connection; 0 leaves it to the kernel.", default=0, rule=between(0, 2**30)
    )
