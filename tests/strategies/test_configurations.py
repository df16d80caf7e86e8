"""The configurations that ship a strategy: every setting is there and explained, and does what its comment says."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import attrs
import pytest

from strategies.crossover import CrossoverParams
from strategies.market_maker_params import MarketMakerParams
from tests.data import ROOT


def actors_of(name: str) -> dict[str, dict[str, Any]]:
    """The actors that a configuration names itself."""
    actors: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "configs" / name).read_text("utf-8"))["actors"]
    return actors


@pytest.mark.parametrize("name", ["mm.toml", "mm-multi.toml", "crossover.toml", "standard-actors.toml"])
def test_every_setting_is_explained(name: str) -> None:
    """A comment at each line but that of a class, which its path names."""
    lines = (ROOT / "configs" / name).read_text(encoding="utf-8").splitlines()
    settings = [line for line in lines if re.match(r"[a-z_]+ = ", line) and not line.startswith("class = ")]
    assert [line for line in settings if " # " not in line] == []


@pytest.mark.parametrize(
    ("name", "class_path", "params", "count"),
    [
        ("mm.toml", "strategies.market_maker:MarketMaker", MarketMakerParams, 1),
        ("mm-multi.toml", "strategies.market_maker:MarketMaker", MarketMakerParams, 3),
        ("crossover.toml", "strategies.crossover:Crossover", CrossoverParams, 1),
    ],
)
def test_every_setting_of_the_strategy_is_there(name: str, class_path: str, params: type, count: int) -> None:
    """Nothing has to be looked up to see what can be set."""
    found = [one["params"] for one in actors_of(name).values() if one.get("class") == class_path]
    assert len(found) == count
    for one in found:
        assert list(one) == [field.name for field in attrs.fields(params)]


@pytest.mark.parametrize("name", ["mm.toml", "mm-multi.toml"])
def test_one_live_venue_of_three_is_enough_where_it_is_said_to_be(name: str) -> None:
    """The fair value's confidence is the share of live venues: the least one lets as many count as are asked for."""
    for one in actors_of(name).values():
        if "min_live_venues" in one.get("params", {}) and "minimum_confidence" in one["params"]:
            assert one["params"]["minimum_confidence"] <= one["params"]["min_live_venues"] / 3
