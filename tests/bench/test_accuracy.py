import json
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from app.bench import accuracy
from app.bench.accuracy import NEAREST, Absent, Bench, BenchSet, Measured, all_sets, choose, run_set
from app.bench.floor_runs import floor_values, gaps_of, track_nearest, track_site
from app.bench.results import OURS, Goal
from app.cli.main import main
from app.errors import ConfigError
from app.evaluation.run_folder import CameraClock
from app.evaluation.seen_noise import SeenNoise
from app.evaluation.truth import FloorTruth, Truth, read_truth
from app.settings import load_site
from app.simulated import SiteConfig
from app.simulated_boxes import write_boxes
from app.simulation.world import WorldConfig


@contextmanager
def quiet(_name):
    yield lambda _progress, _total: None


BENCH = Bench(None, None, range(3), quick=False, progress=quiet)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    config = SiteConfig(scene="square", world=WorldConfig(people=5, seed=2), duration_s=12.0)
    site = write_boxes(folder / "set", config, SeenNoise(), lambda _progress, _total: None)
    one = track_site(load_site(site), folder / "run", None, lambda _progress, _total: None)
    return one, read_truth(folder / "set", list(one.run.clocks))


def test_a_simulated_site_is_scored_on_the_floor(tracked):
    one, truth = tracked
    values = floor_values(one.run, truth, 0.5)
    assert values["idf1"] > 85.0
    assert values["error_m"] < 0.15
    assert values["people"] == 5
    assert 0.0 <= values["missed"] < 15.0
    assert values["ids_per_person"] >= 1.0


def test_the_baseline_is_scored_on_the_same_boxes_and_is_worse(tracked):
    one, truth = tracked
    ours, nearest = (floor_values(run, truth, 0.5) for run in (one.run, track_nearest(one, None)))
    assert nearest["people"] == ours["people"]
    assert 10.0 < nearest["idf1"] < ours["idf1"]
    assert nearest["jerk_ratio"] > ours["jerk_ratio"]


def test_perfect_dots_score_perfectly(tracked):
    one, truth = tracked
    floor = truth.floor
    dots = replace(
        one.run.floor,
        time_s=floor.clock.time(floor.frame),
        person=floor.person,
        xy=floor.xy,
        certainty=np.ones(len(floor.frame)),
    )
    values = floor_values(replace(one.run, floor=dots), truth, 0.5)
    names = ("idf1", "hota", "moda", "ids_per_person", "error_m", "drift", "idf1_last_third")
    assert [values[name] for name in names] == pytest.approx([100.0, 100.0, 100.0, 1.0, 0.0, 0.0, 100.0])
    assert values["jerk_ratio"] == pytest.approx(1.0)


def test_thirds_tell_when_identities_go_wrong(tracked):
    one, truth = tracked
    floor = truth.floor
    late = floor.frame > 40
    dots = replace(
        one.run.floor,
        time_s=floor.clock.time(floor.frame),
        person=np.where(late, 1000 + floor.frame * 10 + floor.person, floor.person),
        xy=floor.xy,
        certainty=np.ones(len(floor.frame)),
    )
    values = floor_values(replace(one.run, floor=dots), truth, 0.5)
    assert values["idf1_first_third"] == pytest.approx(100.0)
    assert values["idf1_last_third"] < 15.0
    assert values["drift"] == pytest.approx(values["idf1_first_third"] - values["idf1_last_third"])


def test_gaps_are_the_times_out_of_sight(tmp_path):
    frame = np.arange(1, 101)
    ignored = (frame > 20) & (frame <= 45)  # from 3.8 s to 9.0 s
    floor = FloorTruth(frame, np.ones(100, int), np.zeros((100, 2)), ignored, 1, 100, CameraClock(5.0, 0.0, 100))
    gaps = gaps_of(Truth(tmp_path, "set", {}, floor))
    assert gaps == pytest.approx({"gaps": 1.0, "gap_median_s": 5.2, "gaps_3_to_20_s": 100.0, "in_sight": 75.0})


def test_every_goal_has_a_value_to_be_held_against():
    sets = {one.name: one for one in all_sets()}
    assert len(sets) == len(all_sets())
    beside = {goal.beside for one in all_sets() for goal in one.goals} - {None}
    assert beside <= set(sets)
    measured = {"idf1", "hota", "moda", "mota", "jerk_ratio", "ids_per_person", "drift"}
    assert {goal.value for one in all_sets() for goal in one.goals} <= measured


