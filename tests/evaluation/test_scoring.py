"""Whole runs against truth: what is scored, what is left out, and TrackEval's own numbers."""

import json

import numpy as np
import pytest
from trackeval.datasets import MotChallenge2DBox
from trackeval.metrics import CLEAR, HOTA, Identity

from app.domains.vocabulary import CameraId
from app.errors import ConfigError
from app.evaluation.mot_text import write_mot
from app.evaluation.report import to_json
from app.evaluation.scoring import score_run
from app.evaluation.truth import read_truth
from app.evaluation.wildtrack import MULTIVIEWX, read_annotations
from app.infrastructure.result_files import CameraRecord, ResultWriter, RunRecord

BOUNDS = (0.0, 0.0, 20.0, 20.0)
NO_PLACE = (-1.0, -1.0, -1.0)


def row(frame, person, left=0.0, place=NO_PLACE, confidence=1.0):
    return (frame, person, left, 100.0, 50.0, 100.0, confidence, *place)


def walk(person, frames, left=0.0, y=5.0, fps=2.0):
    """Somebody walks along x at 1 m/s."""
    return [row(frame, person, left + 5 * frame, ((frame - 1) / fps, y, 0.0)) for frame in frames]


def set_of(folder, **cameras):
    for camera, rows in cameras.items():
        write_mot(folder / "set" / camera / "gt" / "gt.txt", np.array(rows, float).reshape(-1, 10))
    return folder / "set"


def run_of(folder, *, floor=None, clocks=None, bounds=BOUNDS, **cameras):
    """Write a run folder; `floor` holds (time_s, id, x, y)."""
    run = folder / "run"
    clocks = {camera: {"fps": 2.0, "start_s": 0.0} | (clocks or {}).get(camera, {}) for camera in cameras}
    for camera, rows in cameras.items():
        write_mot(run / f"{camera}.txt", np.array(rows, float).reshape(-1, 10))
    if floor is not None:
        lines = [",".join(map(str, [*dot, 0, 0, 0.1, "hall"])) for dot in floor]
        (run / "floor.csv").write_text("\n".join(["time_s,global_id,x_m,y_m,vx,vy,sigma_m,cameras", *lines]) + "\n")
    record = {
        "site": "shop",
        "cameras": {camera: clock | {"frames": 10, "size": [640, 480]} for camera, clock in clocks.items()},
        "floor_bounds": bounds,
    }
    (run / "run.json").write_text(json.dumps(record))
    return run


def dots(person, frames, y=5.0, fps=2.0, start_s=0.0):
    return [(start_s + (frame - 1) / fps, person, (frame - 1) / fps, y) for frame in frames]


def scored(folder, run, cameras, **options):
    return score_run(run, read_truth(folder / "set", cameras), **options)


def test_a_perfect_run_scores_one_in_image_and_on_the_floor(tmp_path):
    frames = range(1, 11)
    set_of(tmp_path, hall=walk(1, frames), yard=walk(1, frames, 300))
    run = run_of(tmp_path, hall=walk(8, frames), yard=walk(8, frames, 300), floor=dots(8, frames))
    scores = scored(tmp_path, run, ["hall", "yard"])
    assert scores.image.all.hota == scores.image.all.mota == scores.image.across_cameras.idf1 == 1.0
    assert scores.floor is not None
    assert [gate.gate_m for gate in scores.floor.gates] == [0.5, 1.0]
    for gate in scores.floor.gates:
        assert gate.tracking.hota == gate.tracking.idf1 == gate.detection.moda == gate.detection.modp == 1.0
    assert scores.floor.error.p90_m == 0.0
    assert scores.floor.instants == 10
    assert scores.floor.gates[0].tracking.true_boxes == 10  # two cameras see one person


def test_only_the_annotated_span_is_scored(tmp_path):
    set_of(tmp_path, hall=walk(1, range(3, 9)))
    run = run_of(tmp_path, hall=walk(8, range(1, 11)), floor=dots(8, range(1, 11)))
    scores = scored(tmp_path, run, ["hall"])
    assert scores.image.all.false_positives == 0
    assert scores.image.left_out.outside_span == 4
    assert scores.floor is not None
    assert scores.floor.gates[1].detection.false_positives == 0
    assert scores.floor.left_out.outside_span == 4
    assert scores.floor.instants == 6


