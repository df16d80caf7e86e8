"""The parts that pages are put together from: profit, positions, fills, quotes, gauges, orders, health.

Each takes the view and a width and gives a title with the lines that it would like to have; a page gives it as many as
there is room for. Where nothing tells a thing, the part says in words that there is none, and never leaves an empty
place that could be taken for a zero.
"""

from __future__ import annotations

from typing import Any

import attrs

from desk.dashboard.text import Line, cell, gauge, sparkline, spread, table, width_of, wrapped
from desk.dashboard.view import (
    MODELS,
    View,
    clock_text,
    count_text,
    duration_text,
    list_of,
    number_of,
    rows_of,
    share_of,
    style_of_amount,
    text_of,
    whole,
)

KNOWN_KINDS = frozenset(
    {"book", "aggregated", "fair_value", "strategy", "paper", "risk", "portfolio", "orders", "router"}
)
# Words of the order life cycle as short as a column needs them, the first that fits.
STATES = {"replace and cancel": "cancelling", "cancel": "cancelling", "replace": "replacing", "partially": "partly"}
SIDE_STYLES = {"buy": "buy", "sell": "sell"}
BAR_WIDTH = 12
WIDE_GAUGE = 90
# What a limit binds where that goes without saying.
NO_SCOPES = frozenset({"all", "net", "gross", "window", "today", "from peak"})
# No terminal has more rows for one part.
MOST_ROWS = 60
# The rows after the first of a line of the log.
LOG_INDENT = 9


@attrs.frozen
class Part:
    """A title, the lines under it, and a note beside the title."""

    title: str
    lines: list[Line]
    note: str = ""
    # Where not all lines fit, whether the last ones are wanted rather than the first ones.
    is_tail: bool = False


def none(words: str) -> list[Line]:
    """What stands where there is nothing to show."""
    return [[(words, "dim")]]


# ---- money


def profit(view: View, width: int) -> Part:
    """The bracket of the three models over the same orders, and the course of the one that drives."""
    bracket = view.bracket()
    if not bracket:
        return Part("profit", none("no portfolio tells of profit here"))
    lines: list[Line] = []
    for model in MODELS:
        if model in bracket:
            touch = text_of(bracket, f"{model}_at_touch")
            lines.append(
                [
                    cell(model, 12, "dim"),
                    cell(text_of(bracket, model), 11, style_of_amount(bracket.get(model)), True),
                    (f"  at touch {touch}" if touch else "", "dim"),
                ]
            )
    course = sparkline(view.course(), max(0, width - 2))
    if course:
        lines.append([(course, "spark")])
    return Part("profit, same orders", lines, f"{text_of(bracket, 'low')} .. {text_of(bracket, 'high')}")


def positions(view: View, width: int) -> Part:
    """What is held, by strategy and venue."""
    rows: list[list[Any]] = []
    for one in view.rows("portfolio", "positions"):
        money = [(text_of(one, key), style_of_amount(one.get(key))) for key in ("profit", "realised", "unrealised")]
        rows.append(
            [
                text_of(one, "venue"), text_of(one, "symbol"), (text_of(one, "net"), style_of_amount(one.get("net"))),
                *money, text_of(one, "fees"), text_of(one, "average"), text_of(one, "mark"), text_of(one, "strategy"),
            ]
        )  # fmt: skip
    if rows:
        heads = [
            ("venue", 7), ("symbol", 8), ("net", -9), ("profit", -9), ("realised", -8), ("unrealised", -8),
            ("fees", -6), ("average", -8), ("mark", -8), ("strategy", 8),
        ]  # fmt: skip
        return Part("positions", table(heads, rows, width))
    held = []
    for row in list_of(view.state, "positions"):
        if isinstance(row, list | tuple) and len(row) == 3:
            traded = view.instrument(whole(row[1]))
            held.append([traded.venue, traded.symbol, traded.size(whole(row[2])), view.actor_name(whole(row[0]))])
    if not held:
        return Part("positions", none("nothing was traded yet"))
    heads = [("venue", 7), ("symbol", 8), ("net", -9), ("strategy", 8)]
    return Part("positions", table(heads, held, width))


def markouts(view: View, width: int) -> Part:
    """What the market did after our fills."""
    rows: list[list[Any]] = []
    several = len(view.panels("portfolio")) > 1
    for name, panel in view.panels("portfolio"):
        for one in rows_of(panel, "markouts"):
            maker, taker = text_of(one, "maker_bps"), text_of(one, "taker_bps")
            rows.append(
                [
                    f"{text_of(one, 'horizon_s')} s", (maker, style_of_amount(maker)), (taker, style_of_amount(taker)),
                    text_of(one, "count"), name if several else "",
                ]
            )  # fmt: skip
    heads = [("after", -6), ("maker bps", -9), ("taker bps", -9), ("fills", -6), ("", 0)]
    lines = table(heads, rows, width) if rows else none("no fill is old enough yet")
    return Part("markouts", lines)


