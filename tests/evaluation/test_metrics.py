import numpy as np
import pytest
from trackeval.datasets import MotChallenge2DBox

from app.evaluation.metrics import (
    FloorFrames,
    PairedFrames,
    churn,
    concatenate,
    detection_scores,
    distance_similarity,
    identity_scores,
    iou,
    jitter,
    match_floor,
    position_error,
    tracking_scores,
)

PERIOD_S = 0.5


def on_floor(true, result):
    """Build floor frames from [(id, x, y), ...] per instant."""

    def split(instants):
        ids = [np.array([row[0] for row in rows], np.int64) for rows in instants]
        return ids, [np.array([row[1:] for row in rows], float).reshape(-1, 2) for rows in instants]

    return FloorFrames(*split(true), *split(result), PERIOD_S)


def walk(people, instants=10):
    """People walk side by side, 5 m apart: [(id, x, y), ...] per instant."""
    return [[(person, 0.7 * t, 5.0 * row) for row, person in enumerate(people)] for t in range(instants)]


def score(true, result, gate_m=1.0):
    floor = on_floor(true, result)
    return tracking_scores({"floor": floor.pair(gate_m)})[1], detection_scores(floor, gate_m)


def test_a_perfect_run_scores_one():
    tracking, detection = score(walk([1, 2]), walk([31, 32]))
    shares = [tracking.hota, tracking.det_a, tracking.ass_a, tracking.loc_a, tracking.mota, tracking.motp]
    assert [*shares, tracking.idf1, tracking.idp, tracking.idr] == [1.0] * 9
    assert (detection.moda, detection.modp, detection.precision, detection.recall) == (1.0, 1.0, 1.0, 1.0)
    assert (tracking.id_switches, tracking.false_positives, tracking.false_negatives) == (0, 0, 0)
    assert (tracking.true_boxes, tracking.result_boxes, tracking.true_ids, tracking.result_ids) == (20, 20, 2, 2)


def test_two_people_who_swap_ids_half_way():
    true = walk([1, 2])
    swapped = walk([31, 32])[:5] + walk([32, 31])[5:]
    tracking, detection = score(true, swapped)
    assert tracking.id_switches == 2
    assert tracking.mota == pytest.approx(1 - 2 / 20)
    assert tracking.idf1 == pytest.approx(0.5)
    assert tracking.ass_a == pytest.approx(1 / 3)  # 5 shared of 10 + 10 - 5
    assert tracking.hota == pytest.approx(np.sqrt(1 / 3))
    assert detection.moda == 1.0  # detection does not see ids


def test_one_of_two_people_is_missed():
    tracking, detection = score(walk([1, 2]), walk([31]))
    assert tracking.mota == pytest.approx(0.5)
    assert tracking.idf1 == pytest.approx(2 * 10 / 30)
    assert (tracking.idp, tracking.idr) == (1.0, 0.5)
    assert detection.moda == pytest.approx(0.5)
    assert (detection.precision, detection.recall) == (1.0, 0.5)


def test_a_person_who_is_not_there():
    tracking, detection = score(walk([1, 2]), walk([31, 32, 33]))
    assert tracking.false_positives == detection.false_positives == 10
    assert tracking.mota == detection.moda == pytest.approx(0.5)
    assert detection.precision == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("offset_m", "gate_m", "moda", "modp"),
    [(0.2, 0.5, 1.0, 0.6), (0.2, 1.0, 1.0, 0.8), (0.7, 0.5, -1.0, np.nan), (0.7, 1.0, 1.0, 0.3)],
    ids=["near, 0.5 m", "near, 1 m", "beyond the 0.5 m gate", "within the 1 m gate"],
)
def test_moda_and_modp_by_offset(offset_m, gate_m, moda, modp):
    true = walk([1])
    shifted = [[(9, x, y + offset_m) for _, x, y in rows] for rows in true]
    _, detection = score(true, shifted, gate_m)
    assert detection.moda == pytest.approx(moda)
    assert detection.modp == pytest.approx(modp, nan_ok=True)


def test_assignment_finds_as_many_matches_as_there_are():
    # greedy by distance would take 0.1 m first and leave the other pair beyond the gate
    floor = on_floor([[(1, 0.0, 0.0), (2, 0.9, 0.0)]], [[(31, 0.8, 0.0), (32, 1.7, 0.0)]])
    detection = detection_scores(floor, 1.0)
    assert detection.recall == 1.0
    assert detection.modp == pytest.approx(1 - 0.8)


@pytest.mark.parametrize(
    ("true", "result", "moda", "mota"),
    [
        (walk([1, 2]), [[] for _ in range(10)], 0.0, 0.0),
        ([[] for _ in range(10)], walk([31]), -9.0, -10.0),
        ([[]], [[]], 1.0, 0.0),
    ],
    ids=["nothing found", "nobody there", "neither"],
)
def test_empty_sides_are_values(true, result, moda, mota):
    tracking, detection = score(true, result)
    assert (detection.moda, tracking.mota) == (moda, mota)
    assert jitter(on_floor(true, result), match_floor(on_floor(true, result), 1.0)).samples == 0


