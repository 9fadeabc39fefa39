"""Results on disk: what the rows say, that all or nothing appears, and that corrections reach the past."""

import json
from pathlib import Path

import numpy as np
import pytest

from app.domains.vocabulary import (
    NO_ID,
    CameraId,
    FloorPoints,
    FloorTracks,
    Frame,
    FrameBatch,
    GlobalId,
    Merge,
    Sightings,
    Split,
    TrackingUpdate,
    Tracks,
)
from app.errors import ConfigError
from app.infrastructure.result_files import FLOOR_HEADER, CameraRecord, ResultWriter, RunRecord

HALL, DOOR = CameraId("hall"), CameraId("door")
RECORD = RunRecord(
    site="shop",
    settings={"detector": {"model": "boxes"}},
    timings={"detect": {"mean_ms": 1.5}},
    cameras={HALL: CameraRecord(2.0, 10.0, ("frame 3 does not decode",)), DOOR: CameraRecord(4.0, 10.5)},
    floor_bounds=(0.0, 0.0, 10.0, 5.0),
)


def sightings_of(camera, time, people, floor=True):
    """People are (id, confidence, left, x); boxes are 20 wide and 50 high, standing at (x, 2)."""
    n = len(people)
    ids, confidence, left, x = (np.array([p[k] for p in people], dtype=np.float64) for k in range(4))
    xyxy = np.stack([left, np.full(n, 30.0), left + 20, np.full(n, 80.0)], axis=1).astype(np.float32)
    tracks = Tracks(
        camera_id=camera,
        captured_at=time,
        track_id=np.arange(n) + 1,
        state=np.ones(n, np.int64),
        row=np.arange(n),
        xyxy=xyxy,
        confidence=confidence.astype(np.float32),
        appearance=np.zeros((n, 0), np.float32),
        certainty=np.ones(n),
    )
    xy = np.stack([x, np.full(n, 2.0)], axis=1)
    valid = np.full(n, floor)
    xy[~valid] = np.nan
    return Sightings(
        tracks, ids.astype(np.int64), FloorPoints(camera, xy, np.tile(np.eye(2), (n, 1, 1)), valid), np.full(n, 0.75)
    )


def floor_of(people):
    """People are (id, x, sigma, cameras); the deviation along y is half of sigma."""
    n = len(people)
    covariance = np.array([np.diag([sigma**2, (sigma / 2) ** 2]) for _, _, sigma, _ in people]).reshape(n, 2, 2)
    return FloorTracks(
        global_id=np.array([p[0] for p in people], dtype=np.int64),
        xy=np.array([(p[1], 2.0) for p in people], dtype=np.float64).reshape(n, 2),
        velocity=np.tile([0.5, -0.25], (n, 1)),
        covariance=covariance,
        cameras=tuple(p[3] for p in people),
        certainty=np.full(n, 0.875),
    )


def step(index, time, boxes, floor, located=True, corrections=()):
    """One batch; `boxes` maps camera to people."""
    frames = tuple(Frame(camera, time, index, (640, 480), None) for camera in boxes)
    sightings = tuple(sightings_of(camera, time, people, located) for camera, people in boxes.items())
    return FrameBatch(time, frames), TrackingUpdate(time, sightings, floor_of(floor), corrections)


def write_run(out, steps, has_floor=True):
    with ResultWriter(out, [HALL, DOOR], has_floor) as results:
        for batch, update in steps:
            results.write(batch, update)
        results.commit(RECORD)


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


TWO_STEPS = [
    step(0, 10.0, {HALL: [(1, 0.9, 100.25, 3.0), (NO_ID, 0.4, 200, 4.0)]}, [(1, 3.0, 0.2, (HALL,))]),
    step(
        1, 10.5, {HALL: [(1, 0.8, 110, 3.5)], DOOR: [(2, 0.7, 5, 7.0)]}, [(1, 3.5, 0.2, (DOOR, HALL)), (2, 7, 0.4, ())]
    ),
]


def breaking_off():
    yield TWO_STEPS[0]
    raise RuntimeError("detector")


def test_box_rows_are_motchallenge_with_one_based_frames_and_without_the_unidentified(tmp_path):
    write_run(tmp_path / "out", TWO_STEPS)
    assert lines(tmp_path / "out/hall.txt") == [
        "1,1,100.25,30.00,20.00,50.00,0.9000,3.000,2.000,0",
        "2,1,110.00,30.00,20.00,50.00,0.8000,3.500,2.000,0",
    ]
    assert lines(tmp_path / "out/door.txt") == ["2,2,5.00,30.00,20.00,50.00,0.7000,7.000,2.000,0"]


