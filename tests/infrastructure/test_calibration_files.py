import pytest

from app.errors import CalibrationError
from app.infrastructure.calibration_files import read_opencv_extrinsics, read_opencv_intrinsics, read_tsai

INTRINSICS = """<?xml version="1.0"?>
<opencv_storage>
<camera_matrix type_id="opencv-matrix"><rows>3</rows><cols>3</cols><dt>d</dt>
  <data>900. 0. 960. 0. 901. 540. 0. 0. 1.</data></camera_matrix>
<distortion_coefficients type_id="opencv-matrix"><rows>1</rows><cols>5</cols><dt>d</dt>
  <data>-1.5e-01 2. 0. 0. 3.</data></distortion_coefficients>
</opencv_storage>"""
EXTRINSICS = "<opencv_storage><rvec> 1 2\n 3 </rvec><tvec>-525.5 45 986</tvec></opencv_storage>"
TSAI = """<Camera name="View_001">
<Geometry width="768" height="576" ncx="795" dpx="0.005" dpy="0.004"/>
<Intrinsic focal="5.5" kappa1="0.005" cx="324" cy="282" sx="1.09"/>
<Extrinsic tx="828" ty="-3175" tz="35469" rx="2.04" ry="-0.89" rz="-0.43"/></Camera>"""


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes):
        path = tmp_path / "calibration.xml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_matrix_nodes_are_read(write):
    result = read_opencv_intrinsics(write(INTRINSICS))
    assert result.camera_matrix.tolist() == [[900.0, 0.0, 960.0], [0.0, 901.0, 540.0], [0.0, 0.0, 1.0]]
    assert result.distortion.tolist() == [-0.15, 2.0, 0.0, 0.0, 3.0]


def test_plain_lists_are_read(write):
    result = read_opencv_extrinsics(write(EXTRINSICS))
    assert result.rvec.tolist() == [1.0, 2.0, 3.0]
    assert result.tvec.tolist() == [-525.5, 45.0, 986.0]


def test_tsai_attributes_are_read(write):
    values = read_tsai(write(TSAI))
    assert len(values) == 15
    assert (values["width"], values["kappa1"], values["tz"], values["rz"]) == (768.0, 0.005, 35469.0, -0.43)


@pytest.mark.parametrize(
    ("read", "content", "key", "problem"),
    [
        (read_opencv_intrinsics, EXTRINSICS, "camera_matrix", "missing; the file has rvec, tvec"),
        (read_opencv_intrinsics, INTRINSICS.replace("901. ", ""), "camera_matrix", "has 8 numbers, expected 9"),
        (read_opencv_intrinsics, INTRINSICS.replace("2. 0. 0. 3.", ""), "distortion_coefficients", "has 1 numbers"),
        (read_opencv_intrinsics, INTRINSICS.replace("901.", ".nan"), "camera_matrix", "not a number: '.nan'"),
        (read_opencv_extrinsics, EXTRINSICS.replace("45", "nan"), "tvec", "NaN or infinite"),
        (read_opencv_extrinsics, EXTRINSICS.replace("45", "inf"), "tvec", "NaN or infinite"),
        (read_opencv_extrinsics, "<opencv_storage/>", "rvec", "missing; the file has nothing"),
        (read_opencv_extrinsics, EXTRINSICS[:-5], "", "not valid XML"),
        (read_opencv_extrinsics, "", "", "not valid XML"),
        (read_opencv_extrinsics, b"\xff\xfe\x00", "", "not a UTF-8 text file"),
        (read_opencv_extrinsics, '<!DOCTYPE a [<!ENTITY b "c">]>' + EXTRINSICS, "", "document type or entities"),
        (read_opencv_extrinsics, " " * 1_000_001, "", "larger than 1,000,000 bytes"),
        (read_tsai, TSAI.replace("Extrinsic", "Pose"), "Extrinsic", "missing"),
        (read_tsai, TSAI.replace('kappa1="0.005"', ""), "Intrinsic.kappa1", "missing attribute"),
        (read_tsai, TSAI.replace("35469", "far"), "Extrinsic.tz", "not a number: 'far'"),
    ],
    ids=[
        "another file", "too few numbers", "too few coefficients", "no number", "NaN", "infinite", "empty root",
        "cut off", "empty", "UTF-16", "entities", "huge",
        "Tsai node missing", "Tsai attribute missing", "Tsai no number",
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(write, read, content, key, problem):
    path = write(content)
    with pytest.raises(CalibrationError) as caught:
        read(path)
    assert caught.value.path == path
    assert caught.value.key == key
    assert problem in caught.value.problem
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CalibrationError, match=r"gone\.xml: cannot be read: No such file"):
        read_tsai(tmp_path / "gone.xml")


@pytest.mark.data
def test_real_files_of_all_three_kinds(data_dir):
    wildtrack, multiviewx = data_dir / "wildtrack" / "calibrations", data_dir / "multiviewx_mini" / "calibrations"
    assert len(read_opencv_intrinsics(wildtrack / "intrinsic_original" / "intr_CVLab1.xml").distortion) == 5
    assert read_opencv_extrinsics(wildtrack / "extrinsic" / "extr_IDIAP3.xml").tvec[2] == pytest.approx(
        1052.77, abs=0.01
    )
    assert read_opencv_extrinsics(multiviewx / "extrinsic" / "extr_Camera1.xml").tvec[0] == pytest.approx(
        6.67, abs=0.01
    )
    assert read_tsai(data_dir / "pets09_s2l1" / "calibration" / "View_005.xml")["width"] == 720.0
