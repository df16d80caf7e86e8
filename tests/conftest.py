"""What every test run shares: the hypothesis profiles, the check of the kernel, and the line that tells the mode."""

from __future__ import annotations

import pytest
from hypothesis import settings

import hftrun_kernel
from tests.data import data_folder
from tests.seeds import SOAK

# The small set is fixed, so that a red run means a changed project and never an unlucky draw; the soak draws anew and
# prints what repeats a failure. No deadlines: a slow machine is not a wrong result.
settings.register_profile("small", deadline=None, derandomize=True, database=None)
settings.register_profile("soak", deadline=None, print_blob=True, database=None)
settings.load_profile("soak" if SOAK else "small")


def pytest_configure() -> None:
    """Ends the run before it begins when what it would test is stale, or the named recordings are absent."""
    data_folder()
    try:
        hftrun_kernel.check()
    except hftrun_kernel.StaleKernel as stale:
        raise pytest.UsageError(str(stale)) from None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tells which modules ran and how many tests were skipped, in quiet runs too."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    counts = "full" if SOAK else "small"
    terminalreporter.write_line(
        f"hftrun: {hftrun_kernel.mode()} ({hftrun_kernel.reason()}), {counts} counts, tests skipped: {skipped}"
    )