def fills(view: View, width: int) -> Part:
    """The last fills, newest first."""
    rows = []
    told = view.rows("portfolio", "fills")
    told.sort(key=lambda one: number_of(one, "time_ns"), reverse=True)
    for one in told[:MOST_ROWS]:
        side = text_of(one, "side")
        rows.append(
            [
                (clock_text(number_of(one, "time_ns")), "dim"), (side, SIDE_STYLES.get(side, "")),
                short(text_of(one, "size")),
                (text_of(one, "price"), SIDE_STYLES.get(side, "")), text_of(one, "venue"), text_of(one, "liquidity"),
                text_of(one, "fee"), text_of(one, "symbol"),
            ]
        )  # fmt: skip
    heads = [
        ("time", 8), ("side", 4), ("size", -6), ("price", -6), ("venue", 4), ("", 5), ("fee", -3), ("symbol", 8),
    ]  # fmt: skip
    lines = table(heads, rows, width) if rows else none("no fills yet")
    return Part("fills", lines, f"{count_text(view.total('fills'))} in all")


# ---- what we want, and what is working


def quotes(view: View, width: int) -> Part:
    """What each strategy wants, and why its quotes are where they are."""
    lines: list[Line] = []
    for name, panel in view.panels("strategy"):
        state: Line = [("quoting", "good") if panel.get("quoting") else (text_of(panel, "status") or "idle", "warn")]
        lines.append(spread([(text_of(panel, "name") or name, "bold")], state, width))
        facts = [one for one in list_of(panel, "facts") if isinstance(one, list | tuple) and len(one) == 2]
        lines += _facts(facts, width)
        lines += _quotes_of(view, rows_of(panel, "quotes"), width)
    for one in view.rows("orders", "why_pulled"):
        traded = view.instrument(number_of(one, "instrument_id"))
        lines.append([(f"{traded.venue} pulled: ", "warn"), (text_of(one, "reason"), "dim")])
    return Part("quotes and why", lines or none("no strategy tells of quotes"))


