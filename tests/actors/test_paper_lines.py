"""The delays of the paper venue: what is drawn, from which settings, and what cannot be set."""

from __future__ import annotations

from itertools import pairwise

import pytest

from actors.paper_lines import Delay, draw
from actors.paper_params import PaperDelays, PaperVenueParams
from runtime.config.errors import RuleBroken
from runtime.config.rules import DecimalText
from tests.actors.paper_lane import PaperLane


def test_measured_delays_are_drawn_between_their_quantiles() -> None:
    """As many between each pair of neighbours, evenly within it; never outside the shortest and the longest."""
    delay = Delay(0, 0, (100, 200, 1_000))
    drawn = [delay.of(1, counter) for counter in range(10_000)]
    assert min(drawn) >= 100_000
    assert max(drawn) <= 1_000_000
    below = sum(one < 200_000 for one in drawn)
    assert 4_800 < below < 5_200
    assert 4_700 < 2 * sum(one < 150_000 for one in drawn) < 5_300
    assert drawn == [Delay(0, 0, (100, 200, 1_000)).of(1, counter) for counter in range(10_000)]


def test_draws_are_the_same_on_every_machine_and_compiled() -> None:
    """Whatever runs them; seeds and counters beyond 32 bits count in full."""
    assert [int(draw(7, counter, 1_000_000)) for counter in range(4)] == [283_004, 623_266, 355_377, 659_795]
    wide = [(1, 5), (1 << 40, 5), (1, 5 + (1 << 40)), (2**63 - 1, 5), (0, 0)]
    drawn = [int(draw(seed, counter, 1_000_000)) for seed, counter in wide]
    assert drawn == [179_626, 299_734, 669_398, 291_587, 791_691]


@pytest.mark.parametrize("below", [2, 3, 1_000, 5_000_001, 60_000_000_001, (1 << 62) - 1])
@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_draws_are_even(seed: int, below: int) -> None:
    """As many in each tenth of the range, neighbours as often above as below each other, no draw twice for long."""
    drawn = [int(draw(seed, counter, below)) for counter in range(20_000)]
    assert all(0 <= one < below for one in drawn)
    parts = min(below, 10)
    for part in range(parts):
        count = sum(one * parts // below == part for one in drawn)
        assert abs(count - len(drawn) / parts) < 5 * (len(drawn) / parts) ** 0.5
    pairs = [0, 0, 0, 0]
    for one, two in pairwise(drawn):
        pairs[one * 2 // below * 2 + two * 2 // below] += 1
    if below % 2 == 0 or below > 3:
        assert max(pairs) - min(pairs) < 500
    if below > 10**9:
        assert len(set(drawn)) > 19_990


def test_equal_quantiles_are_one_delay() -> None:
    """A distribution of one value always gives it."""
    assert {Delay(0, 0, (70, 70)).of(3, counter) for counter in range(50)} == {70_000}


def test_what_a_table_leaves_out_another_says() -> None:
    """A venue's table before the common one, cancels as orders, reports by themselves."""
    params = PaperVenueParams(
        latency_us=10, jitter_us=20, report_latency_us=5,
        venues={
            "quick": PaperDelays(latency_us=1),
            "measured": PaperDelays(quantiles_us=(1, 2, 9), cancel_latency_us=3),
        },
    )  # fmt: skip
    assert params.delays_of("any") == ((10, 20, ()), (10, 20, ()), (5, 0, ()))
    assert params.delays_of("quick") == ((1, 20, ()), (1, 20, ()), (5, 0, ()))
    assert params.delays_of("measured") == ((0, 0, (1, 2, 9)), (3, 0, ()), (5, 0, ()))


def test_common_cancels_hold_at_every_venue_that_says_nothing_of_cancels() -> None:
    """A venue's orders do not change what is said of all cancels."""
    params = PaperVenueParams(cancel_latency_us=7, cancel_jitter_us=1, venues={"one": PaperDelays(latency_us=1)})
    assert params.delays_of("one")[1] == (7, 1, ())


@pytest.mark.parametrize(
    "settings",
    [
        {"quantiles_us": (5,)},
        {"quantiles_us": (5, 4)},
        {"quantiles_us": (-1, 4)},
        {"cancels_ahead": "cubed"},
        {"cancels_ahead_share": DecimalText("1.1")},
        {"cancels_ahead_share": DecimalText("-0.1")},
        {"cancel_latency_us": -1},
        {"pair_ms": 0},
        {"drive": "luck"},
    ],
)
def test_what_cannot_be_set(settings: dict[str, object]) -> None:
    """The message says what is expected."""
    with pytest.raises(RuleBroken):
        PaperVenueParams(**settings)  # type: ignore[arg-type]


def test_delays_of_a_venue_keep_the_same_rule() -> None:
    """A table of a venue is checked as the common one."""
    with pytest.raises(RuleBroken):
        PaperDelays(report_latency_us=-5)


@pytest.mark.parametrize(("text", "ppm"), [("0", 0), ("1", 1_000_000), ("0.5", 500_000), ("0.1234567", 123_456)])
def test_share_is_exact_to_the_millionth(text: str, ppm: int) -> None:
    """Rounded down, which is against us."""
    assert PaperVenueParams(cancels_ahead_share=DecimalText(text)).share_ppm == ppm


def test_delays_of_a_venue_where_nothing_is_traded_are_an_error() -> None:
    """A name that was misspelt would otherwise change nothing."""
    with pytest.raises(ValueError, match="no instrument is at 'krakken': name one of binance, kraken"):
        PaperLane(venues={"krakken": PaperDelays(latency_us=1)})
