import io

import numpy as np
import pytest
import yaml
from rich.console import Console

from app.calibration_check import CameraCheck, check_site, render
from app.domains.mapping.disagreement import CameraDisagreement, ModelCheck, PointPairErrors
from app.errors import ConfigError
from app.settings import load_site

MATRIX = [
    [0.04922853378286539, -0.5536434868747109, 80.16719143543102],
    [-0.12838996821424645, -0.3660600366913039, 109.66830964055052],
    [0.0008354923265827612, 0.017886323510288765, 1.0],
]
SOUND = ModelCheck(0.9, 0.0, 0.001, True, False, 0.02, 0.07, 7.1)


def text_of(*checks, width=80):
    out = io.StringIO()
    Console(file=out, width=width).print(render(checks))
    return out.getvalue()


def a_site(folder, shift_m=(0.0, 0.0), frames=20):
    """Two cameras of one calibration that see the same three people; the second's floor is shifted."""
    rows = [
        f"{frame},-1,{100 + 180 * person + 6 * frame},{200 + 40 * person},40,110,0.9"
        for frame in range(1, frames + 1)
        for person in range(3)
    ]
    (folder / "det.txt").write_text("\n".join(rows))
    shifted = np.array([[1, 0, shift_m[0]], [0, 1, shift_m[1]], [0, 0, 1]]) @ np.array(MATRIX)
    cameras = [
        {
            "id": name,
            "detections": "det.txt",
            "size": [768, 576],
            "fps": 7,
            "calibration": {"image_to_floor": np.asarray(matrix).tolist()},
        }
        for name, matrix in (("hall", MATRIX), ("yard", shifted))
    ]
    (folder / "site.yaml").write_text(yaml.safe_dump({"site": "s", "cameras": cameras}))
    return load_site(folder / "site.yaml")


def test_cameras_that_agree_do_not_stand_out(tmp_path):
    checks = check_site(a_site(tmp_path), None, 20, lambda _: None)
    assert [check.camera_id for check in checks] == ["hall", "yard"]
    assert checks[0].others.count > 40
    assert checks[0].others.median_m == pytest.approx(0.0, abs=1e-6)
    assert checks[0].model.height_m == pytest.approx(7.1, abs=0.2)
    assert "No camera stands out." in text_of(*checks)


def test_a_camera_that_was_shifted_is_found_with_its_direction(tmp_path):
    checks = check_site(a_site(tmp_path, shift_m=(0.3, -0.2)), None, 20, lambda _: None)
    assert checks[1].others.shift_m == pytest.approx((0.3, -0.2), abs=0.02)
    assert checks[0].others.shift_m == pytest.approx((-0.3, 0.2), abs=0.02)
    assert checks[1].others.median_px > 1.0


def test_without_frames_only_the_calibrations_are_looked_at_and_no_network_is_loaded(tmp_path):
    said = []
    checks = check_site(a_site(tmp_path), None, 0, said.append)
    assert said == []
    assert [check.others for check in checks] == [None, None]
    assert "Against the other cameras" not in text_of(*checks)


def test_a_site_without_calibration_cannot_be_checked(tmp_path):
    site_file = a_site(tmp_path)
    content = dict(site_file.written)
    for camera in content["cameras"]:
        del camera["calibration"]
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match="no camera has a calibration"):
        check_site(load_site(tmp_path / "site.yaml"), None, 20, lambda _: None)


FAR = CameraDisagreement(120, 1.25, 2.5, 40.0, 90.0, (1.0, -0.75))
SLIP = PointPairErrors(np.array([0.1, 3.0, 0.0, np.nan]), np.zeros(4), np.nan, 0.0)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (CameraCheck("hall", None, None, None), "hall: has no calibration"),
        (CameraCheck("hall", SOUND, None, FAR), "hall: stands 1.25 m from what the others say"),
        (CameraCheck("hall", SOUND, SLIP, None), "hall: point pair 2 is 3.00 m off"),
        (CameraCheck("hall", SOUND, SLIP, None), "hall: point pair 4 lies above the horizon"),
        (CameraCheck("hall", ModelCheck(0.9, 0, 0, False, False, 1, 1, 7), None, None), "bottom edge is not floor"),
        (CameraCheck("hall", ModelCheck(0.9, 0, 0, True, True, 1, 1, 7), None, None), "sees a mirrored floor"),
        (CameraCheck("hall", ModelCheck(0.9, 0, 2.5, True, False, 1, 1, 7), None, None), "off by more than a pixel"),
    ],
    ids=[
        "no calibration",
        "far from the others",
        "a pair that slipped",
        "a pair in the sky",
        "no floor at the bottom",
        "a mirrored floor",
        "a bad lens",
    ],
)
def test_what_stands_out_is_said(check, words):
    assert words in text_of(CameraCheck("yard", SOUND, None, None), check)


def test_one_finding_about_several_cameras_is_one_line():
    mirrored = ModelCheck(0.9, 0, 0, True, True, 1, 1, 7)
    text = text_of(*(CameraCheck(name, mirrored, None, None) for name in ("hall", "yard")))
    assert text.count("mirrored") == 1
    assert "hall, yard: sees a mirrored floor" in text


def test_tables_fit_80_columns_and_cut_nothing_off():
    huge = CameraDisagreement(123456, 12.25, 222.5, 1234.5, 2000.0, (-10.5, -12.75))
    fit = PointPairErrors(np.zeros(4), np.zeros(4), 0.123, 12.34)
    text = text_of(CameraCheck("a-rather-long-camera-name", SOUND, fit, huge))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for word in ("1234.5", "12.25", "222.50", "-12.75", "123456", "12.34", "0.123", "7.10"):
        assert word in text
