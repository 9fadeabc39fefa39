"""Describes how people look with a network in torch: crops are cut from the frames that lie on the devices already.

Knows what networks have in common, and of each no more than the protocol below; nothing of identities.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from app.domains.vocabulary import Crops, Embeddings, FrameBatch, IntArray, VectorArray
from app.infrastructure.crops import has_pixels, visible_windows
from app.infrastructure.torch_compile import prepared_calls
from app.infrastructure.torch_device import Accelerator, Batches, await_results, to_device, told_of_loss
from app.infrastructure.torch_frames import DeviceFrames, FrameStack, rows_of
from app.infrastructure.torch_pixels import CropPlan, crops_at_once, cut_crops

Cosines = tuple[float, float, float, float]  # mean and deviation for one person across cameras, and for two people


class LookNetwork(Protocol):
    """One copy of a network, on one device.

    Attributes:
        plan: how it wants its crops.
        dimension: length D of its vectors.
        cosines: how its cosines spread.
    """

    plan: CropPlan
    dimension: int
    cosines: Cosines

    def look(self, images: torch.Tensor) -> torch.Tensor:
        """Turn (N, 3, height, width), normalised, in the network's precision, into (N, D), not yet of length one."""
        ...


class TorchEmbedder:
    """Implements Embedder. A crop's vector does not depend on the crops beside it.

    Args:
        name: of the weights.
        path: of their file or folder.
        networks: one copy for each device, in the accelerator's order.
        accelerator: devices, precision and size of a batch.
        frames: on their devices; shared with the detector.

    Attributes:
        networks: as given.
        dimension: length D of the vectors.
        cosines: mean and deviation of the cosine of a crop and the mean of one person's others, and of a stranger's.
    """

    def __init__(
        self, *, name: str, path: Path, networks: Sequence[LookNetwork], accelerator: Accelerator, frames: DeviceFrames
    ) -> None:
        self.name, self.path = name, path
        self.dimension = networks[0].dimension
        self.cosines = networks[0].cosines
        self.networks = networks
        self._accelerator = accelerator
        self._frames = frames
        self._calls = prepared_calls([network.look for network in networks], accelerator, f"the embedder {name}")
        self._batches = [
            Batches(accelerator.batch, device, "crop", accelerator.faults) for device in accelerator.devices
        ]

    def prepare(self, _sizes: Iterable[tuple[int, int]]) -> None:
        """Get ready for crops, so that no step waits for a compiler."""
        width, height = self.networks[0].plan.size
        with torch.inference_mode():
            for call, device in zip(self._calls, self._accelerator.devices, strict=True):
                call.prepare((3, height, width), self._accelerator.dtype, device)

    def embed(self, batch: FrameBatch, crops: Crops) -> Embeddings:
        """Return one unit vector per crop, row for row; zeros where the crop shows no pixel."""
        with torch.inference_mode():
            return Embeddings(self._vectors(batch, crops))

    def _vectors(self, batch: FrameBatch, crops: Crops) -> VectorArray:
        windows = visible_windows(batch, crops)
        seen = has_pixels(windows)
        vectors = np.zeros((len(crops), self.dimension), np.float32)
        queued: list[tuple[torch.device, IntArray, list[torch.Tensor]]] = []
        for stack in self._frames.stacks(batch) if len(seen) else []:
            taken, row = rows_of(stack, crops.frame[seen])
            if len(taken):
                queued.append((stack.device, seen[taken], self._queue(stack, row, windows[seen[taken]])))
        for device, rows, parts in queued:
            with told_of_loss(device):
                await_results(device)
                vectors[rows] = torch.cat(parts).cpu().numpy()
        return vectors

    def _queue(self, stack: FrameStack, row: IntArray, windows: IntArray) -> list[torch.Tensor]:
        """Have a stack's crops looked at, without waiting for the result: (n, D) unit vectors in their order."""
        network, call = self.networks[stack.number], self._calls[stack.number]
        widest, highest = (windows[:, 2:] - windows[:, :2]).max(axis=0).tolist()
        largest = (widest, highest)
        stack.upload(row.tolist())
        rows, where = (to_device(a, stack.device) for a in (row, windows))

        def look(begin: int, end: int) -> torch.Tensor:
            images = cut_crops(stack.pixels, rows[begin:end], where[begin:end], largest, network.plan)
            return functional.normalize(call(images.to(self._accelerator.dtype)).float(), dim=1)

        return self._batches[stack.number].run(len(row), look, crops_at_once(largest, network.plan))


def as_vectors(tensor: torch.Tensor) -> VectorArray:
    """Return (N, D) as float32 unit vectors on the host."""
    return np.asarray(functional.normalize(tensor.float(), dim=1).cpu().numpy(), np.float32)
