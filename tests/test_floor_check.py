import json

import pytest
import yaml
from recorded_site import FRAMES, WalksTruth, recorded_site

from app.floor_check import Thresholds, check_floor
from app.settings import load_site


@pytest.fixture(scope="module")
def site_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "site.yaml").write_text(yaml.safe_dump(recorded_site(folder)))
    return load_site(folder / "site.yaml")


def scores_of(site_file, truth):
    return check_floor(site_file, truth, None, say=lambda _: None, report=lambda *_: None)


@pytest.fixture(scope="module")
def scores(site_file):
    return scores_of(site_file, WalksTruth())


def test_dots_that_follow_their_people_score_high(scores):
    assert scores["idf1"] > 0.95
    assert scores["moda"] > 0.95
    assert scores["position_error_m"] < 0.1
    assert (scores["people"], scores["identities"], scores["id_switches"]) == (2, 2, 0)
    assert (scores["cameras"], scores["instants"], scores["frames"]) == (4, FRAMES, 4 * FRAMES)
    assert {"read", "detect", "associate", "score"} <= set(scores["stages_ms"])
    json.dumps(scores, allow_nan=False)


def test_the_same_run_scores_the_same(site_file, scores):
    timings = ("fps", "stages_ms")
    again = scores_of(site_file, WalksTruth())
    assert {k: v for k, v in again.items() if k not in timings} == {k: v for k, v in scores.items() if k not in timings}


class Elsewhere(WalksTruth):
    def people_at(self, captured_at):
        ids, xy = super().people_at(captured_at)
        return ids, xy + 3.0


def test_where_no_dot_is_right_there_is_no_error_to_measure(site_file):
    scores = scores_of(site_file, Elsewhere())
    assert (scores["idf1"], scores["moda"] < 0.0, scores["position_error_m"]) == (0.0, True, None)
    assert len(Thresholds().missed(scores)) == 3


GOOD = {"idf1": 0.95, "moda": 0.9, "position_error_m": 0.1}


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({}, []),
        ({"idf1": 0.9, "moda": 0.85, "position_error_m": 0.25}, []),
        ({"idf1": 0.899}, ["idf1 is 0.899, and should be at least 0.9"]),
        ({"moda": -0.2}, ["moda is -0.2, and should be at least 0.85"]),
        ({"position_error_m": 0.26}, ["position_error_m is 0.26, and should be at most 0.25"]),
        ({"position_error_m": None}, ["position_error_m is None, and should be at most 0.25"]),
    ],
    ids=["all is well", "just so", "ids change", "dots are false", "dots are off", "no dot is right"],
)
def test_each_threshold_that_is_missed_is_told(change, missed):
    assert Thresholds().missed(GOOD | change) == missed
