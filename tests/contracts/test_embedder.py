"""What every Embedder keeps to, whatever network is behind it."""

import numpy as np
import pytest
from fakes import FakeEmbedder
from world import World, corner_cameras, person

from app.domains.reid.ports import Embedder
from app.domains.vocabulary import CameraId, Crops, Frame, FrameBatch
from app.infrastructure.hsv_embedder import HsvEmbedder
from app.infrastructure.model_files import find_model
from app.infrastructure.mot_detections import RecordedEmbedder, read_recording
from app.infrastructure.openvino_embedder import OpenVINOEmbedder

SIZE = (1280, 720)


@pytest.fixture(
    scope="module",
    params=[
        "fake",
        "recorded",
        "hsv",
        pytest.param("person-reidentification-retail-0287", marks=pytest.mark.models),
        pytest.param("osnet_x0_25_msmt17", marks=pytest.mark.models),
        pytest.param("open_clip", marks=pytest.mark.gpu_stack),
    ],
)
def embedder(request, tmp_path_factory) -> Embedder:
    folder = tmp_path_factory.mktemp("embedder")
    if request.param == "fake":
        people = [person(1, [(0, 5, 4), (9, 7, 4)]), person(2, [(0, 7, 5), (9, 5, 5)])]
        return FakeEmbedder(World(people, corner_cameras()))
    if request.param == "recorded":
        path = folder / "det.txt"
        path.write_text("1,-1,500,200,40,120,0.9\n1,-1,700,250,44,130,0.4\n")
        vectors = np.random.default_rng(0).normal(size=(2, 16))
        np.savez(folder / "emb.npz", embeddings=vectors)
        recording = read_recording(path, folder / "emb.npz")
        return RecordedEmbedder({CameraId("a"): recording, CameraId("b"): recording})
    if request.param == "hsv":
        return HsvEmbedder()
    if request.param == "open_clip":
        return random_clip(folder)
    return OpenVINOEmbedder(find_model(request.param, request.getfixturevalue("models_dir"), folder))


def random_clip(folder) -> Embedder:
    from random_weights import save_open_clip

    from app.infrastructure.torch_device import open_accelerator
    from app.infrastructure.torch_embedder import TorchEmbedder
    from app.infrastructure.torch_frames import DeviceFrames
    from app.infrastructure.torch_networks import load_look_networks

    accelerator, path = open_accelerator("auto", "fp32", 2), save_open_clip(folder / "clip")
    return TorchEmbedder(
        name="clip",
        path=path,
        networks=load_look_networks(find_model(str(path)), accelerator, None),
        accelerator=accelerator,
        frames=DeviceFrames(accelerator.devices),
    )


def batch() -> FrameBatch:
    random = np.random.default_rng(0)
    return FrameBatch(
        0.0,
        tuple(
            Frame(CameraId(n), 0.0, 0, SIZE, random.integers(0, 255, (SIZE[1], SIZE[0], 3)).astype(np.uint8))
            for n in "ab"
        ),
    )


def crops(*rows: tuple[int, int]) -> Crops:
    """Crops by place of the frame in the batch and row of the detection, each with a box of its own."""
    table = np.array(rows, np.int64).reshape(-1, 2)
    left = 100.0 * table[:, 0] + 200.0 * table[:, 1] + 50.0
    xyxy = np.column_stack([left, np.full(len(left), 100.0), left + 60.0, np.full(len(left), 280.0)])
    return Crops(table[:, 0], table[:, 1], xyxy.astype(np.float32))


def test_one_unit_vector_per_crop(embedder):
    vectors = embedder.embed(batch(), crops((0, 0), (1, 1), (0, 1))).vectors
    assert vectors.shape[0] == 3
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)


def test_rows_follow_the_crops(embedder):
    asked = [(1, 0), (0, 1), (0, 0)]
    together = embedder.embed(batch(), crops(*asked)).vectors
    for row, crop in enumerate(asked):
        np.testing.assert_allclose(embedder.embed(batch(), crops(crop)).vectors[0], together[row], atol=1e-3)
    assert together[1] @ together[2] < 1.0 - 1e-6, "two crops with one vector show nothing"


def test_no_crops_and_no_frames_tell_the_dimension(embedder):
    dimension = embedder.embed(batch(), crops((0, 0))).vectors.shape[1]
    assert embedder.embed(batch(), crops()).vectors.shape == (0, dimension)
    assert embedder.embed(FrameBatch(0.0, ()), crops()).vectors.shape == (0, dimension)
