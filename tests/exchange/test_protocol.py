"""The forms of the protocol, and its page: every example, field, code and worked number."""

from __future__ import annotations

import json
import re
import typing
import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from exchange import protocol_events, sessions
from exchange.keys import sign, signed_text
from exchange.protocol import (
    REJECT_CODES,
    AnyRequest,
    Asker,
    Cancel,
    Listing,
    Malformed,
    Order,
    OrderForm,
    PingRequest,
    Refused,
    decode_frame,
    entry_of,
    parse_amount,
    parse_transfer,
)
from exchange.protocol_events import AnyEvent, BookEvent, Delta, checksum_of, decode_events
from market.book import Book
from market.messages import BUY, GTC, LIMIT, SELL, STP_CANCEL_BOTH
from market.numbers import parse_decimal
from tests.data import ROOT
from tests.seeds import examples

PAGE = (ROOT / "docs/exchange-protocol.md").read_text(encoding="utf-8")
ORDER = '{"type":"order","id":1,"symbol":"BTCUSDT","side":"buy","price":"60000.01","size":"0.5"}'
LISTING = Listing(1, "BTCUSDT", 2, 5, 7)
ASKER = Asker(1, 2, 3)


def blocks(speaker: str) -> list[str]:
    """The page's examples of what one side writes."""
    return re.findall(rf"^{speaker}:\n\n```json\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)


def one(text: str) -> AnyRequest | Malformed:
    """The only request of a frame."""
    (request,) = decode_frame(text, 100)
    return request


def wrong(text: str) -> str:
    """What is said of a bad request, or of a bad frame."""
    try:
        request = one(text)
    except Malformed as malformed:
        return malformed.text
    assert isinstance(request, Malformed)
    return request.text


# ---- the page


def test_every_request_of_the_page_is_one() -> None:
    """The page shows each request, in a form that the exchange takes."""
    seen = set()
    for block in blocks("Client"):
        for request in decode_frame(block, 100):
            assert not isinstance(request, Malformed), request
            seen.add(type(request))
    assert seen == set(typing.get_args(AnyRequest))


def test_every_event_of_the_page_is_one() -> None:
    """The page shows each event with fields that exist, and nothing is lost by reading and writing it."""
    seen = set()
    for block in blocks("Exchange"):
        events = decode_events(block)
        assert json.loads(protocol_events.encode(events)) == json.loads(block)
        seen |= {type(event) for event in events}
    assert seen == set(typing.get_args(AnyEvent))


@pytest.mark.parametrize("kind", [*typing.get_args(AnyRequest), *typing.get_args(AnyEvent)])
def test_the_page_has_every_field(kind: type[msgspec.Struct]) -> None:
    """Each request and event has a section that names all of its fields."""
    tag = kind.__struct_config__.tag
    sections = re.findall(rf"^### `{tag}`\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert sections
    text = "\n".join(sections)
    missing = [name for name in kind.__struct_fields__ if f"`{name}`" not in text and name != "id"]
    assert missing == []


def test_the_page_has_every_code_limit_and_end() -> None:
    """Whatever a client may be told is on the page."""
    source = "".join((ROOT / "exchange" / name).read_text(encoding="utf-8") for name in (
        "sessions.py", "protocol.py", "public.py", "keys.py",
    ))  # fmt: skip
    codes = set(re.findall(r'(?:Refused|refusal)\(\s*(?:request_id, )?"(\w+)"', source)) | set(REJECT_CODES.values())
    assert len(codes) > 45
    assert [code for code in codes if f"`{code}`" not in PAGE] == []
    ends = [str(value) for name, value in vars(sessions).items() if name.startswith("CLOSE_")]
    assert [end for end in ends if f"| {end} |" not in PAGE] == []
    params = (ROOT / "exchange/gateway_params.py").read_text(encoding="utf-8")
    told = re.findall(r"`(most_\w+|\w+_bytes|\w+_ms)`", PAGE.partition("## Slow clients")[2].partition("## Errors")[0])
    assert [name for name in told if f"    {name}: int" not in params] == []


def test_the_signature_of_the_page() -> None:
    """Whoever signs the page's text with the page's secret gets the page's signature."""
    secret = re.findall(r'secret = "(\w+)"', PAGE)[0]
    text, signature = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)[:2]
    fixed, key_id, time_ms, nonce = text.split("\n")
    assert fixed == "hftrun login"
    assert signed_text(key_id, int(time_ms), int(nonce)) == text
    assert sign(secret, key_id, int(time_ms), int(nonce)) == signature
    assert PAGE.count(signature) == 2


def test_the_checksums_of_the_page() -> None:
    """The page's book and delta have the checksums that the page tells, and the text that it shows."""
    events = [event for block in blocks("Exchange") for event in decode_events(block)]
    (book,) = [event for event in events if isinstance(event, BookEvent)]
    (delta,) = [event for event in events if isinstance(event, Delta)]
    assert book.checksum == checksum_of(book.bids, book.asks)
    kept = Book()
    for side, levels in ((BUY, [*book.bids, *delta.bids]), (SELL, [*book.asks, *delta.asks])):
        for price, size in levels:
            kept.set_level(side, parse_decimal(price, 2), parse_decimal(size, 5))
    rows = [protocol_events.levels_of(side.prices(10), side.sizes(10), LISTING) for side in (kept.bids, kept.asks)]
    assert delta.checksum == checksum_of(*rows)
    text = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)[2]
    assert zlib.crc32(text.encode()) == delta.checksum


