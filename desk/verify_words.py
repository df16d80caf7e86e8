"""A verification's report as lines for people and as plain data; `docs/verifying.md` explains every key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from desk.durations import format_duration
from venues.damaged import FaultReport
from venues.verified import BookReport, Place, Report

NANOSECONDS = 1_000_000_000
_MOST_TYPES = 24


def plain(report: Report, told: FaultReport | None = None) -> dict[str, Any]:
    """Everything, as plain data."""
    data = attrs.asdict(report, value_serializer=_plain_value)
    data["books"] = [_plain_book(book) for book in report.books if _is_told(book)]
    data["failures"] = report.failures
    data["ok"] = not report.failures and not (told and told.silent)
    data["faults"] = None if told is None else attrs.asdict(told, value_serializer=_plain_value)
    return data


def _plain_value(_: type, __: object, value: object) -> object:
    if isinstance(value, Counter):
        return dict(value.most_common())
    return value


def _plain_book(book: BookReport) -> dict[str, Any]:
    return {
        **attrs.asdict(book, value_serializer=_plain_value),
        "is_book": book.is_book,
        "failures": book.failures,
    }


def _is_told(book: BookReport) -> bool:
    return book.is_book or book.trades + book.quotes > 0


def words(report: Report, told: FaultReport | None = None) -> list[str]:
    """The report for people."""
    lines = [
        f"{report.venue}: {_count(report.records, 'record')} of {_count(len(report.files), 'file')}, "
        f"{_stretch(report)}, {_count(report.connections, 'connection begun', 'connections begun')}"
    ]
    if report.depth:
        lines[0] += f", books of {report.depth} levels"
    lines.append(f"  frames     {report.frames:,}: {_counts(report.types)}")
    lines.append(f"  answers    {report.answers:,}; requests sent {report.sent:,}; scales from {report.scales_from}")
    for title, counts in _others(report).items():
        if counts:
            lines.append(f"  {title:<10} {sum(counts.values()):,}: {_counts(counts)}")
    lines.append(f"  malformed  {report.malformed:,}")
    names = [book.symbol for book in report.books if book.is_book]
    for book in report.books:
        if _is_told(book):
            shown = f"{book.symbol} ({book.connection})" if names.count(book.symbol) > 1 else book.symbol
            lines += _book_words(book, shown)
    lines += [f"  {sample.what:<10} {sample.place}: {sample.reason}" for sample in report.samples]
    failures = report.failures
    lines += [f"FAILED       {failure}" for failure in failures]
    if not failures:
        lines.append("everything agrees")
    return [*lines, *_fault_words(told)] if told is not None else lines


def _fault_words(told: FaultReport) -> list[str]:
    lines = [
        "the same frames damaged on purpose:",
        f"  injected   {_counts(told.injected) or 'nothing'}",
        f"  detected   {_counts(told.detected) or 'nothing'}",
    ]
    lines += [f"  {sample.what:<10} {sample.place}: {sample.reason}" for sample in told.samples]
    if told.silent:
        lines.append(f"NOT SEEN     {_count(told.silent, 'time')} a damaged book was live and wrong: docs/verifying.md")
    else:
        lines.append("no damaged book was live and wrong")
    return lines


def _others(report: Report) -> dict[str, Counter[str]]:
    return {
        "unknown": report.unknown,
        "lost": report.lost,
        "passed over": report.passed_over,
        "refused": report.refused,
        "status": report.statuses,
    }


def _book_words(book: BookReport, shown: str) -> list[str]:
    if not book.is_book:
        return [f"{shown}: no book; {book.trades:,} trades, {book.quotes:,} best bid and ask messages"]
    state = _state(book)
    checksums = ""
    if book.checksums_passed or book.checksums_failed:
        checksums = f", checksums {book.checksums_passed:,} passed and {book.checksums_failed:,} failed"
    lines = [
        f"{shown}: {state}; {_count(book.snapshots, 'snapshot')}, {book.deltas_applied:,} deltas applied "
        f"({book.deltas_kept:,} waited), {_count(book.gaps.total(), 'gap')}, {_count(book.resyncs, 'resync')}"
        f"{checksums}; {book.trades:,} trades"
    ]
    lines += [f"  gap        {count:,} times: {cause}" for cause, count in book.gaps.most_common()]
    lines += _known_words(book)
    compared = book.top_agreed + book.top_disagreed
    if compared:
        lines.append(
            f"  top        agreed {book.top_agreed:,} of {compared:,} times with best bid and ask at one update id "
            f"({book.quotes:,} messages)"
        )
    elif book.quotes:
        lines.append(f"  top        {book.quotes:,} best bid and ask messages, none at an update id that the book had")
    if book.live or book.has_ended:
        bid, ask = (f"{side[0]} x {side[1]}" if side else "-" for side in (book.best_bid, book.best_ask))
        lines.append(
            f"  at the end {bid} / {ask}; {book.bid_levels:,} bids and {book.ask_levels:,} asks, "
            f"update {book.update_id}"
        )
    return lines


def _state(book: BookReport) -> str:
    if book.live:
        return "LIVE"
    if book.has_ended:
        return "LIVE until its connection ended"
    return "LOST" if book.known_from else "NEVER KNOWN"


def _known_words(book: BookReport) -> list[str]:
    place = book.known_from
    if place is None:
        return []
    if not book.is_partial:
        return [f"  known from {place}, {_moment(place)}, update {book.known_from_update_id}"]
    lines = [
        f"  known from {place}, {_moment(place)}, update {book.known_from_update_id}: no snapshot is recorded, so only "
        f"what changed since is known"
    ]
    if book.top_agreed_from is not None:
        lines.append(f"  top known from {book.top_agreed_from}, {_moment(book.top_agreed_from)}")
    return lines


def _moment(place: Place) -> str:
    moment = datetime.fromtimestamp(place.receive_ns // NANOSECONDS, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{place.receive_ns % NANOSECONDS // 1_000_000:03d} UTC"


def _stretch(report: Report) -> str:
    if not report.first_ns:
        return "no time"
    first = datetime.fromtimestamp(report.first_ns // NANOSECONDS, UTC)
    return f"{first:%Y-%m-%d %H:%M:%S} UTC for {format_duration(report.last_ns - report.first_ns)}"


def _counts(counts: Mapping[str, int]) -> str:
    most = Counter(counts).most_common()
    told = [f"{name or 'nameless'} {count:,}" for name, count in most[:_MOST_TYPES]]
    if len(most) > _MOST_TYPES:
        told.append(f"and {len(most) - _MOST_TYPES} more")
    return ", ".join(told)


def _count(number: int, what: str, several: str = "") -> str:
    return f"{number:,} {what if number == 1 else several or what + 's'}"
