"""Brings frames to the devices, once a step, for all networks that look at them. Knows no network.

Frames of one size lie in one tensor a device. Each is copied when it is first asked for: through pinned memory and on a
stream of its own, so that the copy of later frames goes on while a network works on earlier ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from app.domains.vocabulary import CameraId, FrameBatch, IntArray


@dataclass(slots=True)
class FrameStack:
    """The frames of a batch that have one size and lie on one device.

    Attributes:
        number: of the device where they lie.
        device: that device.
        frames: positions in the batch of its rows.
        pixels: (N, height, width, 3) uint8 BGR; row i holds frame `frames[i]` once `upload` was called for it.
    """

    number: int
    device: torch.device
    frames: tuple[int, ...]
    pixels: torch.Tensor
    _batch: FrameBatch
    _copies: "torch.cuda.Stream | None"
    _there: set[int] = field(default_factory=set)

    def upload(self, rows: Sequence[int]) -> None:
        """Have these rows on the device for all that is queued there from now on; does not wait for the copy."""
        missing = [row for row in dict.fromkeys(rows) if row not in self._there]
        if self._copies is None:
            for row in missing:
                self._copy_into(self.pixels[row], row)
        elif missing:
            with torch.cuda.stream(self._copies):
                for row in missing:
                    pinned = torch.empty(self.pixels.shape[1:], dtype=torch.uint8, pin_memory=True)
                    self._copy_into(pinned, row)
                    self.pixels[row].copy_(pinned, non_blocking=True)
            torch.cuda.current_stream(self.device).wait_stream(self._copies)
        self._there.update(missing)

    def _copy_into(self, memory: torch.Tensor, row: int) -> None:
        pixels = self._batch.frames[self.frames[row]].pixels
        if pixels is None:
            raise ValueError(f"frame {self.frames[row]} of the batch has no pixels")
        np.copyto(memory.numpy(), pixels)


class DeviceFrames:
    """The frames of one step on their devices; whoever asks again for the same batch gets what is there already.

    Args:
        devices: cameras are spread over them, in the order in which they are first seen.
    """

    def __init__(self, devices: tuple[torch.device, ...]) -> None:
        self.devices = devices
        self._device_of: dict[CameraId, int] = {}
        self._copies = [torch.cuda.Stream(device) if device.type == "cuda" else None for device in devices]
        self._batch: FrameBatch | None = None
        self._stacks: list[FrameStack] = []

    def stacks(self, batch: FrameBatch) -> list[FrameStack]:
        """Return the frames of a batch that have pixels, by device and size; copies none yet."""
        if batch is not self._batch:
            self._stacks = []  # frees the memory of the last step's
            self._stacks = self._lay_out(batch)
            self._batch = batch
        return self._stacks

    def device_number(self, camera: CameraId) -> int:
        """Return the number of the device that a camera's frames go to."""
        return self._device_of.setdefault(camera, len(self._device_of) % len(self.devices))

    def _lay_out(self, batch: FrameBatch) -> list[FrameStack]:
        groups: dict[tuple[int, int, int], list[int]] = {}
        for number, frame in enumerate(batch.frames):
            if frame.pixels is not None:
                height, width = frame.pixels.shape[:2]
                groups.setdefault((self.device_number(frame.camera_id), height, width), []).append(number)
        return [
            FrameStack(
                device,
                self.devices[device],
                tuple(frames),
                self._room(device, (len(frames), height, width, 3)),
                batch,
                self._copies[device],
            )
            for (device, height, width), frames in groups.items()
        ]

    def _room(self, device: int, shape: tuple[int, ...]) -> torch.Tensor:
        """Take memory that the copies may write at once: what is queued on it from earlier steps comes before them."""
        copies = self._copies[device]
        if copies is None:
            return torch.empty(shape, dtype=torch.uint8)
        with torch.cuda.device(self.devices[device]):
            room = torch.empty(shape, dtype=torch.uint8, device=self.devices[device])
            copies.wait_stream(torch.cuda.current_stream(self.devices[device]))
            room.record_stream(copies)
        return room


def rows_of(stack: FrameStack, frame: IntArray) -> tuple[IntArray, IntArray]:
    """Find what belongs to a stack.

    Args:
        stack: of the batch.
        frame: (N,) positions in the batch.

    Returns:
        (M,) the entries of `frame` that are in the stack, and (M,) the row of each.
    """
    place = {number: row for row, number in enumerate(stack.frames)}
    taken = np.flatnonzero(np.isin(frame, stack.frames))
    return taken, np.array([place[int(number)] for number in frame[taken]], np.int64)
