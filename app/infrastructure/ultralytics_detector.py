"""Runs Ultralytics' YOLO and RT-DETR as one of the networks behind TorchDetector. Knows nothing of frames and cameras.

Ultralytics is AGPL-3.0; it is imported here and nowhere else in the frame path, and only when a site asks for it. It is
kept from the network: nothing is downloaded, installed, reported or synchronised. Its .pt files hold pickled Python
objects; they are read with the library's allow-list of classes, so a file that would run anything else is refused.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import torch

from app.errors import ModelError
from app.infrastructure.huggingface_folder import first_line
from app.infrastructure.torch_detector import NetworkTraits
from app.infrastructure.torch_device import Accelerator
from app.infrastructure.torch_pixels import Placement

QUIET = {
    "YOLO_OFFLINE": "true",  # no downloads, no events
    "YOLO_AUTOINSTALL": "false",  # never calls pip
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",  # torch.load(weights_only=True) with the library's own classes
}
SIZE = 640  # of its networks, unless the weights say otherwise
SURE = 0.25  # track_high_thresh of ultralytics/cfg/trackers/bytetrack.yaml
NMS_IOU = 0.7  # `iou` of ultralytics/cfg/default.yaml
PERSON = "person"


def import_ultralytics() -> None:
    """Import the library with everything switched off that reaches beyond this process.

    Raises:
        ModelError: it is not installed.
    """
    os.environ.update(QUIET)
    os.environ.setdefault("YOLO_CONFIG_DIR", str(Path(tempfile.gettempdir()) / "spoton-ultralytics"))
    try:
        import ultralytics.utils
    except ImportError as error:
        raise ModelError("ultralytics", "is not installed; uv sync --extra gpu --no-group cpu brings it") from error
    if ultralytics.utils.ONLINE or ultralytics.utils.AUTOINSTALL:
        raise ModelError("ultralytics", "was imported before SpotOn could take it offline; import it later")


class UltralyticsNetwork:
    """Implements PeopleNetwork, with the library's own loader and network.

    Args:
        path: a .pt, .onnx, .engine or .torchscript file.
        accelerator: precision.
        device: where it runs.
        size: longer side of its input in pixels; None takes the weights' own.

    Raises:
        ModelError: the file cannot be read, is no detector, or knows no people.
    """

    def __init__(self, path: Path, accelerator: Accelerator, device: torch.device, size: int | None = None) -> None:
        import_ultralytics()
        from ultralytics.nn.autobackend import AutoBackend

        try:
            network: Any = AutoBackend(str(path), device, fp16=accelerator.dtype == torch.float16, verbose=False)
        except Exception as error:
            raise ModelError(path, f"Ultralytics cannot load it: {first_line(error)}") from error
        task = getattr(network.backend.model, "task", None) or network.task
        if task != "detect":
            raise ModelError(path, f"made for the task {task!r}; SpotOn needs one for 'detect'")
        self._person = _person(network.names, path)
        if network.format == "pt":
            network.backend.model.to(accelerator.dtype)
        self._network = network.eval()
        own = torch.float16 if network.backend.fp16 else torch.float32  # what an exported network was built for
        self._dtype = accelerator.dtype if network.format == "pt" else own
        self._head = _head_with_grid(network)
        self._grids: dict[tuple[int, ...], tuple[torch.Tensor, torch.Tensor, tuple[int, ...]]] = {}
        self._fixed = network.format != "pt" and not getattr(network, "dynamic", False)
        self._stride = int(network.stride)
        self._queries = _is_rtdetr(network)
        width, height = _input_size(network, size, fixed=self._fixed)
        self._extent = torch.tensor([width, height] * 2, dtype=torch.float32, device=device)
        self.traits = NetworkTraits((width, height), SURE, None if self._queries else NMS_IOU)

    def placement(self, region: tuple[int, int]) -> Placement:
        """Say where a region lies in the input, as LetterBox in ultralytics/data/augment.py does."""
        if self._queries:
            return Placement(self.traits.size, self.traits.size)
        scale = min(self.traits.size[0] / region[0], self.traits.size[1] / region[1])
        inner = (max(1, round(region[0] * scale)), max(1, round(region[1] * scale)))
        spare = [whole - part for whole, part in zip(self.traits.size, inner, strict=True)]
        if not self._fixed:  # as little padding as the stride allows
            spare = [side % self._stride for side in spare]
        offset = (round(spare[0] / 2 - 0.1), round(spare[1] / 2 - 0.1))
        return Placement((inner[0] + spare[0], inner[1] + spare[1]), inner, offset)

    def find(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Find people; boxes whose best class is another are left out, as in ultralytics/utils/nms.py."""
        found = self._answer(images.to(self._dtype))
        found = (found[0] if isinstance(found, (list, tuple)) else found).float()
        if found.shape[-1] == 6:  # the best 300 of all classes: box, confidence, class
            boxes, confidence, best = found[..., :4], found[..., 4], found[..., 5].long()
        else:  # (N, 4 + classes, cells)
            confidence, best = found[:, 4:].max(dim=1)
            boxes = found[:, :4].transpose(1, 2)
        if self._queries or found.shape[-1] != 6:
            half = boxes[..., 2:] / 2
            boxes = torch.cat([boxes[..., :2] - half, boxes[..., :2] + half], dim=-1)
        if self._queries:
            boxes = boxes * self._extent
        return boxes, confidence * (best == self._person)

    def _answer(self, images: torch.Tensor) -> Any:  # noqa: ANN401 - a tensor, or several
        """Call the network with the grid that its head made for inputs of this size.

        The head itself would make another whenever the number of pictures changes: that waits for the card, and takes
        the grid away from the CUDA graphs that were recorded with it.
        """
        if self._head is None:
            with torch.cuda.device_of(images):  # TensorRT works on the present device
                return self._network(images)
        size = tuple(images.shape[2:])
        if size in self._grids:
            self._head.anchors, self._head.strides, shape = self._grids[size]
            self._head.shape = (len(images), *shape)
        found = self._network(images)
        if size not in self._grids:
            self._grids[size] = self._head.anchors, self._head.strides, tuple(self._head.shape[1:])
        return found