# ---- frames


def test_a_frame_is_one_request_or_an_array() -> None:
    """Both forms are read, in order, with spaces around them."""
    assert one(f" {ORDER} ") == Order(id=1, symbol="BTCUSDT", side="buy", price="60000.01", size="0.5")
    requests = decode_frame(f'[{ORDER}, {{"type":"ping","id":2}}]', 2)
    assert [type(request) for request in requests] == [Order, PingRequest]
    assert decode_frame("[]", 2) == []


def test_too_many_requests_are_refused_as_a_frame() -> None:
    """A frame holds no more than it may, whether or not its requests are right."""
    for text in (ORDER, '{"type":"nothing"}'):
        with pytest.raises(Malformed, match="holds 3 requests: send at most 2 in one"):
            decode_frame(f"[{text},{text},{text}]", 2)


def test_a_bad_request_spoils_no_other() -> None:
    """The others of the frame are served, and the bad one is answered with its own id."""
    requests = decode_frame(f'[{ORDER}, {{"type":"order","id":9}}, {{"type":"ping","id":2}}]', 10)
    assert [type(request) for request in requests] == [Order, Malformed, PingRequest]
    assert isinstance(requests[1], Malformed)
    assert requests[1].request_id == 9
    assert "symbol" in requests[1].text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ORDER.replace('"60000.01"', "60000.01"), 'price is a JSON number: write it as text in quotes, such as "0.01"'),
        (ORDER.replace('"0.5"', "1"), 'size is a JSON number: write it as text in quotes'),
        (ORDER.replace('"size"', '"siez"'), "unknown field `siez`"),
        (ORDER.replace('"buy"', '"BUY"'), "Invalid enum value 'BUY'"),
        (ORDER.replace('"buy"', "true"), "Expected `str`, got `bool`"),
        (ORDER.replace('"id":1', '"id":0'), "`int` >= 1"),
        (ORDER.replace('"id":1', '"id":-5'), "`int` >= 1"),
        (ORDER.replace('"id":1', '"id":1.5'), "Expected `int`, got `float`"),
        (ORDER.replace('"id":1', '"id":"1"'), "Expected `int`, got `str`"),
        (ORDER.replace('"id":1', '"id":99999999999999999999999999'), "9007199254740991"),
        (ORDER.replace('"id":1', '"id":1e999'), "out of range"),
        (ORDER.replace('"id":1', '"id":NaN'), "is no JSON"),
        (ORDER.replace('"id":1', '"id":Infinity'), "is no JSON"),
        (ORDER.replace("BTCUSDT", "B" * 65), "length <= 64"),
        (ORDER.replace('"order"', '"ordre"'), "Invalid value 'ordre'"),
        ("null", "Expected `object`, got `null`"),
        ("[1]", "Expected `object`, got `int`"),
        ("", "is no JSON"),
        ("{", "is no JSON"),
        (ORDER + ORDER, "is no JSON"),
        ("[" * 60_000, "is no JSON"),
        ("[" * 30_000 + "]" * 30_000, "is no JSON"),
        ('{"type":"ping","id":1,"x":' + "[" * 30_000 + "]" * 30_000 + "}", "unknown field `x`"),
        ('{"x":' + '{"x":' * 20_000 + "1" + "}" * 20_001, ""),
        ("\ud800", "is no JSON"),
        ('{"type":"ping","id":1,"\ud800":1}', "half of a surrogate pair: write whole characters"),
        (r'"\ud800"', "half of a surrogate pair"),
        (r'{"type":"ping","id":1,"x":"\ud800', "unknown field `x`"),
        ("[" * 30_000 + r'"\ud800"' + "]" * 30_000, "is no JSON"),
        (r'[{"x":"\ud800"}' + ",1" * 100 + "]", "the frame holds 101 requests"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(text: str, told: str) -> None:
    """Every wrong form is refused with words that name it, and never by an unexpected failure."""
    assert told in wrong(text)


@pytest.mark.parametrize("half", [r"\ud800", r"\uDC00\uD800", r"\udfffabcdefghijk", "\ud800"])
def test_half_of_a_surrogate_pair_is_told_under_its_own_id(half: str) -> None:
    """Wherever it stands, and whatever else is wrong; the other requests of the frame are served."""
    bad = ORDER.replace('"id":1', '"id":9')
    for wrong_one in (
        bad.replace("BTCUSDT", half), bad.replace("BTCUSDT", half).replace('"buy"', '"up"'),
        bad.replace('"size"', f'"{half}":1,"size"'), f'{{"type":"ping","x":["{half}"],"id":9}}',
    ):  # fmt: skip
        frames = [wrong_one, f'[{ORDER}, {wrong_one}, {{"type":"ping","id":2}}, {{"type":"order","id":3}}]']
        for frame in frames:
            found = decode_frame(frame, 4)
            told = found[0] if len(found) == 1 else found[1]
            assert isinstance(told, Malformed)
            assert (told.request_id, "surrogate" in told.text) == (9, True)
        assert [type(request) for request in found] == [Order, Malformed, PingRequest, Malformed]
    assert [one.request_id for one in decode_frame(f'[{{"id":true,"x":"{half}"}}, "{half}"]', 4)
            if isinstance(one, Malformed)] == [0, 0]  # fmt: skip
    assert one(ORDER.replace("BTCUSDT", r"\ud83d\ude00")) == one(ORDER.replace("BTCUSDT", "\U0001f600"))


def test_the_last_of_two_equal_fields_counts() -> None:
    """As the page says."""
    assert one('{"type":"ping","id":1,"id":2}') == PingRequest(id=2)


@given(some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=8)
    | some.sampled_from(["order", "cancel", "login", "ping", "0.5", "buy"]),
    lambda inner: some.lists(inner, max_size=4)
    | some.dictionaries(some.sampled_from(["type", "id", "symbol", "side", "size", "price", "x"]), inner, max_size=6),
    max_leaves=20,
))  # fmt: skip
@settings(max_examples=examples(200, 20_000))
def test_any_json_is_read_or_refused(value: object) -> None:
    """Whatever JSON a client writes, there is a request or an error, never an unexpected failure."""
    try:
        found = decode_frame(json.dumps(value), 100)
    except Malformed:
        return
    assert len(found) == (len(value) if isinstance(value, list) else 1)


