"""What becomes of a request through ccxt: each of its error classes, and Binance's own answers through its client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ccxt  # type: ignore[import-untyped]
import pytest
import requests

from market.messages import (
    REJECT_AUTHENTICATION,
    REJECT_BAD_SIZE,
    REJECT_BALANCE,
    REJECT_DUPLICATE,
    REJECT_INSTRUMENT_STATUS,
    REJECT_OTHER,
    REJECT_POST_ONLY,
    REJECT_RATE_LIMITED,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNKNOWN_ORDER,
)
from runtime.config.secrets import Secret
from venues.ccxt_binance import CANCEL_ORDER, NEW_ORDER, make_client
from venues.ccxt_calls import _ask
from venues.ccxt_errors import CallFailed, Outcome, failure_of
from venues.ccxt_params import CcxtParams

# Of every class that ccxt has; a new one has to be thought about here.
MEANINGS: dict[Outcome, str] = {
    Outcome.REFUSED: "InsufficientFunds InvalidOrder OrderNotCached OrderImmediatelyFillable OrderNotFillable "
    "DuplicateOrderId ContractUnavailable BadRequest BadSymbol ArgumentsRequired NotSupported MarketClosed "
    "OperationRejected NoChange MarginModeAlreadySet ManualInteractionNeeded RestrictedLocation",
    Outcome.NOT_FOUND: "OrderNotFound",
    Outcome.DENIED: "AuthenticationError PermissionDenied AccountNotEnabled AccountSuspended",
    Outcome.CLOCK: "InvalidNonce ChecksumError",
    Outcome.LIMITED: "DDoSProtection RateLimitExceeded",
    Outcome.UNKNOWN: "BaseError ExchangeError OperationFailed NetworkError ExchangeNotAvailable OnMaintenance "
    "RequestTimeout BadResponse NullResponse CancelPending InvalidAddress AddressPending InvalidProxySettings "
    "ExchangeClosedByUser UnsubscribeError",
}
OUTCOMES = {name: outcome for outcome, names in MEANINGS.items() for name in names.split()}


def classes(kind: type[Exception] = ccxt.BaseError) -> Iterator[type[Exception]]:
    """A class of errors and all below it."""
    yield kind
    for one in kind.__subclasses__():
        yield from classes(one)


def test_every_class_of_ccxt_has_its_meaning() -> None:
    """Refused is only what a venue says no to; what may have happened is asked for, a pause or a key are not."""
    found = {kind.__name__: failure_of(kind("x"), None).outcome for kind in classes() if kind.__module__[:4] == "ccxt"}
    assert found == OUTCOMES


def answer(status: int, body: str, headers: dict[str, str]) -> requests.Response:
    """An answer of the venue."""
    made = requests.Response()
    made.status_code, made.reason, made._content = status, "as it says", body.encode()
    made.headers.update(headers)
    made.encoding = "utf-8"
    return made


def told(code: int, message: str) -> str:
    """An error in Binance's form."""
    return f'{{"code":{code},"msg":"{message}"}}'


