"""The session calendar: opening, closing, holidays, nights that belong to the day before, days that adjoin."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.calendar import CalendarError, SessionCalendar, day_number, parse_day, parse_minute
from tests.seeds import examples

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
WORKING_DAYS = (0, 1, 2, 3, 4)


def at(text: str) -> int:
    """A time in UTC as nanoseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def exchange_hours(*holidays: str) -> SessionCalendar:
    """From 09:00 to 17:30 on working days."""
    return SessionCalendar(
        parse_minute("09:00"), parse_minute("17:30"), WORKING_DAYS, [parse_day(day) for day in holidays]
    )


def test_by_default_it_never_closes_and_days_end_at_midnight() -> None:
    """A market of every day has no change to announce; a DAY order still ends with the day."""
    always = SessionCalendar()
    assert always.is_open(0)
    assert always.is_open(at("2026-11-21T13:00:00"))
    assert always.next_change_ns(at("2026-11-21T13:00:00")) == 0
    assert always.session_end_ns(at("2026-11-21T13:00:00")) == at("2026-11-22T00:00:00")
    assert always.session_end_ns(at("2026-11-22T00:00:00")) == at("2026-11-23T00:00:00")


def test_hours_of_a_working_day() -> None:
    """It opens with the first nanosecond of its hours, and is closed with the one of its close."""
    hours = exchange_hours()
    opening, closing = at("2026-11-20T09:00:00"), at("2026-11-20T17:30:00")
    assert not hours.is_open(opening - 1)
    assert hours.is_open(opening)
    assert hours.is_open(closing - 1)
    assert not hours.is_open(closing)
    assert hours.next_change_ns(opening - 1) == opening
    assert hours.next_change_ns(opening) == closing
    assert hours.session_end_ns(opening - 1) == closing


def test_weekends_and_holidays_are_passed_over() -> None:
    """After Friday's close comes Monday's opening, or Tuesday's where Monday is a holiday."""
    friday = at("2026-11-20T17:30:00")
    assert exchange_hours().next_change_ns(friday) == at("2026-11-23T09:00:00")
    assert exchange_hours("2026-11-23").next_change_ns(friday) == at("2026-11-24T09:00:00")
    assert exchange_hours("2026-11-23").session_end_ns(friday) == at("2026-11-24T17:30:00")


def test_night_session_belongs_to_the_day_on_which_it_opens() -> None:
    """From 22:00 to 21:00: Friday has no session that opens, so Friday's trading ends at 21:00."""
    night = SessionCalendar(parse_minute("22:00"), parse_minute("21:00"), (6, 0, 1, 2, 3))
    assert night.is_open(at("2026-11-20T20:59:59"))
    assert not night.is_open(at("2026-11-20T21:30:00"))
    assert not night.is_open(at("2026-11-21T12:00:00"))
    assert night.next_change_ns(at("2026-11-20T21:00:00")) == at("2026-11-22T22:00:00")


def test_adjoining_sessions_are_one_stretch_of_trading() -> None:
    """A round-the-clock market with a free day closes only before that day, but each day ends its DAY orders."""
    market = SessionCalendar(0, 0, WORKING_DAYS)
    tuesday = at("2026-11-17T12:00:00")
    assert market.next_change_ns(tuesday) == at("2026-11-21T00:00:00")
    assert market.session_end_ns(tuesday) == at("2026-11-18T00:00:00")
    holiday = SessionCalendar(holidays=[parse_day("2026-12-25")])
    assert holiday.next_change_ns(tuesday) == at("2026-12-25T00:00:00")
    assert holiday.next_change_ns(at("2026-12-25T00:00:00")) == at("2026-12-26T00:00:00")
    assert holiday.next_change_ns(at("2026-12-26T00:00:00")) == 0


@given(days=st.integers(0, 100_000))
@settings(max_examples=examples(100, 10_000))
def test_dates_are_counted_as_everybody_counts_them(days: int) -> None:
    """The arithmetic of dates agrees with Python's."""
    day = date(1970, 1, 1) + timedelta(days=days)
    assert parse_day(day.isoformat()) == days == day_number(day.year, day.month, day.day)


@given(
    opening=st.integers(0, 1_439), closing=st.integers(0, 1_439), hour=st.integers(0, 24 * 400),
    weekdays=st.sets(st.integers(0, 6), min_size=1), holidays=st.sets(st.integers(18_000, 18_030)),
)  # fmt: skip
@settings(max_examples=examples(150, 5_000))
def test_changes_are_where_open_turns(
    opening: int, closing: int, hour: int, weekdays: set[int], holidays: set[int]
) -> None:
    """The next change is after now and turns open to closed or back; the session's end is after now and not beyond."""
    calendar = SessionCalendar(opening, closing, sorted(weekdays), sorted(holidays))
    now_ns = 17_900 * 24 * HOUR + hour * HOUR
    change_ns = calendar.next_change_ns(now_ns)
    assert calendar.session_end_ns(now_ns) > now_ns
    if change_ns:
        assert change_ns > now_ns
        assert calendar.is_open(change_ns - 1) == calendar.is_open(now_ns)
        assert calendar.is_open(change_ns) != calendar.is_open(now_ns)
    else:
        assert calendar.is_open(now_ns)


@pytest.mark.parametrize("text", ["", "9:00", "24:00", "12:60", "12:3a", "12-30", "١٢:٣٠", "12:30:00"])
def test_malformed_times_are_refused(text: str) -> None:
    """What is no time of day is told with how to write one."""
    with pytest.raises(CalendarError, match="no time of day"):
        parse_minute(text)


@pytest.mark.parametrize("text", ["", "2026-1-1", "2026-02-29", "2026-13-01", "2026-00-10", "1969-12-31", "9999-01-01"])
def test_malformed_dates_are_refused(text: str) -> None:
    """What is no date, or none that can be reached, is told with how to write one."""
    with pytest.raises(CalendarError, match="no date"):
        parse_day(text)


def test_a_calendar_that_never_opens_is_refused() -> None:
    """No weekday, minutes beyond a day, or a year of holidays."""
    with pytest.raises(CalendarError, match="never opens"):
        SessionCalendar(weekdays=())
    with pytest.raises(CalendarError, match="minutes of 0"):
        SessionCalendar(open_minute=1_440)
    with pytest.raises(CalendarError, match="holidays"):
        SessionCalendar(holidays=range(300))
