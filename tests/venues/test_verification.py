"""Recordings of real venues verify without a failure, agree with what others counted, and what is wrong is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.seeds import SOAK
from tests.venues.verified import HFTBACKTEST, RECORDED, Recorded, counted_elsewhere, verified
from venues.recording_survey import survey
from venues.recordings import FRAME, Record
from venues.registry import DIALECTS, venue_named
from venues.verification import Verification
from venues.verified import Report

# Of the long recordings so many records are verified in a quick run.
FEW_RECORDS = None if SOAK else 5_000
# No session of these is recorded: their frames come from the venue's documents, and from our own server.
WITHOUT_RECORDING = {"kraken"}


def test_every_venue_has_a_recording() -> None:
    """The list is whole: a venue is verified, or it is named here that nobody has recorded it."""
    assert {one.venue for one in RECORDED} | WITHOUT_RECORDING == set(DIALECTS)


@pytest.mark.parametrize("recorded", RECORDED, ids=str)
def test_recordings_verify(recorded: Recorded) -> None:
    """No gap, no failed checksum, nothing malformed or unknown, no crossed book, no disagreement."""
    report = verified(recorded, FEW_RECORDS)
    assert report.failures == []
    assert report.samples == []
    assert not report.unknown
    books = [book for book in report.books if book.is_book]
    assert books
    # An option may have nobody who bids, and nobody who asks.
    assert all(book.live for book in books)
    assert any(book.best_bid and book.best_ask for book in books)
    assert sum(book.top_agreed for book in books) >= (recorded.top_agreed if SOAK else min(recorded.top_agreed, 1))


@pytest.mark.parametrize("recorded", [one for one in RECORDED if one.counted_as], ids=str)
def test_another_implementation_counted_the_same(recorded: Recorded) -> None:
    """Snapshots and changes of books, best bids and asks and trades: as many as another client saw."""
    report = verified(recorded)
    counted = counted_elsewhere(recorded)
    assert sum(book.snapshots + book.deltas_applied for book in report.books if book.is_book) == counted["l2_book"]
    assert sum(book.trades for book in report.books) == counted.get("trades", 0) - recorded.old_trades
    if recorded.venue.startswith("binance"):
        assert sum(book.quotes for book in report.books) == counted["ticker"]


def test_the_recorded_sum_of_checksums_passes() -> None:
    """Every update of the long recording of Kraken carries a checksum, and the book has it after every one."""
    report = verified(next(one for one in RECORDED if one.venue == "kraken_v1"))
    assert sum(book.checksums_passed for book in report.books) == 4_269
    assert report.depth == 1_000


def test_without_a_snapshot_it_is_told_what_is_known() -> None:
    """A recording that begins in the middle begins with an empty book: its top is known when it first agreed."""
    report = verified(Recorded("binance", (HFTBACKTEST + "spot_btcusdt_20240809.gz",)), 3_000)
    (book,) = report.books
    assert book.is_partial
    assert (book.snapshots, book.live, book.known_from_update_id) == (0, True, 50093421612)
    assert book.top_agreed_from is not None
    assert book.top_agreed > 0
    assert report.failures == []


# ---- what is wrong is told

BEGIN_NS = 1_700_000_000_000_000_000


def event(first: int, last: int, bid: str = "100.5", ask: str = "101.25", symbol: str = "BTCUSDT") -> bytes:
    """A depth event of Binance."""
    text = (
        f'{{"stream":"{symbol.lower()}@depth@100ms","data":{{"e":"depthUpdate","E":1700000000000,"s":"{symbol}",'
        f'"U":{first},"u":{last},"b":[["{bid}","1.5"]],"a":[["{ask}","2"]]}}}}'
    )
    return text.encode()


def quote(update_id: int, bid: str = "100.5", ask: str = "101.25") -> bytes:
    """A best bid and ask of Binance."""
    text = (
        f'{{"stream":"btcusdt@bookTicker","data":{{"u":{update_id},"s":"BTCUSDT","b":"{bid}","B":"1.5",'
        f'"a":"{ask}","A":"2"}}}}'
    )
    return text.encode()


SNAPSHOT = b'{"lastUpdateId":10,"bids":[["100.5","1"]],"asks":[["101.25","2"]]}'


def reported(folder: Path, *frames: bytes) -> Report:
    """The report over a recording of these frames of Binance, 100 ms apart."""
    path = folder / "recording"
    lines = [b"%d %s" % (BEGIN_NS + number * 100_000_000, data) for number, data in enumerate(frames)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    venue = venue_named("binance")
    found = survey(venue, [path])
    verification = Verification(venue, found, [path])
    for number, data in enumerate(frames, 1):
        kind = 1 if data.startswith(b'{"lastUpdateId"') else FRAME
        verification.take(path, Record(number, BEGIN_NS + number * 100_000_000, "", kind, data))
    return verification.finish(found.damage)


def test_a_whole_recording_agrees(tmp_path: Path) -> None:
    """A snapshot, events that follow it, and a best bid and ask at the id of one."""
    report = reported(tmp_path, event(9, 10), SNAPSHOT, event(11, 12), quote(12), event(13, 13))
    assert report.failures == []
    (book,) = report.books
    assert (book.snapshots, book.deltas_applied, book.deltas_kept, book.top_agreed) == (1, 2, 1, 1)
    assert (book.best_bid, book.best_ask) == (("100.5", "1.5"), ("101.25", "2"))
    assert (book.price_scale, book.size_scale) == (2, 1)
    assert report.scales_from == "numbers"


def test_a_missing_event_is_a_gap(tmp_path: Path) -> None:
    """It fails with the place, and the book stays lost: nothing in the recording begins it anew."""
    frames = [event(number, number) for number in range(13, 45)]
    report = reported(tmp_path, event(9, 10), SNAPSHOT, event(11, 11), *frames)
    (book,) = report.books
    assert book.gaps.total() == 1
    assert not book.live
    assert report.failures == ["BTCUSDT: 1 gap"]
    assert str(report.samples[0].place).startswith("recording, line ")


def test_a_later_snapshot_is_a_resync(tmp_path: Path) -> None:
    """The recording itself may begin a lost book anew; the gap still fails."""
    frames = [event(number, number) for number in range(13, 45)]
    later = SNAPSHOT.replace(b"10", b"44", 1)
    report = reported(tmp_path, event(9, 10), SNAPSHOT, event(11, 11), *frames, later, event(45, 45))
    (book,) = report.books
    assert (book.live, book.resyncs, book.gaps.total()) == (True, 1, 1)


def test_a_book_that_disagrees_is_told(tmp_path: Path) -> None:
    """Best bid and ask at the same update id differ from the book: a failure, whichever came first."""
    for frames in ([event(11, 12), quote(12, "100.6")], [quote(12, "100.6"), event(11, 12)]):
        report = reported(tmp_path, event(9, 10), SNAPSHOT, *frames)
        assert report.failures == ["BTCUSDT: 1 disagreement with best bid and ask"]


def test_a_crossed_book_is_told(tmp_path: Path) -> None:
    """A bid that is not below the ask is a failure though no number is missing."""
    report = reported(tmp_path, event(9, 10), SNAPSHOT, event(11, 12, "101.25"))
    assert report.failures == ["BTCUSDT: 1 crossed book"]


def test_malformed_and_unknown_frames_are_told(tmp_path: Path) -> None:
    """A malformed frame fails and is shown; a type that is not known is counted."""
    report = reported(tmp_path, event(9, 10), SNAPSHOT, event(11, 12).replace(b"101.25", b"1.0.1"))
    assert report.malformed == 1
    assert "1.0.1" in report.samples[0].reason or "1.0.1" in report.samples[0].frame
    assert report.failures[-1] == "1 malformed frame"
