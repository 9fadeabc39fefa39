"""Pictures decoded by a card's own decoder (NVDEC) that stay on the card, for PyAVSource and LiveSource.

FFmpeg decodes into the card's memory, PyAV hands the planes over without copying them (DLPack), and torch turns them
into BGR there. What the decoder does not take is decoded on the CPU, its planes are copied to the card, and all else is
the same; so the same code runs with `cpu` for a device. Knows pictures; nothing of containers, cameras and networks.

All is queued on the device's default stream, as FFmpeg's own work is: what is queued there later finds the pixels.
"""

import logging
from collections.abc import Sequence
from typing import Any

import av
import numpy as np
import torch
from av.codec.hwaccel import HWAccel
from numpy.typing import DTypeLike, NDArray

from app.domains.vocabulary import CameraId, Pixels
from app.errors import CameraUnavailable, DeviceError
from app.infrastructure.huggingface_folder import first_line
from app.infrastructure.torch_device import to_device, told_of_loss

_log = logging.getLogger(__name__)
ON_CARD = "cuda"  # FFmpeg's name for a picture whose planes lie on a card
SEMI_PLANAR = ("nv12", "p010le")  # a plane of luma, and one of both chromas at half the size; p010le in 16 bits
PLANAR = ("yuv420p", "yuvj420p")  # a plane for each
FULL_RANGE = 2  # AVCOL_RANGE_JPEG
# The shares of red and blue in luma (ITU-R H.273, table 4) by FFmpeg's number; what names none is taken for BT.601, as
# libswscale takes it.
LUMA_SHARES = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
BT601 = (0.299, 0.114)


class DevicePixels:
    """Implements Pixels on a device.

    Args:
        tensor: (height, width, 3) uint8 BGR, written by what is queued on its device's default stream.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor
        self._host: NDArray[np.uint8] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and 3."""
        return tuple(self.tensor.shape)

    def __array__(self, dtype: DTypeLike | None = None, /, *, copy: bool | None = None) -> NDArray[Any]:
        """Return the pixels in the host's memory, copied there once."""
        if self._host is None:
            self._host = self.tensor.cpu().numpy()
        return np.array(self._host, dtype) if copy else np.asarray(self._host, dtype)


