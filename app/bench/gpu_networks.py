"""Writes the networks that `spoton bench gpu` times: the published architectures with random weights.

Speed does not hang on the weights, so none need to be fetched; what such networks find means nothing.
"""

import json
from pathlib import Path

import torch

from app.infrastructure.ultralytics_detector import import_ultralytics

YOLO = ("yolo11n", "yolo11s", "yolo11m")
# hidden sizes, depths and decoder layers of PekingU/rtdetr_r18vd and rtdetr_r50vd
RTDETR = {
    "rtdetr_r18": ("basic", (64, 128, 256, 512), (2, 2, 2, 2), 3, 0.5),
    "rtdetr_r50": ("bottleneck", (256, 512, 1024, 2048), (3, 4, 6, 3), 6, 1.0),
}
DETECTORS = (*YOLO, *RTDETR)
PEOPLE = {0: "person"}
CLASSES = 80  # as COCO has


def write_detector(name: str, folder: Path) -> Path:
    """Write a detector as its library saves it, and return the path that a site file would name."""
    torch.manual_seed(0)
    return _write_yolo(name, folder) if name in YOLO else _write_rtdetr(name, folder)


def _write_yolo(name: str, folder: Path) -> Path:
    import_ultralytics()
    from ultralytics import YOLO as Model

    model = Model(f"{name}.yaml", task="detect", verbose=False)
    model.model.names = {number: PEOPLE.get(number, f"thing {number}") for number in range(CLASSES)}
    model.ckpt = {}
    model.save(folder / f"{name}.pt")
    return folder / f"{name}.pt"


def _write_rtdetr(name: str, folder: Path) -> Path:
    import transformers

    kind, sizes, depths, layers, expansion = RTDETR[name]
    backbone = transformers.RTDetrResNetConfig(
        layer_type=kind, hidden_sizes=list(sizes), depths=list(depths), out_features=["stage2", "stage3", "stage4"]
    )
    labels = {number: PEOPLE.get(number, f"thing {number}") for number in range(CLASSES)}
    config = transformers.RTDetrConfig(
        backbone_config=backbone,
        encoder_in_channels=list(sizes[1:]),
        decoder_layers=layers,
        hidden_expansion=expansion,
        id2label=labels,
        label2id={label: number for number, label in labels.items()},
    )
    transformers.utils.logging.disable_progress_bar()
    transformers.RTDetrForObjectDetection(config).save_pretrained(folder / name)
    transformers.RTDetrImageProcessor().save_pretrained(folder / name)
    return folder / name


def write_clip(name: str, folder: Path) -> Path:
    """Write a CLIP in open_clip's layout, by open_clip's name for its architecture."""
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = folder / name
    path.mkdir()
    config = open_clip.get_model_config(name)
    content = {"model_cfg": config, "preprocess_cfg": {}}
    (path / "open_clip_config.json").write_text(json.dumps(content), encoding="utf-8")
    save_file(open_clip.CLIP(**config).state_dict(), path / "open_clip_model.safetensors")
    return path
