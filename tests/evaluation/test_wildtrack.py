import json

import numpy as np
import pytest
import yaml

from app.errors import ConfigError
from app.evaluation.detection_noise import DetectionNoise
from app.evaluation.mot_text import read_columns, read_truth_boxes
from app.evaluation.truth import read_truth
from app.evaluation.wildtrack import MULTIVIEWX, WILDTRACK, read_annotations, write_set

NOWHERE = {"xmin": -1, "ymin": -1, "xmax": -1, "ymax": -1}


def person(who=4, position=0, views=7, seen=(0,)):
    box = {"xmin": 100, "ymin": 200, "xmax": 150, "ymax": 350}
    return {
        "personID": who,
        "positionID": position,
        "views": [{"viewNum": v} | (box if v in seen else NOWHERE) for v in range(views)],
    }


def annotated(folder, *frames, extrinsics=()):
    (folder / "annotations_positions").mkdir(parents=True)
    for number, people in enumerate(frames):
        (folder / "annotations_positions" / f"{5 * number:08d}.json").write_text(json.dumps(people))
    for name in extrinsics:
        path = folder / "calibrations" / "extrinsic" / f"extr_{name}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


@pytest.mark.parametrize(
    ("data_set", "cell", "place"),
    [
        (WILDTRACK, 0, (-3.0, -9.0)),
        (WILDTRACK, 481, (-2.975, -8.975)),
        (WILDTRACK, 480 * 1440 - 1, (8.975, 26.975)),
        (MULTIVIEWX, 1001, (0.025, 0.025)),
        (MULTIVIEWX, 640_000 - 1, (24.975, 15.975)),
    ],
    ids=["first of WILDTRACK", "second row of WILDTRACK", "last of WILDTRACK", "second row of MultiviewX", "its last"],
)
def test_grid_cells_are_places(data_set, cell, place):
    assert data_set.place(np.array([cell])).tolist() == [list(place)]


def test_areas_are_those_of_the_data_sets():
    assert WILDTRACK.bounds == pytest.approx((-3.0, -9.0, 9.0, 27.0))
    assert MULTIVIEWX.bounds == pytest.approx((0.0, 0.0, 25.0, 16.0))


def test_frames_count_the_files_of_the_slice_from_one(tmp_path):
    source = annotated(tmp_path, [person(1)], [], [person(2), person(3, seen=())], [person(4)])
    annotations = read_annotations(source, slice(1, 3))
    assert annotations.frames == 2
    assert annotations.frame.tolist() == [2, 2]
    assert annotations.view(0).person.tolist() == [2]  # person 3 is in no view
    truth = read_truth(source, WILDTRACK.views, frames=slice(1, 3))
    assert (truth.cameras["IDIAP3"].first, truth.cameras["IDIAP3"].last) == (1, 2)
    assert truth.floor is not None
    assert truth.floor.person.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("views", "extrinsics", "data_set"),
    [(7, (), WILDTRACK), (6, (), MULTIVIEWX), (7, ("CVLab1",), WILDTRACK), (6, ("Camera1",), MULTIVIEWX)],
    ids=["seven views", "six views", "WILDTRACK's names", "MultiviewX's names"],
)
def test_the_data_set_is_recognised(tmp_path, views, extrinsics, data_set):
    source = annotated(tmp_path, [person(views=views)], extrinsics=extrinsics)
    assert read_annotations(source).data_set is data_set


def test_frames_without_people_are_recognised_by_the_calibration(tmp_path):
    assert read_annotations(annotated(tmp_path, [], [], extrinsics=("Camera1",))).data_set is MULTIVIEWX


@pytest.mark.parametrize(
    ("cameras", "views", "expected"),
    [
        (["idiap1", "CVLab2"], None, {"idiap1": 4, "CVLab2": 1}),
        ([f"cam{i}" for i in range(7)], None, {f"cam{i}": i for i in range(7)}),
        (["hall", "yard"], {"hall": "IDIAP3", "yard": "CVLab1"}, {"hall": 6, "yard": 0}),
    ],
    ids=["by name", "by order", "by an explicit list"],
)
def test_cameras_are_matched_to_views(tmp_path, cameras, views, expected):
    source = annotated(tmp_path, [person(seen=(view,)) | {"personID": view} for view in range(7)])
    people = [person(who, position=who, seen=(who,)) for who in range(7)]
    (source / "annotations_positions" / "00000000.json").write_text(json.dumps(people))
    truth = read_truth(source, cameras, views=views)
    assert {camera: int(one.boxes.person[0]) for camera, one in truth.cameras.items()} == expected


@pytest.mark.parametrize(
    ("cameras", "views"),
    [(["a", "b"], None), (["CVLab1", "b"], None), (["a"], {"a": "CVLab9"}), (["a"], {"b": "CVLab1"})],
    ids=["too few to go by order", "one name unknown", "unknown view", "unknown camera"],
)
def test_cameras_that_match_no_view_are_refused(tmp_path, cameras, views):
    with pytest.raises(ConfigError, match=r"cannot tell which view|no camera of the run"):
        read_truth(annotated(tmp_path, [person()]), cameras, views=views)


