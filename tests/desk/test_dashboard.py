"""The dashboard as pure drawing: lines of an exact size from states, keys to commands, styles to escape sequences."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem

from desk.dashboard.control import LEAVE, Control
from desk.dashboard.ladders import Level, nearest
from desk.dashboard.pages import PAGES, Choice
from desk.dashboard.screen import Screen
from desk.dashboard.terminal import keys_of, line_text
from desk.dashboard.text import Line, allot, allot_first, bar, clean, cut, fit, sparkline, table, width_of, wrapped
from desk.dashboard.theme import STYLES, Theme, speaks_utf8
from desk.dashboard.view import OLD_SECONDS, View, count_text, duration_text
from tests.desk.dashboard_states import book, hello, portfolio, state
from tests.seeds import examples

SIZES = ((80, 24), (200, 60), (40, 10), (119, 35), (120, 36), (131, 43))
NOW = 100.0


def screen(told: dict[str, Any] | None = None, greeting: dict[str, Any] | None = None) -> Screen:
    """A screen that has heard of one state."""
    shown = Screen()
    shown.view.greet(greeting or hello(), NOW)
    shown.view.update(told or state(), NOW)
    return shown


def texts(shown: Screen, width: int = 80, height: int = 24, now: float = NOW) -> list[str]:
    """What it shows, without styles."""
    return [line_text(line) for line in shown.lines(width, height, now)]


def styles_of(shown: Screen, words: str, width: int = 80, height: int = 24) -> set[str]:
    """The styles in which some words are drawn."""
    return {style for line in shown.lines(width, height, NOW) for text, style in line if words in text}


def check_size(lines: list[Line], width: int, height: int) -> None:
    """Exactly so many lines, each exactly so wide, and nothing in them that a terminal would act on."""
    assert len(lines) == height
    for line in lines:
        assert width_of(line_text(line)) == width, line_text(line)
        assert line_text(line).isprintable()


@pytest.mark.parametrize("page", range(len(PAGES)))
@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_every_size(page: int, size: tuple[int, int]) -> None:
    """No line is longer or shorter than the terminal, and there are as many as it has rows, with help and without."""
    for told in (state(), state(halted=True, halt_reason="kill switch"), state(panels=[], orders=[], units=[])):
        shown = screen(told)
        shown.page = page
        check_size(shown.lines(*size, NOW), *size)
        shown.help = True
        check_size(shown.lines(*size, NOW), *size)


def test_our_quotes_are_marked_where_they_rest() -> None:
    """Between two levels of the venue, with the mark and a style of their own; a partly filled one shows its rest."""
    shown = screen()
    row = next(line for line in texts(shown) if "59999.75" in line)
    assert "▶59999.75" in row
    assert "own_buy" in styles_of(shown, "59999.75")
    assert any("▶60001.00" in line and "0.20000" in line for line in texts(shown))
    assert "own_sell" in styles_of(shown, "60001.00")
    wide = next(line for line in texts(shown, 200, 60) if "▶60001.00" in line)
    assert "0.00600" in wide


def test_a_quote_far_out_is_seen_all_the_same() -> None:
    """It stands in the last row of its side, for an order that is not seen is one that is forgotten."""
    assert any("▶59000.00" in line for line in texts(screen()))
    levels = [Level(price, 1) for price in range(10)]
    assert [one.price for one in nearest([*levels, Level(99, 0, own=1)], 4)] == [0, 1, 2, 99]
    mine = [Level(price, 1, own=int(price == 3)) for price in range(10)]
    assert [one.price for one in nearest([*mine, Level(99, 0, own=1)], 4)] == [0, 1, 3, 99]


def test_the_aggregated_book_names_venues_and_marks_our_quotes() -> None:
    """Each level with the venue that shows it; where there is no room, all venues together are one line."""
    shown = screen()
    shown.page = 1
    wide = texts(shown, 200, 60)
    assert any("all BTC/USDT" in line and "3 of 3" in line for line in wide)
    assert any("▶59999.75" in line.split("binance")[0] for line in wide)
    shown.page = 0
    assert any("all BTC/USDT 60000.00 binance / 60000.50 binance" in line for line in texts(shown))


def test_the_header_tells_what_must_not_be_overlooked() -> None:
    """Name, mode, the banner, a halt, a pause, the end; live trading in a style of its own."""
    first = texts(screen())[0]
    assert "mm" in first
    assert "PAPER" in first
    assert "SIMULATED MARKET" in first
    assert "up 00:00:05" in first
    halted = screen(state(halted=True, halt_reason="daily loss", paused=True, closing=True))
    assert all(word in texts(halted)[0] for word in ("HALTED", "PAUSED", "STOPPING"))
    assert "daily loss" in texts(halted)[1]
    live = screen(greeting=hello(mode="live", banner=""))
    assert styles_of(live, " LIVE ") >= {"live"}
    assert "SIMULATED" not in texts(live)[0]


def test_old_news_are_told_and_q_leaves() -> None:
    """After three seconds without a state everything shown may be wrong, and the screen says so until there is news."""
    shown = screen()
    control = Control(shown)
    later = NOW + OLD_SECONDS + 1.5
    assert "no news" not in texts(shown, now=NOW + 1)[1]
    assert "no news from the trading process for 4 s" in texts(shown, now=later)[1]
    assert "OLD" in texts(shown, now=later)[0]
    assert control.press("q", later) == LEAVE
    shown.view.update(state(9), later)
    assert "no news" not in texts(shown, now=later)[1]
    assert control.press("q", later) == "quit"


def test_a_key_reads_the_configuration_again() -> None:
    """One press, which the help names; where to look for what came of it is said."""
    shown = screen()
    control = Control(shown)
    assert control.press("c", NOW) == "reload"
    assert "the log tells what changed" in texts(shown)[1]
    control.press("?", NOW)
    assert any("read the configuration again" in line for line in texts(shown))


def test_the_kill_switch_asks_once() -> None:
    """The second press within three seconds does it; later, or after another key, it asks again."""
    shown = screen()
    control = Control(shown)
    assert control.press("k", NOW) == ""
    assert "press k again" in texts(shown)[1]
    assert control.press("k", NOW + 2.9) == "kill"
    assert control.press("k", NOW + 3) == ""
    assert control.press("k", NOW + 6.1) == ""
    assert control.press("1", NOW + 6.2) == ""
    assert control.press("k", NOW + 6.3) == ""
    control.tick(NOW + 10)
    assert shown.question == ""


def test_a_halt_is_reset_by_two_presses_and_only_when_there_is_one() -> None:
    """Without a halt the key says so."""
    shown = screen()
    control = Control(shown)
    assert [control.press("r", NOW), control.press("r", NOW)] == ["", ""]
    assert "not halted" in shown.said
    shown.view.update(state(halted=True, halt_reason="x"), NOW)
    assert [control.press("r", NOW), control.press("r", NOW + 1)] == ["", "reset_halt"]


def test_p_pauses_and_resumes() -> None:
    """By what is so, also when an earlier run paused."""
    shown = screen()
    control = Control(shown)
    assert control.press("p", NOW) == "pause"
    shown.view.update(state(paused=True), NOW)
    assert control.press("p", NOW) == "resume"
    shown.view.update(state(panels=[["om", {"kind": "orders", "paused": True}]]), NOW)
    assert control.press("p", NOW) == "resume"
    assert "p resume" in texts(shown, 200)[-1]


def test_keys_choose_what_is_looked_at() -> None:
    """Pages by number, help, further books, the next base; keys without a meaning do nothing."""
    greeting = hello()
    greeting["instruments"][4] = {**greeting["instruments"][1], "symbol": "ETH/USDT", "base": "ETH"}
    shown = screen(greeting=greeting)
    control = Control(shown)
    for key in "623456":
        assert control.press(key, NOW) == ""
        assert shown.page == int(key) - 1
    for key in ("7", "0", "x", "Z"):
        assert control.press(key, NOW) == ""
        assert shown.page == 5
    control.press("?", NOW)
    assert any("kill switch" in line for line in texts(shown))
    control.press("escape", NOW)
    assert not shown.help
    control.press("right", NOW)
    control.press("right", NOW)
    control.press("left", NOW)
    assert shown.choice == Choice("", 1)
    for base in ("ETH", "BTC", "ETH"):
        control.press("tab", NOW)
        assert shown.choice == Choice(base)


def test_keys_are_read_from_what_a_terminal_sends() -> None:
    """Characters, arrows in both of their spellings, and nothing for sequences that are not known."""
    assert keys_of(b"\x0c") == ["redraw"]
    assert keys_of(b"1k?q") == ["1", "k", "?", "q"]
    assert keys_of(b"\x1b[C\x1bOD\t\x1b") == ["right", "left", "tab", "escape"]
    assert keys_of(b"\x1b[5~\x1b[1;5Cp\x00\xff") == ["p"]


def test_before_the_first_state_it_waits_in_words() -> None:
    """And a terminal that is too small is told so."""
    shown = Screen()
    check_size(shown.lines(80, 24, NOW), 80, 24)
    assert any("waiting for the first state" in line for line in texts(shown))
    assert "too small" in texts(screen(), 30, 8)[0]


def test_numbers_are_never_cut() -> None:
    """A column of numbers that does not fit is left out; words may be cut to the least width of their column."""
    heads = [("venue", 5), ("price", -5), ("symbol", 6), ("fee", -3)]
    rows = [["binance", "64750.25", "BTC/USDT", "0.125"]]
    assert [line_text(line).rstrip() for line in table(heads, rows, 40)][1] == "binance 64750.25 BTC/USDT 0.125"
    assert [line_text(line).rstrip() for line in table(heads, rows, 28)][1] == "binance 64750.25 BTC/USDT"
    assert [line_text(line).rstrip() for line in table(heads, rows, 23)][1] == "binance 64750.25 BTC/U…"
    assert [line_text(line).rstrip() for line in table(heads, rows, 20)][1] == "binance 64750.25"
    assert [line_text(line).rstrip() for line in table(heads, rows, 12)][1] == "binance"


def test_long_lines_go_on_in_the_next_row() -> None:
    """Broken between words; a log line keeps its time of day, and what follows stands under its words."""
    assert wrapped("one two three four", 9, 2) == ["one two", "  three", "  four"]
    assert wrapped("", 9) == [""]
    line = "2026-11-21T14:46:18.119Z warning  desk.reload runtime.seed: 43 instead of 42, which stays in force"
    told = state(5)
    told["log"] = [line]
    shown = screen()
    shown.view.update(told, NOW)
    shown.page = 5
    rows = texts(shown, 80, 60)
    [first] = [number for number, row in enumerate(rows) if row.startswith("14:46:18 warning  desk.reload ")]
    assert rows[first + 1].startswith("         ")


def test_what_does_not_fit_whole_is_left_out_of_the_state() -> None:
    """The line of the trade ends with a whole word, at any width."""
    shown = screen()
    for width in range(60, 140):
        assert "…" not in texts(shown, width, 24)[1], width


def test_pages_show_what_they_are_for() -> None:
    """The words that a person looks for on each page."""
    shown = screen()
    expected = {
        0: ["profit, same orders", "positions", "fills", "fair 60000.25"],
        2: ["open orders", "0.03 of 0.1", "quotes and why", "half spread 0.4 bps", "60000.00"],
        3: ["pessimistic", "optimistic", "at touch 0.41", "markouts", "10 s"],
        4: ["maximum position BTC", "30%", "trading is not halted", "maximum_order_size 0.2 over 0.05"],
        5: ["feed_kraken", "backing off", "ConnectionError", "8.0 µs", "main.inbox", "something happened"],
    }
    for page, words in expected.items():
        shown.page = page
        for size in ((80, 24), (200, 60)):
            whole = "\n".join(texts(shown, *size))
            assert [word for word in words if word not in whole] == [], (page, size)


def test_a_halt_is_shown_with_its_confirmation() -> None:
    """Whether it is confirmed that nothing is open is what a person wants to know then."""
    told = state(halted=True, halt_reason="kill switch, by somebody", halts=["operator: kill switch, by somebody"])
    risk = next(panel for _, panel in told["panels"] if panel["kind"] == "risk")
    shown = screen(told)
    shown.page = 4
    for confirmed, words in ((True, "confirmed: nothing is open"), (False, "not confirmed yet")):
        risk["confirmed"] = confirmed
        shown.view.update(told, NOW)
        assert any(words in line for line in texts(shown))


def test_a_book_that_is_not_live_says_why() -> None:
    """Its state in the title and its cause where there is room."""
    told = state(panels=[["b", {"kind": "book", "books": [book(1, "BROKEN")]}]])
    shown = screen(told)
    shown.page = 1
    whole = "\n".join(texts(shown, 80, 24))
    assert "BROKEN" in whole
    assert "gap: 7 after 5" in whole
    assert "0/1 LIVE" in texts(shown, 100)[1]


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)
KEYS = sorted({key for _, panel in state()["panels"] for key in panel})


@settings(max_examples=examples(60, 1_500), deadline=None)
@given(kind=st.sampled_from([panel["kind"] for _, panel in state()["panels"]]), data=st.data())
def test_no_panel_can_break_the_screen(kind: str, data: st.DataObject) -> None:
    """Actors of users may tell anything: what is not understood is not drawn, and the sizes stay."""
    panel = {"kind": kind, **{key: data.draw(JUNK) for key in KEYS if key != "kind"}}
    whole = {key: data.draw(JUNK) for key in data.draw(st.sets(st.sampled_from(sorted(state())), max_size=3))}
    shown = screen({**state(panels=[["x", panel]]), **whole, "t": "state"})
    for page in range(len(PAGES)):
        shown.page = page
        check_size(shown.lines(80, 24, NOW), 80, 24)
        check_size(shown.lines(200, 60, NOW), 200, 60)


def test_texts_that_a_terminal_would_act_on_are_disarmed() -> None:
    """An error message may hold anything that a venue sends."""
    told = state(halts=["\x1b]0;owned\x07\r\n"], log=["a\tb\x1b[2J"], halted=True, halt_reason="x\x9b31m")
    shown = screen(told)
    for page in range(len(PAGES)):
        shown.page = page
        check_size(shown.lines(80, 24, NOW), 80, 24)
    assert clean("a\x1b[2Jb") == "a·[2Jb"


def test_lines_are_cut_and_filled_to_their_width() -> None:
    """A mark tells that there was more; wide characters count as two."""
    assert line_text(fit([("abc", ""), ("def", "")], 5)) == "abcd…"
    assert line_text(fit([("日本語", "")], 5)) == "日本…"
    assert width_of(line_text(fit([("日本語", "")], 4))) == 4
    assert cut("abc", 3) == "abc"
    assert allot([2, 100, 5], 20) == [2, 13, 5]
    assert sum(allot([50, 50, 50], 20)) == 20
    assert allot_first([14, 30, 3], 21) == [13, 5, 3]
    assert allot_first([30, 30, 30], 8) == [5, 3, 0]
    assert bar(0.5, 4) == "██  "
    assert sparkline([1, 2, 3], 2) == "▁█"
    rows = table([("a", 3), ("b", -4)], [["x", ("7", "bad")]], 12)
    assert [line_text(row) for row in rows] == ["a      b    ", "x      7    "]


def test_numbers_become_short_words() -> None:
    """Durations and counts of any size."""
    assert [duration_text(value) for value in (850, 12_300, 4_500_000, 2_000_000_000)] == [
        "850 ns", "12.3 µs", "4.5 ms", "2.0 s",
    ]  # fmt: skip
    assert [count_text(value) for value in (0, 950, 12_345, 5_000_000, 123_456_789)] == [
        "0", "950", "12.3k", "5.0M", "123M",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "has_colour", "has_escapes", "is_ascii"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "en_US.UTF-8"}, "38;2;", True, False),
        ({"TERM": "xterm-256color", "LANG": "C.UTF-8"}, "38;5;", True, False),
        ({"TERM": "xterm-16color", "LC_ALL": "C", "LANG": "C.UTF-8"}, "\x1b[9", True, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1", "LANG": "C.UTF-8"}, "", True, False),
        ({"TERM": "dumb"}, "", False, True),
    ],
)
def test_colours_and_glyphs_degrade(
    environment: dict[str, str], has_colour: str, has_escapes: bool, is_ascii: bool
) -> None:
    """From true colour to none; without colours the marks and attributes stay, without UTF-8 every glyph is ASCII."""
    theme = Theme.of(environment)
    whole = "".join(theme.paint(line) for line in screen().lines(80, 24, NOW))
    if has_colour:
        assert has_colour in whole
    else:
        assert not any(mark in whole for mark in ("\x1b[3", "38;", "48;"))
    assert ("\x1b[" in whole) is has_escapes
    assert whole.isascii() is is_ascii
    assert (">" if is_ascii else "▶") in whole


def test_every_style_that_is_used_exists() -> None:
    """A name that is not in the table would be drawn plain without a word."""
    shown = screen(state(halted=True, paused=True, halt_reason="x"))
    shown.question = "?"
    used = set()
    for page in range(len(PAGES)):
        shown.page = page
        for size in SIZES:
            used |= {style for line in shown.lines(*size, NOW) for _, style in line}
    assert used - {""} - set(STYLES) == set()
    assert Theme(ColorSystem.STANDARD).paint([("x", "bad")]).startswith("\x1b[")
    assert speaks_utf8({}) is False


def test_portfolios_of_several_lanes_are_added_up() -> None:
    """Model by model, where they count in one currency; the bracket is that of the sums."""
    other = {**portfolio(), "bracket": {"low": "-1", "high": "2", "queue": "2", "optimistic": "-1", "pessimistic": "1"}}
    shown = screen(state(panels=[["one", portfolio()], ["two", other]]))
    assert shown.view.bracket() == {
        "queue": "2.55", "optimistic": "2.40", "pessimistic": "-0.20", "low": "-0.20", "high": "2.55",
    }  # fmt: skip
    assert len(shown.view.rows("portfolio", "positions")) == 6
    assert "profit 2.55 USDT [-0.20 .. 2.55]" in texts(shown, 200)[1]
    shown.view.update(state(panels=[["one", portfolio()], ["two", {**other, "currency": "USD"}]]), NOW)
    assert shown.view.bracket()["queue"] == "0.55"


def test_the_course_of_the_profit_is_remembered_and_bounded() -> None:
    """One value a second, and never more than fit into ten minutes."""
    view = View()
    view.greet(hello(), 0.0)
    for second in range(2_000):
        told = portfolio()
        told["bracket"]["queue"] = str(second)
        view.update(state(second, panels=[["p", told]]), second / 2)
    assert len(view.profits) == 600
    assert view.profits[-1] == 1_998 * 1_000_000
    assert view.rates["market_maker"] == pytest.approx(900)
