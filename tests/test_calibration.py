from pathlib import Path

import numpy as np
import pytest

from app.calibration import build_view, fit_errors
from app.errors import CalibrationError, ConfigError
from app.settings import SiteFile, parse_site

SIZE = (768, 576)
MATRIX = [
    [0.04922853378286539, -0.5536434868747109, 80.16719143543102],
    [-0.12838996821424645, -0.3660600366913039, 109.66830964055052],
    [0.0008354923265827612, 0.017886323510288765, 1.0],
]
PIXELS = [[100.0, 300.0], [400.0, 250.0], [700.0, 300.0], [300.0, 500.0], [600.0, 550.0], [50.0, 550.0]]


def on_floor(pixels):
    mapped = np.column_stack((pixels, np.ones(len(pixels)))) @ np.array(MATRIX).T
    return mapped[:, :2] / mapped[:, 2:]


def site_with(calibration, path=Path("site.yaml")):
    camera = {"id": "hall", "source": "hall.mp4", "calibration": calibration}
    return SiteFile(path, parse_site({"site": "s", "cameras": [camera]}, path))


def xml(name, **nodes):
    data = "".join(f"<{key}><data>{' '.join(map(str, value))}</data></{key}>" for key, value in nodes.items())
    return f"<?xml version='1.0'?><{name}>{data}</{name}>"


def pairs(off=0.0):
    rows = np.column_stack((PIXELS, on_floor(PIXELS)))
    rows[2, 2] += off
    return rows.tolist()


@pytest.mark.parametrize(
    "calibration", [{"image_to_floor": MATRIX}, {"points": pairs()}], ids=["a homography", "point pairs"]
)
def test_both_planar_forms_map_pixels_to_the_same_metres(calibration):
    view = build_view(site_with(calibration), 0, SIZE)
    assert view.model.to_floor(np.array(PIXELS)) == pytest.approx(on_floor(PIXELS), abs=1e-6)


@pytest.mark.parametrize("unit", ["m", "cm", "mm"])
def test_opencv_numbers_and_their_files_are_the_same_camera_in_every_unit(tmp_path, unit):
    """A camera 4 m above the floor that looks down and ahead."""
    K = [[800.0, 0.0, 384.0], [0.0, 800.0, 288.0], [0.0, 0.0, 1.0]]
    rvec, tvec = [2.0, 0.0, 0.0], [0.0, 1.5, 8.0]
    scaled = (np.array(tvec) * {"m": 1, "cm": 100, "mm": 1000}[unit]).tolist()
    (tmp_path / "in.xml").write_text(
        xml("opencv_storage", camera_matrix=np.ravel(K), distortion_coefficients=[0, 0, 0, 0, 0])
    )
    (tmp_path / "ex.xml").write_text(xml("opencv_storage", rvec=rvec, tvec=scaled))
    forms = (
        {"opencv": {"K": K, "rvec": rvec, "tvec": tvec}},
        {"opencv": {"K": K, "rvec": rvec, "tvec": scaled, "unit": unit}},
        {"file": {"intrinsic": "in.xml", "extrinsic": "ex.xml", "unit": unit}},
    )
    views = [build_view(site_with(form, tmp_path / "site.yaml"), 0, SIZE) for form in forms]
    expected = views[0].model.to_floor(np.array(PIXELS))
    assert np.isfinite(expected).all()
    for view in views[1:]:
        assert view.model.to_floor(np.array(PIXELS)) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["hall.yaml", "hall.json"])
def test_a_calibration_may_stand_in_a_file_of_its_own_whose_paths_start_there(tmp_path, name):
    (tmp_path / "calibrations").mkdir()
    (tmp_path / "calibrations" / name).write_text(f'{{"image_to_floor": {MATRIX}}}')
    site_file = site_with({"file": f"calibrations/{name}"}, tmp_path / "site.yaml")
    assert build_view(site_file, 0, SIZE).model.to_floor(np.array(PIXELS)) == pytest.approx(on_floor(PIXELS))
    text = '{"file": {"intrinsic": "in.xml", "extrinsic": "ex.xml"}}'
    (tmp_path / "calibrations" / name).write_text(text)
    with pytest.raises(CalibrationError) as caught:
        build_view(site_file, 0, SIZE)
    assert caught.value.path == tmp_path / "calibrations" / "in.xml"


def test_names_in_braces_work_in_a_calibrations_own_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIBRATIONS", "/nowhere")
    (tmp_path / "hall.yaml").write_text('file: {intrinsic: "{CALIBRATIONS}/in.xml", extrinsic: ex.xml}')
    with pytest.raises(CalibrationError, match=r"/nowhere/in\.xml: cannot be read"):
        build_view(site_with({"file": "hall.yaml"}, tmp_path / "site.yaml"), 0, SIZE)


@pytest.mark.data
def test_tsai_agrees_with_the_homography_that_was_fitted_to_it(data_dir):
    path = data_dir / "pets09_s2l1" / "calibration" / "View_001.xml"
    view = build_view(site_with({"file": str(path)}), 0, SIZE)
    away = np.linalg.norm(view.model.to_floor(np.array(PIXELS)) - on_floor(PIXELS), axis=1)
    assert away.max() < 0.5
    with pytest.raises(CalibrationError, match="frames are 1920x1080, the calibration is for 768x576"):
        build_view(site_with({"file": str(path)}), 0, (1920, 1080))


def test_a_camera_without_calibration_has_a_view_without_floor():
    site_file = site_with(None)
    view = build_view(site_file, 0, SIZE)
    assert view.model is None
    assert fit_errors(site_file, site_file.site.cameras[0], view) is None


@pytest.mark.parametrize("inline", [True, False], ids=["in the site file", "in a file of their own"])
def test_a_pair_that_slipped_shows_in_the_fit(tmp_path, inline):
    calibration = {"points": pairs(off=3.0)}
    if not inline:
        (tmp_path / "p.yaml").write_text(str(calibration))
        calibration = {"file": "p.yaml"}
    site_file = site_with(calibration, tmp_path / "site.yaml")
    errors = fit_errors(site_file, site_file.site.cameras[0], build_view(site_file, 0, SIZE))
    assert errors.metres == pytest.approx([0, 0, 3, 0, 0, 0], abs=0.01)


def test_an_error_names_the_file_and_the_cameras_key():
    with pytest.raises(ConfigError) as caught:
        build_view(site_with({"image_to_floor": [[0.0] * 3] * 3}), 0, SIZE)
    assert (caught.value.path, caught.value.key) == (Path("site.yaml"), "cameras[0].calibration.image_to_floor")
