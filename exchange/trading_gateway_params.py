"""The settings of the gateway that trades at an embedded exchange over its native protocol."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from exchange.keys import read_keys
from runtime.config.errors import RuleBroken
from runtime.config.rules import Rule, at_least, between, setting
from venues.dialing import STREAM_SCHEMES, DialFailed, address_of
from venues.gateway_keys import REFERENCE, KeysMissing, Reference, read_key
from venues.gateway_orders import PREFIX, PREFIX_RULE


def _is_address(url: str) -> bool:
    try:
        return bool(address_of(url, STREAM_SCHEMES))
    except DialFailed:
        return False


@attrs.frozen(kw_only=True)
class TradingGatewayParams:
    """Settings of `TradingGateway`."""

    connection_id: int = setting(
        "The number of its connection in messages; no feed and no other gateway may have the same.",
        default=1001, rule=at_least(1),
    )  # fmt: skip
    url: str = setting(
        "Where the exchange is.", default="ws://127.0.0.1:8765",
        rule=Rule("ws://HOST:PORT or wss://HOST:PORT", _is_address),
    )  # fmt: skip
    key: str = setting("The id of the key to log in with.", default="demo-1")
    keys_file: str = setting(
        "The exchange's own file of keys, where that is on this machine; instead of `secret`.", default=""
    )
    secret: Reference = setting("Where the key's secret is; instead of `keys_file`.", factory=dict)
    ca_file: str = setting("A file of certificates to trust beside the system's.", default="")
    order_prefix: str = setting(
        "What the names of our orders begin with; systems that share an account need different ones.",
        default=PREFIX, rule=PREFIX_RULE,
    )  # fmt: skip
    cancel_on_disconnect: bool = setting(
        "Whether the exchange cancels our orders when the connection ends, however it ends.", default=True
    )
    messages_per_second: int = setting(
        "Requests in a second; 0 is four fifths of what the exchange allows. A tenth is for cancels alone.",
        default=0, rule=at_least(0),
    )  # fmt: skip
    answer_ms: int = setting(
        "A connection on which a request was not answered for so long is given up, and what came of it is asked for.",
        default=5_000, rule=between(10, 600_000), unit="ms",
    )  # fmt: skip
    connect_timeout_s: float = setting(
        "For a connection with its handshake and login.", default=10.0, rule=between(0.01, 600.0), unit="s"
    )
    first_pause_ms: int = setting(
        "The longest wait after one failure; it doubles with each in a row.", default=100, rule=at_least(1), unit="ms"
    )
    longest_pause_ms: int = setting("The longest wait after many.", default=5_000, rule=at_least(1), unit="ms")

    def __attrs_post_init__(self) -> None:
        """There is one place where the secret comes from."""
        if self.secret:
            REFERENCE(self, None, self.secret)
        if bool(self.secret) == bool(self.keys_file):
            raise RuleBroken(
                "either keys_file or secret", 'name one of them: keys_file = "exchange-keys.toml"', key=("secret",)
            )

    def read_secret(self, service: str) -> str:
        """The key's secret, for the service of this name; raises `KeysMissing` or `KeyFileError`."""
        if self.secret:
            return read_key(f"services.{service}.params.secret", self.secret).reveal()
        key = read_keys(self.keys_file).find(self.key)
        if key is None:
            raise KeysMissing(f"{self.keys_file} has no key {self.key}: name one of those in it as key")
        return key.secret.reveal()

    def is_play_money(self) -> bool:
        """An embedded exchange has none other."""
        return True

    def key_references(self) -> Mapping[str, Reference]:
        """Where the secret is, unless the exchange's own file has it."""
        return {"secret": self.secret} if self.secret else {}
