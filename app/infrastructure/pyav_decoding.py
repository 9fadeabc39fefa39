"""Where PyAV decodes pictures, and how they become pixels. Knows no container and no kind of camera.

The host's way is here; that of cards is in torch_decoding.py, because it needs torch.
"""

from typing import Protocol

import av
import numpy as np
from av.codec.hwaccel import HWAccel

from app.domains.vocabulary import CameraId, Pixels


class Decoding(Protocol):
    """What sources ask for pixels; one for all cameras that are decoded in one place, called by their threads at once.

    Attributes:
        hardware: what `av.open` is told; None decodes on the CPU.
    """

    hardware: HWAccel | None

    def pixels(self, camera_id: CameraId, picture: av.VideoFrame) -> Pixels:
        """Turn a decoded picture into pixels.

        Raises:
            CameraUnavailable: there is no room for them now.
            DeviceError: the card is lost.
        """
        ...


class HostDecoding:
    """Implements Decoding on the CPU, with pixels in the host's memory."""

    hardware: HWAccel | None = None

    def pixels(self, _camera_id: CameraId, picture: av.VideoFrame) -> Pixels:
        """Turn a decoded picture into an array."""
        return np.asarray(picture.to_ndarray(format="bgr24"), dtype=np.uint8)


HOST_DECODING = HostDecoding()  # has no state
