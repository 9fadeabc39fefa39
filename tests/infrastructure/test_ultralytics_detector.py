"""Ultralytics' networks behind our front find what the library's own predict finds, with the same weights."""

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from agreement import assert_same_people
from random_weights import pictures, save_rtdetr, save_yolo

from app.domains.vocabulary import CameraId, Frame, FrameBatch
from app.errors import ModelError
from app.infrastructure.regions import DetectorConfig
from app.infrastructure.torch_detector import TorchDetector
from app.infrastructure.torch_device import Accelerator, open_accelerator
from app.infrastructure.torch_frames import DeviceFrames
from app.infrastructure.ultralytics_detector import UltralyticsNetwork, import_ultralytics

pytestmark = pytest.mark.gpu_stack
CPU = open_accelerator(["cpu"], "fp32", 2)
SCORE = 0.25
# in these sizes every pixel of the input is the same as OpenCV's; a random network blows up the least difference
SIZES = [(1280, 720), (640, 480), (1280, 720), (640, 640)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ultralytics")
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            save = save_rtdetr if kind == "rtdetr" else save_yolo
            made[kind] = save(folder / f"{kind}.pt", kind)
        return made[kind]

    return make


def frames(sizes=SIZES) -> FrameBatch:
    made = [pictures(1, size, seed=i)[0] for i, size in enumerate(sizes)]
    cameras = (CameraId(f"c{i}") for i in range(len(made)))
    return FrameBatch(1.0, tuple(Frame(c, 1.0, 0, s, p) for c, s, p in zip(cameras, sizes, made, strict=False)))


def detector(path: Path, size: int | None = None) -> TorchDetector:
    network = UltralyticsNetwork(path, CPU, CPU.devices[0], size)
    config = DetectorConfig(score=SCORE, nms_iou=0.7, min_height=0.0, tiles=None)
    return TorchDetector(
        name=path.stem,
        path=path,
        networks=[network],
        accelerator=CPU,
        frames=DeviceFrames(CPU.devices),
        config=config,
    )


def predicted(path: Path, batch: FrameBatch, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Boxes and scores of the library's own predict, frame by frame, without those that are no wider than nothing."""
    import_ultralytics()
    from ultralytics import RTDETR, YOLO

    model = (RTDETR if path.stem == "rtdetr" else YOLO)(str(path))
    answers = []
    for frame in batch.frames:
        (result,) = model.predict(
            frame.pixels, imgsz=size, conf=SCORE, iou=0.7, classes=[0], max_det=1000, verbose=False, device="cpu"
        )
        boxes, scores = result.boxes.xyxy.numpy().clip(0, [*frame.size, *frame.size]), result.boxes.conf.numpy()
        real = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        answers.append((boxes[real], scores[real]))
    return answers


@pytest.mark.parametrize("kind", ["yolo11n", "yolov8n", "yolo26n", "rtdetr"])
def test_the_boxes_are_those_of_the_librarys_own_predict(weights, kind):
    size = 320 if kind == "rtdetr" else 640
    batch = frames() if kind != "rtdetr" else frames([(640, 640), (320, 320)])
    found = detector(weights(kind), size).detect(batch)
    answers = predicted(weights(kind), batch, size)
    assert sum(len(boxes) for boxes, _ in answers) >= 10, "a network that finds nothing proves nothing"
    for ours, (boxes, scores) in zip(found, answers, strict=True):
        assert_same_people((ours.xyxy, ours.confidence), (boxes, scores), SCORE)


@pytest.mark.parametrize(
    ("kind", "side", "dtype"),
    [("yolov8n", 640, torch.float16), ("rtdetr", 320, torch.float16), ("rtdetr", 320, torch.bfloat16)],
)
def test_in_half_precision_people_are_as_sure(weights, kind, side, dtype):
    images = torch.from_numpy(np.stack(pictures(2, (side, side)))[..., ::-1].transpose(0, 3, 1, 2) / np.float32(255))
    scores = []
    for precision in (torch.float32, dtype):
        network = UltralyticsNetwork(weights(kind), Accelerator(CPU.devices, precision, 2), CPU.devices[0], side)
        with torch.inference_mode():
            scores.append(network.find(images.to(precision))[1].flatten().sort(descending=True).values[:20])
    assert scores[0][0] > SCORE
    assert (scores[1] - scores[0]).abs().mean() < 0.05  # a random network blows up the rounding of a few


def test_the_grid_of_a_size_of_input_stays_for_batches_of_any_number(weights):
    network = UltralyticsNetwork(weights("yolo11n"), CPU, CPU.devices[0], 320)
    again = UltralyticsNetwork(weights("yolo11n"), CPU, CPU.devices[0], 320)
    grids = []
    with torch.inference_mode():
        for count, height in ((2, 320), (1, 192), (1, 320), (2, 192), (2, 320)):
            images = torch.rand(count, 3, height, 320)
            for ours, theirs in zip(network.find(images), _alone(again, images), strict=True):
                torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)
            grids.append((height, network._head.anchors.data_ptr()))
    assert len(set(grids)) == 2, "a CUDA graph reads the very memory that it was recorded with"


def _alone(network: UltralyticsNetwork, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What a network finds that has seen nothing before."""
    network._grids.clear()
    network._head.shape = None
    return network.find(images)


def test_a_name_without_people_is_refused(tmp_path):
    path = save_yolo(tmp_path / "dogs.pt", names={i: f"breed {i}" for i in range(80)})
    with pytest.raises(ModelError, match="none of its classes is called 'person'; it knows breed 0, breed 1"):
        UltralyticsNetwork(path, CPU, CPU.devices[0])


def test_another_task_is_refused(tmp_path):
    import_ultralytics()
    from ultralytics import YOLO

    model = YOLO("yolo11n-cls.yaml", verbose=False)
    model.ckpt = {}
    model.save(tmp_path / "sorts.pt")
    with pytest.raises(ModelError, match="made for the task 'classify'; SpotOn needs one for 'detect'"):
        UltralyticsNetwork(tmp_path / "sorts.pt", CPU, CPU.devices[0])


class Runs:
    """A pickle that would run a command."""

    def __reduce__(self):
        return (print, ("this ran",))


@pytest.mark.parametrize("content", ["a pickle that runs something", "no pickle at all"])
def test_files_that_are_no_weights_are_refused_and_run_nothing(tmp_path, capsys, content):
    path = tmp_path / "bad.pt"
    if content.startswith("a pickle"):
        torch.save({"model": Runs()}, path)
    else:
        path.write_bytes(b"\x00\x01 not weights")
    with pytest.raises(ModelError, match="Ultralytics cannot load it") as raised:
        UltralyticsNetwork(path, CPU, CPU.devices[0])
    assert "\n" not in str(raised.value)
    assert "this ran" not in capsys.readouterr().out


def test_the_library_is_kept_from_the_network(weights, monkeypatch):
    def refused(*_args):
        raise AssertionError("the library looked for the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    detector(weights("yolo11n"), 320).detect(frames([(320, 320)]))
    import ultralytics.utils

    assert not ultralytics.utils.ONLINE
    assert not ultralytics.utils.AUTOINSTALL


def test_the_input_is_as_large_as_the_site_says_in_whole_strides(weights):
    assert detector(weights("yolo11n"), 300).networks[0].traits.size == (320, 320)
    assert detector(weights("yolo11n")).networks[0].traits.size == (640, 640)


@pytest.mark.filterwarnings("ignore")  # of torch's exporter
@pytest.mark.parametrize("dynamic", [False, True], ids=["a fixed input", "any input"])
def test_an_onnx_export_finds_what_its_checkpoint_finds(weights, tmp_path, dynamic):
    """What TensorRT's engines go through, too: the same loader, and the same fixed inputs."""
    copy = shutil.copy(weights("yolo11n"), tmp_path / "people.pt")
    from ultralytics import YOLO

    exported = YOLO(str(copy)).export(format="onnx", imgsz=640, dynamic=dynamic, simplify=False, verbose=False)
    batch = frames([(640, 640)] * 3)
    expected = detector(copy, 640).detect(batch)
    assert sum(map(len, expected)) >= 10
    for ours, theirs in zip(detector(Path(exported)).detect(batch), expected, strict=True):
        assert_same_people((ours.xyxy, ours.confidence), (theirs.xyxy, theirs.confidence), SCORE)
    half = UltralyticsNetwork(Path(exported), Accelerator(CPU.devices, torch.float16, 2), CPU.devices[0])
    with torch.inference_mode():  # the file says in which precision it computes
        _, confidence = half.find(torch.zeros(1, 3, 640, 640, dtype=torch.float16))
    assert confidence.dtype == torch.float32
