"""The configurations that are shipped: those that the pages name are there, and each is whole."""

from __future__ import annotations

import pytest

from desk.exits import EXIT_OK
from desk.inspect_commands import check_config
from tests.data import ROOT

CONFIGS = ROOT / "configs"
# A part that others include: it wants a strategy.
PARTS = {"standard-actors.toml"}
WHOLE = sorted(path.name for path in CONFIGS.glob("*.toml") if path.name not in PARTS)


def test_the_promised_configurations_are_there() -> None:
    """What the pages and the README name is shipped."""
    promised = {"mm.toml", "mm-multi.toml", "crossover.toml", "exchange.toml", "live-example.toml"}
    assert promised <= set(WHOLE)


@pytest.mark.parametrize("name", WHOLE)
def test_a_shipped_configuration_passes_the_check(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """`hftrun check` finds no fault with it."""
    code = check_config(CONFIGS / name, False, False)
    output, errors = capsys.readouterr()
    assert code == EXIT_OK, errors
    assert "no errors" in output
