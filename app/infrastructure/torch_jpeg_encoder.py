"""JPEGs for viewers of pictures that lie on a card, made there (nvJPEG); what lies on the host is left to its encoder.

Only the JPEG crosses to the host. torchcodec encodes, because torchvision is about to lose its own encoder. Knows no
viewer and no box.
"""

import torch
from torch.nn import functional
from torchcodec.encoders import JpegEncoder as TorchCodecEncoder

from app.domains.vocabulary import Pixels
from app.infrastructure.jpeg_encoder import QUALITY, fitted_size
from app.infrastructure.torch_decoding import DevicePixels
from app.infrastructure.torch_device import told_of_loss
from app.orchestration.ports import JpegEncoder


class TorchJpegEncoder:
    """A JpegEncoder for pixels of both kinds; torch lets go of the interpreter's lock, so threads encode side by side.

    Args:
        host: for pixels in the host's memory, and where the card's memory is full.
        quality: of the JPEG, 1 to 100.
    """

    def __init__(self, host: JpegEncoder, quality: int = QUALITY) -> None:
        self._host, self._quality = host, quality

    def encode(self, pixels: Pixels, width: int) -> bytes:
        """Return pixels as a JPEG, scaled down to `width` pixels where they are wider.

        Raises:
            DeviceError: the card is lost.
        """
        if not isinstance(pixels, DevicePixels):
            return self._host.encode(pixels, width)
        try:
            return self._encode(pixels.tensor, width)
        except torch.OutOfMemoryError:
            return self._host.encode(pixels, width)

    def _encode(self, tensor: torch.Tensor, width: int) -> bytes:
        with torch.inference_mode(), torch.cuda.device_of(tensor), told_of_loss(tensor.device):
            planes = tensor.permute(2, 0, 1).flip(0)  # RGB
            if (size := fitted_size(tuple(tensor.shape), width)) is not None:
                fitted = functional.interpolate(planes[None].float(), size[::-1], mode="area")
                planes = fitted[0].add_(0.5).clamp_(0, 255).to(torch.uint8)
            jpeg: torch.Tensor = TorchCodecEncoder(planes.contiguous()).to_tensor(quality=self._quality)
            return bytes(jpeg.cpu().numpy().data)
