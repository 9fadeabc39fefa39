import json

import pytest
from rich.console import Console

from app.bench.report import render
from app.bench.results import OURS, Goal, SetResult, judge, to_json

LEAST = Goal("idf1", 90.0)
SMOOTH = Goal("jerk_ratio", 4.0, at_most=True)
NEAR = Goal("idf1", -5.0, beside="clean")


def result(name, idf1, goals=(LEAST,), jerk=3.0):
    runs = [{"idf1": value, "jerk_ratio": jerk, "moda": 80.0, "hota": 70.0, "ids_per_person": 1.25} for value in idf1]
    return SetResult(name, f"{name}, in words", goals, seeds=list(range(len(idf1))), runs={OURS: runs})


@pytest.mark.parametrize(
    ("goal", "idf1", "jerk", "met"),
    [
        (LEAST, (92.0, 90.0), 3.0, True),
        (LEAST, (92.0, 86.0), 3.0, False),
        (SMOOTH, (92.0, 90.0), 4.0, True),
        (SMOOTH, (92.0, 90.0), 4.1, False),
        (Goal("mota", 1.0), (92.0, 90.0), 4.1, None),
    ],
    ids=["reached on average", "missed on average", "low enough", "too high", "not measured"],
)
def test_goals_are_held_against_the_mean_of_seeds(goal, idf1, jerk, met):
    one = result("a", idf1, (goal,), jerk)
    assert [verdict.met for verdict in judge(one, {"a": one})] == [met]


@pytest.mark.parametrize(
    ("idf1", "difference", "met"), [((90.0, 91.0), -4.5, True), ((90.0, 89.0), -5.5, False)], ids=["near", "too far"]
)
def test_a_goal_beside_a_clean_run_takes_it_away_seed_by_seed(idf1, difference, met):
    clean, other = result("clean", (96.0, 94.0)), result("other", idf1, (NEAR,))
    verdict = judge(other, {"clean": clean, "other": other})[0]
    assert verdict.reached.mean == pytest.approx(difference)
    assert verdict.met is met
    assert judge(other, {"other": other})[0].met is None
    fewer = result("clean", (96.0,))
    assert judge(other, {"clean": fewer, "other": other})[0].met is None


def test_json_has_means_deviations_and_verdicts():
    one = result("a", (92.0, 90.0), jerk=float("nan"))
    one.facts = [{"gaps": 3.0}, {"gaps": 5.0}]
    one.missing["norfair"] = "not installed"
    content = json.loads(json.dumps(to_json({"a": one}), allow_nan=False))["a"]
    assert content["contenders"][OURS]["idf1"] == {
        "mean": 91.0,
        "deviation": pytest.approx(1.414, abs=1e-3),
        "each": [92, 90],
    }
    assert content["contenders"][OURS]["jerk_ratio"]["mean"] is None
    assert content["facts"]["gaps"]["mean"] == 4.0
    assert content["missing"] == {"norfair": "not installed"}
    assert content["goals"][0]["met"] is True


def shown(results):
    console = Console(width=120, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(render(results))
    return captured.get()


def test_the_table_shows_values_goals_and_what_is_missing():
    clean, other = result("clean", (96.0, 94.0)), result("other", (90.0, 89.0), (NEAR, SMOOTH))
    other.runs["a peer"] = [{"idf1": 50.0}, {"idf1": 52.0}]
    other.missing["norfair"] = "not installed: `uv sync --extra bench`"
    absent = SetResult("wildtrack", "real", (LEAST,), missing={"wildtrack": "no footage: /data does not exist"})
    text = shown({"clean": clean, "other": other, "wildtrack": absent})
    assert max(len(line) for line in text.splitlines()) <= 120
    rows = {line.split("  ")[0].strip(): line for line in text.splitlines() if line.strip()}
    assert "95.0 ±1.4" in rows["clean"]
    assert "met" in rows["clean"]
    assert "IDF1 ≥ clean -5" in rows["other"]
    assert "-5.5 missed" in rows["other"]
    assert "51.0 ±1.4" in text
    assert "other, norfair: not installed: `uv sync --extra bench`" in text
    assert "wildtrack: no footage: /data does not exist" in text
