import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from app.evaluation.alignment import LeftOut
from app.evaluation.metrics import (
    FloorFrames,
    churn,
    detection_scores,
    identity_scores,
    jitter,
    match_floor,
    position_error,
    tracking_scores,
)
from app.evaluation.report import print_scores, to_json
from app.evaluation.scoring import FloorScores, GateScores, ImageScores, Scores


def a_score(found=10, cameras=("entrance", "hall")):
    """Score ten instants of one person who was found in the first `found`."""
    ids, xy = [np.array([1])] * 10, [np.array([[0.5 * t, 0.0]]) for t in range(10)]
    results = [ids[t][: int(t < found)] for t in range(10)], [xy[t][: int(t < found)] for t in range(10)]
    floor = FloorFrames(ids, xy, *results, 0.5)
    matches = match_floor(floor, 1.0)
    single, combined = tracking_scores({camera: floor.pair(1.0) for camera in cameras})
    counts = churn(floor.true_ids, floor.result_ids, matches)
    image = ImageScores(single, combined, identity_scores(floor.pair(1.0)), counts, LeftOut(outside_span=3), ("yard",))
    gates = tuple(GateScores(gate, combined, detection_scores(floor, gate)) for gate in (0.5, 1.0))
    on_floor = FloorScores(gates, position_error(floor, matches), jitter(floor, matches), counts, 10, LeftOut())
    return Scores("shop", "out/run", "shop/truth", "set", image, on_floor)


def printed(*runs, width=80):
    out = io.StringIO()
    print_scores(runs, Console(file=out, width=width))
    return out.getvalue()


def test_json_holds_runs_mean_and_spread_and_survives_strict_json():
    content = json.loads(json.dumps(to_json([a_score(10), a_score(8)]), allow_nan=False))
    recall = [run["floor"]["gates"][1]["detection"]["recall"] for run in content["runs"]]
    assert recall == [1.0, 0.8]
    assert content["mean"]["floor"]["gates"][1]["detection"]["recall"] == pytest.approx(0.9)
    assert content["std"]["floor"]["gates"][1]["detection"]["recall"] == pytest.approx(np.std([1.0, 0.8], ddof=1))
    assert content["mean"]["image"]["cameras"]["hall"]["true_boxes"] == 10
    assert content["mean"]["site"] == "shop"


def test_one_run_has_no_spread():
    content = to_json([a_score()])
    assert content["mean"]["image"]["all"]["hota"] == 1.0
    assert content["std"]["image"]["all"]["hota"] is None


def test_numbers_that_do_not_exist_are_none_and_left_out_of_means():
    content = to_json([a_score(0), a_score(10)])
    assert content["runs"][0]["floor"]["error"]["median_m"] is None
    assert content["mean"]["floor"]["error"]["median_m"] == 0.0
    assert "-" in printed(a_score(0))


def test_tables_show_the_important_numbers_within_80_columns():
    text = printed(a_score(8))
    assert max(map(len, text.splitlines())) <= 80
    for word in (
        "HOTA",
        "MODA",
        "MODP",
        "IDSW",
        "position error, median, m",
        "entrance",
        "one id in all cameras: IDF1",
        "3 outside span",
        "yard",
    ):
        assert word in text
    assert text.index("Floor") < text.index("Image")


def test_several_runs_show_their_spread():
    text = printed(a_score(10), a_score(8))
    assert "2 runs" in text
    assert text.count("±") == 5  # heading, two gates, matches, image


def test_a_run_without_floor_says_so():
    text = printed(replace(a_score(cameras=("hall",)), floor=None))
    assert "no floor" in text
    assert "MODA" not in text
    assert to_json([replace(a_score(), floor=None)])["mean"]["floor"] is None
