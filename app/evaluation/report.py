"""Shows scores: tables for the terminal, at most 80 columns wide, and a plain structure for JSON.

Knows Scores and how numbers are written; measures nothing. Several runs (seeds) are shown as mean and standard
deviation.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from app.evaluation.scoring import Scores

# heading, path below the row's own place in the scores, factor, decimals
Column = tuple[str, str, float, int]
TRACKING: tuple[Column, ...] = (
    ("HOTA", "hota", 100, 1),
    ("DetA", "det_a", 100, 1),
    ("AssA", "ass_a", 100, 1),
    ("IDF1", "idf1", 100, 1),
    ("MOTA", "mota", 100, 1),
    ("IDSW", "id_switches", 1, 0),
)
FLOOR: tuple[Column, ...] = (
    *((heading, f"tracking.{path}", factor, digits) for heading, path, factor, digits in TRACKING),
    ("MODA", "detection.moda", 100, 1),
    ("MODP", "detection.modp", 100, 1),
    ("FP", "detection.false_positives", 1, 0),
    ("FN", "detection.false_negatives", 1, 0),
)
FLOOR_MATCHES: tuple[Column, ...] = (
    ("position error, median, m", "error.median_m", 1, 3),
    ("position error, mean, m", "error.mean_m", 1, 3),
    ("position error, 90th percentile, m", "error.p90_m", 1, 3),
    ("jitter: acceleration, output / truth", "jitter.acceleration_rms_ratio", 1, 2),
    ("jitter: jerk, output / truth", "jitter.jerk_rms_ratio", 1, 2),
    ("ids that a person had", "churn.ids_per_person", 1, 2),
    ("people that an id had", "churn.people_per_id", 1, 2),
    ("people never found", "churn.people_never_matched", 1, 0),
    ("ids that were nobody", "churn.ids_never_matched", 1, 0),
)
IMAGE: tuple[Column, ...] = (
    *TRACKING,
    ("FP", "false_positives", 1, 0),
    ("FN", "false_negatives", 1, 0),
    ("ids", "result_ids", 1, 0),
    ("true", "true_ids", 1, 0),
)


def to_json(runs: Sequence[Scores]) -> dict[str, Any]:
    """Return the scores of one or more runs as plain dicts, lists, numbers and None.

    Keys: `runs`, a list with the scores of each run; `mean` and `std`, the same structure with every number replaced by
    its mean and its standard deviation over the runs (N - 1; None for a single run). In each:

    - `site`, `run`, `truth`, `layout`: what was scored against what;
    - `image.cameras.<id>`, `image.all`: the fields of TrackingScores; `image.across_cameras`: IDF1, IDP and IDR with
      ids shared between cameras; `image.churn`; `image.left_out`; `image.without_truth`;
    - `floor`: None without a floor; else `gates`, a list per gate of `gate_m`, `tracking` and `detection`; `error`;
      `jitter`; `churn`; `instants`; `left_out`.

    Shares are in [0, 1]; None stands for a number that does not exist, such as the error of no match.
    """
    plain = [_plain(asdict(run)) for run in runs]
    return {"runs": plain, "mean": _over(plain, _mean), "std": _over(plain, _std)}


def render(runs: Sequence[Scores]) -> Group:
    """Return the tables of one or more runs of the same site, the important numbers first."""
    content = to_json(runs)
    mean, std, first = content["mean"], content["std"], runs[0]
    parts: list[Table | Text] = [Text(_heading(runs), style="bold")]
    spread = std if len(runs) > 1 else None
    if first.floor is None:
        parts.append(Text("no floor: the run or the truth has no positions in metres", style="yellow"))
    else:
        parts.extend(_floor_tables(mean["floor"], None if spread is None else spread["floor"]))
    parts.append(_image_table(mean["image"], None if spread is None else spread["image"]))
    parts.append(Text())
    parts.extend(Text(line, style="dim") for line in _notes(first, mean))
    apart = [line for part in parts for line in ((Text(), part) if isinstance(part, Table) else (part,))]
    return Group(*apart)


def print_scores(runs: Sequence[Scores], console: Console | None = None) -> None:
    """Print the tables."""
    (console or Console()).print(render(runs))


def _heading(runs: Sequence[Scores]) -> str:
    first = runs[0]
    several = f", mean ± standard deviation of {len(runs)} runs" if len(runs) > 1 else ""
    return f"{first.site} against {first.layout} {first.truth}{several}"


def _floor_tables(mean: Mapping[str, Any], std: Mapping[str, Any] | None) -> list[Table]:
    by_gate = _table("Floor, %", "gate", [heading for heading, *_ in FLOOR])
    for row, gate in enumerate(mean["gates"]):
        _add_row(by_gate, f"{gate['gate_m']:g} m", gate, FLOOR)
        if std is not None:
            _add_row(by_gate, "±", std["gates"][row], FLOOR, style="dim")
    matches = _table("Floor, matches within 1 m", "", ["mean"] if std is None else ["mean", "±"])
    matches.show_header = std is not None
    for name, path, factor, digits in FLOOR_MATCHES:
        cells = [_cell(scores, path, factor, digits) for scores in (mean, std) if scores is not None]
        matches.add_row(name, *cells)
    return [by_gate, matches]


def _image_table(mean: Mapping[str, Any], std: Mapping[str, Any] | None) -> Table:
    table = _table("Image, %, IoU 0.5", "camera", [heading for heading, *_ in IMAGE])
    if len(mean["cameras"]) > 1:
        for camera, scores in mean["cameras"].items():
            _add_row(table, camera, scores, IMAGE)
        table.add_section()
    name = "all" if len(mean["cameras"]) > 1 else next(iter(mean["cameras"]))
    _add_row(table, name, mean["all"], IMAGE, style="bold")
    if std is not None:
        _add_row(table, "±", std["all"], IMAGE, style="dim")
    return table


def _notes(first: Scores, mean: Mapping[str, Any]) -> list[str]:
    shares = ("IDP", "idp"), ("IDR", "idr"), ("MOTP", "motp")
    combined, across = mean["image"]["all"], mean["image"]["across_cameras"]
    listed = ", ".join(f"{name} {_cell(combined, key, 100, 1)}" for name, key in shares)
    lines = [f"image: {listed}, fragmentations {_cell(combined, 'fragmentations', 1, 0)}"]
    for gate in mean["floor"]["gates"][-1:] if mean["floor"] else ():
        found = ", ".join(f"{name} {_cell(gate['detection'], name, 100, 1)}" for name in ("precision", "recall"))
        lines.insert(0, f"floor, {gate['gate_m']:g} m: {found}")
    if len(first.image.cameras) > 1:
        listed = ", ".join(f"{name} {_cell(across, key, 100, 1)}" for name, key in shares[:2])
        lines.append(f"image, one id in all cameras: IDF1 {_cell(across, 'idf1', 100, 1)}, {listed}")
    for name, part in (("image", mean["image"]), ("floor", mean["floor"])):
        left_out = [
            f"{count:g} {key.replace('_', ' ')}" for key, count in (part or {}).get("left_out", {}).items() if count
        ]
        if left_out:
            lines.append(f"results not scored, {name}: {', '.join(left_out)}")
    if first.image.without_truth:
        lines.append(f"cameras without truth, not scored: {', '.join(first.image.without_truth)}")
    return lines


def _table(title: str, first: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title_style="bold")
    table.show_edge, table.pad_edge = False, False
    table.add_column(first, overflow="fold", max_width=40)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _add_row(
    table: Table, name: str, scores: Mapping[str, Any], columns: Sequence[Column], *, style: str | None = None
) -> None:
    cells = [_cell(scores, path, factor, digits) for _, path, factor, digits in columns]
    table.add_row(name, *cells, style=style)


def _cell(scores: Mapping[str, Any], path: str, factor: float, digits: int) -> str:
    value: Any = scores
    for key in path.split("."):
        value = value[key]
    return "-" if value is None else f"{factor * value:.{digits}f}"


def _plain(value: Any) -> Any:  # noqa: ANN401 - a JSON tree
    """Turn tuples into lists and numbers that do not exist into None."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _over(values: Sequence[Any], reduce: Any) -> Any:  # noqa: ANN401 - JSON trees of one shape
    """Reduce every number of equally shaped trees; what is no number is taken from the first."""
    first = values[0]
    if isinstance(first, Mapping):
        return {key: _over([value[key] for value in values], reduce) for key in first}
    if isinstance(first, list):
        return [_over(list(items), reduce) for items in zip(*values, strict=True)]
    numbers = [value for value in values if isinstance(value, (int, float))]
    return reduce(numbers) if numbers else first


def _mean(numbers: Sequence[float]) -> float:
    return float(np.mean(numbers))


def _std(numbers: Sequence[float]) -> float | None:
    return float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