@pytest.mark.parametrize(
    ("people", "key", "problem"),
    [
        ({}, "", "expected a list"),
        ([{"personID": 1, "positionID": 1}], "[0].views", "is missing"),
        ([person() | {"positionID": "here"}], "[0]", "expected personID"),
        ([person(), person(5, views=6)], "[1].views", "6 views where others have 7"),
        ([person(position=691_200)], "[0].positionID", "outside WILDTRACK's grid"),
        ([person(), person()], "[1].personID", "twice"),
        ([person(views=5)], "views", "people have 5 views"),
    ],
    ids=["no list", "no views", "a word", "a view less", "off the grid", "a person twice", "five views"],
)
def test_bad_annotations_name_file_and_key(tmp_path, people, key, problem):
    with pytest.raises(ConfigError, match=problem) as raised:
        read_annotations(annotated(tmp_path, people))
    assert raised.value.key == key


def test_missing_frames_and_broken_files_are_named(tmp_path):
    source = annotated(tmp_path, [person()])
    with pytest.raises(ConfigError, match="selects none of the 1 annotation files"):
        read_annotations(source, slice(5, 9))
    with pytest.raises(ConfigError, match="say WILDTRACK, but a file is named extr_Camera1"):
        read_annotations(annotated(tmp_path / "mixed", [person()], extrinsics=("Camera1",)))
    with pytest.raises(ConfigError, match="is missing; WILDTRACK's calibrations"):
        write_set(source, tmp_path / "out", None, DetectionNoise(), 0)
    (source / "annotations_positions" / "00000000.json").write_text("[{")
    with pytest.raises(ConfigError, match="not valid JSON"):
        read_annotations(source)


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "frames", "rows", "people", "boxes"),
    [("wildtrack", 360, 8566, 289, 37_548), ("multiviewx_mini", 10, 215, 26, 1091)],
    ids=["WILDTRACK", "MultiviewX"],
)
def test_real_annotations_are_read_whole(data_dir, folder, frames, rows, people, boxes):
    annotations = read_annotations(data_dir / folder)
    assert (annotations.frames, len(annotations.frame)) == (frames, rows)
    assert len(np.unique(annotations.person)) == people
    assert np.isfinite(annotations.xyxy[:, :, 0]).sum() == boxes
    x_min, y_min, x_max, y_max = annotations.data_set.bounds
    assert (annotations.floor >= [x_min, y_min]).all()
    assert (annotations.floor <= [x_max, y_max]).all()


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "camera", "unit", "intrinsic"),
    [
        ("wildtrack", "IDIAP2", "cm", "intrinsic_zero/intr_IDIAP2.xml"),
        ("multiviewx_mini", "C5", "m", "intr_Camera5.xml"),
    ],
    ids=["WILDTRACK", "MultiviewX"],
)
def test_a_written_set_holds_site_detections_and_truth(data_dir, tmp_path, folder, camera, unit, intrinsic):
    noise = DetectionNoise(embedding_size=8)
    path = write_set(data_dir / folder, tmp_path / "set", slice(0, 5), noise, 1)
    site = yaml.safe_load(path.read_text())
    entry = next(one for one in site["cameras"] if one["id"] == camera)
    assert (entry["fps"], entry["size"], entry["detections"]) == (2.0, [1920, 1080], f"{camera}/det/det.txt")
    calibration = entry["calibration"]["file"]
    assert calibration["unit"] == unit
    assert calibration["intrinsic"].endswith(intrinsic)
    detections, _ = read_columns(path.parent / camera / "det" / "det.txt")
    assert set(detections[:, 1]) == {-1.0}  # no identity leaks
    assert (np.diff(detections[:, 0]) >= 0).all()
    assert np.load(path.parent / camera / "det" / "emb.npz")["embeddings"].shape == (len(detections), 8)
    truth = read_truth_boxes(path.parent / camera / "gt" / "gt.txt")
    assert truth.frame.max() == 5
    assert np.isfinite(truth.floor).all()
    again = write_set(data_dir / folder, tmp_path / "again", slice(0, 5), noise, 1)
    assert (again.parent / camera / "det" / "det.txt").read_text() == (
        path.parent / camera / "det" / "det.txt"
    ).read_text()


@pytest.mark.data
def test_a_written_set_has_the_truth_of_its_source(data_dir, tmp_path):
    source = data_dir / "wildtrack"
    out = write_set(source, tmp_path, slice(10, 20), DetectionNoise(), 0).parent
    written, own = (
        read_truth(path, WILDTRACK.views, frames=frames) for path, frames in ((out, None), (source, slice(10, 20)))
    )
    for view in WILDTRACK.views:
        mine, theirs = written.cameras[view].boxes, own.cameras[view].boxes
        assert mine.person.tolist() == theirs.person.tolist()
        np.testing.assert_allclose(mine.xyxy, theirs.xyxy, atol=0.01)
        np.testing.assert_allclose(mine.floor, theirs.floor, atol=1e-9)


@pytest.mark.data
def test_noise_on_wildtrack_hides_a_part_of_the_people(data_dir, tmp_path):
    source = data_dir / "wildtrack"
    boxes = sum(len(read_annotations(source).view(view)) for view in range(7))
    out = write_set(source, tmp_path, None, DetectionNoise(false_boxes=0.0), 0).parent
    detections = sum(len(read_columns(out / view / "det" / "det.txt")[0]) for view in WILDTRACK.views)
    assert 0.6 < detections / boxes < 0.9  # 0.9 less whom the nearer hide