@pytest.mark.parametrize(
    ("status", "body", "outcome", "code"),
    [
        (400, told(-2010, "Account has insufficient balance for requested action."), Outcome.REFUSED, REJECT_BALANCE),
        (400, told(-2010, "Order would immediately match and take."), Outcome.REFUSED, REJECT_POST_ONLY),
        (400, told(-2010, "Duplicate order sent."), Outcome.REFUSED, REJECT_DUPLICATE),
        (400, told(-1013, "Filter failure: LOT_SIZE"), Outcome.REFUSED, REJECT_BAD_SIZE),
        (400, told(-1121, "Invalid symbol."), Outcome.REFUSED, REJECT_UNKNOWN_INSTRUMENT),
        (400, told(-2010, "Market is closed."), Outcome.REFUSED, REJECT_INSTRUMENT_STATUS),
        (400, told(-1102, "Mandatory parameter 'side' was not sent."), Outcome.REFUSED, REJECT_OTHER),
        (400, told(-2011, "Unknown order sent."), Outcome.NOT_FOUND, REJECT_UNKNOWN_ORDER),
        (400, told(-2013, "Order does not exist."), Outcome.NOT_FOUND, REJECT_UNKNOWN_ORDER),
        (400, told(-1021, "Timestamp for this request is outside of the recvWindow."), Outcome.CLOCK, 0),
        (400, told(-1022, "Signature for this request is not valid."), Outcome.DENIED, REJECT_AUTHENTICATION),
        (401, told(-2015, "Invalid API-key, IP, or permissions for action."), Outcome.DENIED, REJECT_AUTHENTICATION),
        (429, told(-1003, "Too many requests."), Outcome.LIMITED, REJECT_RATE_LIMITED),
        (429, told(-1015, "Too many new orders."), Outcome.LIMITED, REJECT_RATE_LIMITED),
        (418, told(-1003, "Way too many requests; IP banned."), Outcome.LIMITED, REJECT_RATE_LIMITED),
        (400, told(-1007, "Timeout waiting for response from backend server."), Outcome.UNKNOWN, 0),
        (400, told(-1006, "An unexpected response was received from the message bus."), Outcome.UNKNOWN, 0),
        (400, told(-1001, "Internal error; unable to process your request."), Outcome.UNKNOWN, 0),
        (503, told(-1008, "Server is currently overloaded with other requests."), Outcome.UNKNOWN, 0),
        (503, "Service Unavailable", Outcome.UNKNOWN, 0),
        (502, "<html>Bad Gateway</html>", Outcome.UNKNOWN, 0),
        (400, told(-999_999, "A word that nobody knows."), Outcome.UNKNOWN, 0),
    ],
)
@pytest.mark.parametrize("method", [NEW_ORDER, CANCEL_ORDER])
def test_what_binance_says_arrives_as_what_it_means(
    monkeypatch: pytest.MonkeyPatch, status: int, body: str, outcome: Outcome, code: int, method: str
) -> None:
    """The venue's answer goes through ccxt's own client and its table of codes, as in a run."""
    params = CcxtParams(api_key={"env": "A"}, api_secret={"env": "B"}, url="http://127.0.0.1:9")
    client = make_client(params, Secret("key", "test"), Secret("secret", "test"))
    headers = {"Retry-After": "7"} if status in (418, 429) else {}

    def request(*_: object, **__: object) -> requests.Response:
        return answer(status, body, headers)

    monkeypatch.setattr(client.session, "request", request)
    wanted: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    with pytest.raises(CallFailed) as caught:
        _ask(client, method, wanted)
    failure = caught.value
    assert failure.outcome is outcome, failure.reason
    assert failure.code == code or not code
    assert failure.pause_s == (7.0 if headers else 0.0)
    assert failure.is_of_orders == ("-1015" in body)
    assert "signature=" not in failure.reason


def test_a_connection_that_fails_leaves_the_outcome_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused, cut off, silent for too long: whether it arrived is not known."""
    params = CcxtParams(api_key={"env": "A"}, api_secret={"env": "B"}, url="http://127.0.0.1:9")
    client = make_client(params, Secret("key", "test"), Secret("secret", "test"))
    for error in (
        requests.exceptions.ConnectionError("cut"), requests.exceptions.ReadTimeout("silent"),
        requests.exceptions.SSLError("bad certificate"), requests.exceptions.ChunkedEncodingError("torn"),
        requests.exceptions.ProxyError("no proxy"), requests.exceptions.TooManyRedirects("round"),
    ):  # fmt: skip

        def request(*_: object, error: Exception = error, **__: object) -> requests.Response:
            raise error

        monkeypatch.setattr(client.session, "request", request)
        with pytest.raises(CallFailed) as caught:
            _ask(client, NEW_ORDER, {"symbol": "BTCUSDT"})
        assert caught.value.outcome is Outcome.UNKNOWN
