import json

import numpy as np
import pytest

from app.errors import ConfigError
from app.evaluation.run_folder import camera_ids, read_floor, read_run

HEADER = "time_s,global_id,x_m,y_m,vx,vy,sigma_m,cameras\n"
CAMERA = {"fps": 5.0, "start_s": 100.0, "frames": 3, "size": [640, 480]}


def a_run(folder, record, floor=None):
    (folder / "run.json").write_text(json.dumps(record))
    for camera in ("hall", "entrance"):
        (folder / f"{camera}.txt").write_text("1,4,0,0,10,20,0.9,-1,-1,-1\n")
    if floor is not None:
        (folder / "floor.csv").write_text(floor)
    return folder


def test_a_run_is_read_with_its_clocks_and_floor(tmp_path):
    record = {"site": "shop", "cameras": {"hall": CAMERA, "entrance": CAMERA}, "floor_bounds": [0, 0, 5, 4]}
    run = read_run(
        a_run(tmp_path, record, HEADER + "100.2,4,1.5,2.5,0,0,0.1,hall\n100.0,4,1.4,2.5,0,0,0.1,hall|yard\n")
    )
    assert camera_ids(tmp_path) == tuple(run.clocks) == ("hall", "entrance")
    assert run.clocks["hall"].time(np.array([1, 3])).tolist() == [100.0, 100.4]
    assert run.floor is not None
    assert run.floor.time_s.tolist() == [100.0, 100.2]
    assert run.bounds == (0, 0, 5, 4)


def test_a_run_without_floor_has_none(tmp_path):
    run = read_run(a_run(tmp_path, {"site": "shop", "cameras": {"hall": CAMERA}, "floor_bounds": None}))
    assert run.floor is None
    assert run.bounds is None


def test_a_floor_on_which_nobody_was_is_empty(tmp_path):
    path = tmp_path / "floor.csv"
    path.write_text(HEADER)
    assert len(read_floor(path)) == 0


@pytest.mark.parametrize(
    ("header", "row", "certainty"),
    [
        ("time_s,global_id,x_m,y_m,certainty", "0.5,3,1,2,0.75", 0.75),
        ("time_s,global_id,x_m,y_m", "0.5,3,1,2", np.nan),
    ],
    ids=["a file that tells how sure ids are", "an older file"],
)
def test_certainty_is_read_where_it_stands(tmp_path, header, row, certainty):
    path = tmp_path / "floor.csv"
    path.write_text(f"{header}\n{row}\n")
    floor = read_floor(path)
    np.testing.assert_array_equal(floor.certainty, [certainty])
    assert floor.person.tolist() == [3]


@pytest.mark.parametrize(
    ("record", "key"),
    [
        ({}, "cameras"),
        ({"cameras": {}}, "cameras"),
        ({"cameras": {"hall": {"fps": 5.0, "frames": 3}}}, "cameras.hall.start_s"),
        ({"cameras": {"hall": CAMERA | {"fps": "fast"}}}, "cameras.hall"),
        ({"cameras": {"hall": CAMERA | {"fps": 0}}}, "cameras.hall.fps"),
        ({"cameras": {"hall": CAMERA}, "floor_bounds": [0, 1]}, "floor_bounds"),
        ({"cameras": {"hall": CAMERA}}, "floor_bounds"),
    ],
    ids=["no cameras", "empty cameras", "no start", "a word as rate", "rate 0", "half the bounds", "no bounds"],
)
def test_a_broken_record_names_the_key(tmp_path, record, key):
    with pytest.raises(ConfigError) as raised:
        read_run(a_run(tmp_path, record))
    assert raised.value.key == key


def test_other_folders_are_no_runs(tmp_path):
    with pytest.raises(ConfigError, match="give a folder that `spoton track` wrote"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ConfigError, match="not valid JSON"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("", "time_s", "column is missing"),
        ("time_s,global_id,x_m\n", "y_m", "column is missing"),
        (HEADER + "0,1,2\n", "line 2", "expected numbers"),
        (HEADER + "0,1,2,3,0,0,1,a\n0,2,nan,3,0,0,1,a\n", "line 3", "NaN"),
        (HEADER + "0.5,1,2,3,0,0,1,a\n0.5,1,8,3,0,0,1,a\n", "time_s 0.5", "id 1 stands at two places"),
    ],
    ids=["empty file", "no y", "a short row", "NaN", "an id at two places"],
)
def test_a_broken_floor_names_line_and_column(tmp_path, text, key, problem):
    path = tmp_path / "floor.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem) as raised:
        read_floor(path)
    assert raised.value.key == key
