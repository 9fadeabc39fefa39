"""Finds people with a network in torch: all regions of all cameras in batches, from pixels to the boxes that stay.

The frames are resized, normalised, looked at and freed of double boxes on their device; what is left of a step comes
back in one copy a device. Knows what networks have in common, and of each no more than the protocol below.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torchvision.ops import batched_nms

from app.domains.vocabulary import CameraId, Detections, Frame, FrameBatch, IntArray, VectorArray
from app.infrastructure.regions import DetectorConfig, RegionBoxes, Regions, TilingRule, join_regions, lay_regions
from app.infrastructure.torch_compile import prepared_calls
from app.infrastructure.torch_device import Accelerator, Batches, await_results, to_device, told_of_loss
from app.infrastructure.torch_frames import DeviceFrames, FrameStack, rows_of
from app.infrastructure.torch_pixels import Placement, place

MOST_BOXES = 1000  # of a region, before suppression; a crowd fills a hundred
# Whole frames unless the site asks for tiles: at which size tiles begin to pay differs with the weights.
NO_TILES = TilingRule(above=float("inf"), shrink=1.0, whole_frame_above=0.1)


@dataclass(frozen=True, slots=True)
class NetworkTraits:
    """What the front must know of a network.

    Attributes:
        size: width and height of its largest input.
        sure: confidence above which most boxes are people.
        nms_iou: the library's own threshold of suppression; None where the network gives each person one box.
        padding: value around letterboxed pictures.
    """

    size: tuple[int, int]
    sure: float
    nms_iou: float | None
    padding: int = 114


class PeopleNetwork(Protocol):
    """One copy of a network, on one device."""

    traits: NetworkTraits

    def placement(self, region: tuple[int, int]) -> Placement:
        """Say where a region of that width and height lies in the network's input."""
        ...

    def find(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Find people in (N, 3, h, w) RGB from 0 to 1, in the network's precision.

        Returns:
            (N, K, 4) float32 boxes in pixels of the input, and (N, K) float32 confidence; 0 where there is no person.
        """
        ...


Load = Callable[[Path, Accelerator, torch.device], PeopleNetwork]


class TorchDetector:
    """Implements Detector.

    Args:
        name: of the weights.
        path: of their file or folder.
        networks: one copy for each device, in the accelerator's order.
        accelerator: devices, precision and size of a batch.
        frames: on their devices; shared with the embedder.
        config: score, suppression and tiles.

    Attributes:
        networks: as given.
        sure: confidence above which most boxes are people; where a two-stage tracker's first stage may begin.
    """

    def __init__(
        self,
        *,
        name: str,
        path: Path,
        networks: Sequence[PeopleNetwork],
        accelerator: Accelerator,
        frames: DeviceFrames,
        config: DetectorConfig,
    ) -> None:
        self.name, self.path, self.config = name, path, config
        self.networks = networks
        self._accelerator = accelerator
        self._frames = frames
        self._batches = [
            Batches(accelerator.batch, device, "picture", accelerator.faults) for device in accelerator.devices
        ]
        self._calls = prepared_calls([network.find for network in networks], accelerator, f"the detector {name}")
        self.sure = networks[0].traits.sure

    def prepare(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Get ready for frames of these widths and heights, so that no step waits for a compiler."""
        frames = [Frame(CameraId(""), 0.0, 0, size, np.empty((size[1], size[0], 3), np.uint8)) for size in sizes]
        regions = lay_regions(FrameBatch(0.0, tuple(frames)), self.networks[0].traits.size, self.config.tiles, NO_TILES)
        seen = np.unique(regions.xyxy[:, 2:] - regions.xyxy[:, :2], axis=0).tolist()
        with torch.inference_mode():
            for network, call, device in zip(self.networks, self._calls, self._accelerator.devices, strict=True):
                for width, height in seen:
                    across, down = network.placement((width, height)).input
                    call.prepare((3, down, across), self._accelerator.dtype, device)

    def detect(self, batch: FrameBatch) -> list[Detections]:
        """Return the people of every frame, surest first."""
        regions = lay_regions(batch, self.networks[0].traits.size, self.config.tiles, NO_TILES)
        with torch.inference_mode():
            table = self._find(batch, regions)
        region = table[:, 0].astype(np.int64)
        window = regions.xyxy[region].astype(np.float32)
        inside = np.clip(table[:, 1:5], np.tile(window[:, :2], 2), np.tile(window[:, 2:], 2))
        found = RegionBoxes(region, inside, table[:, 5])
        return join_regions(batch, regions, found, self.config, NO_TILES, suppressed=True)

    def _find(self, batch: FrameBatch, regions: Regions) -> VectorArray:
        """Return (M, 6) region, box in pixels of the frame, which it may leave, and confidence."""
        queued: list[list[torch.Tensor]] = [[] for _ in self.networks]
        for stack in self._frames.stacks(batch):
            queued[stack.number] += self._queue(stack, regions)
        tables = [np.zeros((0, 6), np.float32)]
        for device, rows in zip(self._accelerator.devices, queued, strict=True):
            if rows:
                with told_of_loss(device):
                    await_results(device)
                    tables.append(self._suppressed(torch.cat(rows)).cpu().numpy())
        return np.concatenate(tables)

    def _queue(self, stack: FrameStack, regions: Regions) -> list[torch.Tensor]:
        """Have a stack's regions looked at, without waiting for the result: (M, 6) tables, see `_look`."""
        taken, row = rows_of(stack, regions.frame)
        size = regions.xyxy[taken, 2:] - regions.xyxy[taken, :2]
        tables: list[torch.Tensor] = []
        for width, height in np.unique(size, axis=0).tolist():
            alike = np.flatnonzero((size == (width, height)).all(axis=1))
            ids, rows = taken[alike], row[alike]

            def look(begin: int, end: int, ids: IntArray = ids, rows: IntArray = rows) -> torch.Tensor:
                stack.upload(rows[begin:end].tolist())
                pixels = _cut(stack, rows[begin:end], regions.xyxy[ids[begin:end]])
                return self._look(stack.number, pixels, regions.xyxy[ids[begin:end]], ids[begin:end])

            tables += self._batches[stack.number].run(len(ids), look)
        return tables

    def _look(self, copy: int, pixels: torch.Tensor, windows: IntArray, ids: IntArray) -> torch.Tensor:
        """Return a table as `_find`, of all boxes in regions that lie on the device of that copy."""
        network = self.networks[copy]
        region = (pixels.shape[2], pixels.shape[1])
        placement = network.placement(region)
        images = place(pixels, placement, network.traits.padding).div_(255.0)
        boxes, confidence = self._calls[copy](images.to(self._accelerator.dtype))
        confidence, best = confidence.topk(min(MOST_BOXES, confidence.shape[1]), dim=1)
        boxes = placement.to_region(boxes.gather(1, best[..., None].expand(-1, -1, 4)), region)
        corner = to_device(np.tile(windows[:, :2], 2).astype(np.float32), boxes.device)
        number = to_device(ids.astype(np.float32), boxes.device)
        number = number[:, None].expand_as(confidence)
        return torch.cat([number[..., None], boxes + corner[:, None], confidence[..., None]], dim=2).flatten(0, 1)

    def _suppressed(self, table: torch.Tensor) -> torch.Tensor:
        """Return the rows of a (M, 6) table that are sure enough and no surer box of their region overlaps too much."""
        table = table[table[:, 5] > self.config.score]
        if self.networks[0].traits.nms_iou is None:
            return table
        # in float64, because regions are told apart by shifting their boxes far from each other's
        return table[batched_nms(table[:, 1:5].double(), table[:, 5].double(), table[:, 0].long(), self.config.nms_iou)]


def _cut(stack: FrameStack, rows: IntArray, windows: IntArray) -> torch.Tensor:
    """Return (N, h, w, 3) the regions of a stack's frames; all of one size."""
    left, top, right, bottom = windows[0].tolist()
    if (windows == windows[0]).all():
        consecutive = len(rows) == 1 or bool((np.diff(rows) == 1).all())
        frames = stack.pixels[rows[0] : rows[-1] + 1] if consecutive else stack.pixels[to_device(rows, stack.device)]
        return frames[:, top:bottom, left:right]
    tiles = zip(rows.tolist(), windows.tolist(), strict=True)
    return torch.stack([stack.pixels[row, tile[1] : tile[3], tile[0] : tile[2]] for row, tile in tiles])