def test_a_chosen_set_brings_the_clean_one_that_it_is_held_against():
    assert [one.name for one in choose(["bump"])] == ["overlap-12", "bump"]
    assert [one.name for one in choose(["gaps"])] == ["gaps"]
    with pytest.raises(ConfigError, match="--only: moon: is no set; choose wildtrack"):
        choose(["moon"])


def test_seeds_are_run_in_order_and_not_more_than_make_sense():
    def measure(_bench, seed, folder):
        assert list(folder.iterdir()) == []
        return Measured({OURS: {"idf1": 90.0 + seed}}, {"gaps": float(seed)})

    goals = (Goal("idf1", 90.0),)
    assert run_set(BenchSet("a", "a", goals, measure), BENCH).runs[OURS] == [{"idf1": 90.0 + k} for k in range(3)]
    assert run_set(BenchSet("a", "a", goals, measure, most_seeds=1), BENCH).seeds == [0]


def test_footage_and_weights_that_are_not_there_are_named(tmp_path):
    sets = {one.name: one for one in all_sets()}
    assert "SPOTON_DATA_DIR" in run_set(sets["wildtrack"], BENCH).missing["wildtrack"]
    empty = replace(BENCH, data_dir=tmp_path)
    assert str(tmp_path / "wildtrack") in run_set(sets["wildtrack"], empty).missing["wildtrack"]
    (tmp_path / "pets09_s2l1").mkdir()
    missing = run_set(sets["pets09"], replace(empty, models_dir=tmp_path)).missing["pets09"]
    assert "person-detection-retail-0013" in missing


@pytest.fixture
def small_sets(monkeypatch):
    """Sets of which each takes no time: a clean one, one beside it, and one without its footage."""

    def measure(idf1):
        return lambda _bench, seed, _folder: Measured({OURS: {"idf1": idf1 + seed}, NEAREST: {"idf1": 30.0}})

    def absent(bench, _seed, _folder):
        raise Absent(str(bench.quick))

    sets = (
        BenchSet("clean", "a site", (Goal("idf1", 97.0),), measure(96.0)),
        BenchSet("skew", "the same, late", (Goal("idf1", -5.0, beside="clean"),), measure(93.0)),
        BenchSet("real", "people", (Goal("idf1", 90.0),), absent),
    )
    monkeypatch.setattr(accuracy, "all_sets", lambda: sets)


@pytest.mark.usefixtures("small_sets")
def test_the_command_prints_a_table_and_writes_json(tmp_path, capsys):
    target = tmp_path / "scores.json"
    with pytest.raises(SystemExit) as leaving:
        main(["bench", "accuracy", "--seeds", "3", "--only", "skew", "--only", "real", "--json", str(target)])
    assert not leaving.value.code
    out = capsys.readouterr().out
    assert "97.0 ±1.0" in out
    assert "-3.0 met" in out
    assert NEAREST in out
    assert "real: False" in out
    content = json.loads(target.read_text())
    assert list(content) == ["clean", "skew", "real"]
    assert content["skew"]["contenders"][OURS]["idf1"]["each"] == [93.0, 94.0, 95.0]
    assert [goal["met"] for goal in content["clean"]["goals"] + content["skew"]["goals"]] == [True, True]
    assert content["real"]["contenders"] == {}


@pytest.mark.usefixtures("small_sets")
def test_a_quick_look_takes_one_seed(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "accuracy", "--quick"])
    captured = capsys.readouterr()
    assert "96.0" in captured.out
    assert "±1" not in captured.out
    assert "real: True" in captured.out
    assert "goals are meant for whole ones" in captured.err


def test_a_set_that_does_not_exist_and_a_json_that_cannot_be_written_stop_at_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(accuracy, "run_set", None)
    for arguments, problem in (
        (["--only", "moon"], "is no set"),
        (["--json", str(tmp_path / "none" / "x.json")], "no file can be written there"),
    ):
        with pytest.raises(SystemExit) as leaving:
            main(["bench", "accuracy", *arguments])
        assert leaving.value.code == 2
        assert problem in capsys.readouterr().err
