"""Shows what `spoton bench accuracy` has measured, as a table for terminals of 120 columns. Measures nothing."""

import math
from collections.abc import Mapping

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from app.bench.results import OURS, Goal, SetResult, Spread, Verdict, judge

# heading, values of which the first that is there is shown, decimals
COLUMNS: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("IDF1", ("idf1",), 1),
    ("HOTA", ("hota",), 1),
    ("MODA", ("moda", "mota"), 1),
    ("jerk", ("jerk_ratio",), 1),
    ("ids", ("ids_per_person",), 2),
)
NAMES = {
    "idf1": "IDF1",
    "hota": "HOTA",
    "moda": "MODA",
    "mota": "MOTA",
    "jerk_ratio": "jerk",
    "ids_per_person": "ids",
    "drift": "IDF1 falls",
}
LEGEND = (
    "The first row of a set is SpotOn. IDF1, HOTA, MODA (pets09: MOTA) in per cent, mean ± deviation over seeds.",
    "jerk: RMS of the output over that of the truth. ids: how many ids one person had, on average. clean: overlap-12.",
    "nearest neighbour: foot points, clustered and linked greedily, as lower line. Simulated sites: within 0.5 m.",
)
MANY_GAPS = 10.0  # fewer are not worth a line


def render(results: Mapping[str, SetResult]) -> Group:
    """Return the table of all sets, and below it what they are."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    table.add_column("set", no_wrap=True)
    for heading, _, _ in COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("goal", no_wrap=True)
    table.add_column("", no_wrap=True)
    for result in results.values():
        if result.runs:
            _add(table, result, results)
    left_out = [line for result in results.values() for line in _left_out(result)]
    legend = [Text(line, style="dim") for line in LEGEND]
    about = [_about(result) for result in results.values() if result.runs]
    return Group(table, *left_out, Text(), *legend, Text(), *about)


def _add(table: Table, result: SetResult, results: Mapping[str, SetResult]) -> None:
    verdicts = judge(result, results)
    goals = Text("\n").join(Text(_words(verdict.goal)) for verdict in verdicts)
    met = Text("\n").join(_met(verdict) for verdict in verdicts)
    for contender in result.runs:
        ours = contender == OURS
        cells = [_cell(_first(result, contender, values), digits) for _, values, digits in COLUMNS]
        name = Text(result.name, style="bold") if ours else Text(f"  {contender}")
        table.add_row(name, *cells, goals if ours else "", met if ours else "", style=None if ours else "dim")
    table.add_section()


def _left_out(result: SetResult) -> list[Text]:
    """Return a line for the set, or for each of its contenders, that could not be measured."""
    lines = []
    for who, why in result.missing.items():
        what = who if who == result.name else f"{result.name}, {who}"
        lines.append(Text(f"{what}: {why}", style="yellow"))
    return lines


def _about(result: SetResult) -> Text:
    parts = [f"{result.name}: {result.title}"]
    if len(result.seeds) > 1:
        parts.append(f"{len(result.seeds)} seeds")
    if result.facts and all(facts.get("gaps", 0.0) >= MANY_GAPS for facts in result.facts):
        names = ("gaps", "gap_median_s", "gaps_3_to_20_s", "in_sight")
        gaps, median_s, within, in_sight = (float(np.mean([facts[name] for facts in result.facts])) for name in names)
        lasting = f"{median_s:.0f} s (median), {within:.0f} % of the times 3 to 20 s"
        parts.append(f"somebody is out of sight {gaps:.0f} times, for {lasting}; {in_sight:.0f} % are in sight")
    return Text("; ".join(parts), style="dim")


def _met(verdict: Verdict) -> Text:
    if verdict.met is None or verdict.reached is None:
        return Text("not measured", style="dim")
    shown = verdict.goal.beside is not None or verdict.goal.value == "drift"
    reached = f"{verdict.reached.mean:+.1f} " if shown else ""
    return Text(f"{reached}{'met' if verdict.met else 'missed'}", style="green" if verdict.met else "red")


def _words(goal: Goal) -> str:
    name = NAMES.get(goal.value, goal.value)
    if goal.beside is not None:
        return f"{name} ≥ clean {goal.bound:g}"
    return f"{name} {'≤' if goal.at_most else '≥'} {goal.bound:g}"


def _first(result: SetResult, contender: str, values: tuple[str, ...]) -> Spread | None:
    return next((spread for value in values if (spread := result.spread(contender, value)) is not None), None)


def _cell(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return ""
    if math.isnan(spread.mean):
        return "-"
    text = f"{spread.mean:.{digits}f}"
    return text if spread.deviation is None else f"{text} ±{spread.deviation:.{digits}f}"
