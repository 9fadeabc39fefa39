import os

import numpy as np
import pytest
from rich.console import Console

from app.bench.one_core import THREADS, one_core
from app.bench.speed import Section, Table, spread, verdict
from app.bench.speed_memory import Sample, slope
from app.bench.speed_report import render
from app.cli.main import main


@pytest.mark.parametrize(
    ("reached", "goal", "at_most", "words"),
    [(0.4, 0.5, True, "≤ 0.5 met"), (0.6, 0.5, True, "≤ 0.5 missed"), (60.0, 50.0, False, "≥ 50 met")],
)
def test_a_goal_is_met_or_missed(reached, goal, at_most, words):
    assert verdict(reached, goal, at_most=at_most) == words


def test_growth_is_that_of_the_second_half():
    samples = [
        Sample(step, 100.0 + min(step, 500) * 0.01 + 1e-5 * max(step - 500, 0), 0) for step in range(0, 1001, 50)
    ]
    assert slope(samples) == pytest.approx(10.0)


def test_median_and_95th_percentile():
    assert spread(np.arange(101.0).tolist()) == {"p50_ms": 50.0, "p95_ms": 95.0}


def test_one_core_and_one_thread_only_meanwhile(monkeypatch):
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    before = os.sched_getaffinity(0)
    with one_core():
        assert len(os.sched_getaffinity(0)) == 1
        assert {os.environ[name] for name in THREADS} == {"1"}
    assert os.sched_getaffinity(0) == before
    assert not set(THREADS) & set(os.environ)


def test_a_topic_is_shown_with_its_tables_and_notes():
    section = Section([Table("Speed", ["what", "ms"], [["step", "1.5"], ["goal", "≤ 1 missed"]])], ["A note."])
    console = Console(width=80)
    with console.capture() as shown:
        console.print(render(section))
    lines = [line.strip() for line in shown.get().splitlines() if line.strip()]
    assert lines[0] == "Speed"
    assert lines[-1] == "A note."
    assert any(line.split() == ["step", "1.5"] for line in lines)


def test_an_unknown_topic_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit) as leaving:
        main(["bench", "speed", "--only", "everything"])
    assert leaving.value.code == 2
    assert "expected one of association, step, gallery, analytics, memory" in " ".join(capsys.readouterr().err.split())
