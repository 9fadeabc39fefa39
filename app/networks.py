"""Chooses the networks that find people and tell them apart, by the site file or the best present, and loads them."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.domains.detection.ports import Detector
from app.domains.reid.likelihood import CosinePrior
from app.domains.reid.ports import Embedder, VectorIndex
from app.domains.vocabulary import CameraId, Crops, FrameBatch
from app.errors import ModelError
from app.infrastructure.faiss_index import FaissIndex
from app.infrastructure.hsv_embedder import HsvEmbedder
from app.infrastructure.model_files import (
    DETECTORS,
    HUB,
    WHEEL_DETECTOR,
    ModelFile,
    default_detector,
    default_embedder,
    find_model,
    models_directory,
)
from app.infrastructure.mot_detections import RecordedDetector, RecordedEmbedder, Recording
from app.infrastructure.openvino_detector import OpenVINODetector
from app.infrastructure.openvino_embedder import OpenVINOEmbedder
from app.infrastructure.regions import NMS_IOU, DetectorConfig
from app.infrastructure.tiling import Tiles
from app.orchestration.ports import TextEncoder
from app.settings import AcceleratorSettings, DetectorSettings, Runtime, SiteFile

if TYPE_CHECKING:
    from app.infrastructure.torch_detector import TorchDetector
    from app.infrastructure.torch_device import Accelerator
    from app.infrastructure.torch_embedder import TorchEmbedder
    from app.infrastructure.torch_frames import DeviceFrames

Prepare = Callable[[Collection[tuple[int, int]]], None]
UNNAMED = ("recorded boxes", "none")  # what finds people and tells them apart where no network does
MODELS_HINT = "--models DIR or SPOTON_MODELS_DIR"


@dataclass(frozen=True, slots=True)
class Networks:
    """What finds people and what tells them apart.

    Attributes:
        sure: detector confidence from which the tracker's first stage takes a box; None for the site's own setting.
        cosines: how the embedder spreads its cosines.
        notes: lines that the user should read: which network was chosen, and why.
        names: what finds people and what tells them apart, in a few words.
        accelerator: where networks in torch run; None if none of them does.
        preparing: of the networks that compile their calls; see `prepare`.
    """

    detector: Detector
    embedder: Embedder | None
    sure: float | None
    cosines: CosinePrior
    notes: tuple[str, ...]
    names: tuple[str, str]
    accelerator: "Accelerator | None" = None
    preparing: tuple[Prepare, ...] = ()

    def prepare(self, sizes: Collection[tuple[int, int]]) -> None:
        """Compile what the site wants compiled, for frames of these widths and heights; takes up to minutes."""
        for prepare in self.preparing:
            prepare(sizes)

    def dimension(self) -> int:
        """Return the length of the embedder's vectors; 1 without embedder, for an index that stays empty."""
        if self.embedder is None:
            return 1
        nothing = Crops(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 4), np.float32))
        return int(self.embedder.embed(FrameBatch(0.0, ()), nothing).vectors.shape[1])

    def device_faults(self) -> dict[str, int]:
        """Return how often something was wrong with a device that the run got over, by what it was."""
        return {} if self.accelerator is None else dict(self.accelerator.faults)

    def text_encoder(self) -> TextEncoder | None:
        """Return what turns words into vectors that may be compared with the embedder's; None where nothing does."""
        (copy, *_) = getattr(self.embedder, "networks", (None,))
        return copy if isinstance(copy, TextEncoder) else None

    def index(self) -> VectorIndex:
        """Return an empty index for the embedder's vectors, on the first card where networks run on cards."""
        if self.accelerator is None or not self.accelerator.on_cards():
            return FaissIndex(self.dimension())
        from app.infrastructure.faiss_gpu_index import FaissGpuIndex

        return FaissGpuIndex(self.dimension(), self.accelerator.devices[0])


class _TorchParts:
    """What networks in torch share; torch is imported when the first of them is chosen.

    Args:
        settings: the site's.
    """

    def __init__(self, settings: AcceleratorSettings) -> None:
        self._settings = settings
        self.wanted = False
        self.preparing: list[Prepare] = []

    @cached_property
    def accelerator(self) -> "Accelerator":
        """Devices and precision."""
        from app.infrastructure.torch_device import open_accelerator

        self.wanted = True
        settings = self._settings
        return open_accelerator(settings.devices, settings.precision, settings.batch, settings.compile)

    def opened_for(self, model: ModelFile) -> "tuple[Accelerator, DeviceFrames]":
        """Return both parts.

        Raises:
            ModelError: torch is not installed; names the weights that need it.
            DeviceError: a card that is not there.
        """
        try:
            return self.accelerator, self.frames
        except ImportError as error:
            problem = f"needs {error.name}, which is not installed; uv sync --extra gpu --no-group cpu brings it"
            raise ModelError(model.path, problem) from error

    @cached_property
    def frames(self) -> "DeviceFrames":
        """The frames of a step, which detector and embedder look at without copying them twice."""
        from app.infrastructure.torch_frames import DeviceFrames

        return DeviceFrames(self.accelerator.devices)


