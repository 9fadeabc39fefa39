"""Tells which adapter weights for torch belong to, and loads one copy a device. Knows no site and no camera."""

from collections.abc import Sequence
from pathlib import Path

import torch

from app.errors import ModelError
from app.infrastructure.checkpoints import read_checkpoint
from app.infrastructure.clip_embedder import OPEN_CLIP_CONFIG, Fit, OpenClipNetwork, TransformersClipNetwork
from app.infrastructure.clip_reid_embedder import ClipReidNetwork, is_clip_reid
from app.infrastructure.huggingface_folder import first_line
from app.infrastructure.model_files import HUB, ModelFile
from app.infrastructure.osnet_embedder import OsnetNetwork, is_osnet
from app.infrastructure.torch_detector import PeopleNetwork
from app.infrastructure.torch_device import Accelerator
from app.infrastructure.torch_embedder import LookNetwork


def load_people_networks(model: ModelFile, accelerator: Accelerator, size: int | None) -> Sequence[PeopleNetwork]:
    """Load a detector's network on every device.

    Args:
        model: a folder of Hugging Face, or a file of Ultralytics.
        accelerator: devices and precision.
        size: side of the input in pixels; None as the weights say.

    Raises:
        ModelError: weights that are missing or do not fit.
    """
    return [_people_network(model.path, accelerator, device, size) for device in accelerator.devices]


def _people_network(path: Path, accelerator: Accelerator, device: torch.device, size: int | None) -> PeopleNetwork:
    if path.is_dir():
        from app.infrastructure.huggingface_detector import HuggingFaceNetwork

        return HuggingFaceNetwork(path, accelerator, device, size)
    from app.infrastructure.ultralytics_detector import UltralyticsNetwork

    return UltralyticsNetwork(path, accelerator, device, size)


def load_look_networks(model: ModelFile, accelerator: Accelerator, fit: Fit | None) -> Sequence[LookNetwork]:
    """Load an embedder's network on every device.

    Args:
        model: a folder of open_clip or transformers, or a checkpoint of CLIP-ReID or OSNet.
        accelerator: devices and precision.
        fit: how crops are brought to the input's shape; None as the weights say.

    Raises:
        ModelError: weights that are missing or do not fit.
    """
    return [_look_network(model.path, accelerator, device, fit) for device in accelerator.devices]


def _look_network(path: Path, accelerator: Accelerator, device: torch.device, fit: Fit | None) -> LookNetwork:
    if (path / OPEN_CLIP_CONFIG).is_file():
        return OpenClipNetwork(path, accelerator, device, fit)
    if path.is_dir():
        return TransformersClipNetwork(path, accelerator, device, fit)
    weights = read_checkpoint(path)
    if is_clip_reid(weights):
        return ClipReidNetwork(weights, path, accelerator, device)
    if is_osnet(weights):
        return OsnetNetwork(weights, path, accelerator, device)
    raise ModelError(path, f"neither CLIP-ReID nor OSNet; its weights begin with {', '.join(list(weights)[:3])}")


def fetch_from_hub(name: str, into: Path) -> ModelFile:
    """Fetch a folder of the Hugging Face hub: configuration, safetensors and words, no code and no pickles.

    Args:
        name: hub:organisation/name, with @ and a commit's number to pin it.
        into: the models directory.

    Raises:
        ModelError: no such folder, or the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    repository, _, revision = name.removeprefix(HUB).partition("@")
    try:
        folder = snapshot_download(
            repository,
            revision=revision or None,
            local_dir=into / "hub" / repository.replace("/", "--"),
            allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model"],
        )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ModelError(name, f"cannot be fetched from the hub: {first_line(error)}") from error
    return ModelFile(repository.rpartition("/")[2], Path(folder))