def test_results_are_taken_at_the_nearest_instant_within_half_a_period(tmp_path):
    set_of(tmp_path, hall=walk(1, range(1, 6)))
    times = np.arange(0.0, 2.01, 0.1) + 0.03  # the run has five instants for one of the truth
    run = run_of(tmp_path, hall=[], floor=[(round(t, 3), 8, t, 5.0) for t in times])
    scores = scored(tmp_path, run, ["hall"])
    assert scores.floor is not None
    assert scores.floor.gates[0].detection.moda == 1.0
    assert scores.floor.error.mean_m == pytest.approx(0.03, abs=1e-6)
    assert scores.floor.left_out.between_instants == len(times) - 5


def test_a_run_without_a_dot_near_an_instant_misses_it(tmp_path):
    set_of(tmp_path, hall=walk(1, range(1, 6)))
    run = run_of(tmp_path, hall=[], floor=[dot for dot in dots(8, range(1, 6)) if dot[0] != 1.0])
    scores = scored(tmp_path, run, ["hall"])
    assert scores.floor is not None
    assert scores.floor.gates[0].detection.false_negatives == 1


def test_the_floor_of_a_set_is_scored_at_the_slowest_cameras_instants(tmp_path):
    # person 2 is seen by the slow camera alone: at instants of the fast camera only, nobody says where person 2 is
    fast = [row(frame, 1, 0, (1.0, 5.0, 0.0)) for frame in range(1, 12)]
    slow = [row(frame, 2, 0, (9.0, 5.0, 0.0)) for frame in range(1, 4)]
    set_of(tmp_path, fast=fast, slow=slow)
    times = np.arange(11) / 10.0
    run = run_of(
        tmp_path,
        fast=fast,
        slow=slow,
        clocks={"fast": {"fps": 10.0}, "slow": {"fps": 2.0}},
        floor=[(t, person, x, 5.0) for t in times for person, x in ((1, 1.0), (2, 9.0))],
    )
    scores = scored(tmp_path, run, ["fast", "slow"])
    assert scores.floor is not None
    assert scores.floor.instants == 3
    assert scores.floor.gates[0].detection.moda == 1.0


def test_a_start_since_epoch_is_the_same_clock(tmp_path):
    set_of(tmp_path, hall=walk(1, range(1, 6)))
    start_s = 1_767_261_600.25
    clocks = {"hall": {"start_s": start_s}}
    run = run_of(tmp_path, hall=[], floor=dots(8, range(1, 6), start_s=start_s), clocks=clocks)
    scores = scored(tmp_path, run, ["hall"])
    assert scores.floor is not None
    assert scores.floor.gates[0].detection.moda == 1.0


@pytest.mark.parametrize(("region", "moda"), [(True, 1.0), (False, 0.0)], ids=["left out", "scored"])
def test_results_outside_the_floor_bounds(tmp_path, region, moda):
    set_of(tmp_path, hall=walk(1, range(1, 6)))
    outside = dots(9, range(1, 6), y=25.0)
    run = run_of(tmp_path, hall=[], floor=dots(8, range(1, 6)) + outside)
    scores = scored(tmp_path, run, ["hall"], region=region)
    assert scores.floor is not None
    assert scores.floor.gates[0].detection.moda == moda
    assert scores.floor.left_out.outside_area == (5 if region else 0)


def test_results_on_ignored_people_are_neither_right_nor_wrong(tmp_path):
    ignored = [row(frame, 2, 300, (10.0, 10.0, 0.0), confidence=0) for frame in range(1, 6)]
    set_of(tmp_path, hall=walk(1, range(1, 6)) + ignored)
    found = [row(frame, 9, 305) for frame in range(1, 6)]
    on_floor = [((frame - 1) / 2, 9, 10.2, 10.0) for frame in range(1, 6)]
    run = run_of(tmp_path, hall=walk(8, range(1, 6)) + found, floor=dots(8, range(1, 6)) + on_floor)
    scores = scored(tmp_path, run, ["hall"])
    assert (scores.image.all.mota, scores.image.left_out.on_ignored) == (1.0, 5)
    assert scores.image.all.true_boxes == 5
    assert scores.floor is not None
    assert (scores.floor.gates[0].detection.moda, scores.floor.left_out.on_ignored) == (1.0, 5)