def build_networks(site_file: SiteFile, recordings: Mapping[CameraId, Recording], models_dir: Path | None) -> Networks:
    """Load the detector and the embedder that the site asks for, or the best that are present.

    Raises:
        ModelError: weights that are missing or do not fit.
        DeviceError: a card that is not there.
    """
    site, torch = site_file.site, _TorchParts(site_file.site.accelerator)
    notes: list[str] = []
    detector: Detector | None = None
    embedder: Embedder | None = None
    sure, cosines, names = None, CosinePrior(), UNNAMED
    if len(recordings) < len(site.cameras):
        with _named("detector"):
            found = _build_detector(site_file, models_dir, torch, notes.append)
        with _named("embedder"):
            embedder = _build_embedder(site_file, models_dir, torch, notes.append)
        detector, sure = found, found.sure
        names = (found.name, "none" if embedder is None else embedder.name)
        cosines = cosines if embedder is None else CosinePrior(*embedder.cosines)
    elif site.embedder.model != "none" and any(r.embeddings is not None for r in recordings.values()):
        notes.append("embedder: none needed, appearance comes from the recorded embeddings")
    if recordings:
        recorded = any(recording.embeddings is not None for recording in recordings.values())
        detector = RecordedDetector(recordings, detector)
        if embedder is not None or (recorded and site.embedder.model != "none"):
            embedder = RecordedEmbedder(recordings, embedder)
        which = "all" if len(recordings) == len(site.cameras) else f"{len(recordings)} of {len(site.cameras)}"
        notes.append(f"detector: none needed for {which} cameras, their boxes are recorded")
    if detector is None:
        raise ValueError("a site without cameras has no detector")
    if embedder is None:
        notes.append("embedder: none; identities follow from where people are, not from how they look")
    accelerator = torch.accelerator if torch.wanted else None
    if accelerator is not None:
        notes.append(f"accelerator: {accelerator.describe()}")
    return Networks(detector, embedder, sure, cosines, tuple(notes), names, accelerator, tuple(torch.preparing))


@contextmanager
def _named(part: str) -> Iterator[None]:
    """Say in errors which network the weights were meant for."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{part} {error.path}", error.problem) from error


def _build_detector(
    site_file: SiteFile, models_dir: Path | None, torch: _TorchParts, note: Callable[[str], None]
) -> "OpenVINODetector | TorchDetector":
    settings = site_file.site.detector
    if settings.model is None:
        model, reason = default_detector(models_dir)
        note(reason)
        if model.name == WHEEL_DETECTOR:
            note(f"better detectors: put {' or '.join(DETECTORS[:-1])} in a folder and name it by {MODELS_HINT}")
    else:
        model = _find(settings.model, site_file, models_dir)
        note(f"detector: {model.name} from {model.path.parent}")
    if _runtime(model, settings.runtime) == "openvino":
        return OpenVINODetector(model, _detector_config(settings, NMS_IOU))
    accelerator, frames = torch.opened_for(model)
    from app.infrastructure.torch_detector import TorchDetector
    from app.infrastructure.torch_networks import load_people_networks

    networks = load_people_networks(model, accelerator, settings.image_size)
    detector = TorchDetector(
        name=model.name,
        path=model.path,
        networks=networks,
        accelerator=accelerator,
        frames=frames,
        config=_detector_config(settings, networks[0].traits.nms_iou or NMS_IOU),
    )
    torch.preparing.append(detector.prepare)
    return detector


def _detector_config(settings: DetectorSettings, nms_iou: float) -> DetectorConfig:
    default, tiles = DetectorConfig(), settings.tiles
    return replace(
        default,
        score=default.score if settings.score is None else settings.score,
        nms_iou=nms_iou if settings.nms_iou is None else settings.nms_iou,
        min_height=settings.min_height,
        tiles=tiles if tiles is None or tiles == "auto" else Tiles(tiles.size, tiles.overlap),
    )


def _build_embedder(
    site_file: SiteFile, models_dir: Path | None, torch: _TorchParts, note: Callable[[str], None]
) -> "HsvEmbedder | OpenVINOEmbedder | TorchEmbedder | None":
    settings = site_file.site.embedder
    if settings.model == "none":
        return None
    if settings.model is None:
        model, reason = default_embedder(models_dir)
        note(reason)
    else:
        model = None if settings.model == "hsv" else _find(settings.model, site_file, models_dir)
        note("embedder: hsv" if model is None else f"embedder: {model.name} from {model.path.parent}")
    if model is None:
        return HsvEmbedder()
    if _runtime(model, settings.runtime) == "openvino":
        return OpenVINOEmbedder(model)
    accelerator, frames = torch.opened_for(model)
    from app.infrastructure.torch_embedder import TorchEmbedder
    from app.infrastructure.torch_networks import load_look_networks

    networks = load_look_networks(model, accelerator, settings.fit)
    embedder = TorchEmbedder(
        name=model.name, path=model.path, networks=networks, accelerator=accelerator, frames=frames
    )
    torch.preparing.append(embedder.prepare)
    return embedder


def _find(name: str, site_file: SiteFile, models_dir: Path | None) -> ModelFile:
    """Find weights by name or path, or on the hub where the site allows it."""
    if not name.startswith(HUB):
        return find_model(name, models_dir, site_file.path.parent)
    if not site_file.site.accelerator.hub:
        raise ModelError(name, "the hub is off; set accelerator.hub: true, or name a folder of this machine")
    from app.infrastructure.torch_networks import fetch_from_hub

    return fetch_from_hub(name, models_directory(models_dir))


def _runtime(model: ModelFile, wanted: Runtime) -> Runtime:
    """Settle what runs the weights."""
    if wanted == "openvino" and model.runtime == "torch":
        raise ModelError(model.path, "OpenVINO does not read it; set runtime: torch or auto")
    return model.runtime if wanted == "auto" else wanted
