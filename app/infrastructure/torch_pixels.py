"""Resizes regions and crops of frames on their device as the networks' libraries do on the host. Knows no network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn import functional

from app.infrastructure.torch_device import to_device

Filter = Literal["bilinear", "bicubic"]
SUPPORT = {"bilinear": 1.0, "bicubic": 2.0}  # pixels to either side, Pillow's Resample.c
CUBIC_A = -0.5  # Pillow's Resample.c
CROP_VALUES = 2**27  # float32 values that crops may take on their way, half a gigabyte


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a region's pixels lie in a network's input.

    Attributes:
        input: width and height of the input.
        inner: width and height of the resized region in it.
        offset: left and top of it.
        antialias: shrink as Pillow and torchvision do; False as OpenCV's INTER_LINEAR.
    """

    input: tuple[int, int]
    inner: tuple[int, int]
    offset: tuple[int, int] = (0, 0)
    antialias: bool = False

    def to_region(self, boxes: torch.Tensor, region: tuple[int, int]) -> torch.Tensor:
        """Turn (..., 4) boxes in pixels of the input into pixels of a region of that width and height."""
        sides = [
            (side - self.offset[i % 2]) * (region[i % 2] / self.inner[i % 2]) for i, side in enumerate(boxes.unbind(-1))
        ]
        return torch.stack(sides, dim=-1)


def place(regions: torch.Tensor, placement: Placement, padding: int) -> torch.Tensor:
    """Resize regions into a network's input.

    Args:
        regions: (N, h, w, 3) uint8 BGR.
        placement: where they come to lie.
        padding: value around them.

    Returns:
        (N, 3, height, width) float32 RGB, whole numbers from 0 to 255, as after a resize of 8-bit pixels.
    """
    width, height = placement.inner
    planes = regions.permute(0, 3, 1, 2)
    if planes.shape[2:] != (height, width):
        planes = functional.interpolate(
            planes.float(), (height, width), mode="bilinear", align_corners=False, antialias=placement.antialias
        )
        planes = _whole(planes)
    left, top = placement.offset
    shape = (len(planes), 3, placement.input[1], placement.input[0])
    canvas = torch.full(shape, float(padding), device=regions.device)
    canvas[:, :, top : top + height, left : left + width] = planes.flip(1)
    return canvas


def _whole(values: torch.Tensor) -> torch.Tensor:
    """Round to 8-bit values, halves up, as OpenCV and Pillow do."""
    return values.add_(0.5).floor_().clamp_(0, 255)


@dataclass(frozen=True, slots=True)
class CropPlan:
    """How a network wants its crops.

    Attributes:
        size: width and height of its input.
        filter: of the resize, always antialiased, as Pillow does it.
        fit: "squash" stretches the crop; "shortest" keeps its aspect, fills the input and cuts off what is beyond;
            "longest" keeps its aspect and pads with zeros.
        mean: of each channel, RGB, on the scale 0-1.
        deviation: likewise.
    """

    size: tuple[int, int]
    filter: Filter
    fit: Literal["squash", "shortest", "longest"]
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