def test_cameras_without_truth_are_named_and_not_scored(tmp_path):
    set_of(tmp_path, hall=walk(1, range(1, 6)))
    run = run_of(tmp_path, hall=walk(8, range(1, 6)), yard=walk(9, range(1, 6)))
    scores = scored(tmp_path, run, ["hall", "yard"])
    assert list(scores.image.cameras) == ["hall"]
    assert scores.image.without_truth == ("yard",)
    assert scores.floor is None  # the run wrote no floor.csv


def test_truth_without_places_has_no_floor_to_score(tmp_path):
    set_of(tmp_path, hall=[row(frame, 1) for frame in range(1, 6)])
    run = run_of(tmp_path, hall=walk(8, range(1, 6)), floor=dots(8, range(1, 6)))
    assert scored(tmp_path, run, ["hall"]).floor is None


def test_a_run_that_found_nobody_has_scores(tmp_path):
    set_of(tmp_path, hall=walk(1, range(1, 6)))
    scores = scored(tmp_path, run_of(tmp_path, hall=[], floor=[]), ["hall"])
    assert scores.image.all.false_negatives == 5
    assert scores.floor is not None
    assert scores.floor.gates[0].detection.moda == 0.0


def test_truth_of_other_cameras_is_refused(tmp_path):
    set_of(tmp_path, hall=walk(1, range(1, 6)))
    truth = read_truth(tmp_path / "set", ["hall"])
    with pytest.raises(ConfigError, match="none of the truth's cameras hall; it has yard"):
        score_run(run_of(tmp_path, yard=[]), truth)


def test_order_of_cameras_changes_nothing(tmp_path):
    frames = range(1, 8)
    cameras = {"hall": walk(8, frames), "yard": walk(8, frames, 301) + walk(9, frames, 10)}
    set_of(tmp_path, hall=walk(1, frames), yard=walk(1, frames, 300))
    one = scored(tmp_path, run_of(tmp_path, **cameras, floor=dots(8, frames)), ["hall", "yard"])
    reverse = dict(reversed(cameras.items()))
    other = scored(tmp_path, run_of(tmp_path, **reverse, floor=dots(8, frames)), ["yard", "hall"])
    assert other.image.all == one.image.all
    assert other.image.cameras["yard"] == one.image.cameras["yard"]
    assert other.image.across_cameras == one.image.across_cameras
    assert to_json([other])["mean"]["floor"] == to_json([one])["mean"]["floor"]


def noisy_tracks(rng, rows):
    """Lose some boxes, move the others, change ids now and then, and add false ones."""
    kept = rows[rng.random(len(rows)) < 0.85].copy()
    kept[:, 2:6] += rng.normal(scale=6.0, size=(len(kept), 4))
    kept[:, 1] += np.where(rng.random(len(kept)) < 0.1, 20, 50)
    false = rows[rng.random(len(rows)) < 0.1].copy()
    false[:, 1], false[:, 2] = 90, false[:, 2] + 25
    both = np.concatenate([kept, false])
    return both[np.unique(both[:, :2], axis=0, return_index=True)[1]]


def truth_rows(rng, columns):
    rows = np.full((6 * 40, columns), -1.0)
    rows[:, 0], rows[:, 1] = np.tile(np.arange(1, 41), 6), np.repeat(np.arange(1, 7), 40)
    rows[:, 2:6] = np.stack(
        [70.0 * rows[:, 1] + 2 * rows[:, 0], 100 + rows[:, 0], np.full(240, 60), np.full(240, 120)]
    ).T
    rows[:, 6] = 1
    if columns == 9:
        rows[:, 7] = np.where(rows[:, 1] == 3, 7, np.where(rows[:, 1] == 4, 3, 1))  # a static person and a car
        rows[:, 6] = rows[:, 7] == 1
        rows[rng.random(240) < 0.1, 6] = 0
    return rows


