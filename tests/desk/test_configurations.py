"""The configurations that are shipped: those that the pages name are there, and each is whole."""

from __future__ import annotations

import pytest

from actors.venue_book_params import VenueBookParams
from desk.exits import EXIT_OK
from desk.inspect_commands import check_config
from desk.loading import load_and_plan
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


@pytest.mark.parametrize("name", WHOLE)
def test_a_dead_stream_of_a_book_is_noticed_by_its_silence(name: str) -> None:
    """A heartbeat keeps no book LIVE whose own stream has died: ten seconds for BTC, thirty for what is quieter."""
    _, blueprint = load_and_plan(CONFIGS / name)
    for node in blueprint.actors:
        if isinstance(node.params, VenueBookParams):
            bases = {one.base for one in blueprint.instruments if node.works_on(one.instrument_id)}
            most = 10_000 if bases == {"BTC"} else 30_000
            assert 0 < node.params.stall_after_ms <= most, node.name