def test_position_error_is_over_matches():
    true = [[(1, 0.0, 0.0), (2, 10.0, 0.0), (3, 20.0, 0.0)]]
    result = [[(1, 0.1, 0.0), (2, 10.0, 0.3), (3, 25.0, 0.0)]]
    floor = on_floor(true, result)
    error = position_error(floor, match_floor(floor, 1.0))
    assert error.matches == 2
    assert (error.mean_m, error.median_m) == (pytest.approx(0.2), pytest.approx(0.2))
    assert error.p90_m == pytest.approx(0.28)


def jitter_of(true, result):
    floor = on_floor(true, result)
    return jitter(floor, match_floor(floor, 1.0))


def test_jitter_measures_acceleration_and_jerk_in_si_units():
    # x = t^2 m: acceleration 2 m/s2, jerk 0; the output sways by 0.1 m to either side
    true = [[(1, (PERIOD_S * k) ** 2, 0.0)] for k in range(8)]
    result = [[(9, (PERIOD_S * k) ** 2, 0.1 * (-1) ** k)] for k in range(8)]
    same = jitter_of(true, true)
    assert same.true_acceleration_rms == pytest.approx(2.0)
    assert (same.acceleration_rms_ratio, same.acceleration_median_ratio) == (pytest.approx(1.0), pytest.approx(1.0))
    swaying = jitter_of(true, result)
    assert swaying.samples == 6
    assert swaying.acceleration_rms == pytest.approx(np.hypot(2.0, 0.4 / PERIOD_S**2))
    assert swaying.jerk_rms == pytest.approx(0.8 / PERIOD_S**3)
    assert swaying.acceleration_rms_ratio == pytest.approx(np.hypot(2.0, 1.6) / 2.0)


def test_a_change_of_id_is_no_jitter():
    true = [[(1, 0.7 * k, 0.0)] for k in range(8)]
    result = [[(31 if k < 4 else 32, 0.7 * k, 0.0 if k < 4 else 0.5)] for k in range(8)]
    assert jitter_of(true, result).acceleration_rms == pytest.approx(0.0, abs=1e-9)
    assert jitter_of(true, result).samples == 4  # two runs of four


@pytest.mark.parametrize("gap", [3, 7], ids=["early gap", "late gap"])
def test_runs_end_at_gaps_and_short_ones_are_left_out(gap):
    true = [[(1, 0.7 * k, 0.0)] for k in range(10)]
    result = [[] if k == gap else [(31, 0.7 * k, 0.0)] for k in range(10)]
    assert jitter_of(true, result).samples == max(gap, 9 - gap) - 2


def test_churn_counts_both_ways():
    true = walk([1, 2], 6)
    result = walk([31, 32], 2) + walk([33, 32], 6)[2:4] + walk([33, 31], 6)[4:]
    floor = on_floor(true, result)
    counts = churn(floor.true_ids, floor.result_ids, match_floor(floor, 1.0))
    assert counts.ids_per_person == 2.0  # 31, 33 and 32, 31
    assert counts.people_per_id == pytest.approx(4 / 3)
    assert (counts.most_ids_of_a_person, counts.most_people_of_an_id) == (2, 2)
    assert (counts.people_never_matched, counts.ids_never_matched) == (0, 0)


def test_across_cameras_an_id_must_hold_in_all():
    entrance, hall = (on_floor(walk([1]), walk([person])).pair(1.0) for person in (31, 32))
    single, combined = tracking_scores({"entrance": entrance, "hall": hall})
    assert single["entrance"].idf1 == single["hall"].idf1 == combined.idf1 == 1.0
    assert identity_scores(concatenate([entrance, hall])).idf1 == pytest.approx(0.5)
    assert identity_scores(concatenate([entrance, entrance])).idf1 == 1.0


def test_similarities_are_trackevals():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 100, (2, 12, 2))
    true, result = np.concatenate([corner, corner + rng.uniform(5, 60, (2, 12, 2))], axis=2)
    theirs = MotChallenge2DBox._calculate_box_ious(true, result, box_format="x0y0x1y1")
    np.testing.assert_allclose(iou(true, result), theirs, atol=1e-12)
    there = MotChallenge2DBox._calculate_euclidean_similarity(corner[0] / 30, corner[1] / 30, zero_distance=2.0)
    floor = FloorFrames([np.arange(12)], [corner[0] / 30], [np.arange(12)], [corner[1] / 30], PERIOD_S)
    np.testing.assert_allclose(floor.pair(1.0).similarity[0], there, atol=1e-12)


def test_the_gate_has_similarity_one_half():
    assert distance_similarity(np.array([[0.0, 0.25, 0.5, 1.0, 3.0]]), 0.5).tolist() == [[1.0, 0.75, 0.5, 0.0, 0.0]]


def test_similarity_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="a row per true id"):
        PairedFrames([np.arange(2)], [np.arange(1)], [np.zeros((1, 2))])