@pytest.mark.parametrize(
    ("columns", "benchmark"), [(10, "MOT15"), (9, "MOT17")], ids=["without classes", "with classes and distractors"]
)
def test_scores_are_those_of_trackevals_own_reader(tmp_path, columns, benchmark):
    rng = np.random.default_rng(5)
    truth = truth_rows(rng, columns)
    result = noisy_tracks(rng, np.concatenate([truth[:, :7], np.full((len(truth), 3), -1.0)], axis=1))
    result[:, 6] = 0.9
    truth_path, result_path = tmp_path / "hall" / "gt" / "gt.txt", tmp_path / "tracker" / "data" / "hall.txt"
    for path in (truth_path, result_path):
        path.parent.mkdir(parents=True)
    np.savetxt(truth_path, truth, delimiter=",", fmt="%g")
    np.savetxt(result_path, result, delimiter=",", fmt="%g")
    reader = MotChallenge2DBox(
        {
            "GT_FOLDER": str(tmp_path),
            "TRACKERS_FOLDER": str(tmp_path),
            "TRACKERS_TO_EVAL": ["tracker"],
            "BENCHMARK": benchmark,
            "SKIP_SPLIT_FOL": True,
            "SEQ_INFO": {"hall": 40},
            "PRINT_CONFIG": False,
        }
    )
    data = reader.get_preprocessed_seq_data(reader.get_raw_seq_data("tracker", "hall"), "pedestrian")
    quiet = {"PRINT_CONFIG": False}
    theirs = {}
    for metric in (HOTA(), CLEAR(quiet), Identity(quiet)):
        theirs |= metric.eval_sequence(data)

    run = run_of(tmp_path, hall=[])
    result_path.rename(run / "hall.txt")
    ours = score_run(run, read_truth(truth_path, ["hall"])).image.all
    assert ours.hota == pytest.approx(np.mean(theirs["HOTA"]))
    assert ours.det_a == pytest.approx(np.mean(theirs["DetA"]))
    assert ours.ass_a == pytest.approx(np.mean(theirs["AssA"]))
    assert ours.loc_a == pytest.approx(np.mean(theirs["LocA"]))
    assert (ours.mota, ours.motp) == (pytest.approx(theirs["MOTA"]), pytest.approx(theirs["MOTP"]))
    assert (ours.idf1, ours.idp, ours.idr) == tuple(pytest.approx(theirs[key]) for key in ("IDF1", "IDP", "IDR"))
    assert (ours.id_switches, ours.fragmentations) == (theirs["IDSW"], theirs["Frag"])
    assert (ours.false_positives, ours.false_negatives) == (theirs["CLR_FP"], theirs["CLR_FN"])
    assert 0.3 < ours.hota < 0.9  # the case is no trivial one


@pytest.mark.data
def test_multiviewx_scored_against_itself_is_perfect(data_dir, tmp_path):
    source = data_dir / "multiviewx_mini"
    annotations = read_annotations(source)
    cameras = {}
    for number, view in enumerate(MULTIVIEWX.views):
        boxes = annotations.view(number)
        size = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
        ends = np.tile([0.9, -1.0, -1.0, -1.0], (len(boxes), 1))
        cameras[view] = np.column_stack([boxes.frame, boxes.person, boxes.xyxy[:, :2], size, ends])
    floor = [
        ((frame - 1) / 2, person, *xy)
        for frame, person, xy in zip(annotations.frame, annotations.person, annotations.floor, strict=True)
    ]
    run = run_of(tmp_path, **cameras, floor=floor, bounds=MULTIVIEWX.bounds)
    scores = score_run(run, read_truth(source, MULTIVIEWX.views))
    assert scores.image.all.idf1 == scores.image.across_cameras.idf1 == 1.0
    assert scores.floor is not None
    assert scores.floor.gates[0].tracking.hota == scores.floor.gates[0].detection.moda == 1.0
    assert scores.floor.jitter.acceleration_rms_ratio == pytest.approx(1.0)


@pytest.mark.data
def test_people_outside_the_annotated_area_cost_nothing_in_the_image(data_dir, tmp_path):
    source = data_dir / "multiviewx_mini"
    passer_by = [row(frame, 77, 1500, (40.0, 8.0, 0.0)) for frame in range(1, 11)]
    run = run_of(tmp_path, **{view: passer_by if view == "C1" else [] for view in MULTIVIEWX.views})
    truth = read_truth(source, MULTIVIEWX.views)
    assert score_run(run, truth).image.all.false_positives == 0
    assert score_run(run, truth).image.left_out.outside_area == 10
    assert score_run(run, truth, region=False).image.all.false_positives == 10


def test_what_the_product_writes_is_read(tmp_path):
    hall = CameraId("hall")
    set_of(tmp_path, hall=walk(1, range(1, 6)))
    record = RunRecord("shop", {}, {}, {hall: CameraRecord(2.0, 0.0)}, BOUNDS)
    with ResultWriter(tmp_path / "run", [hall], has_floor=True) as writer:
        writer.commit(record)
    scores = scored(tmp_path, tmp_path / "run", ["hall"])
    assert scores.site == "shop"
    assert scores.image.all.false_negatives == 5
    assert scores.floor is not None
