"""Where PyAV decodes pictures, and how they become pixels. Knows no container and no kind of camera.

The host's way is here; that of cards is in torch_decoding.py, because it needs torch.
"""

from typing import Protocol

import av
import numpy as np
from av.codec.hwaccel import HWAccel

from app.domains.vocabulary import CameraId, Pixels


class Decoding(Protocol):
    """What sources ask for pixels; one for all cameras decoded in one place, called by their threads at once."""

    def hardware(self) -> HWAccel | None:
        """Return what the calling thread is to tell `av.open`; None decodes on the CPU."""
        ...

    def pixels(self, camera_id: CameraId, picture: av.VideoFrame) -> Pixels:
        """Turn a decoded picture into pixels.

        Raises:
            CameraUnavailable: there is no room for them now.
            DeviceError: the card is lost.
        """
        ...


class HostDecoding:
    """Implements Decoding on the CPU, with pixels in the host's memory."""

    def hardware(self) -> HWAccel | None:
        """Return None."""
        return None

    def pixels(self, _camera_id: CameraId, picture: av.VideoFrame) -> Pixels:
        """Turn a decoded picture into an array."""
        return np.asarray(picture.to_ndarray(format="bgr24"), dtype=np.uint8)


HOST_DECODING = HostDecoding()  # has no state
