"""The plan of the main job for simulations: the shipped wiring and settings, with instruments that the speakers write.

Everything comes from `configs/mm.toml`, so that a change of the wiring is simulated with the next run. Only what the
speakers cannot say is different: Kraken's checksum is written for two and five decimal places and a depth of ten. And
the market maker quotes so near that it trades. A mixed plan has the crossover beside it, whose targets the router
brings to the venues, and its orders are changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import attrs

from actors.order_manager import OrderManager
from actors.paper_venue import PaperVenue
from actors.risk import Risk
from actors.risk_params import RiskParams
from actors.venue_book import VenueBook
from actors.venue_book_params import VenueBookParams
from market.instruments import Instrument, InstrumentTable
from runtime.actor import Actor
from runtime.blueprint import Blueprint, Node, draw_blueprint
from runtime.classes import params_of
from runtime.config.load import load_config
from runtime.config.rules import DecimalText
from strategies.crossover import Crossover, CrossoverParams
from strategies.market_maker_params import MarketMakerParams
from tests.actors.trading_lane import Spy
from tests.data import ROOT
from tests.runtime.lanes import node_of

CONFIG = ROOT / "configs" / "mm.toml"
KRAKEN_DEPTH = 10
# The levels of the simulated market are a sixth of a basis point apart: so near it is not behind the touch.
NEAR: dict[str, object] = {"half_spread_bps": 0.2, "volatility_factor": 0.0, "level_spacing_bps": 0.3}
# It changes its mind every second or so, and takes liquidity.
CROSSOVER = CrossoverParams(size=DecimalText("0.01"), fast=2, slow=5, bar_ms=200, band_bps=0.02, retry_s=1)


@cache
def shipped() -> Blueprint:
    """The shipped plan; another test sees to it that it has no problems."""
    return draw_blueprint(load_config(CONFIG, {}, params_of))[0]


def written_by_speakers(instrument: Instrument) -> Instrument:
    """An instrument at the places that the speakers write; the others keep theirs, which are finer."""
    if instrument.venue != "kraken":
        return instrument
    return Instrument.from_text(
        instrument_id=instrument.instrument_id, symbol=instrument.symbol, venue=instrument.venue,
        venue_symbol=instrument.venue_symbol, base=instrument.base, quote=instrument.quote, kind="spot", tick="0.01",
        lot="0.00001", minimum_size="0.00001", minimum_notional="0.5", maker_fee_bps="0", taker_fee_bps="40",
    )  # fmt: skip


def simulated_plan(
    with_paper: bool = True, params: Mapping[type[Actor], Mapping[str, object]] | None = None, is_mixed: bool = False
) -> Blueprint:
    """The plan with a spy at its end; without the paper venue, orders go nowhere but to the spy."""
    plan = shipped()
    table = InstrumentTable([written_by_speakers(one) for one in plan.instruments])
    nodes = [changed(node, params or {}) for node in plan.actors]
    if not with_paper:
        nodes = [node for node in nodes if not issubclass(node.class_, PaperVenue)]
    if is_mixed:
        venues = {one.venue: "all" for one in table}
        nodes = [changed(node, {OrderManager: {"amend": venues}}) for node in nodes]
        nodes.append(node_of(Crossover, max(node.node_id for node in nodes) + 1, "crossover", params=CROSSOVER))
    nodes.append(node_of(Spy, max(node.node_id for node in nodes) + 1))
    return Blueprint(plan.config, table, plan.instrument_names, tuple(nodes), ())


def changed(node: Node, params: Mapping[type[Actor], Mapping[str, object]]) -> Node:
    """An actor with other settings where there are such."""
    settings = node.params
    if isinstance(settings, VenueBookParams) and "kraken" in settings.dialect:
        settings = attrs.evolve(settings, depth=KRAKEN_DEPTH)
    if isinstance(settings, MarketMakerParams):
        settings = attrs.evolve(settings, **NEAR)  # type: ignore[arg-type]
    for class_, others in params.items():
        if issubclass(node.class_, class_):
            # What a test says of settings is checked by attrs, not by mypy.
            settings = attrs.evolve(settings, **others)  # type: ignore[misc]
    return attrs.evolve(node, params=settings)


def connection_of(plan: Blueprint, instrument_id: int) -> int:
    """The connection that brings the book of an instrument."""
    return book_params(plan, instrument_id).book_connections[0]


def book_params(plan: Blueprint, instrument_id: int) -> VenueBookParams:
    """The settings of the book of an instrument."""
    for node in plan.actors:
        if issubclass(node.class_, VenueBook) and node.works_on(instrument_id):
            assert isinstance(node.params, VenueBookParams)
            return node.params
    raise AssertionError(f"instrument {instrument_id} has no book")


def risk_params(plan: Blueprint) -> RiskParams:
    """The limits that hold."""
    params = next(node.params for node in plan.actors if issubclass(node.class_, Risk))
    assert isinstance(params, RiskParams)
    return params
