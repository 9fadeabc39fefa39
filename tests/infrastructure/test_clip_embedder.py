"""CLIP behind our front gives the vectors of the libraries' own preprocessing, with the same weights."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from random_weights import pictures, save_open_clip, save_transformers_clip

from app.domains.vocabulary import CameraId, Crops, Frame, FrameBatch
from app.errors import ModelError
from app.infrastructure.clip_embedder import OpenClipNetwork, TransformersClipNetwork
from app.infrastructure.torch_device import Accelerator, open_accelerator
from app.infrastructure.torch_embedder import TorchEmbedder
from app.infrastructure.torch_frames import DeviceFrames

pytestmark = pytest.mark.gpu_stack
CPU = open_accelerator(["cpu"], "fp32", 3)
BF16 = open_accelerator(["cpu"], "bf16", 3)
BOXES = np.array([[10, 20, 90, 260], [300, 5, 420, 400], [600.4, 300.2, 640, 480], [0, 0, 640, 480]], np.float32)
FRAME = np.array([0, 1, 0, 2])


@pytest.fixture(scope="module")
def open_clip_folder(tmp_path_factory):
    return save_open_clip(tmp_path_factory.mktemp("open_clip"))


@pytest.fixture(scope="module")
def transformers_folder(tmp_path_factory):
    return save_transformers_clip(tmp_path_factory.mktemp("transformers"))


def batch() -> FrameBatch:
    sizes = [(640, 480), (800, 600), (640, 480)]
    made = [Frame(CameraId(f"c{i}"), 0.0, 0, size, pictures(1, size, seed=i)[0]) for i, size in enumerate(sizes)]
    return FrameBatch(0.0, tuple(made))


def crops() -> Crops:
    return Crops(FRAME, np.arange(len(FRAME)), BOXES)


def cut() -> list[Image.Image]:
    """The same crops as the host's Pillow sees them."""
    frames = batch().frames
    windows = np.rint(BOXES).astype(int)
    return [
        Image.fromarray(np.ascontiguousarray(frames[f].pixels[t:b, left:r, ::-1]))
        for f, (left, t, r, b) in zip(FRAME, windows, strict=True)
    ]


def embedder(network, accelerator: Accelerator = CPU) -> TorchEmbedder:
    return TorchEmbedder(
        name="clip", path=None, networks=[network], accelerator=accelerator, frames=DeviceFrames(accelerator.devices)
    )


def cosines(vectors: np.ndarray, expected: torch.Tensor) -> np.ndarray:
    expected = torch.nn.functional.normalize(expected.detach().float(), dim=1).numpy()
    return (vectors * expected).sum(axis=1)


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize(("accelerator", "least"), [(CPU, 0.999), (BF16, 0.99)], ids=["fp32", "bf16"])
def test_open_clips_own_preprocessing_gives_the_same_vectors(tmp_path, mode, accelerator, least):
    import open_clip

    folder = save_open_clip(tmp_path / "clip", resize_mode=mode)
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    with torch.inference_mode():
        expected = model.eval().encode_image(torch.stack([preprocess(crop) for crop in cut()]))
    network = OpenClipNetwork(folder, accelerator, accelerator.devices[0])
    vectors = embedder(network, accelerator).embed(batch(), crops()).vectors
    assert cosines(vectors, expected).min() >= least
    assert cosines(vectors[[1, 0, 3, 2]], expected).min() < least, "different crops look different"


def test_transformers_own_preprocessing_gives_the_same_vectors(transformers_folder):
    from transformers import CLIPModel, CLIPProcessor

    model, processor = (kind.from_pretrained(transformers_folder) for kind in (CLIPModel, CLIPProcessor))
    with torch.inference_mode():
        expected = model.get_image_features(**processor(images=cut(), return_tensors="pt")).pooler_output
    network = TransformersClipNetwork(transformers_folder, CPU, CPU.devices[0])
    vectors = embedder(network).embed(batch(), crops()).vectors
    assert cosines(vectors, expected).min() >= 0.999
    assert cosines(vectors[[1, 0, 3, 2]], expected).min() < 0.999


def test_vectors_have_length_one_and_crops_without_pixels_none(open_clip_folder):
    looks = embedder(OpenClipNetwork(open_clip_folder, CPU, CPU.devices[0]))
    boxes = np.array([[10, 20, 90, 260], [-50, 0, -10, 90], [np.nan, 0, 10, 90]], np.float32)
    vectors = looks.embed(batch(), Crops(np.array([0, 0, 1]), np.arange(3), boxes)).vectors
    assert (vectors.shape, vectors.dtype) == ((3, 48), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 0], atol=1e-5)
    nothing = Crops(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4), np.float32))
    assert looks.embed(FrameBatch(0.0, ()), nothing).vectors.shape == (0, 48) == (0, looks.dimension)


def test_words_get_open_clips_own_vectors(open_clip_folder):
    import open_clip

    texts = ["a person in a red coat", "a dog"]
    model = open_clip.create_model(f"local-dir:{open_clip_folder}").eval()
    with torch.inference_mode():
        expected = model.encode_text(open_clip.get_tokenizer(f"local-dir:{open_clip_folder}")(texts))
    network = OpenClipNetwork(open_clip_folder, CPU, CPU.devices[0])
    assert cosines(network.describe(texts).vectors, expected).min() >= 0.9999
    assert network.describe([]).vectors.shape == (0, 48)


def test_words_get_transformers_own_vectors(transformers_folder):
    from transformers import CLIPModel, CLIPProcessor

    texts = ["a red coat", "dog"]
    model, processor = (kind.from_pretrained(transformers_folder) for kind in (CLIPModel, CLIPProcessor))
    with torch.inference_mode():
        words = processor(text=texts, padding=True, return_tensors="pt")
        expected = model.get_text_features(**words).pooler_output
    network = TransformersClipNetwork(transformers_folder, CPU, CPU.devices[0])
    found = network.describe(texts).vectors
    assert cosines(found, expected).min() >= 0.9999
    assert found[0] @ found[1] < 0.999
    assert network.describe([]).vectors.shape == (0, 48)


@pytest.mark.parametrize(
    ("kind", "removed", "problem"),
    [
        ("open_clip", "open_clip_model.safetensors", "holds no weights; open_clip_model.safetensors belongs beside"),
        ("open_clip", "open_clip_config.json", "open_clip_config.json: missing or no JSON"),
        ("transformers", "model.safetensors", "transformers cannot load it as CLIPModel: "),
        ("transformers", "preprocessor_config.json", "transformers cannot load it as CLIPModel: "),
    ],
)
def test_a_folder_that_lacks_a_file_is_refused(open_clip_folder, transformers_folder, tmp_path, kind, removed, problem):
    folder = tmp_path / "clip"
    shutil.copytree(open_clip_folder if kind == "open_clip" else transformers_folder, folder)
    (folder / removed).unlink()
    network = OpenClipNetwork if kind == "open_clip" else TransformersClipNetwork
    with pytest.raises(ModelError, match=problem) as raised:
        network(folder, CPU, CPU.devices[0])
    assert "\n" not in str(raised.value)


def test_a_site_may_have_whole_figures_instead_of_their_middle(open_clip_folder):
    network = OpenClipNetwork(open_clip_folder, CPU, CPU.devices[0], "squash")
    assert (network.plan.fit, network.plan.size) == ("squash", (96, 96))
