"""What `spoton bench speed` measures: topics, each a table with SpotOn and its peers in one run on the same work.

Knows how a measured topic looks to a reader and to JSON; measures nothing itself.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import numpy as np

Say = Callable[[str], None]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        title: of it.
        headings: of its columns; the first column is to the left.
        rows: cells.
        strong: rows to stand out, by number.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Section:
    """One topic, measured.

    Attributes:
        tables: of it.
        notes: what a reader must know to read them.
        facts: the same numbers for JSON.
    """

    tables: Sequence[Table]
    notes: Sequence[str]
    facts: Mapping[str, Any] = field(default_factory=dict)


def timed(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[float, T]:
    """Return the milliseconds of a core that a call took, whatever else runs on the machine, and its result."""
    begin = time.thread_time()
    result = call(*args, **kwargs)
    return 1000.0 * (time.thread_time() - begin), result


def spread(milliseconds: Sequence[float]) -> dict[str, float]:
    """Return median and 95th percentile."""
    p50, p95 = np.percentile(milliseconds, (50, 95)).tolist()
    return {"p50_ms": p50, "p95_ms": p95}


def verdict(reached: float, goal: float, *, at_most: bool = True) -> str:
    """Say whether a goal is met."""
    met = reached <= goal if at_most else reached >= goal
    return f"{'≤' if at_most else '≥'} {goal:g} {'met' if met else 'missed'}"
