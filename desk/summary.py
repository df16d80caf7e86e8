"""The summary of a run: everything about it as plain data, and the part of that which people read at the end.

`docs/command.md` explains every key. Money, prices and sizes are decimal text, times are nanoseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

import hftrun_kernel
from desk.durations import format_duration
from desk.fault_words import fault_lines, faults_of_run
from desk.ledger_words import open_orders, positions
from desk.result import result_of, result_words
from desk.told import by_instrument, order_lanes
from runtime.config.show import config_sha256
from runtime.histogram import Histogram
from runtime.lane import words_of
from runtime.metrics import MetricIdentity

if TYPE_CHECKING:
    from runtime.lane import Lane
    from runtime.lane_journal import Recovered
    from runtime.metrics import HistogramSample, MetricSnapshot, Sample
    from runtime.session import Session
    from runtime.supervisor import ShutdownReport

PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99)
SIMULATED = "simulated"
SHOWN_PERCENTILES = ("p50", "p99", "p99.9", "max")


def summary_of(session: Session, report: ShutdownReport) -> dict[str, Any]:
    """Everything about a run, as plain data."""
    system = session.system
    config = session.blueprint.config
    words = {slot.name: words_of(slot) for lane in system.lanes for slot in lane.core.slots}
    return {
        "name": config.name,
        "mode": config.mode,
        "market": session.market,
        "modules": hftrun_kernel.mode(),
        "config_sha256": config_sha256(config),
        "started_ns": session.started_ns,
        "seconds": round((session.clock.now_ns() - session.started_ns) / 1e9, 3),
        "shutdown": {
            **attrs.asdict(report),
            "orderly": report.orderly,
            "halted": any(lane.core.ledger.halted for lane in system.lanes),
        },
        "halts": list(system.supervisor.halts),
        "stalls": system.supervisor.stalls,
        "result": result_of(session, words),
        "totals": _totals(session),
        "instruments": by_instrument(session.blueprint, words),
        "latency": {
            "tick_to_order_ns": _percentiles(session.tick_to_order),
            "input_ns": _percentiles(_merged([lane.drain.input_time for lane in system.lanes])),
            "lag_ns": _percentiles(_merged([lane.drain.lag for lane in system.lanes])),
        },
        "recovered": {one.lane: _recovered(one, session.ledgers_found[one.lane]) for one in session.recovered},
        "lanes": {lane.name: _lane(lane, session) for lane in system.lanes},
        "units": {
            unit.name: {
                "kind": unit.kind,
                "policy": unit.policy,
                "state": unit.state.value,
                "failures": unit.failures,
                "restarts": unit.restarts,
                "last_error": unit.last_error,
            }
            for unit in system.supervisor.units.values()
        },
        "actors": {name: {key: value for key, value in one.items() if key != "status"} for name, one in words.items()},
        "channels": [attrs.asdict(channel.statistics()) for channel in system.channels()],
        "metrics": metrics_of(system.metrics.snapshot()),
        "faults": faults_of_run(session, words),
    }


def metrics_of(snapshot: MetricSnapshot) -> dict[str, dict[str, Any]]:
    """Every metric by its name with its labels, as Prometheus writes it; histograms with percentiles."""
    return {
        "counters": {_metric_name(sample): sample.value for sample in snapshot.counters},
        "gauges": {_metric_name(sample): sample.value for sample in snapshot.gauges},
        "histograms": {_metric_name(sample): _histogram(sample) for sample in snapshot.histograms},
    }


def _metric_name(sample: Sample | HistogramSample) -> str:
    return str(MetricIdentity(sample.name, "", sample.labels))


def _histogram(sample: HistogramSample) -> dict[str, int]:
    if not sample.count:
        return {"count": 0}
    found = {f"p{percent:g}": value for percent, value in sample.percentiles}
    return {"count": sample.count, "sum": sample.sum, "min": sample.minimum, **found, "max": sample.maximum}


def _totals(session: Session) -> dict[str, int]:
    """Counts over all lanes; those of orders since the state was begun, and the part that this run added."""
    lanes = session.system.lanes
    units = session.system.supervisor.units.values()
    totals = {
        "inputs": sum(int(lane.drain.inputs) for lane in lanes),
        "decisions": sum(int(lane.core.digest.count) for lane in lanes),
        "failures": sum(unit.failures for unit in units),
        "restarts": sum(int(slot.restarts) for lane in lanes for slot in lane.core.slots)
        + sum(unit.restarts for unit in units if unit.kind == "service"),
        "anomalies": sum(int(lane.core.anomaly_count) for lane in lanes),
    }
    counted = ("orders", "fills", "duplicate_fills", "rejections")
    for place, name in enumerate(counted):
        now = before = 0
        for lane in order_lanes(lanes):
            ledger = lane.core.ledger
            now += int((ledger.orders, ledger.fills, ledger.duplicates, ledger.rejections)[place])
            counts = session.ledgers_found[lane.name]["counts"]
            assert isinstance(counts, list)
            before += int(counts[place])
        totals[name] = now
        totals[f"{name}_this_run"] = now - before
    totals["open_orders"] = sum(lane.core.ledger.open_order_count() for lane in order_lanes(lanes))
    return totals


def _recovered(recovered: Recovered, ledger: dict[str, object]) -> dict[str, Any]:
    return {
        "is_new": recovered.is_new,
        "sequence": recovered.sequence,
        "snapshot_sequence": recovered.snapshot_sequence,
        "records": recovered.records,
        "torn": "" if recovered.torn is None else str(recovered.torn),
        "snapshots_passed_over": [f"{one.name}: {one.reason}" for one in recovered.skipped],
        "ledger": ledger,
    }


def _lane(lane: Lane, session: Session) -> dict[str, Any]:
    core = lane.core
    ledger = core.ledger
    return {
        "inputs": int(core.sequence),
        "inputs_this_run": int(lane.drain.inputs),
        "decisions": int(core.digest.count),
        "digest": f"{int(core.digest.value):016x}",
        "knows_every_order": ledger.complete,
        "halted": ledger.halted,
        "halt_reason": ledger.halt_reason,
        "refused_while_halted": int(core.refused_while_halted),
        "undelivered": lane.undelivered - lane.unread,
        "unread": lane.unread,
        "anomalies": list(core.anomalies),
        "open_orders": open_orders(ledger, session.blueprint),
        "positions": positions(ledger, session.blueprint),
        "snapshots_missed": lane.journal.snapshots_missed if lane.journal is not None else 0,
        "input_ns": _percentiles(lane.drain.input_time),
        "lag_ns": _percentiles(lane.drain.lag),
    }


def _merged(histograms: list[Histogram]) -> Histogram:
    total = Histogram()
    for histogram in histograms:
        total.merge(histogram)
    return total


def _percentiles(histogram: Histogram) -> dict[str, int]:
    if not histogram.count:
        return {}
    found = {f"p{number:g}": int(histogram.percentile(number)) for number in PERCENTILES}
    return {"count": int(histogram.count), **found, "max": int(histogram.maximum)}


# ---- for people


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """The summary for people."""
    shutdown = summary["shutdown"]
    how = "in order" if shutdown["orderly"] else "NOT in order"
    if shutdown["halted"]:
        how += ", with trading HALTED"
    lines = ["", f"{summary['name']} ran {summary['seconds']} s and stopped {how}: {shutdown['reason']}"]
    if not shutdown["orderly"]:
        lines += _disorder(summary)
    if any(lane["knows_every_order"] for lane in summary["lanes"].values()):
        place = "SIMULATED  " if summary["market"] == SIMULATED else "result     "
        lines.append(f"  {place}{' '.join(result_words(summary['result']))}")
    for name, told in summary["instruments"].items():
        lines += _instrument_lines(name, told)
    lines += _exchange_lines(summary["actors"])
    if any(lane["knows_every_order"] for lane in summary["lanes"].values()):
        lines.append("  orders     " + _order_words(summary["totals"]))
    for name, key in (("tick to order", "tick_to_order_ns"), ("an input", "input_ns"), ("lag", "lag_ns")):
        values = summary["latency"][key]
        if values:
            shown = ", ".join(f"{label} {format_duration(values[label])}" for label in SHOWN_PERCENTILES)
            lines.append(f"  latency    {name}: {shown}")
    lines += _lane_lines(summary["lanes"])
    lines += fault_lines(summary["faults"])
    lines += _failure_lines(summary["units"])
    return lines


def _instrument_lines(name: str, told: dict[str, Any]) -> list[str]:
    """One line: what is held and what it has earned, then how well its book was seen."""
    parts = []
    if "position" in told:
        parts.append(f"position {told['position']}, profit {told['profit']} {told['currency']}")
    if "gaps" in told:
        live = f"live {told['live_percent']}%, " if "live_percent" in told else ""
        parts.append(f"book {live}{told['gaps']} gap{'' if told['gaps'] == 1 else 's'}")
    return [f"  {name:<17} {'; '.join(parts)}"] if parts else []


def _exchange_lines(actors: dict[str, dict[str, Any]]) -> list[str]:
    """What exchanges of our own have done since their states were begun."""
    lines = []
    for name, one in actors.items():
        if isinstance(one.get("markets"), dict):
            fees = ", ".join(f"{amount} {asset}" for asset, amount in one["fees"].items())
            counts = f"{one['orders']} orders, {one['trades']} trades, {one['open_orders']} open orders"
            lines.append(f"  {name:<10} {counts}")
            lines.append(f"  {'':<10} earned {fees}")
    return lines


def _order_words(totals: dict[str, int]) -> str:
    words = ", ".join(
        f"{totals[f'{name}_this_run']} {said}"
        for name, said in (("orders", "sent"), ("fills", "fills"), ("rejections", "refused"))
    )
    if totals["orders"] != totals["orders_this_run"]:
        words += f" (since the state was begun: {totals['orders']}, {totals['fills']}, {totals['rejections']})"
    return f"{words}, {totals['open_orders']} open"


def _disorder(summary: dict[str, Any]) -> list[str]:
    shutdown = summary["shutdown"]
    lines = []
    if not shutdown["flat"] and not summary["totals"]["open_orders"]:
        lines.append("  NOT FLAT   the run ended before it could be confirmed that no order is open")
    elif not shutdown["flat"]:
        lines.append(f"  NOT FLAT   {summary['totals']['open_orders']} orders were not confirmed as cancelled in time")
        for lane in summary["lanes"].values():
            if lane["knows_every_order"]:
                lines += [f"             order {one['order_id']}: {_order_line(one)}" for one in lane["open_orders"]]
    if shutdown["unfinished"]:
        lines.append(f"  UNFINISHED {', '.join(shutdown['unfinished'])} did not end within the deadline")
    return lines


def _order_line(order: dict[str, Any]) -> str:
    return f"{order['side']} {order['size']} {order['symbol']} at {order['price']}, {order['state']}"


def _lane_lines(lanes: dict[str, dict[str, Any]]) -> list[str]:
    lines = []
    for name, lane in lanes.items():
        lines.append(
            f"  lane       {name}: {lane['inputs']} inputs, {lane['decisions']} decisions, digest {lane['digest']}"
        )
        if lane["halted"]:
            lines.append(f"  HALTED     {lane['halt_reason']}")
        if lane["undelivered"]:
            lines.append(f"  LOST       {name}: {lane['undelivered']} messages for a receiver that is gone")
        lines += [f"  ANOMALY    {anomaly}" for anomaly in lane["anomalies"]]
    return list(dict.fromkeys(lines))


def _failure_lines(units: dict[str, dict[str, Any]]) -> list[str]:
    return [
        f"  FAILED     {name}: {unit['failures']} times, {unit['restarts']} restarts, "
        f"now {unit['state']}; last {unit['last_error']}"
        for name, unit in units.items()
        if unit["failures"]
    ]
