"""The sessions of a market: when it opens and closes, in UTC, by weekday, with holidays.

Pure arithmetic on nanoseconds since 1970: no clock, no time zone, no date library. A session belongs to the day on
which it opens and may end on the next. Sessions that adjoin are one stretch of trading; each still ends its own `DAY`
orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mypy_extensions import i64

MINUTE_NS: Final[i64] = 60_000_000_000
DAY_NS: Final[i64] = 86_400_000_000_000
MINUTES_A_DAY: Final = 1_440
DAYS_A_WEEK: Final = 7
# No market is closed for longer; a calendar with no session within it is refused.
SEARCHED_DAYS: Final = 400
# So that no time computed from a day passes 64 bits: the year 2261.
LAST_DAY: Final = 106_000
ALL_WEEK: Final = (0, 1, 2, 3, 4, 5, 6)
WEEKDAYS: Final[dict[str, int]] = {"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6}


class CalendarError(ValueError):
    """A calendar, or a part of one, that cannot be right; the message says what to write."""


class SessionCalendar:
    """The sessions of one market. By default it never closes, and its days end at 00:00 UTC."""

    def __init__(
        self,
        open_minute: int = 0,
        close_minute: int = 0,
        weekdays: Sequence[int] = ALL_WEEK,
        holidays: Sequence[int] = (),
    ) -> None:
        """Minutes count from 00:00 UTC; a close at or before the open is on the next day. Holidays are days of 1970."""
        if not (0 <= open_minute < MINUTES_A_DAY and 0 <= close_minute < MINUTES_A_DAY):
            raise CalendarError(f"a session from minute {open_minute} to {close_minute}: give minutes of 0 to 1439")
        self.open_ns: Final[i64] = open_minute * MINUTE_NS
        minutes = (close_minute - open_minute) % MINUTES_A_DAY
        self.length_ns: Final[i64] = (minutes if minutes > 0 else MINUTES_A_DAY) * MINUTE_NS
        self.trades: Final[list[bool]] = [weekday in weekdays for weekday in range(DAYS_A_WEEK)]
        self.holidays: Final[dict[int, bool]] = dict.fromkeys(holidays, True)
        self.never_closes: Final = minutes == 0 and all(self.trades) and len(self.holidays) == 0
        if not any(self.trades):
            raise CalendarError("a calendar without a weekday never opens: name at least one")
        if len(self.holidays) >= SEARCHED_DAYS // 2:
            raise CalendarError(f"{len(self.holidays)} holidays: give fewer than {SEARCHED_DAYS // 2}")

    def opens_on(self, day: i64) -> bool:
        """Whether a session begins on this day, counted from 1970-01-01."""
        # 1970-01-01 was a Thursday.
        return self.trades[(day + 3) % DAYS_A_WEEK] and day not in self.holidays

    def session_of(self, now_ns: i64) -> i64:
        """The day of the session that runs at this time, or -1 when none does."""
        day = (now_ns - self.open_ns) // DAY_NS
        if day >= 0 and self.opens_on(day) and now_ns < day * DAY_NS + self.open_ns + self.length_ns:
            return day
        return -1

    def is_open(self, now_ns: i64) -> bool:
        """Whether a session runs; its first nanosecond belongs to it, that of its close does not."""
        return self.session_of(now_ns) >= 0

    def session_end_ns(self, now_ns: i64) -> i64:
        """When the running session ends; where none runs, the end of the next one."""
        day = self.session_of(now_ns)
        if day < 0:
            day = self.next_day(now_ns)
        return day * DAY_NS + self.open_ns + self.length_ns

    def next_change_ns(self, now_ns: i64) -> i64:
        """When trading opens or closes next, after this time; 0 when it never does."""
        if self.never_closes:
            return 0
        day = self.session_of(now_ns)
        if day < 0:
            return self.next_day(now_ns) * DAY_NS + self.open_ns
        if self.length_ns == DAY_NS:
            searched: i64 = 0
            while self.opens_on(day + 1):
                day += 1
                searched += 1
                if searched > SEARCHED_DAYS:
                    return 0
        return day * DAY_NS + self.open_ns + self.length_ns

    def next_day(self, now_ns: i64) -> i64:
        """The day of the first session that begins after this time."""
        day = (now_ns - self.open_ns) // DAY_NS + 1
        day = max(day, 0)
        for _ in range(SEARCHED_DAYS):
            if self.opens_on(day):
                return day
            day += 1
        raise CalendarError(f"no session within {SEARCHED_DAYS} days: are there too many holidays?")


def parse_minute(text: str) -> int:
    """A time of day such as `09:30`, as minutes from 00:00."""
    hours, colon, minutes = text.partition(":")
    digits = len(hours) == 2 and len(minutes) == 2 and colon == ":" and (hours + minutes).isdecimal()
    if not digits or not text.isascii() or int(hours) > 23 or int(minutes) > 59:
        raise CalendarError(f'{text!r} is no time of day: write it as "09:30", from "00:00" to "23:59"')
    return int(hours) * 60 + int(minutes)


def parse_day(text: str) -> int:
    """A date such as `2026-12-25`, as days from 1970-01-01."""
    parts = text.split("-")
    shaped = [len(part) for part in parts] == [4, 2, 2] and "".join(parts).isdecimal() and text.isascii()
    if shaped:
        year, month, day = int(parts[0]), int(parts[1]), int(parts[2])
        number = day_number(year, month, day)
        if year >= 1970 and 1 <= month <= 12 and 1 <= day <= days_of_month(year, month) and number <= LAST_DAY:
            return number
    raise CalendarError(f'{text!r} is no date: write it as "2026-12-25", from 1970 to 2259')


def day_number(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to this day of the Gregorian calendar."""
    # Years begin in March here, so that the leap day is the last of a year.
    shifted = year - 1 if month <= 2 else year
    era, of_era = divmod(shifted, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def days_of_month(year: int, month: int) -> int:
    """How many days a month has."""
    if month == 12:
        return 31
    return day_number(year, month + 1, 1) - day_number(year, month, 1)
