"""Chooses where cameras' pictures are decoded and encoded: on the CPU, or on the cards that the networks run on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.errors import ConfigError, DeviceError
from app.infrastructure.jpeg_encoder import OpenCVJpegEncoder
from app.infrastructure.pyav_decoding import HOST_DECODING, Decoding
from app.orchestration.ports import JpegEncoder
from app.settings import SiteFile


@dataclass(frozen=True, slots=True)
class PictureCodecs:
    """What decodes and encodes pictures.

    Attributes:
        decodings: one for each device; cameras are spread over them in the site's order.
        encoder: of pictures for viewers.
        notes: lines that the user should read.
    """

    decodings: Sequence[Decoding] = (HOST_DECODING,)
    encoder: JpegEncoder = field(default_factory=OpenCVJpegEncoder)
    notes: tuple[str, ...] = ()

    def decoding(self, position: int) -> Decoding:
        """Return what decodes the pictures of the site's camera number `position`."""
        return self.decodings[position % len(self.decodings)]


def build_codecs(site_file: SiteFile) -> PictureCodecs:
    """Take the site's cards where it asks for them and they can; else the CPU, and say why.

    Raises:
        ConfigError: cards are asked for, and torch is not installed.
        DeviceError: a card that is not there.
    """
    settings = site_file.site.accelerator
    if settings.decode != "card":  # auto is the CPU until it was measured on a card
        return PictureCodecs()
    try:
        from app.infrastructure.torch_decoding import TorchDecoding
        from app.infrastructure.torch_device import open_accelerator
        from app.infrastructure.torch_jpeg_encoder import TorchJpegEncoder
    except ImportError as error:
        problem = f"card needs {error.name}, which is not installed; uv sync --extra gpu --no-group cpu brings it"
        raise ConfigError(site_file.path, "accelerator.decode", problem) from error
    accelerator = open_accelerator(settings.devices, settings.precision, settings.batch)
    if not accelerator.on_cards():
        return PictureCodecs(notes=("decode: on the CPU, because no card is in use",))
    try:
        decodings = [TorchDecoding(device) for device in accelerator.devices]
    except DeviceError as error:
        return PictureCodecs(notes=(f"decode: on the CPU; {error}",))
    where = ", ".join(str(device) for device in accelerator.devices)
    return PictureCodecs(decodings, TorchJpegEncoder(OpenCVJpegEncoder()), (f"decode: on {where}",))
