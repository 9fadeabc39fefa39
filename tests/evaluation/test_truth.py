from pathlib import Path

import numpy as np
import pytest

from app.errors import ConfigError
from app.evaluation.truth import inside, read_cvml, read_truth

CVML = """<dataset><frame number="0"><objectlist/></frame><frame number="1"><objectlist>
<object id="9"><box h="80" w="40" xc="100" yc="200"/></object></objectlist></frame>
<frame number="2"><objectlist/></frame></dataset>"""


def a_set(folder: Path, *cameras: str) -> Path:
    for camera in cameras:
        (folder / camera / "gt").mkdir(parents=True)
        (folder / camera / "gt" / "gt.txt").write_text("2,7,10,20,30,40,1,1.5,2.5,0\n4,7,10,20,30,40,1,-1,-1,-1\n")
    return folder


def test_a_set_has_truth_per_camera_and_its_annotated_span(tmp_path):
    truth = read_truth(a_set(tmp_path, "hall", "entrance"), ["entrance", "hall", "unwatched"])
    assert list(truth.cameras) == ["entrance", "hall"]
    assert truth.layout == "set"
    assert truth.floor is None
    hall = truth.cameras["hall"]
    assert (hall.first, hall.last, hall.boxes.person.tolist()) == (2, 4, [7, 7])


@pytest.mark.parametrize("given", ["gt/gt.txt", "."], ids=["the file", "the sequence folder"])
def test_one_camera_takes_a_single_file(tmp_path, given):
    path = a_set(tmp_path, "hall") / "hall" / given
    truth = read_truth(path, ["whatever"])
    assert truth.layout == "MOTChallenge"
    assert len(truth.cameras["whatever"].boxes) == 2


def test_cvml_counts_frames_from_zero_and_boxes_by_their_centre(tmp_path):
    path = tmp_path / "truth.xml"
    path.write_text(CVML)
    camera = read_truth(path, ["view1"]).cameras["view1"]
    assert (camera.first, camera.last) == (1, 3)  # empty frames are annotated too
    assert camera.boxes.frame.tolist() == [2]
    assert camera.boxes.xyxy.tolist() == [[80, 160, 120, 240]]


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("<dataset>", "", "not valid XML"),
        ("<other/>", "other", "no frame elements"),
        (CVML.replace('xc="100"', 'xc="left"'), "frame 1, object 9", "no number as xc"),
        (CVML.replace('w="40" ', ""), "frame 1, object 9", "no number as w"),
        (CVML.replace('h="80"', 'h="0"'), "frame 1, object 9", "no area"),
        (CVML.replace("<box", "<bax"), "frame 1, object 9", "no box"),
        (CVML.replace('number="1"', 'number="nan"'), "frame", "not finite"),
        (CVML.replace('number="2"><objectlist/>', 'number="1"><object id="9"/>'), "frame 1", "twice"),
    ],
    ids=["cut off", "other XML", "a word", "no width", "no height", "no box", "NaN", "an id twice"],
)
def test_bad_cvml_names_frame_and_object(tmp_path, text, key, problem):
    path = tmp_path / "truth.xml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem) as raised:
        read_cvml(path)
    assert raised.value.key == key


@pytest.mark.parametrize(
    ("path", "cameras", "problem"),
    [
        ("absent", ["hall"], "does not exist"),
        ("nothing", ["hall"], "is no truth"),
        ("notes.md", ["hall"], "is no truth"),
        ("hall/gt/gt.txt", ["hall", "entrance"], "is truth for one camera, and the run has 2: hall, entrance"),
        (".", ["yard"], "has gt/gt.txt for hall, but the run's cameras are yard"),
    ],
    ids=["absent", "empty folder", "another file", "one file for two cameras", "other cameras"],
)
def test_paths_that_are_no_truth_say_what_would_be(tmp_path, path, cameras, problem):
    a_set(tmp_path, "hall")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "notes.md").touch()
    with pytest.raises(ConfigError, match=problem):
        read_truth(tmp_path / path, cameras)


def test_nan_is_inside_nothing():
    xy = np.array([[0.0, 0.0], [2.0, 0.5], [np.nan, np.nan], [-0.1, 0.5]])
    assert inside(xy, (0.0, 0.0, 2.0, 1.0)).tolist() == [True, True, False, False]


@pytest.mark.data
def test_pets_has_400_frames_of_19_people(data_dir):
    camera = read_truth(data_dir / "pets09_s2l1" / "PETS2009-S2L1_first400.xml", ["view1"]).cameras["view1"]
    assert (camera.first, camera.last) == (1, 400)
    first = camera.boxes[camera.boxes.frame == 1]
    assert first.person.tolist() == [9, 15, 19]
    np.testing.assert_allclose(first.xyxy[0], [499.1959, 157.6881, 530.2259, 232.8581], atol=1e-4)
