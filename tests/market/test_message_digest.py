"""Equality, route and digest of messages: what makes two of them, or two runs, the same."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from librt.vecs import vec
from mypy_extensions import i64

from market.messages import (
    BookSnapshot,
    CancelAll,
    ConnectionUp,
    Digest,
    FairValue,
    Message,
    PauseQuoting,
    PositionChanged,
    RawFrame,
    TopOfBook,
    base,
)
from tests.generators import messages
from tests.seeds import examples

EMPTY_DIGEST = 2147483649
DIGEST_OF_VALUES = 3055413296480229004
DIGEST_OF_MESSAGES = 703109428266035982


def compiled() -> bool:
    """Whether this process runs compiled messages."""
    return not str(base.__file__).endswith(".py")


def test_messages_are_equal_by_type_and_every_field() -> None:
    """Another type, another value, or another bit of a float makes a difference; a NaN equals itself."""
    assert ConnectionUp(1, 2) == ConnectionUp(1, 2)
    assert ConnectionUp(1, 2) != ConnectionUp(1, 3)
    assert ConnectionUp(1, 2) != CancelAll(1, "2")
    assert ConnectionUp(1, 2) != (1, 2)
    assert FairValue(1, 0.0, 1.0, 2) != FairValue(1, -0.0, 1.0, 2)
    assert FairValue(1, math.nan, 1.0, 2) == FairValue(1, math.nan, 1.0, 2)
    assert len({ConnectionUp(1, 2), ConnectionUp(1, 2), ConnectionUp(2, 2)}) == 2
    assert repr(CancelAll(3, "it's over")) == 'CancelAll(instrument_id=3, reason="it\'s over")'


def test_route_key_is_the_instrument() -> None:
    """Messages about one instrument are routed by it, others to everyone."""
    assert TopOfBook(9, 1, 2, 3, 4, 5, 6, 7, 8).route_key() == 9
    assert RawFrame(4, 0, 9, 0, b"").route_key() == 9
    assert ConnectionUp(4, 1).route_key() == 0
    assert CancelAll(0, "all").route_key() == 0


@pytest.mark.skipif(not compiled(), reason="the interpreter does not enforce Final")
def test_compiled_messages_cannot_be_changed() -> None:
    """No field and no number of a compiled message can be assigned."""
    up = ConnectionUp(1, 2)
    for name in ("connection_id", "schema_id", "other"):
        with pytest.raises(AttributeError):
            setattr(up, name, 5)


def test_digest_is_the_same_everywhere() -> None:
    """These values hold in compiled and interpreted form, on every machine: a change breaks every kept digest."""
    digest = Digest()
    assert (digest.value, digest.count) == (EMPTY_DIGEST, 0)
    digest.mix(-1)
    digest.mix(2**63 - 1)
    digest.mix(-(2**63))
    assert (digest.value, digest.count) == (DIGEST_OF_VALUES, 3)
    digest.mix_message(PositionChanged(1, 2, -3, 2**80, -(2**80), 5))
    digest.mix_message(RawFrame(1, 0, 2, 3, b"\x00\xff"))
    digest.mix_message(FairValue(1, 0.1, -0.0, 2))
    digest.mix_message(CancelAll(0, "why é \ud800"))
    digest.mix_message(BookSnapshot(1, 2, vec[i64]([3, 4]), vec[i64](), vec[i64]([-1]), vec[i64](), 5, 6))
    digest.mix_message(PauseQuoting(True, ""))
    assert (digest.value, digest.count) == (DIGEST_OF_MESSAGES, 9)


@settings(max_examples=examples(100, 1_000), deadline=None)
@given(st.lists(messages(), min_size=1, max_size=4), st.data())
def test_digest_goes_on_from_what_was_saved(several: list[Message], data: st.DataObject) -> None:
    """Save and load at any point give the digest of going on; it stays below 2^62; another order is another digest."""
    at = data.draw(st.integers(0, len(several)))
    whole, first, second = Digest(), Digest(), Digest()
    for message in several:
        whole.mix_message(message)
        assert 0 <= whole.value < 2**62
    for message in several[:at]:
        first.mix_message(message)
    second.load(json.loads(json.dumps(first.save())))
    for message in several[at:]:
        second.mix_message(message)
    assert (second.value, second.count) == (whole.value, whole.count)
    turned = Digest()
    for message in reversed(several):
        turned.mix_message(message)
    if several != several[::-1]:
        assert turned.value != whole.value


@settings(max_examples=examples(200, 1_500), deadline=None)
@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 63))
def test_digest_sees_a_single_bit(value: int, bit: int) -> None:
    """Two values that differ in one bit have different digests."""
    changed = value ^ (1 << bit) if bit < 63 else -value - 1
    one, other = Digest(), Digest()
    one.mix(value)
    other.mix(changed)
    assert one.value != other.value


@pytest.mark.parametrize("state", [None, {}, {"value": 1}, []])
def test_digest_refuses_a_state_that_is_none(state: object) -> None:
    """What was not saved by a digest is refused."""
    with pytest.raises(ValueError, match="a saved digest has value and count"):
        Digest().load(state)
