from pathlib import Path

import cv2
import numpy as np
import pytest

from app.domains.vocabulary import CameraId
from app.errors import CameraUnavailable, FrameCorrupt
from app.infrastructure.image_source import ImageSource

CAMERA = CameraId("hall")


def write_image(path: Path, grey: int, size=(40, 30)) -> None:
    data = cv2.imencode(path.suffix.lower(), np.full((size[1], size[0], 3), grey, np.uint8))[1]
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data.tobytes())


def read_all(source):
    frames, problems = [], []
    while True:
        try:
            frame = source.read()
        except FrameCorrupt as error:
            problems.append(error.problem)
            continue
        if frame is None:
            return frames, problems
        frames.append(frame)


def greys(source):
    return [int(frame.pixels[0, 0, 0]) for frame in read_all(source)[0]]


def test_images_come_in_natural_order_with_time_and_index(tmp_path):
    for number in (10, 2, 1, 100):
        write_image(tmp_path / f"img{number}.png", number)
    source = ImageSource(CAMERA, tmp_path, fps=4.0, start_s=50.0)
    assert source.frame_count == 4
    frames, problems = read_all(source)
    assert [int(frame.pixels[0, 0, 0]) for frame in frames] == [1, 2, 10, 100]
    assert [frame.captured_at for frame in frames] == [50.0, 50.25, 50.5, 50.75]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert {frame.size for frame in frames} == {(40, 30)}
    assert {frame.camera_id for frame in frames} == {CAMERA}
    assert (frames[0].pixels.shape, frames[0].pixels.dtype) == ((30, 40, 3), np.uint8)
    assert problems == []
    assert source.read() is None


def test_suffixes_count_in_any_case_and_other_files_do_not(tmp_path):
    for number, name in enumerate(["a.JPG", "b.jpeg", "c.Png", "d.bmp"]):
        write_image(tmp_path / name, 50 * number)
    write_image(tmp_path / ".hidden.png", 200)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    assert greys(ImageSource(CAMERA, tmp_path, fps=1.0)) == [0, 50, 100, 150]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("left/*.png", [1, 2]), ("*/f1.png", [1, 3]), ("**/*.png", [1, 2, 3]), ("left/f2.png", [2])],
    ids=["a folder's glob", "one name in several folders", "recursive", "one image"],
)
def test_a_pattern_selects_images(tmp_path, pattern, expected):
    write_image(tmp_path / "left" / "f1.png", 1)
    write_image(tmp_path / "left" / "f2.png", 2)
    write_image(tmp_path / "right" / "f1.png", 3)
    assert greys(ImageSource(CAMERA, tmp_path / pattern, fps=1.0)) == expected


def test_a_folder_may_have_a_name_that_looks_like_a_glob(tmp_path):
    write_image(tmp_path / "run[1]" / "0.png", 9)
    assert greys(ImageSource(CAMERA, tmp_path / "run[1]", fps=1.0)) == [9]


def test_black_and_white_and_deep_images_become_three_bytes_a_pixel(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((5, 6), 7, np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((5, 6, 3), 7 * 256, np.uint16))
    frames, _ = read_all(ImageSource(CAMERA, tmp_path, fps=1.0))
    assert [(frame.pixels.shape, frame.pixels.dtype, int(frame.pixels[0, 0, 0])) for frame in frames] == [
        ((5, 6, 3), np.uint8, 7),
        ((5, 6, 3), np.uint8, 7),
    ]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    "damage", [cut, lambda _: b"", lambda _: b"no image at all"], ids=["cut short", "empty", "something else"]
)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_a_broken_image_is_corrupt_and_keeps_its_place(tmp_path, suffix, damage):
    for number in range(3):
        write_image(tmp_path / f"{number}{suffix}", 10 * number)
    broken = tmp_path / f"1{suffix}"
    broken.write_bytes(damage(broken.read_bytes()))
    frames, problems = read_all(ImageSource(CAMERA, tmp_path, fps=2.0))
    assert [(frame.index, frame.captured_at) for frame in frames] == [(0, 0.0), (2, 1.0)]
    assert problems == [f"{broken}: does not decode as an image"]


def test_an_image_that_vanished_is_corrupt(tmp_path):
    write_image(tmp_path / "0.png", 0)
    write_image(tmp_path / "1.png", 1)
    source = ImageSource(CAMERA, tmp_path, fps=1.0)
    (tmp_path / "0.png").unlink()
    frames, problems = read_all(source)
    assert [frame.index for frame in frames] == [1]
    assert problems == [f"{tmp_path / '0.png'}: cannot be read: No such file or directory"]


def test_an_image_of_another_size_is_corrupt_and_both_sizes_are_named(tmp_path):
    write_image(tmp_path / "0.png", 0, size=(40, 30))
    write_image(tmp_path / "1.png", 0, size=(30, 40))
    write_image(tmp_path / "2.png", 0, size=(40, 30))
    frames, problems = read_all(ImageSource(CAMERA, tmp_path, fps=1.0))
    assert [frame.index for frame in frames] == [0, 2]
    assert problems == [f"{tmp_path / '1.png'}: is 30x40, the first image 40x30"]


@pytest.mark.parametrize("name", ["empty", "missing", "empty/*.jpg"], ids=["empty folder", "no folder", "empty glob"])
def test_no_images_make_the_camera_unavailable(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no image")
    with pytest.raises(CameraUnavailable, match=r"camera hall: .* image \(bmp, jpeg, jpg, png\)$") as caught:
        ImageSource(CAMERA, tmp_path / name, fps=1.0)
    assert str(tmp_path / name) in str(caught.value)


def test_a_folder_of_broken_images_ends_with_the_camera_unavailable(tmp_path):
    (tmp_path / "0.jpg").write_bytes(b"nothing")
    source = ImageSource(CAMERA, tmp_path, fps=1.0)
    with pytest.raises(FrameCorrupt):
        source.read()
    with pytest.raises(CameraUnavailable, match="none of its 1 images decodes"):
        source.read()
    assert source.read() is None


def test_nothing_is_read_after_close(tmp_path):
    write_image(tmp_path / "0.png", 0)
    source = ImageSource(CAMERA, tmp_path, fps=1.0)
    source.close()
    source.close()
    assert source.read() is None


@pytest.mark.data
def test_a_real_folder(data_dir):
    source = ImageSource(CAMERA, data_dir / "multiviewx_mini" / "Image_subsets" / "C1", fps=2.0)
    frames, problems = read_all(source)
    assert [frame.captured_at for frame in frames] == [i / 2 for i in range(10)]
    assert {frame.size for frame in frames} == {(1920, 1080)}
    assert problems == []