def _facts(facts: list[Any], width: int) -> list[Line]:
    """Facts with their labels, two in a row where they fit, and whole."""
    room = max(8, width // 2 - 13)
    lines: list[Line] = []
    half: Line = []
    for label, told in facts:
        words = str(told)
        if width_of(words) > room:
            lines += [half] if half else []
            first, *more = wrapped(words, width - 12)
            lines += [[cell(f"{label} ", 12, "dim"), (first, "")], *[[(" " * 12 + row, "")] for row in more]]
            half = []
            continue
        half = [*half, cell(f"{label} ", 12, "dim"), cell(words, room)]
        if len(half) == 4:
            lines.append(half)
            half = []
    return [*lines, half] if half else lines


def _quotes_of(view: View, told: list[dict[str, Any]], width: int) -> list[Line]:
    """The quotes of a strategy; a reason that quotes next to each other share is said once, before them."""
    lines: list[Line] = []
    said = ""
    wide = max((width_of(text_of(one, "price")) for one in told), default=0)
    for one in told:
        traded = view.instrument(number_of(one, "instrument_id"))
        side = text_of(one, "side")
        place, _, reason = text_of(one, "why").partition(": ")
        if reason and f"{traded.venue}{reason}" != said:
            said = f"{traded.venue}{reason}"
            lines += [[(row, "dim")] for row in wrapped(f"{traded.venue} {traded.symbol}: {reason}", width, 2)]
        style = SIDE_STYLES.get(side, "")
        lines.append(
            [
                cell(f"  {side}", 7, style), cell(short(text_of(one, "size")), 10, "", True), (" at ", "dim"),
                cell(text_of(one, "price"), wide, style, True), (f" {traded.venue} ", ""), (place, "dim"),
            ]
        )  # fmt: skip
    return lines


def open_orders(view: View, width: int) -> Part:
    """Every open order with its place in the queue where the venue model knows that."""
    queues: dict[int, dict[str, Any]] = {}
    for _, panel in view.panels("paper"):
        queues |= {number_of(one, "order_id"): one for one in rows_of(panel, "orders")}
    rows: list[list[Any]] = []
    for one in sorted(view.orders, key=lambda one: (one.instrument_id, one.side, -one.price)):
        traded = view.instrument(one.instrument_id)
        style = SIDE_STYLES.get(one.side, "")
        queue = queues.get(one.order_id, {})
        ahead = text_of(queue, "queue_ahead")
        level = text_of(queue, "level_size")
        rows.append(
            [
                traded.venue, (one.side, style), traded.short_size(one.size), (traded.price(one.price), style),
                traded.short_size(one.filled), short_state(one.state),
                f"{short(ahead)} of {short(level)}" if ahead and level else short(ahead),
                traded.symbol, view.actor_name(one.strategy_id),
                str(one.order_id),
            ]
        )  # fmt: skip
    heads = [
        ("venue", 8), ("side", 4), ("size", -7), ("price", -9), ("filled", -7), ("state", 7), ("queue ahead", -11),
        ("symbol", 8), ("strategy", 8), ("order", -8),
    ]  # fmt: skip
    lines = table(heads, rows, width) if rows else none("no open orders")
    return Part("open orders", lines, f"{len(view.orders)} open, {view.total('orders')} sent")


def short(amount: str) -> str:
    """An amount without the zeros at its end."""
    return amount.rstrip("0").rstrip(".") if "." in amount else amount


def short_state(state: str) -> str:
    """A state of the order life cycle in one word."""
    return next((short for begun, short in STATES.items() if state.startswith(begun)), state)


def routes(view: View, width: int) -> Part:
    """How the router split the last orders, and what it has learnt of the venues."""
    rows = [
        [text_of(one, "venue"), text_of(one, "symbol"), text_of(one, "fill_rate"), text_of(one, "latency_ms")]
        for one in view.rows("router", "venues")
    ]
    heads = [("venue", 8), ("symbol", 8), ("fill rate", -9), ("latency ms", -10)]
    lines = table(heads, rows, width) if rows else []
    lines += [[(one, "")] for one in reversed(view.texts("router", "routes"))]
    return Part("routes", lines or none("nothing was routed yet"))


# ---- risk


def gauges(view: View, width: int) -> Part:
    """How much of each limit is used, the most used first."""
    lines: list[Line] = []
    room = min(BAR_WIDTH if width < WIDE_GAUGE else 2 * BAR_WIDTH, max(4, width // 5))
    told = [(name, one) for name, panel in view.panels("risk") for one in rows_of(panel, "gauges")]
    several = len(view.panels("risk")) > 1
    for name, one in sorted(told, key=lambda row: -share_of(row[1].get("used"))):
        share = share_of(one.get("used"))
        scope = text_of(one, "scope")
        limit = text_of(one, "limit").replace("_", " ")
        label = " ".join(filter(None, [limit, "" if scope in NO_SCOPES else scope, name if several else ""]))
        held, bound = text_of(one, "value"), text_of(one, "bound")
        amount, _, unit = held.partition(" ")
        value: Line = [(f" {amount if unit and bound.endswith(unit) else held}", "bold"), (f" of {bound}", "dim")]
        lines.append(spread([*gauge(share, room), (f" {share:4.0%} ", ""), (label, "")], value, width))
    return Part("limits", lines or none("no risk actor tells of limits"))


def halts(view: View, width: int) -> Part:
    """Whether trading is halted, why, whether it is confirmed that nothing is open, and the halts before."""
    lines: list[Line] = []
    if view.state.get("halted"):
        lines.append([("HALTED ", "bad"), (text_of(view.state, "halt_reason"), "")])
        confirmed = [panel.get("confirmed") for _, panel in view.panels("risk")]
        if confirmed and all(one is True for one in confirmed):
            lines.append([("confirmed: nothing is open", "good")])
        elif confirmed:
            lines.append([("not confirmed yet that nothing is open", "warn")])
        lines.append([("r twice resets it, once the cause is understood", "dim")])
    else:
        lines.append([("trading is not halted", "good")])
    lines += [[(str(one), "dim")] for one in reversed(list_of(view.state, "halts"))]
    return Part("halts", lines)


def refusals(view: View, width: int) -> Part:
    """The last orders that risk refused."""
    lines: list[Line] = [[(str(one), "")] for one in reversed(view.texts("risk", "refusals"))]
    refused = view.total("rejections")
    return Part("refusals", lines or none("none"), f"{refused} in all" if refused else "")


# ---- the system


def units(view: View, width: int) -> Part:
    """Every service and actor: its state, restarts, and what went wrong last."""
    lanes = {}
    for row in list_of(view.state, "actors"):
        if isinstance(row, list | tuple) and len(row) == 8:
            lanes[str(row[0])] = row
    rows: list[list[Any]] = []
    for row in list_of(view.state, "units"):
        if not isinstance(row, list | tuple) or len(row) != 6:
            continue
        name, kind, state, failures, restarts, error = row
        actor = lanes.get(str(name))
        down = bool(actor and actor[2])
        shown = "down" if down and state == "running" else str(state)
        style = "good" if shown == "running" else "dim" if shown in ("finished", "stopped", "waiting") else "bad"
        rate = view.rates.get(str(name))
        again = max(whole(restarts), whole(actor[7]) if actor else 0)
        # A lane of the same name as an actor is told apart by its kind.
        rows.append(
            [
                ("●" if shown == "running" else "○", style), str(name).removeprefix("lane "), kind, (shown, style),
                f"{rate:,.0f}/s" if rate is not None else "", again or "", whole(failures) or "", (error, "warn"),
            ]
        )  # fmt: skip
    rows.sort(key=lambda row: row[3][0] in ("running", "finished"))
    heads = [("", 1), ("unit", 12), ("kind", 7), ("state", 7), ("rate", -6), ("restarts", -3), ("failed", -3), ("", 0)]
    return Part("actors, lanes and services", table(heads, rows, width))


def channels(view: View, width: int) -> Part:
    """The channels, the fullest first."""
    found = [row for row in list_of(view.state, "channels") if isinstance(row, list | tuple) and len(row) == 9]
    found.sort(key=lambda row: (-whole(row[8]), -whole(row[6]), -whole(row[1]), -whole(row[3])))
    rows = []
    for row in found:
        name, depth, capacity, high, sent, waits, dropped, coalesced, tripped = row
        lost = whole(dropped) + whole(tripped)
        rows.append(
            [
                name, (f"{depth}/{capacity}", "bad" if lost else ""), high, count_text(whole(sent)), waits or "",
                (dropped or "", "bad"), coalesced or "", (tripped or "", "bad"),
            ]
        )  # fmt: skip
    heads = [
        ("channel", 14), ("depth", -7), ("most", -4), ("sent", -5), ("waits", -5), ("dropped", -4), ("coalesced", -4),
        ("tripped", -4),
    ]  # fmt: skip
    return Part("channels", table(heads, rows, width))


def latencies(view: View, width: int) -> Part:
    """How long each stage takes."""
    rows = []
    for row in list_of(view.state, "latency"):
        if isinstance(row, list | tuple) and len(row) == 6:
            times = [duration_text(whole(one)) if whole(row[1]) else "-" for one in row[2:]]
            rows.append([row[0], *times, count_text(whole(row[1]))])
    heads = [("stage", 14), ("p50", -8), ("p99", -8), ("p99.9", -8), ("max", -8), ("count", -6)]
    return Part("latency", table(heads, rows, width))


def lanes(view: View, width: int) -> Part:
    """The lanes: inputs, orders, and what their ledgers could not explain."""
    rows = []
    for one in rows_of(view.state, "lanes"):
        name = text_of(one, "name")
        anomalies = number_of(one, "anomalies")
        rate = view.rates.get(f"lane {name}")
        rows.append(
            [
                name, count_text(number_of(one, "inputs")), f"{rate:,.0f}/s" if rate is not None else "",
                number_of(one, "open_orders"), count_text(number_of(one, "decisions")),
                (anomalies or "", "bad"), (text_of(one, "anomaly"), "bad"),
            ]
        )  # fmt: skip
    heads = [
        ("lane", 10), ("inputs", -6), ("rate", -7), ("open", -4), ("decisions", -6), ("anomalies", -3), ("", 0),
    ]  # fmt: skip
    return Part("lanes", table(heads, rows, width))


def log(view: View, width: int) -> Part:
    """The end of the log, newest below."""
    lines: list[Line] = []
    for one in list_of(view.state, "log"):
        told = str(one)
        style = _style_of_log(told)
        lines += [[(row, style)] for row in wrapped(_with_short_time(told), width, LOG_INDENT)]
    return Part("log", lines or none("nothing was logged"), is_tail=True)


def _with_short_time(line: str) -> str:
    """A line of the log with the time of day alone, to the second, as everywhere on the screen."""
    return line[11:19] + line[24:] if line[10:11] == "T" and line[23:24] == "Z" else line


def _style_of_log(line: str) -> str:
    """Levels stand second in a line of the log."""
    level = line.split(maxsplit=2)[1:2]
    return {"error": "bad", "critical": "bad", "warning": "warn"}.get(level[0] if level else "", "dim")


def others(view: View, width: int) -> Part:
    """The panels of actors whose kind has no drawing of its own, as they are."""
    lines: list[Line] = []
    for name, panel in view.all_panels():
        if panel.get("kind") not in KNOWN_KINDS:
            told = ", ".join(f"{key} {value}" for key, value in panel.items() if key != "kind")
            lines.append([(f"{name} ", "bold"), (told[: 4 * width], "dim")])
    return Part("others", lines)