@given(some.text(max_size=60) | some.text("[]{}\":,0123456789eE+-.truefalsn \\u", max_size=60))
@settings(max_examples=examples(200, 20_000))
def test_any_text_is_read_or_refused(text: str) -> None:
    """The same of any text."""
    told = ""
    try:
        decode_frame(text, 100)
    except Malformed as malformed:
        told = malformed.text
    assert len(told) < 300


# ---- numbers


def test_an_order_becomes_exact_integers() -> None:
    """Every field of an order arrives in the message, at the instrument's scales."""
    request = one(
        '{"type":"order","id":5,"symbol":"BTCUSDT","side":"sell","size":"1.00001","price":"0.01","stop_price":"7",'
        '"display_size":"0.5","expire_ms":1700000000000,"self_trade":"cancel_both","offset":"0.10",'
        '"client_order_id":"mine","post_only":"reprice","peg":"mid"}'
    )
    assert isinstance(request, Order)
    entry = entry_of(request, ASKER, request.id, LISTING, 99)
    assert (entry.exchange_id, entry.session_id, entry.account_id, entry.request_id) == (1, 2, 3, 5)
    assert (entry.side, entry.order_type, entry.time_in_force) == (SELL, LIMIT, GTC)
    assert (entry.price, entry.size, entry.stop_price, entry.display_size) == (1, 100_001, 700, 50_000)
    assert (entry.expire_ns, entry.self_trade, entry.offset) == (1_700_000_000_000_000_000, STP_CANCEL_BOTH, 10)
    assert (entry.client_order_id, entry.post_only, entry.peg_reference, entry.receive_ns) == ("mine", 2, 1, 99)
    hidden = OrderForm(symbol="BTCUSDT", side="buy", size="1", display_size="hidden")
    assert entry_of(hidden, ASKER, 1, LISTING, 0).display_size == -1


