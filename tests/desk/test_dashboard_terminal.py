"""The dashboard in a real terminal: sizes, keys, and processes that are killed or stopped while it is drawn."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path
from time import monotonic

import pytest

from desk.dashboard.text import width_of
from tests.data import ROOT
from tests.desk.terminals import TMUX, RealTerminal, command_of, descendants_of, processor_seconds, waited_seconds

CONFIG = ROOT / "tests" / "desk" / "one_venue.toml"
pytestmark = [
    pytest.mark.skipif(not TMUX, reason="a real terminal needs tmux"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found in /proc"),
]
MAIN_JOB = ROOT / "configs" / "mm.toml"
FIRST_BOOKS_SECONDS = 5.0
COST_SECONDS = 4.0
WORDS = {
    "1": ("positions", "fills"),
    "2": ("binance", "spread"),
    "3": ("open orders", "quotes and why"),
    "4": ("profit", "markouts"),
    "5": ("limits", "refusals"),
    "6": ("actors, lanes and services", "latency", "log"),
}


def wait_for_page(terminal: RealTerminal, columns: int, rows: int, *words: str) -> None:
    """Wait until a page fills the terminal: the header on top, the keys below, nothing wrapped or left over."""
    lines: list[str] = []

    def fits() -> bool:
        lines[:] = terminal.shown()
        whole = "\n".join(lines)
        framed = len(lines) == rows and "PAPER" in lines[0] and "1 overview" in lines[-1]
        return framed and all(word in whole for word in words) and max(map(width_of, lines)) <= columns

    terminal.wait_until(fits, f"{words} at {columns}x{rows}", lambda: "\n".join(lines))


def test_a_session_at_both_sizes(tmp_path: Path) -> None:
    """Every page at 80x24 and, after a resize while running, at 200x60; help; quit with a summary; restored."""
    with RealTerminal(tmp_path, CONFIG, "--summary", tmp_path / "summary.json") as terminal:
        wait_for_page(terminal, 80, 24, "LIVE", "▶")
        assert terminal.state() == {"alternate": "1", "cursor": "0"}
        for columns, rows in ((80, 24), (200, 60), (100, 30), (80, 24)):
            terminal.resize(columns, rows)
            for key, words in WORDS.items():
                terminal.press(key)
                wait_for_page(terminal, columns, rows, *words)
        tty = terminal.tmux("display-message", "-p", "#{pane_tty}").strip()
        terminal.press("4")
        terminal.wait_for("markouts")
        Path(tty).write_text("\x1b[21;1Hsomebody writes over it")
        terminal.press("C-l")
        terminal.wait_for("1 overview", absent="somebody writes")
        terminal.press("?")
        terminal.wait_for("kill switch")
        terminal.press("Escape", "1")
        terminal.wait_for("positions", absent="kill switch: cancel")
        terminal.press("p")
        terminal.wait_for("PAUSED")
        terminal.press("p")
        terminal.wait_for("open", absent="PAUSED")
        terminal.press("q")
        lines = terminal.check_restored()
        assert any("ENDED 0" in line for line in lines)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["shutdown"]["orderly"]
    assert "quit" in summary["shutdown"]["reason"]


def test_live_books_of_three_venues_are_there_within_five_seconds(tmp_path: Path) -> None:
    """From the command to three LIVE ladders with a price on both sides; what others had of the processor is not ours.

    On a machine with nothing else to do the time by the clock is what counts. On a busy one the kernel tells how long
    these processes were kept waiting, and that is taken off.
    """
    began = monotonic()
    with RealTerminal(tmp_path, MAIN_JOB, "--offline") as terminal:
        # The simulated market draws its orders, and a side of a book may be empty for a moment.
        lines = terminal.wait_for("books 3/3 LIVE", "spread", absent="one side is empty")
        took = monotonic() - began
        pane = int(terminal.tmux("display-message", "-p", "#{pane_pid}"))
        waited = sum(map(waited_seconds, descendants_of(pane)))
        assert took - waited < FIRST_BOOKS_SECONDS, f"{took:.2f} s, of which {waited:.2f} s without a processor"
        heads = next(line for line in lines if line.startswith("binance BTC/USDT"))
        assert [heads.count(word) for word in ("binance", "kraken", "coinbase", "LIVE")] == [1, 1, 1, 3]
        spread = next(line for line in lines if line.startswith("spread"))
        assert len(re.findall(r"spread +[\d.]+", spread)) == 3
        terminal.press("q")
        assert any("ENDED 0" in line for line in terminal.check_restored())


def test_drawing_costs_little(tmp_path: Path) -> None:
    """Four frames a second take under 5 % of a core at 80x24 and under 15 % at 200x60, by the processor's time."""
    with RealTerminal(tmp_path, CONFIG) as terminal:
        for columns, rows, most in ((80, 24, 0.05), (200, 60, 0.15)):
            terminal.resize(columns, rows)
            wait_for_page(terminal, columns, rows, "LIVE", "▶")
            dashboard = terminal.dashboard()
            before = processor_seconds(dashboard)
            terminal.pass_seconds(COST_SECONDS)
            spent = processor_seconds(dashboard) - before
            assert spent < most * COST_SECONDS, f"{spent:.2f} s of the processor in {COST_SECONDS} s"
        terminal.press("q")
        terminal.check_restored()


