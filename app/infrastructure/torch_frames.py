"""Brings frames to the devices, once a step, for all networks that look at them. Knows no network.

Frames of one size lie in one tensor a device. Each is copied when it is first asked for: what lies on a device already
is copied there, and what lies in the host's memory through pinned memory and on a stream of its own, frame by frame, so
that the copy of earlier frames goes on while later ones are staged and a network works.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from app.domains.vocabulary import CameraId, FrameBatch, IntArray, Pixels
from app.errors import DeviceError
from app.infrastructure.torch_decoding import DevicePixels
from app.infrastructure.torch_device import told_of_loss

Shape = tuple[int, int, int]  # height, width, 3


class _Room:
    """A tensor of frames of one size that grows and is used again in every step, because taking memory costs time.

    Args:
        shape: of a frame.
        pinned: whether cards may copy from it while the program goes on.
    """

    def __init__(self, shape: Shape, *, pinned: bool) -> None:
        self._shape, self._pinned = shape, pinned
        self._frames = torch.empty((0, *shape), dtype=torch.uint8)

    def of(self, count: int) -> torch.Tensor:
        """Return room for so many frames; what lay there is lost."""
        if len(self._frames) < count:
            self._frames = torch.empty((count, *self._shape), dtype=torch.uint8, pin_memory=self._pinned)
        return self._frames[:count]


@dataclass(slots=True)
class FrameStack:
    """The frames of a batch that have one size and lie on one device.

    Attributes:
        number: of the device where they lie.
        device: that device.
        frames: positions in the batch of its rows.
        pixels: (N, height, width, 3) uint8 BGR; row i holds frame `frames[i]` once `upload` was called for it, until
            the next step.
    """

    number: int
    device: torch.device
    frames: tuple[int, ...]
    pixels: torch.Tensor
    _batch: FrameBatch
    _staging: torch.Tensor  # (N, height, width, 3) in pinned memory; for the CPU `pixels` themselves
    _copies: "torch.cuda.Stream | None"
    _there: set[int] = field(default_factory=set)

    def upload(self, rows: Sequence[int]) -> None:
        """Have these rows on the device for all that is queued there from now on; does not wait for the copy."""
        missing = [row for row in dict.fromkeys(rows) if row not in self._there]
        lying = {row: pixels for row in missing if isinstance(pixels := self._pixels_of(row), DevicePixels)}
        with torch.inference_mode():
            self._upload_from_host([row for row in missing if row not in lying])
            for row, pixels in lying.items():
                self.pixels[row].copy_(pixels.tensor, non_blocking=True)
        self._there.update(missing)

    def _upload_from_host(self, rows: Sequence[int]) -> None:
        if self._copies is None:
            for row in rows:
                np.copyto(self._staging[row].numpy(), np.asarray(self._pixels_of(row)))
        elif rows:
            with torch.cuda.stream(self._copies):
                for row in rows:
                    np.copyto(self._staging[row].numpy(), np.asarray(self._pixels_of(row)))
                    self.pixels[row].copy_(self._staging[row], non_blocking=True)
            torch.cuda.current_stream(self.device).wait_stream(self._copies)

    def _pixels_of(self, row: int) -> Pixels:
        pixels = self._batch.frames[self.frames[row]].pixels
        if pixels is None:
            raise ValueError(f"frame {self.frames[row]} of the batch has no pixels")
        return pixels


class DeviceFrames:
    """The frames of one step on their devices; whoever asks again for the same batch gets what is there already.

    Args:
        devices: cameras whose pixels lie in the host's memory are spread over them, in the order in which they are
            first seen; what lies on one of them stays there.
    """

    def __init__(self, devices: tuple[torch.device, ...]) -> None:
        self.devices = devices
        self._device_of: dict[CameraId, int] = {}
        self._copies = [torch.cuda.Stream(device) if device.type == "cuda" else None for device in devices]
        self._rooms: dict[tuple[int, Shape], _Room] = {}
        self._batch: FrameBatch | None = None
        self._stacks: list[FrameStack] = []

    def stacks(self, batch: FrameBatch) -> list[FrameStack]:
        """Return the frames of a batch that have pixels, by device and size; copies none yet.

        Raises:
            DeviceError: a device's memory does not hold them, or it is lost.
        """
        if batch is not self._batch:
            self._stacks = []  # frees the memory of the last step's
            self._stacks = self._lay_out(batch)
            self._batch = batch
        return self._stacks

    def device_number(self, camera: CameraId) -> int:
        """Return the number of the device that a camera's frames go to from the host's memory."""
        return self._device_of.setdefault(camera, len(self._device_of) % len(self.devices))

    def _lay_out(self, batch: FrameBatch) -> list[FrameStack]:
        groups: dict[tuple[int, Shape], list[int]] = {}
        for number, frame in enumerate(batch.frames):
            if frame.pixels is not None:
                device = self._device_with(frame.camera_id, frame.pixels)
                height, width, _ = frame.pixels.shape
                groups.setdefault((device, (height, width, 3)), []).append(number)
        return [self._stack(device, shape, frames, batch) for (device, shape), frames in groups.items()]

    def _device_with(self, camera: CameraId, pixels: Pixels) -> int:
        if isinstance(pixels, DevicePixels) and pixels.tensor.device in self.devices:
            return self.devices.index(pixels.tensor.device)
        return self.device_number(camera)

    def _stack(self, number: int, shape: Shape, frames: list[int], batch: FrameBatch) -> FrameStack:
        device, copies, rows = self.devices[number], self._copies[number], tuple(frames)
        room = self._rooms.setdefault((number, shape), _Room(shape, pinned=copies is not None))
        if copies is None:
            staging = room.of(len(rows))
            return FrameStack(number, device, rows, staging, batch, staging, None)
        with told_of_loss(device), torch.cuda.device(device):
            copies.synchronize()  # the last step's copies out of the same room, which are over when its boxes are there
            pixels = _taken((len(rows), *shape), device)
            copies.wait_stream(torch.cuda.current_stream(device))  # what is queued on that memory from earlier steps
            pixels.record_stream(copies)
            return FrameStack(number, device, rows, pixels, batch, room.of(len(rows)), copies)


def _taken(shape: tuple[int, int, int, int], device: torch.device) -> torch.Tensor:
    """Take memory for frames that are looked at together.

    Raises:
        DeviceError: there is not so much.
    """
    try:
        return torch.empty(shape, dtype=torch.uint8, device=device)
    except torch.OutOfMemoryError as error:
        count, height, width, _ = shape
        problem = (
            f"its memory does not hold {count} frames of {width} x {height} at once; take more cards, or fewer cameras"
        )
        raise DeviceError(str(device), problem) from error


def rows_of(stack: FrameStack, frame: IntArray) -> tuple[IntArray, IntArray]:
    """Find what belongs to a stack.

    Args:
        stack: of the batch.
        frame: (N,) positions in the batch.

    Returns:
        (M,) the entries of `frame` that are in the stack, and (M,) the row of each.
    """
    rows = np.full(max(int(frame.max(initial=0)), stack.frames[-1]) + 1, -1)
    rows[list(stack.frames)] = np.arange(len(stack.frames))
    row = rows[frame]
    taken = np.flatnonzero(row >= 0)
    return taken, row[taken]
