"""Weights that SpotOn knows by name: where their makers publish them, under which licence, and their checksums.

A checksum is given where these very bytes are known to work here, or where unrelated projects that pin the maker's file
give the same one (Ultralytics' weights, and those of Hugging Face's revisions below). Of the others the first pull
records what came, and later ones are held to that. Fetches nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"
ZOO = "https://storage.openvinotoolkit.org/repositories/open_model_zoo/2023.0/models_bin/1"
HUGGING_FACE = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One file of a network.

    Attributes:
        name: in the network's folder.
        url: where its maker publishes it.
        sha256: of the bytes; None where it is not known.
    """

    name: str
    url: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """One network.

    Attributes:
        name: of its folder in the models directory, and in site files.
        task: what it does.
        licence: of the weights, as their maker states it.
        runs_on: openvino, or the extra gpu.
    """

    name: str
    task: str
    licence: str
    runs_on: str
    files: tuple[PublishedFile, ...]


def _zoo(name: str, task: str, xml: str, weights: str) -> PublishedModel:
    sums = {"xml": xml, "bin": weights}
    files = (PublishedFile(f"{name}.{end}", f"{ZOO}/{name}/FP16/{name}.{end}", sums[end]) for end in sums)
    return PublishedModel(name, task, "Apache-2.0", "openvino", tuple(files))


def _ultralytics(name: str, sha256: str | None) -> PublishedModel:
    file = PublishedFile(f"{name}.pt", f"{RELEASE}/{name}.pt", sha256)
    return PublishedModel(name, "detector", "AGPL-3.0", "gpu", (file,))


def _hub(name: str, repository: str, revision: str, sums: Mapping[str, str | None]) -> PublishedModel:
    address = f"{HUGGING_FACE}/{repository}/resolve/{revision}"
    published = tuple(PublishedFile(file, f"{address}/{file}", sha256) for file, sha256 in sums.items())
    task, licence = ("embedder, text", "MIT") if "open_clip_config.json" in sums else ("detector", "Apache-2.0")
    return PublishedModel(name, task, licence, "gpu", published)


def _detr(config: str | None, preprocessor: str | None, weights: str | None) -> dict[str, str | None]:
    return {"config.json": config, "preprocessor_config.json": preprocessor, "model.safetensors": weights}


def _clip(weights: str | None) -> dict[str, str | None]:
    return {"open_clip_config.json": None, "open_clip_model.safetensors": weights}


RTDETR_PREPROCESSOR = "ffb4b9461a1dad746be8f0f9c8330ed7743a1ba5fba4f75c232cd281b3d4c64a"

ULTRALYTICS = {
    "yolov8n": "f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36",
    "yolov8s": None,
    "yolov8m": None,
    "yolo11n": "0ebbc80d4a7680d14987a577cd21342b65ecfd94632bd9a8da63ae6417644ee1",
    "yolo11s": "85a76fe86dd8afe384648546b56a7a78580c7cb7b404fc595f97969322d502d5",
    "yolo11m": "d5ffc1a674953a08e11a8d21e022781b1b23a19b730afc309290bd9fb5305b95",
    "yolo26n": "9b09cc8bf347f0fc8a5f7657480587f25db09b34bf33b0652110fb03a8ad4fef",
    "yolo26s": "646f8bc3fe0a656803d95c294f7852321748cb29d13466a1af8862e2db384a1b",
    "yolo26m": "401cea9ab23ad19246ff7744859816bc599f350e93c9dd30367b6f0a0745d0b7",
    "rtdetr-l": "6de60b10d4bc566f00cda0f5b4d64afe4b66d48dc9695d2171effb7859d8e73f",
}

CATALOGUE = (
    _zoo(
        "person-detection-retail-0013",
        "detector",
        "19556695d2b18255fe5593d388ae69ba7f9a2f5c3f986bde8356741d0db26e89",
        "cf4a1f2f252d229966001e15454c5ba02a7ace047b181b235e3a2c4aebcf3ba7",
    ),
    PublishedModel(
        "yolox_nano_416",
        "detector",
        "Apache-2.0",
        "openvino",
        (
            PublishedFile(
                "yolox_nano.onnx",
                "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/yolox_nano.onnx",
                "d39bee73564e338080378b0ad567fbb40e818b55bbfaf971de82a0267ed16b8a",
            ),
        ),
    ),
    _zoo(
        "person-reidentification-retail-0287",
        "embedder",
        "95125bc630208d9a27370b11bd04d220f93f64b60fe4be5bc576e9aebb69603d",
        "8811b3db2f6ebacbf2c05510593783316026ff779d9b048b6ca2581f17baf86c",
    ),
    *(_ultralytics(name, sha256) for name, sha256 in ULTRALYTICS.items()),
    _hub(
        "rtdetr_r18vd",
        "PekingU/rtdetr_r18vd",
        "ac77a11ff0170a41b771c03264987f8ce2b0d753",
        _detr(
            "8493be71f51a1c0a741f8f71ec151039227579379de7bcba047c0470d9320c3c",
            RTDETR_PREPROCESSOR,
            "fe87a5a30f5daf298d10794c7682a63b6107986f97d6a770ba948d89e4340093",
        ),
    ),
    _hub(
        "rtdetr_r50vd",
        "PekingU/rtdetr_r50vd",
        "df939e661d8c52e80608d1ec566561aabd25a4e7",
        _detr(None, RTDETR_PREPROCESSOR, "5263d5521eff3e356f6cd8a371fd5dfb891725beda5f713674f79669115cdc64"),
    ),
    _hub("rtdetr_v2_r18vd", "PekingU/rtdetr_v2_r18vd", "main", _detr(None, None, None)),
    _hub(
        "clip-vit-b-32",
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "1a25a446712ba5ee05982a381eed697ef9b435cf",
        _clip("ac4f8c4b88af6d963118cbf40ad93176d092abbedfcb752601ae1866352656e6"),
    ),
    _hub("clip-vit-b-16", "laion/CLIP-ViT-B-16-laion2B-s34B-b88K", "main", _clip(None)),
)


def published(name: str) -> PublishedModel | None:
    """Return a network by its name."""
    return next((model for model in CATALOGUE if model.name == name), None)
