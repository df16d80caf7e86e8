"""The settings of the gateway that trades through ccxt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from runtime.config.errors import RuleBroken
from runtime.config.rules import Rule, at_least, between, one_of, setting
from venues.dialing import DialFailed
from venues.gateway_keys import REFERENCE, Reference
from venues.gateway_lock import base_of, is_loopback
from venues.gateway_orders import PREFIX, PREFIX_RULE

VENUES: Final = ("binance",)


def _is_address(url: str) -> bool:
    try:
        return not url or bool(base_of(url))
    except DialFailed:
        return False


@attrs.frozen(kw_only=True)
class CcxtParams:
    """Settings of `CcxtGateway`."""

    venue: str = setting("The venue.", default="binance", rule=one_of(*VENUES))
    connection_id: int = setting(
        "The number of its connection in messages; no feed and no other gateway may have the same.",
        default=1002, rule=at_least(1),
    )  # fmt: skip
    api_key: Reference = setting("Where the API key is.")
    api_secret: Reference = setting("Where its secret is.")
    url: str = setting(
        "Where to ask instead of the venue's own address, such as http://127.0.0.1:8766.", default="",
        rule=Rule("http://HOST:PORT or https://HOST:PORT without a path, or nothing", _is_address),
    )  # fmt: skip
    sandbox: bool = setting("Whether to trade at the venue's test net, with no money at stake.", default=False)
    ca_file: str = setting("A file of certificates to trust instead of the usual ones.", default="")
    order_prefix: str = setting(
        "What the names of our orders begin with; systems that share an account need different ones.",
        default=PREFIX, rule=PREFIX_RULE,
    )  # fmt: skip
    threads: int = setting(
        "Requests at the same time; one of them is for cancels alone.", default=4, rule=between(2, 32)
    )
    timeout_ms: int = setting(
        "A request without an answer for so long has an unknown outcome, and what came of it is asked for.",
        default=5_000, rule=between(100, 60_000), unit="ms",
    )  # fmt: skip
    window_ms: int = setting(
        "How old a request may be when it arrives: after that an order that the venue does not know is no more.",
        default=5_000, rule=between(100, 60_000), unit="ms",
    )  # fmt: skip
    patience_ms: int = setting(
        "A new order that cannot be sent within this time is refused: its price would be old.",
        default=250, rule=between(1, 10_000), unit="ms",
    )  # fmt: skip
    poll_ms: int = setting(
        "How often the venue is asked for what became of working orders.", default=1_000, rule=between(10, 60_000),
        unit="ms",
    )  # fmt: skip
    weight_per_minute: int = setting(
        "Weight of requests in a minute; a tenth is for cancels alone.", default=4_800, rule=between(100, 1_000_000)
    )
    orders_per_10_seconds: int = setting("New orders in ten seconds.", default=80, rule=between(1, 1_000_000))
    first_pause_ms: int = setting(
        "The longest wait after one failure; it doubles with each in a row.", default=500, rule=at_least(1), unit="ms"
    )
    longest_pause_ms: int = setting("The longest wait after many.", default=30_000, rule=at_least(1), unit="ms")

    def __attrs_post_init__(self) -> None:
        """Keys are named and never written here; a sandbox has an address of its own."""
        for name in ("api_key", "api_secret"):
            try:
                REFERENCE(self, None, getattr(self, name))
            except RuleBroken as broken:
                raise RuleBroken(broken.expected, broken.remedy, key=(name,), value="***") from None
        if self.sandbox and self.url:
            raise RuleBroken("no url beside sandbox = true", "remove one of the two", key=("url",))

    def is_play_money(self) -> bool:
        """Whether it trades at the venue's test net or at an exchange of this machine."""
        return self.sandbox or is_loopback(self.url)

    def key_references(self) -> Mapping[str, Reference]:
        """Where the keys are."""
        return {"api_key": self.api_key, "api_secret": self.api_secret}
