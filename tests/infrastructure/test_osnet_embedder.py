"""OSNet in torch, with the real weights of the ONNX file written down as torchreid writes its checkpoints."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from random_weights import pictures

from app.domains.vocabulary import CameraId, Crops, Frame, FrameBatch
from app.errors import ModelError
from app.infrastructure.model_files import ModelFile
from app.infrastructure.openvino_embedder import OpenVINOEmbedder
from app.infrastructure.osnet_embedder import EPSILON
from app.infrastructure.torch_device import open_accelerator
from app.infrastructure.torch_embedder import TorchEmbedder
from app.infrastructure.torch_frames import DeviceFrames
from app.infrastructure.torch_networks import load_look_networks

pytestmark = pytest.mark.gpu_stack
CPU = open_accelerator(["cpu"], "fp32", 4)


def normalisation(name: str, bias: torch.Tensor) -> dict[str, torch.Tensor]:
    """One that does nothing but add a bias."""
    same = torch.full_like(bias, 1.0)
    stored = {"weight": same, "bias": bias, "running_mean": 0 * bias, "running_var": same - EPSILON}
    return {f"{name}.{kind}": value for kind, value in stored.items()}


def as_torchreid(path: Path) -> dict[str, torch.Tensor]:
    """Read the layers of the ONNX file by their nodes' names; the convolutions' normalisation is in them already."""
    graph = onnx.load(path).graph
    tensors = {tensor.name: torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    weights: dict[str, torch.Tensor] = {}
    for node in graph.node:
        if node.op_type == "Gemm":
            weights["fc.0.weight"], weights["fc.0.bias"] = (tensors[name] for name in node.input[1:])
        elif node.op_type == "BatchNormalization":
            kinds = ("weight", "bias", "running_mean", "running_var")
            weights |= {f"fc.1.{kind}": tensors[name] for kind, name in zip(kinds, node.input[1:], strict=True)}
        elif node.op_type == "Conv" and not re.search(r"/fc[12]_\d/", node.name):  # a gate's second to fourth use
            weights |= layer(dotted(node.name), *(tensors[name] for name in node.input[1:]))
    return weights


def dotted(node: str) -> str:
    """/conv2/conv2.0/conv2b/conv2b.1/conv1/Conv -> conv2.0.conv2b.1.conv1"""
    parts = node.strip("/").split("/")[:-1]
    return ".".join(a for a, b in zip(parts, [*parts[1:], ""], strict=True) if not b.startswith(f"{a}."))


def layer(name: str, weight: torch.Tensor, bias: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    owner, _, last = name.rpartition(".")
    if bias is None:
        return {f"{name}.weight": weight}
    if last in {"fc1", "fc2"}:
        return {f"{name}.weight": weight, f"{name}.bias": bias}
    return {f"{name}.weight": weight} | normalisation(f"{owner}.bn", bias)


def embedder(path: Path) -> TorchEmbedder:
    return TorchEmbedder(
        name="osnet",
        path=path,
        networks=load_look_networks(ModelFile("osnet", path), CPU, None),
        accelerator=CPU,
        frames=DeviceFrames(CPU.devices),
    )


def batch() -> FrameBatch:
    sizes = [(640, 480), (300, 400)]
    return FrameBatch(
        0.0, tuple(Frame(CameraId(f"c{i}"), 0.0, 0, size, pictures(1, size, seed=i)[0]) for i, size in enumerate(sizes))
    )


# of the network's own size, so that how each runtime resizes does not matter
CROPS = Crops(
    np.array([0, 1, 0]),
    np.arange(3),
    np.array([[10, 20, 138, 276], [100, 50, 228, 306], [400, 200, 528, 456]], np.float32),
)


@pytest.fixture(scope="module")
def onnx_weights(request) -> Path:
    return request.getfixturevalue("models_dir") / "osnet_x0_25_msmt17" / "osnet_x0_25_msmt17.onnx"


@pytest.mark.models
@pytest.mark.parametrize("nested", [False, True], ids=["the weights alone", "as a trainer on several cards saves"])
def test_torch_and_openvino_agree_on_the_real_weights(onnx_weights, tmp_path, nested):
    weights = as_torchreid(onnx_weights)
    content = {"state_dict": {f"module.{name}": value for name, value in weights.items()}, "epoch": 60}
    torch.save(content if nested else weights, tmp_path / "osnet.pth")
    found = embedder(tmp_path / "osnet.pth").embed(batch(), CROPS).vectors
    expected = OpenVINOEmbedder(ModelFile("osnet", onnx_weights)).embed(batch(), CROPS).vectors
    assert (found * expected).sum(axis=1).min() >= 0.99  # OpenVINO computes in bfloat16 where the processor can
    assert found[0] @ found[1] < 0.999


@pytest.mark.models
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"conv1.bn.running_mean": None}, "instance normalisation"),
        ({"fc.1.running_var": None}, "an OSNet without fc.1.running_var"),
        ({"conv1.conv.weight": None}, "neither CLIP-ReID nor OSNet; its weights begin with"),
    ],
)
def test_weights_that_do_not_fit_are_refused(onnx_weights, tmp_path, change, problem):
    weights = as_torchreid(onnx_weights)
    torch.save({name: value for name, value in weights.items() if name not in change}, tmp_path / "osnet.pth")
    with pytest.raises(ModelError, match=problem):
        embedder(tmp_path / "osnet.pth")


class Runs:
    """A pickle that would run a command."""

    def __reduce__(self):
        return (print, ("this ran",))


@pytest.mark.parametrize("content", [{"state_dict": Runs()}, {"epoch": 3}, [1, 2]])
def test_a_checkpoint_of_anything_but_tensors_is_refused_and_runs_nothing(tmp_path, capsys, content):
    torch.save(content, tmp_path / "bad.pth")
    with pytest.raises(ModelError, match=r"bad\.pth: (cannot be read as a checkpoint|holds no tensors)"):
        embedder(tmp_path / "bad.pth")
    assert "this ran" not in capsys.readouterr().out