def cut_crops(
    frames: torch.Tensor, row: torch.Tensor, windows: torch.Tensor, largest: tuple[int, int], plan: CropPlan
) -> torch.Tensor:
    """Cut crops out of frames and make them a network's input, all at once, on their device.

    Every output pixel is a weighted mean over one span of rows and one of columns, so all crops of a batch, whatever
    their sizes, are two matrix products.

    Args:
        frames: (F, H, W, 3) uint8 BGR.
        row: (N,) int64, frame of each crop.
        windows: (N, 4) int64 left, top, right, bottom, the last two exclusive, inside of the frame, none empty.
        largest: width and height that no window exceeds; known on the host, so that nothing waits for the device.
        plan: what the network wants.

    Returns:
        (N, 3, height, width) float32 RGB, normalised.
    """
    size = windows[:, 2:] - windows[:, :2]
    inner, offset = _inner(size, plan)
    wide, high = largest
    x = torch.arange(wide, device=frames.device).minimum(size[:, :1] - 1) + windows[:, :1]
    y = torch.arange(high, device=frames.device).minimum(size[:, 1:] - 1) + windows[:, 1:2]
    pixels = frames[row[:, None, None], y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2).flip(1).float()
    across = _weights(size[:, 0], inner[:, 0], offset[:, 0], (plan.size[0], wide), plan.filter)
    down = _weights(size[:, 1], inner[:, 1], offset[:, 1], (plan.size[1], high), plan.filter)
    narrow = _whole(pixels @ across.transpose(1, 2)[:, None])  # Pillow: columns first, in 8 bits
    images = _whole(down[:, None] @ narrow)
    mean, deviation = (
        to_device(np.array(v, np.float32), frames.device)[:, None, None] for v in (plan.mean, plan.deviation)
    )
    return (images / 255.0 - mean) / deviation


def crops_at_once(largest: tuple[int, int], plan: CropPlan) -> int:
    """Return how many crops of at most this width and height `cut_crops` may take in one call."""
    widest, highest = largest
    return max(1, CROP_VALUES // (3 * (widest * highest + highest * plan.size[0] + plan.size[0] * plan.size[1])))


def _inner(size: torch.Tensor, plan: CropPlan) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (N, 2) the size that each crop is resized to, and (N, 2) where it begins in the input, maybe below 0."""
    target = to_device(np.array(plan.size), size.device)
    if plan.fit == "squash":
        return target.expand(len(size), 2), torch.zeros_like(size)
    if plan.fit == "shortest":  # torchvision's Resize of the shorter side and CenterCrop
        least = (size * target.flip(0)).argmin(1, keepdim=True)  # the side that fills the input with the rest beyond it
        inner = size * target[least] // size.gather(1, least)
        return inner, -((inner - target) / 2.0).round().long()
    scale = (target / size).amin(1, keepdim=True)  # open_clip's ResizeKeepRatio with longest=1
    inner = (size * scale).round().long().clamp(min=1)
    return inner, (target - inner) // 2


def _weights(
    size: torch.Tensor, inner: torch.Tensor, offset: torch.Tensor, shape: tuple[int, int], kind: Filter
) -> torch.Tensor:
    """Return (N, shape[0], shape[1]): how much of each pixel of a side goes into each of the input's, as in Pillow.

    Rows outside of the resized crop are zero, and so are columns beyond the crop's own size.
    """
    scale = size / inner  # pixels of the crop for one of the result
    stretch = scale.clamp(min=1.0)  # a filter is widened where the crop shrinks
    out = torch.arange(shape[0], device=size.device) - offset[:, None]
    centre = (out + 0.5) * scale[:, None]
    source = torch.arange(shape[1], device=size.device)
    reach = (SUPPORT[kind] * stretch)[:, None]
    begin = (centre - reach + 0.5).floor().clamp(min=0)
    end = (centre + reach + 0.5).floor().minimum(size[:, None].float())
    distance = (source + 0.5 - centre[..., None]) / stretch[:, None, None]
    weights: torch.Tensor = FILTERS[kind](distance.abs())
    weights = weights * ((source >= begin[..., None]) & (source < end[..., None]))
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-6)
    return weights * ((out >= 0) & (out < inner[:, None]))[..., None]


def _triangle(x: torch.Tensor) -> torch.Tensor:
    return (1.0 - x).clamp(min=0.0)


def _cubic(x: torch.Tensor) -> torch.Tensor:
    near = ((CUBIC_A + 2.0) * x - (CUBIC_A + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * CUBIC_A
    return torch.where(x < 1.0, near, torch.where(x < 2.0, far, torch.zeros_like(x)))


FILTERS: dict[Filter, Callable[[torch.Tensor], torch.Tensor]] = {"bilinear": _triangle, "bicubic": _cubic}