def test_floor_rows_carry_the_larger_deviation_and_the_cameras(tmp_path):
    write_run(tmp_path / "out", TWO_STEPS)
    assert lines(tmp_path / "out/floor.csv") == [
        FLOOR_HEADER,
        "10.000,1,3.000,2.000,0.500,-0.250,0.200,hall,0.875",
        "10.500,1,3.500,2.000,0.500,-0.250,0.200,door|hall,0.875",
        "10.500,2,7.000,2.000,0.500,-0.250,0.400,,0.875",
    ]


def test_sigma_is_taken_along_a_slanted_axis(tmp_path):
    batch, update = step(0, 0.0, {}, [(1, 3.0, 1.0, ())])
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    update.floor.covariance[0] = turn @ np.diag([0.25, 4.0]) @ turn.T
    write_run(tmp_path / "out", [(batch, update)])
    assert lines(tmp_path / "out/floor.csv")[1].split(",")[6] == "2.000"


def test_a_box_without_a_floor_point_says_minus_one(tmp_path):
    write_run(tmp_path / "out", [step(0, 0.0, {HALL: [(1, 0.9, 100, 3.0)]}, [], located=False)], has_floor=False)
    assert lines(tmp_path / "out/hall.txt") == ["1,1,100.00,30.00,20.00,50.00,0.9000,-1,-1,-1"]
    assert not (tmp_path / "out/floor.csv").exists()


def test_run_record_counts_and_names_versions(tmp_path):
    write_run(tmp_path / "out", TWO_STEPS)
    record = json.loads((tmp_path / "out/run.json").read_text(encoding="utf-8"))
    assert record["counts"] == {
        "batches": 2, "frames": 3, "boxes": 3, "floor_points": 3, "identities": 2, "corrections": 0,
    }  # fmt: skip
    assert record["cameras"]["hall"] == {
        "fps": 2.0, "start_s": 10.0, "faults": ["frame 3 does not decode"], "frames": 2, "size": [640, 480], "boxes": 2,
    }  # fmt: skip
    assert record["floor_bounds"] == [0.0, 0.0, 10.0, 5.0]
    assert record["versions"]["numpy"] == np.__version__
    assert set(record["versions"]) == {"python", "spoton", "numpy", "openvino", "opencv", "av", "faiss"}


@pytest.mark.parametrize(
    "steps",
    [[], [step(0, 0.0, {HALL: [], DOOR: []}, [])]],
    ids=["no batch at all", "frames in which nobody walks"],
)
def test_nobody_gives_empty_files(tmp_path, steps):
    write_run(tmp_path / "out", steps)
    assert lines(tmp_path / "out/hall.txt") == []
    assert lines(tmp_path / "out/floor.csv") == [FLOOR_HEADER]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "door.txt",
        "floor.csv",
        "hall.txt",
        "run.json",
    ]


def test_a_merge_reads_as_if_right_from_the_start_and_keeps_the_surer_row(tmp_path):
    merges = [(Merge(GlobalId(gone), GlobalId(kept), 0.75),) for gone, kept in ((4, 2), (2, 1))]
    both = [(1, 0.6, 100, 3.0), (4, 0.9, 104, 3.1)]
    steps = [
        step(0, 0.0, {HALL: [(4, 0.5, 90, 2.9)]}, [(4, 2.9, 0.3, (HALL,))]),
        step(1, 0.5, {HALL: both}, [(1, 3.0, 0.1, (HALL,)), (4, 3.1, 0.3, (DOOR,))], corrections=merges[0]),
        step(2, 1.0, {HALL: []}, [], corrections=merges[1]),
    ]
    write_run(tmp_path / "out", steps)
    assert lines(tmp_path / "out/hall.txt") == [
        "1,1,90.00,30.00,20.00,50.00,0.5000,2.900,2.000,0",
        "2,1,104.00,30.00,20.00,50.00,0.9000,3.100,2.000,0",
    ]
    assert lines(tmp_path / "out/floor.csv")[1:] == [
        "0.000,1,2.900,2.000,0.500,-0.250,0.300,hall,0.750",
        "0.500,1,3.000,2.000,0.500,-0.250,0.100,hall,0.875",
    ]


def test_a_split_gives_one_identity_what_another_had_meanwhile(tmp_path):
    apart = Split(GlobalId(1), GlobalId(6), since=0.5, until=1.0, certainty=0.5)
    steps = [step(i, 0.5 * i, {HALL: [(1, 0.5, 90, 3.0)]}, [(1, 3.0, 0.3, (HALL,))]) for i in range(2)]
    steps.append(step(2, 1.0, {HALL: [(6, 0.5, 90, 3.0)]}, [(6, 3.0, 0.3, (HALL,))], corrections=(apart,)))
    write_run(tmp_path / "out", steps)
    assert [line.split(",")[:2] for line in lines(tmp_path / "out/hall.txt")] == [["1", "1"], ["2", "6"], ["3", "6"]]
    rows = [line.split(",") for line in lines(tmp_path / "out/floor.csv")[1:]]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("0.000", "1", "0.875"), ("0.500", "6", "0.500"), ("1.000", "6", "0.875"),
    ]  # fmt: skip


