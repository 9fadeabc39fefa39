"""Shows what `spoton bench accuracy` has measured, as a table for terminals of 120 columns. Measures nothing."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from app.bench.results import OURS, Goal, SetResult, Spread, Verdict, judge

# heading, value, decimals
COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("IDF1", "idf1", 1),
    ("HOTA", "hota", 1),
    ("MODA", "moda", 1),
    ("MOTA", "mota", 1),
    ("jerk", "jerk_ratio", 1),
    ("ids", "ids_per_person", 2),
)
NAMES = {"idf1": "IDF1", "hota": "HOTA", "moda": "MODA", "mota": "MOTA", "jerk_ratio": "jerk", "ids_per_person": "ids"}


def render(results: Mapping[str, SetResult]) -> Group:
    """Return the table of all sets, and the notes below it."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    table.add_column("set", overflow="fold", min_width=18)
    table.add_column("", overflow="fold", min_width=17)
    for heading, _, _ in COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("goal", overflow="fold")
    for result in results.values():
        _add(table, result, results)
    notes = [
        Text("IDF1, HOTA, MODA, MOTA in per cent, mean ± standard deviation over seeds;", style="dim"),
        Text("jerk: RMS of the output over that of the truth; ids: that one person had, on average.", style="dim"),
    ]
    for result in results.values():
        notes += [Text(f"{result.name}: {note}", style="dim") for note in result.notes]
    return Group(table, Text(), *notes)


def _add(table: Table, result: SetResult, results: Mapping[str, SetResult]) -> None:
    verdicts = judge(result, results)
    goals = Text("\n").join(_goal(verdict) for verdict in verdicts)
    if result.name in result.missing:
        table.add_row(result.name, Text(result.missing[result.name], style="yellow"), *[""] * len(COLUMNS), goals)
        return
    for contender in result.runs:
        ours = contender == OURS
        cells = [_cell(result.spread(contender, value), digits) for _, value, digits in COLUMNS]
        table.add_row(
            result.name if ours else "", contender, *cells, goals if ours else "", style=None if ours else "dim"
        )
    for contender, why in result.missing.items():
        table.add_row("", Text(f"{contender}: {why}", style="yellow"), *[""] * len(COLUMNS), "")
    table.add_section()


def _goal(verdict: Verdict) -> Text:
    words = _words(verdict.goal)
    if verdict.met is None or verdict.reached is None:
        return Text(words, style="dim")
    reached = f" ({verdict.reached.mean:+.1f})" if verdict.goal.beside else ""
    if verdict.goal.value not in NAMES:
        reached = f" ({verdict.reached.mean:.1f})"
    return Text(f"{words}{reached} {'met' if verdict.met else 'missed'}", style="green" if verdict.met else "red")


def _words(goal: Goal) -> str:
    name = NAMES.get(goal.value, goal.value)
    if goal.beside:
        return f"{name} ≥ clean {goal.bound:g}"
    return f"{name} {'≤' if goal.at_most else '≥'} {goal.bound:g}"


def _cell(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return ""
    if spread.mean != spread.mean:  # NaN: there is no such value
        return "-"
    text = f"{spread.mean:.{digits}f}"
    return text if spread.deviation is None else f"{text} ±{spread.deviation:.{digits}f}"
