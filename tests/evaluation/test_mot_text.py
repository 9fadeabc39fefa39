from pathlib import Path

import numpy as np
import pytest

from app.errors import ConfigError
from app.evaluation.mot_text import read_results, read_truth_boxes, write_mot


def written(folder: Path, text: str) -> Path:
    path = folder / "gt.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_become_boxes_with_floor_positions_ordered_by_frame(tmp_path):
    boxes = read_truth_boxes(written(tmp_path, "2,7,10,20,30,40,1,-1,-1,-1\n1,7,0,0,5,5,1,2.5,-1,0\n"))
    assert boxes.frame.tolist() == [1, 2]
    assert boxes.person.tolist() == [7, 7]
    assert boxes.xyxy.tolist() == [[0, 0, 5, 5], [10, 20, 40, 60]]
    assert boxes.floor[0].tolist() == [2.5, -1.0]
    assert np.isnan(boxes.floor[1]).all()


def test_a_place_at_minus_one_is_known_when_its_height_is(tmp_path):
    assert read_truth_boxes(written(tmp_path, "1,7,0,0,5,5,1,-1,-1,0\n")).floor.tolist() == [[-1.0, -1.0]]


def test_an_empty_file_is_a_camera_in_which_nobody_was(tmp_path):
    assert len(read_truth_boxes(written(tmp_path, "\n"))) == 0
    assert len(read_results(written(tmp_path, ""))) == 0


def test_confidence_zero_marks_rows_to_ignore(tmp_path):
    boxes = read_truth_boxes(written(tmp_path, "1,1,0,0,5,5,0,-1,-1,-1\n1,2,9,9,5,5,1,-1,-1,-1\n"))
    assert boxes.ignored.tolist() == [True, False]


def test_with_a_class_column_pedestrians_count_and_distractors_are_ignored(tmp_path):
    rows = ["1,1,0,0,5,5,1,1,0.9", "1,2,0,0,5,5,0,1,0.9", "1,3,0,0,5,5,0,8,0.9", "1,4,0,0,5,5,0,3,0.9"]
    boxes = read_truth_boxes(written(tmp_path, "\n".join(rows)))
    assert boxes.person.tolist() == [1, 3]
    assert boxes.ignored.tolist() == [False, True]
    assert np.isnan(boxes.floor).all()  # class and visibility are no place on the floor


def test_results_without_identity_are_no_results(tmp_path):
    text = "1,-1,0,0,5,5,0.9,-1,-1,-1\n1,4,0,0,5,5,0.9,-1,-1,-1\n1,-1,0,0,5,5,0.9,-1,-1,-1\n"
    assert read_results(written(tmp_path, text)).person.tolist() == [4]


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("1,1,0,0,5,5,1\n1,2,0,0,5,five,1\n", "line 2", "'five' is not a number"),
        ("1,1,0,0,5,5,1\n\n1,2,0,0,5\n", "line 3", "5 columns where the first row has 7"),
        ("1,1,0,0,5\n", "line 1", "has 5 columns"),
        ("1,1,0,0,nan,5,1\n", "line 1", "NaN"),
        ("0,1,0,0,5,5,1\n", "line 1", "numbered from 1"),
        ("1.5,1,0,0,5,5,1\n", "line 1", "whole numbers"),
        ("1,1,0,0,5,0,1\n", "line 1", "above 0"),
        ("2,1,0,0,5,5,1\n1,3,0,0,5,5,1\n2,1,9,9,5,5,1\n", "line 3", "id 1 is in frame 2 twice"),
    ],
    ids=["a word", "a short row", "too few columns", "NaN", "frame 0", "half a frame", "no height", "an id twice"],
)
def test_bad_rows_name_file_and_line(tmp_path, text, key, problem):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=problem) as raised:
        read_truth_boxes(path)
    assert raised.value.path == path
    assert raised.value.key == key
    assert "\n" not in str(raised.value)


def test_files_that_are_no_text_are_named(tmp_path):
    path = tmp_path / "gt.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not a text file"):
        read_truth_boxes(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_truth_boxes(tmp_path / "absent.txt")


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "c" / "gt" / "gt.txt"
    write_mot(path, np.array([[3, 8, 10.25, 20.5, 30.0, 40.0, 1, 24.975, 26.975, 0]]))
    boxes = read_truth_boxes(path)
    assert boxes.xyxy.tolist() == [[10.25, 20.5, 40.25, 60.5]]
    assert boxes.floor.tolist() == [[24.975, 26.975]]