def test_trajectories_follow_the_corrections(tmp_path):
    with ResultWriter(tmp_path / "out", [HALL], has_floor=True) as results:
        results.write(*step(0, 0.0, {HALL: []}, [(4, 2.9, 0.3, ())]))
        merge = Merge(GlobalId(4), GlobalId(1))
        results.write(*step(1, 0.5, {HALL: []}, [(1, 3.0, 0.1, ())], corrections=(merge,)))
        trajectories = results.trajectories()
    assert trajectories.global_id.tolist() == [1, 1]
    assert trajectories.xy[:, 0].tolist() == [2.9, 3.0]
    assert trajectories.time_s.tolist() == [0.0, 0.5]


def test_one_identity_twice_in_a_frame_keeps_the_more_confident_box(tmp_path):
    write_run(tmp_path / "out", [step(0, 0.0, {HALL: [(1, 0.6, 100, 3.0), (1, 0.9, 104, 3.1)]}, [])])
    assert lines(tmp_path / "out/hall.txt") == ["1,1,104.00,30.00,20.00,50.00,0.9000,3.100,2.000,0"]


def test_an_exception_leaves_no_result(tmp_path):
    with pytest.raises(RuntimeError, match="detector"):
        write_run(tmp_path / "out", breaking_off())
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_the_earlier_result_as_it_was(tmp_path):
    write_run(tmp_path / "out", TWO_STEPS)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(RuntimeError, match="detector"):
        write_run(tmp_path / "out", breaking_off())
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_settings_that_are_no_json_leave_the_earlier_result_as_it_was(tmp_path):
    write_run(tmp_path / "out", TWO_STEPS)
    broken = RunRecord("shop", {"score": float("nan")}, {}, RECORD.cameras, None)
    with pytest.raises(ValueError, match="JSON"), ResultWriter(tmp_path / "out", [HALL, DOOR], True) as results:
        results.commit(broken)
    assert len(lines(tmp_path / "out/hall.txt")) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_new_run_replaces_the_earlier_one_with_all_its_files(tmp_path):
    with ResultWriter(tmp_path / "out", [HALL, DOOR], True) as results:
        (results.folder / "tracks.mp4").write_bytes(b"film")
        results.commit(RECORD)
    assert (tmp_path / "out/tracks.mp4").read_bytes() == b"film"
    write_run(tmp_path / "out", TWO_STEPS)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "door.txt",
        "floor.csv",
        "hall.txt",
        "run.json",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("thesis.txt", "years of work"), ("run.json", '{"scripts": {}}'), ("run.json", "no JSON")],
    ids=["someone's own file", "another program's run.json", "a broken run.json"],
)
def test_a_folder_that_is_no_run_is_refused_and_untouched(tmp_path, name, content):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match="no earlier run"):
        ResultWriter(tmp_path / "out", [HALL], True)
    assert (tmp_path / "out" / name).read_text(encoding="utf-8") == content
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    write_run(tmp_path / "out", TWO_STEPS)
    assert len(lines(tmp_path / "out/hall.txt")) == 2


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is a file"):
        ResultWriter(tmp_path / "out", [HALL], True)


def test_two_runs_cannot_write_to_one_place_at_once(tmp_path):
    with ResultWriter(tmp_path / "out", [HALL, DOOR], True) as results:
        with pytest.raises(ConfigError, match="another run"):
            ResultWriter(tmp_path / "out", [HALL, DOOR], True)
        results.commit(RECORD)
    assert (tmp_path / "out/run.json").exists()


def test_what_a_killed_run_left_does_not_reach_the_result(tmp_path):
    (tmp_path / ".out.partial/old").mkdir(parents=True)
    (tmp_path / ".out.partial/stale.txt").write_text("half a line", encoding="utf-8")
    write_run(tmp_path / "out", TWO_STEPS)
    assert not (tmp_path / "out/stale.txt").exists()


def test_a_stop_between_the_two_renames_brings_the_earlier_result_back(tmp_path):
    write_run(tmp_path / "out", TWO_STEPS)
    (tmp_path / "out").rename(tmp_path / ".out.previous")
    with ResultWriter(tmp_path / "out", [HALL], True):
        assert len(lines(tmp_path / "out/hall.txt")) == 2


def test_a_camera_named_floor_does_not_meet_the_floor_file(tmp_path):
    camera = CameraId("floor")
    with ResultWriter(tmp_path / "out", [camera], True) as results:
        results.write(*step(0, 0.0, {camera: [(1, 0.9, 100, 3.0)]}, [(1, 3.0, 0.2, (camera,))]))
        results.commit(RunRecord("shop", {}, {}, {camera: CameraRecord(1.0, 0.0)}, None))
    assert len(lines(tmp_path / "out/floor.txt")) == 1
    assert len(lines(tmp_path / "out/floor.csv")) == 2
