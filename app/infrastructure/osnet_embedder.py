"""OSNet (Zhou et al., ICCV 2019) as one of the networks behind TorchEmbedder, from a checkpoint of torchreid.

The width follows from the weights; batch normalisation is folded into the convolutions. Knows nothing of frames.
"""

from pathlib import Path

import torch
from torch.nn import functional

from app.errors import ModelError
from app.infrastructure.openvino_embedder import IMAGENET_DEVIATION, IMAGENET_MEAN, ONNX_COSINES
from app.infrastructure.torch_device import Accelerator
from app.infrastructure.torch_pixels import CropPlan

SIZE = (128, 256)  # width and height that torchreid's networks are trained with
EPSILON = 1e-5  # of torch's batch normalisation
STREAMS = {"conv2a": 1, "conv2b": 2, "conv2c": 3, "conv2d": 4}  # how many light convolutions follow each other
BLOCKS = {"conv2": 2, "conv3": 2, "conv4": 2}


def is_osnet(weights: dict[str, torch.Tensor]) -> bool:
    """Say whether a checkpoint's names are those of OSNet."""
    return "conv2.0.conv2a.conv1.weight" in weights and "conv1.conv.weight" in weights


class OsnetNetwork:
    """Implements LookNetwork.

    Args:
        weights: by torchreid's names; the classifier is left aside.
        path: named in errors.
        accelerator: precision.
        device: where it runs.

    Raises:
        ModelError: the weights are of a variant with instance normalisation, or one is missing.
    """

    def __init__(
        self, weights: dict[str, torch.Tensor], path: Path, accelerator: Accelerator, device: torch.device
    ) -> None:
        if "conv1.bn.running_mean" not in weights or any(".IN." in name for name in weights):
            raise ModelError(path, "an OSNet with instance normalisation (ibn, ain); SpotOn has the plain one")
        self._layers: dict[str, tuple[torch.Tensor, torch.Tensor | None]] = {}
        try:
            for name, (weight, bias) in _folded(weights).items():
                on_device = None if bias is None else bias.to(device, accelerator.dtype)
                self._layers[name] = weight.to(device, accelerator.dtype), on_device
        except KeyError as error:
            raise ModelError(path, f"an OSNet without {error.args[0]}; fetch it again") from error
        self.plan = CropPlan(SIZE, "bilinear", "squash", _share(IMAGENET_MEAN), _share(IMAGENET_DEVIATION))
        self.cosines = ONNX_COSINES
        self.dimension = len(self._layers["fc"][0])

    def look(self, images: torch.Tensor) -> torch.Tensor:
        """Turn pictures into vectors."""
        x = functional.relu(self._convolve("conv1", images, stride=2, padding=3))
        x = functional.max_pool2d(x, 3, stride=2, padding=1)
        for stage, blocks in BLOCKS.items():
            for number in range(blocks):
                x = self._block(f"{stage}.{number}", x)
            if f"{stage}.{blocks}.0" in self._layers:
                x = functional.avg_pool2d(functional.relu(self._convolve(f"{stage}.{blocks}.0", x)), 2)
        x = functional.relu(self._convolve("conv5", x)).mean(dim=(2, 3))
        return functional.relu(functional.linear(x, *self._layers["fc"]))

    def _block(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """Join streams of several scales, each weighed channel by channel."""
        inner = functional.relu(self._convolve(f"{name}.conv1", x))
        joined = torch.zeros_like(inner)
        for stream, length in STREAMS.items():
            y = inner
            for number in range(length):
                part = f"{name}.{stream}" if length == 1 else f"{name}.{stream}.{number}"
                y = self._convolve(f"{part}.conv1", y)
                y = functional.relu(self._convolve(f"{part}.conv2", y, padding=1, groups=y.shape[1]))
            gate = functional.relu(self._convolve(f"{name}.gate.fc1", y.mean(dim=(2, 3), keepdim=True)))
            joined = joined + y * self._convolve(f"{name}.gate.fc2", gate).sigmoid()
        shortcut = self._convolve(f"{name}.downsample", x) if f"{name}.downsample" in self._layers else x
        return functional.relu(self._convolve(f"{name}.conv3", joined) + shortcut)

    def _convolve(self, name: str, x: torch.Tensor, stride: int = 1, padding: int = 0, groups: int = 1) -> torch.Tensor:
        weight, bias = self._layers[name]
        return functional.conv2d(x, weight, bias, stride, padding, groups=groups)


def _share(levels: tuple[float, float, float]) -> tuple[float, float, float]:
    red, green, blue = levels
    return red / 255, green / 255, blue / 255


def _folded(weights: dict[str, torch.Tensor]) -> dict[str, tuple[torch.Tensor, torch.Tensor | None]]:
    """Return weight and bias of each layer, with the normalisation that follows it worked in."""
    layers: dict[str, tuple[torch.Tensor, torch.Tensor | None]] = {}
    for name, weight in weights.items():
        place, _, kind = name.rpartition(".")
        if kind != "weight" or weight.ndim != 4:
            continue
        owner, _, layer = place.rpartition(".")
        if layer in ("fc1", "fc2"):  # of a gate
            layers[place] = weight, weights[f"{place}.bias"]
        elif layer == "conv":
            layers[owner] = _normalised(weight, None, f"{owner}.bn", weights)
        elif layer == "conv2" and weight.shape[1] == 1:  # the depthwise half of a light convolution
            layers[place] = _normalised(weight, None, f"{owner}.bn", weights)
        else:
            layers[place] = weight, None
    layers["fc"] = _normalised(weights["fc.0.weight"], weights["fc.0.bias"], "fc.1", weights)
    return layers


def _normalised(
    weight: torch.Tensor, bias: torch.Tensor | None, norm: str, weights: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    gain = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + EPSILON).sqrt()
    before = -weights[f"{norm}.running_mean"] if bias is None else bias - weights[f"{norm}.running_mean"]
    return weight * gain.reshape(-1, *[1] * (weight.ndim - 1)), weights[f"{norm}.bias"] + before * gain