@pytest.mark.parametrize(
    "text", ["-1", "+1", "1e2", "1E2", "NaN", "inf", "0.001", "1.", ".5.", "1,0", " 1", "1 ", "٣", "0x1", "-0",
             "92233720368547758.08", "9" * 40]
)  # fmt: skip
def test_numbers_that_are_not_exact_are_refused(text: str) -> None:
    """Signs, exponents, too many places, too large numbers and what is none are refused with the field's name."""
    with pytest.raises(Refused, match="price: ") as caught:
        parse_amount("price", text, 2)
    assert caught.value.code == "malformed"


def test_transfers_may_be_negative_and_large() -> None:
    """A withdrawal has a minus, and an amount may be larger than any price; what is no exact amount is refused."""
    assert parse_transfer("-1.5", 12) == -1_500_000_000_000
    assert parse_transfer("99999999999.000000000001", 12) == 99_999_999_999_000_000_000_001
    for text in ("", "1.0000000000001", "1e3", "+1", "x", "9" * 30):
        with pytest.raises(Refused, match="amount: "):
            parse_transfer(text, 12)


def test_what_is_left_out_is_nothing() -> None:
    """A price that is not there is 0; whether one must be there the engine says."""
    assert parse_amount("price", "", 2) == 0


@pytest.mark.parametrize("text", ["0.001", "60000.123456", "0." + "0" * 30 + "1", "1e-3"])
def test_too_many_places_are_told_to_a_client(text: str) -> None:
    """With what a client can do: it cannot change the instrument."""
    with pytest.raises(Refused, match="more than 2 decimal places: keep to the steps that the request instruments"):
        parse_amount("price", text, 2)


@pytest.mark.parametrize("text", ["naïve", "a\nb", "a\x00"])
def test_client_order_ids_are_printable_ascii(text: str) -> None:
    """What could garble a log or a screen is refused."""
    form = OrderForm(symbol="BTCUSDT", side="buy", size="1", client_order_id=text)
    with pytest.raises(Refused, match="printable ASCII"):
        entry_of(form, ASKER, 1, LISTING, 0)


def test_cancels_name_an_order() -> None:
    """Ids of orders are numbers, or the client's words."""
    assert one('{"type":"cancel","id":1,"symbol":"B","order_id":7}') == Cancel(id=1, symbol="B", order_id=7)
    assert "Expected `int` >= 0" in wrong('{"type":"cancel","id":1,"symbol":"B","order_id":-7}')
