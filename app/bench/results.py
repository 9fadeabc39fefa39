"""What a benchmark has measured: values of contenders on sets, over seeds, against goals. Measures nothing itself."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

OURS = "SpotOn"


@dataclass(frozen=True, slots=True)
class Goal:
    """What one value of SpotOn has to reach.

    Attributes:
        value: its name.
        bound: the least, or the most where `at_most`.
        beside: the set whose same value is taken away first, seed by seed.
    """

    value: str
    bound: float
    at_most: bool = False
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """A value over seeds: mean, standard deviation (N - 1; None for one seed), and each."""

    mean: float
    deviation: float | None
    each: tuple[float, ...]

    @classmethod
    def over(cls, each: Sequence[float]) -> "Spread":
        """Return the spread of values; those that do not exist make the mean NaN."""
        deviation = float(np.std(each, ddof=1)) if len(each) > 1 else None
        return cls(float(np.mean(each)), deviation, tuple(each))

    def plain(self) -> dict[str, Any]:
        """Return it fit for JSON; None for what does not exist."""
        return {
            "mean": _finite(self.mean),
            "deviation": None if self.deviation is None else _finite(self.deviation),
            "each": [_finite(value) for value in self.each],
        }


@dataclass(slots=True)
class SetResult:
    """One set.

    Attributes:
        name: of the set, as `--only` knows it.
        title: what it is, for readers.
        seeds: that were run, in order.
        runs: by contender, a mapping from value to number for each seed; SpotOn's first.
        missing: why a contender, or the whole set (by the name of the set), could not be measured.
        facts: about the set itself, a mapping from name to number for each seed.
        goals: what SpotOn has to reach.
    """

    name: str
    title: str
    goals: tuple[Goal, ...]
    seeds: list[int] = field(default_factory=list)
    runs: dict[str, list[Mapping[str, float]]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    facts: list[Mapping[str, float]] = field(default_factory=list)

    def spread(self, contender: str, value: str) -> Spread | None:
        """Return one value over the seeds; None where the contender does not have it."""
        runs = self.runs.get(contender, [])
        if not runs or any(value not in run for run in runs):
            return None
        return Spread.over([run[value] for run in runs])


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one goal was met.

    Attributes:
        reached: the value over seeds, or its difference to the clean run's; None where it was not measured.
        met: None where it was not measured.
    """

    goal: Goal
    reached: Spread | None
    met: bool | None


def judge(result: SetResult, results: Mapping[str, SetResult]) -> list[Verdict]:
    """Hold a set's means against its goals; a goal beside a set that was not run has no verdict."""
    verdicts = []
    for goal in result.goals:
        reached = result.spread(OURS, goal.value)
        if reached is not None and goal.beside is not None:
            clean = results[goal.beside].spread(OURS, goal.value) if goal.beside in results else None
            reached = _difference(reached, clean)
        met = None
        if reached is not None:
            met = reached.mean <= goal.bound if goal.at_most else reached.mean >= goal.bound
        verdicts.append(Verdict(goal, reached, met))
    return verdicts


def to_json(results: Mapping[str, SetResult]) -> dict[str, Any]:
    """Return all results as plain dicts, lists, numbers and None.

    Keys: a set's name; in it `title`, `seeds`, `contenders` (by name, by value: `mean`, `deviation`, `each`),
    `missing`, `facts`, and `goals`, a list of `value`, `bound`, `at_most`, `beside`, `reached` and `met`.
    """
    return {
        name: {
            "title": result.title,
            "seeds": result.seeds,
            "contenders": {contender: _plain_values(runs) for contender, runs in result.runs.items()},
            "missing": result.missing,
            "facts": _plain_values(result.facts),
            "goals": [_plain_verdict(verdict) for verdict in judge(result, results)],
        }
        for name, result in results.items()
    }


def _plain_values(runs: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return every value that all runs have, over the runs."""
    shared = [value for value in runs[0] if all(value in run for run in runs)] if runs else []
    return {value: Spread.over([run[value] for run in runs]).plain() for value in shared}


def _plain_verdict(verdict: Verdict) -> dict[str, Any]:
    goal, reached = verdict.goal, verdict.reached
    return {
        "value": goal.value,
        "bound": goal.bound,
        "at_most": goal.at_most,
        "beside": goal.beside,
        "reached": None if reached is None else reached.plain(),
        "met": verdict.met,
    }


def _difference(values: Spread, clean: Spread | None) -> Spread | None:
    """Return values less those of the clean run, seed by seed; None where the seeds are not the same."""
    if clean is None or len(clean.each) != len(values.each):
        return None
    return Spread.over([value - other for value, other in zip(values.each, clean.each, strict=True)])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