class TorchDecoding:
    """Implements Decoding on a device.

    Says so once for each camera that the card does not decode.

    Args:
        device: where pixels come to lie.

    Raises:
        DeviceError: FFmpeg cannot use the card.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._on_card = device.type == "cuda"
        if self._on_card:
            self._try_card()
        self._told: set[CameraId] = set()
        self._weights: dict[tuple[int, bool], tuple[float, torch.Tensor, torch.Tensor]] = {}

    def hardware(self) -> HWAccel | None:
        """Return what has FFmpeg decode on the card, and make torch's context there the calling thread's.

        FFmpeg takes the thread's context: it refuses to share the card's primary one when torch was there first.

        Raises:
            DeviceError: the card is lost.
        """
        if not self._on_card:
            return None
        with told_of_loss(self.device):
            torch.cuda.set_device(self.device)
            torch.zeros(1, device=self.device)
        context: dict[str, object] = {"primary_ctx": "0", "current_ctx": "1"}
        return HWAccel("cuda", self.device.index or 0, allow_software_fallback=True, options=context, is_hw_owned=True)

    def _try_card(self) -> None:
        try:
            with torch.cuda.device(self.device):
                av.CodecContext.create("h264", "r", hwaccel=self.hardware())
        except (av.FFmpegError, NotImplementedError, RuntimeError) as error:
            problem = f"FFmpeg cannot decode on it ({first_line(error)}); accelerator.decode: cpu decodes on the CPU"
            raise DeviceError(str(self.device), problem) from error

    def pixels(self, camera_id: CameraId, picture: av.VideoFrame) -> Pixels:
        """Turn a decoded picture into pixels on the device.

        Raises:
            CameraUnavailable: the device's memory is full.
            DeviceError: the card is lost.
        """
        if self._on_card and picture.format.name != ON_CARD:
            self._tell_once(camera_id, picture)
        try:
            with told_of_loss(self.device), torch.inference_mode():
                return DevicePixels(self._bgr(picture))
        except torch.OutOfMemoryError as error:
            problem = f"the memory of {self.device} does not hold its pictures; set accelerator.decode: cpu"
            raise CameraUnavailable(camera_id, problem) from error

    def _tell_once(self, camera_id: CameraId, picture: av.VideoFrame) -> None:
        if camera_id not in self._told:
            self._told.add(camera_id)
            _log.warning(
                "camera %s: decoded on the CPU, because the decoder of %s does not take it (%s, %dx%d)",
                camera_id,
                self.device,
                picture.format.name,
                picture.width,
                picture.height,
            )

    def _bgr(self, picture: av.VideoFrame) -> torch.Tensor:
        kind = picture.format if picture.sw_format is None else picture.sw_format
        if kind.name not in SEMI_PLANAR + PLANAR or picture.width % 2 or picture.height % 2:
            array = np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)
            return self._there([torch.from_numpy(array)])[0]
        planes = [torch.from_dlpack(plane.__dlpack__()) for plane in picture.planes]
        luma, *chromas = planes if planes[0].device.type == "cuda" else self._there(planes)
        chroma = chromas[0] if len(chromas) == 1 else torch.stack(chromas, dim=-1)
        scale, weights, offset = self._weights_of(picture, kind.name)
        step = 1.0 if luma.dtype == torch.uint8 else 1.0 / 256.0  # of p010le, which holds its bits at the top
        half = (picture.height // 2, picture.width // 2)
        tints = torch.addmm(offset, chroma.float().reshape(-1, 2), weights, alpha=step)
        light = luma.float().mul(scale * step).view(half[0], 2, half[1], 2, 1)
        return (light + tints.view(half[0], 1, half[1], 1, 3)).clamp_(0, 255).to(torch.uint8).view(*luma.shape, 3)

    def _there(self, planes: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Copy planes from the host's memory to the device, in one copy."""
        sizes = [plane.numel() for plane in planes]
        packed = torch.empty(sum(sizes), dtype=planes[0].dtype, pin_memory=self.device.type == "cuda")
        for part, plane in zip(packed.split(sizes), planes, strict=True):
            part.view(plane.shape).copy_(plane)
        there = packed.to(self.device, non_blocking=True)
        return [part.view(plane.shape) for part, plane in zip(there.split(sizes), planes, strict=True)]

    def _weights_of(self, picture: av.VideoFrame, kind: str) -> tuple[float, torch.Tensor, torch.Tensor]:
        """Return the factor of luma, the (2, 3) of both chromas for blue, green and red, and the (3,) that is added."""
        full = picture.color_range == FULL_RANGE or kind.startswith("yuvj")
        key = (int(picture.colorspace), full)
        if key not in self._weights:
            scale, weights, offset = bgr_weights(*LUMA_SHARES.get(key[0], BT601), full=full)
            self._weights[key] = scale, to_device(weights.numpy(), self.device), to_device(offset.numpy(), self.device)
        return self._weights[key]


def bgr_weights(red: float, blue: float, *, full: bool) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Return what turns 8-bit luma and chroma into BGR (ITU-R H.273, equations 38 to 43), rounding included.

    Args:
        red: share of red in luma.
        blue: share of blue.
        full: whether values fill all of 0 to 255, and not 16 to 235 and 240.

    Returns:
        The factor of luma, (2, 3) factors of both chromas for blue, green and red, and (3,) what is added.
    """
    scale, reach, black = (1.0, 1.0, 0.0) if full else (255 / 219, 255 / 224, 16.0)
    green = 1.0 - red - blue
    to_blue, to_red = 2 * (1 - blue) * reach, 2 * (1 - red) * reach
    weights = torch.tensor([[to_blue, -to_blue * blue / green, 0.0], [0.0, -to_red * red / green, to_red]])
    return scale, weights, 0.5 - black * scale - 128.0 * weights.sum(dim=0)