def test_the_kill_switch_halts_and_two_presses_reset_it(tmp_path: Path) -> None:
    """The first press asks; the second halts, which latches; the reset is asked for twice too, and quotes come back."""
    with RealTerminal(tmp_path, CONFIG) as terminal:
        terminal.wait_for("LIVE", "▶")
        terminal.press("k")
        terminal.wait_for("press k again")
        terminal.press("k")
        terminal.wait_for("HALTED", "kill switch, by", absent="▶")
        terminal.press("r")
        terminal.wait_for("press r again")
        terminal.press("r")
        terminal.wait_for("▶", absent="HALTED")
        terminal.press("C-c")
        assert any("ENDED 0" in line for line in terminal.check_restored())


def test_a_dashboard_that_is_killed_comes_back(tmp_path: Path) -> None:
    """Trading goes on without a failure; a TERM to the trading process then ends both, and the terminal is restored."""
    with RealTerminal(tmp_path, CONFIG, "--summary", tmp_path / "summary.json") as terminal:
        terminal.wait_for("LIVE", "▶")
        first = terminal.dashboard()
        os.kill(first, signal.SIGKILL)
        terminal.wait_until(lambda: terminal.dashboard() != first, "another dashboard")
        terminal.press_until("6", "the dashboard died", "running")
        assert terminal.state() == {"alternate": "1", "cursor": "0"}
        os.kill(terminal.trading(), signal.SIGTERM)
        assert any("ENDED 0" in line for line in terminal.check_restored())
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["totals"]["failures"] == 0
    assert summary["shutdown"]["orderly"]


def test_a_dashboard_that_is_stopped_holds_nothing_up(tmp_path: Path) -> None:
    """It neither reads nor ends; the run ends in order all the same, and the terminal is restored for it."""
    with RealTerminal(tmp_path, CONFIG, "--summary", tmp_path / "summary.json") as terminal:
        terminal.wait_for("LIVE", "▶")
        trading, dashboard = terminal.trading(), terminal.dashboard()
        os.kill(dashboard, signal.SIGSTOP)
        os.kill(trading, signal.SIGTERM)
        assert any("ENDED 0" in line for line in terminal.check_restored())
    assert json.loads((tmp_path / "summary.json").read_text())["shutdown"]["orderly"]


def test_a_trading_process_that_is_killed_gives_the_terminal_back(tmp_path: Path) -> None:
    """The dashboard says that it is gone, restores the terminal and ends."""
    with RealTerminal(tmp_path, CONFIG) as terminal:
        terminal.wait_for("LIVE", "▶")
        os.kill(terminal.trading(), signal.SIGKILL)
        # The shell says at once that its command was killed; the dashboard, which was not, comes after.
        terminal.wait_for("the trading process is gone without a goodbye: look after", may_have_ended=True)
        terminal.wait_until(terminal.is_restored, "the terminal restored")


def test_a_trading_process_that_is_stopped_is_told_as_old(tmp_path: Path) -> None:
    """After three seconds the screen says that there is no news; it is current again when the process goes on."""
    with RealTerminal(tmp_path, CONFIG) as terminal:
        terminal.wait_for("LIVE", "▶")
        trading = terminal.trading()
        os.kill(trading, signal.SIGSTOP)
        terminal.wait_for("no news from the trading process", "OLD")
        os.kill(trading, signal.SIGCONT)
        terminal.wait_for("LIVE", absent="no news")
        os.kill(trading, signal.SIGSTOP)
        terminal.wait_for("no news from the trading process", "OLD")
        terminal.press("q")
        terminal.wait_until(lambda: terminal.state()["alternate"] == "0", "the dashboard left")
        os.kill(trading, signal.SIGCONT)
        assert any("ENDED 0" in line for line in terminal.check_restored())


@pytest.mark.parametrize(("words", "shown"), [((), "▶"), (("--plain",), "quotes")])
def test_a_terminal_that_is_closed_ends_the_run_in_order(tmp_path: Path, words: tuple[str, ...], shown: str) -> None:
    """The window goes away with everything in it: nothing is left working, and the summary is written."""
    with RealTerminal(tmp_path, CONFIG, *words, "--summary", tmp_path / "summary.json") as terminal:
        terminal.wait_for("LIVE", shown)
        trading = terminal.trading()
        terminal.tmux("kill-session")
        terminal.wait_until(lambda: not command_of(trading), "the end of the trading process")
    shutdown = json.loads((tmp_path / "summary.json").read_text())["shutdown"]
    assert shutdown["orderly"]