def _head_with_grid(network: Any) -> Any:  # noqa: ANN401 - AutoBackend, and Detect or None
    """Return the last layer of a YOLO, which keeps a grid for the last shape of its input; None of other networks."""
    from ultralytics.nn.modules.head import Detect

    head = network.backend.model.model[-1] if network.format == "pt" else None
    return head if isinstance(head, Detect) else None


def _person(names: dict[int, str], path: Path) -> int:
    """Return the number of the class of people."""
    for number, name in names.items():
        if name.lower() in {PERSON, "pedestrian", "people"}:
            return number
    known = ", ".join(list(names.values())[:5])
    raise ModelError(path, f"none of its classes is called {PERSON!r}; it knows {known}")


def _is_rtdetr(network: Any) -> bool:  # noqa: ANN401 - AutoBackend
    from ultralytics.nn.tasks import RTDETRDetectionModel

    if network.format == "pt":
        return isinstance(network.backend.model, RTDETRDetectionModel)
    return "rtdetr" in str(getattr(network, "metadata", {}).get("description", "")).lower().replace("-", "")


def _input_size(network: Any, size: int | None, *, fixed: bool) -> tuple[int, int]:  # noqa: ANN401 - AutoBackend
    """Return width and height of the largest input, whole strides."""
    exported = getattr(network, "imgsz", None)
    if fixed and exported:
        height, width = (exported, exported) if isinstance(exported, int) else exported
        return int(width), int(height)
    if size is None:
        trained = getattr(network.backend.model, "args", None) or {}
        size = int(trained.get("imgsz") or SIZE)
    side = -(-size // int(network.stride)) * int(network.stride)
    return side, side
