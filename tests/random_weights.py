"""Small networks of random weights, saved as a user's are. They find no people, but they answer to what they see.

Batch normalisation learns its statistics from pictures, and last layers are scaled, so that answers differ from place
to place: all-equal scores would make every order of boxes right.
"""

import json
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from app.infrastructure.ultralytics_detector import import_ultralytics

NAMES = {0: "person", 1: "dog"}


def pictures(count: int, size: tuple[int, int], seed: int = 0) -> list[np.ndarray]:
    """(height, width, 3) uint8 BGR: patches of colour of all sizes, no two alike."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        picture = np.zeros((size[1], size[0], 3))
        for cells in (4, 12, 40):
            noise = random.normal(0, 50, (cells, cells, 3))
            picture += cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)
        made.append(np.clip(picture + 128, 0, 255).astype(np.uint8))
    return made


@torch.no_grad()
def see_pictures(network: nn.Module, side: int, *, whole: bool = True) -> None:
    """Give batch normalisation the statistics of pictures.

    Args:
        network: takes (N, 3, side, side).
        side: of the pictures.
        whole: let all of the network train meanwhile; else nothing but its normalisation.
    """
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean of all
        norm.reset_running_stats()
    images = np.stack(pictures(4, (side, side), seed=99))[..., ::-1].transpose(0, 3, 1, 2)
    network.train(whole)
    for norm in norms:
        norm.train()
    network(torch.from_numpy(images.copy()).float() / 255)
    network.eval()


@torch.no_grad()
def calibrate(branch: nn.Sequential, network: nn.Module, spread: float, mean: float) -> None:
    """Scale a branch's last layer, so that its outputs for pictures have this mean and deviation."""
    outputs = []
    hook = branch.register_forward_hook(lambda _branch, _inputs, output: outputs.append(output))
    images = np.stack(pictures(2, (320, 320), seed=98))[..., ::-1].transpose(0, 3, 1, 2)
    nn.init.zeros_(branch[-1].bias)
    network(torch.from_numpy(images.copy()).float() / 255)
    hook.remove()
    deviation = outputs[0].std(dim=(0, 2, 3))
    branch[-1].weight *= (spread / deviation)[:, None, None, None]
    branch[-1].bias.copy_(mean - outputs[0].mean(dim=(0, 2, 3)) * spread / deviation)


def save_yolo(path: Path, kind: str = "yolo11n", seed: int = 0, names: dict[int, str] | None = None) -> Path:
    """A YOLO of Ultralytics in its own checkpoint format; every twentieth cell holds somebody."""
    import_ultralytics()
    from ultralytics import YOLO

    torch.manual_seed(seed)
    model = YOLO(f"{kind}.yaml", task="detect", verbose=False)
    network = model.model
    network.model[-1].bias_init()
    see_pictures(network, 320)
    head = network.model[-1]
    for branches, spread, mean in ((head.cv3, 1.0, -2.5), (head.cv2, 0.7, 0.0)):
        for level in branches:
            calibrate(level, network, spread, mean)
    for own, other in ((head.cv3, "one2one_cv3"), (head.cv2, "one2one_cv2")):
        if getattr(head, other, None) is not None:
            getattr(head, other).load_state_dict(own.state_dict())
    network.names = {i: NAMES.get(i, f"thing {i}") for i in range(head.nc)} if names is None else names
    model.ckpt = {}
    model.save(path)
    return path


def save_rtdetr(path: Path, _kind: str = "rtdetr", seed: int = 0) -> Path:
    """An RT-DETR of Ultralytics, a small one, in its own checkpoint format."""
    import_ultralytics()
    from ultralytics import RTDETR

    torch.manual_seed(seed)
    layout = path.with_name("rtdetr-small.yaml")
    layout.write_text(RTDETR_LAYOUT)
    model = RTDETR(str(layout))
    network = model.model
    see_pictures(network, 320, whole=False)
    head = network.model[-1]
    for linear in (head.enc_score_head, *head.dec_score_head):
        nn.init.normal_(linear.weight, std=0.3)
        nn.init.constant_(linear.bias, -0.5)
    for mlp in (head.enc_bbox_head, *head.dec_bbox_head):
        nn.init.normal_(mlp.layers[-1].weight, std=0.1)
    network.names = dict(NAMES)
    model.ckpt = {}
    model.save(path)
    return path


RTDETR_LAYOUT = """
nc: 2
backbone:
  - [-1, 1, Conv, [16, 3, 4]]
  - [-1, 1, Conv, [32, 3, 2]]
  - [-1, 1, Conv, [64, 3, 2]]
  - [-1, 1, Conv, [64, 3, 2]]
head:
  - [-1, 1, AIFI, [128, 4]]
  - [[1, 2, 4], 1, RTDETRDecoder, [nc, 64, 60, 4, 4, 1, 128]]
"""


def save_open_clip(folder: Path, side: int = 96, resize_mode: str | None = None, seed: int = 0) -> Path:
    """A small CLIP in the folder that open_clip itself loads."""
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    vision = {"image_size": side, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32}
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}
    model = open_clip.CLIP(embed_dim=48, vision_cfg=vision, text_cfg=text)
    folder.mkdir(parents=True, exist_ok=True)
    looks = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
    looks |= {} if resize_mode is None else {"resize_mode": resize_mode}
    config = {"model_cfg": {"embed_dim": 48, "vision_cfg": vision, "text_cfg": text}, "preprocess_cfg": looks}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def save_transformers_clip(folder: Path, side: int = 96, seed: int = 0) -> Path:
    """A small CLIP in the folder that transformers itself loads, with a tokenizer of single letters."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    torch.manual_seed(seed)
    letters = [chr(c) + end for end in ("", "</w>") for c in range(ord("a"), ord("z") + 1)]
    words = {word: i for i, word in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    shared = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": words["<|startoftext|>"], "eos_token_id": words["<|endoftext|>"], "pad_token_id": 0}
    config = CLIPConfig(
        vision_config={**shared, "image_size": side, "patch_size": 16},
        text_config={**shared, **ends, "vocab_size": len(words), "max_position_embeddings": 77},
        projection_dim=48,
    )
    CLIPModel(config).save_pretrained(folder)
    crop = {"height": side, "width": side}
    CLIPImageProcessor(size={"shortest_edge": side}, crop_size=crop).save_pretrained(folder)
    CLIPTokenizer(vocab=words, merges=[]).save_pretrained(folder)
    return folder


def save_huggingface(folder: Path, kind: str = "rt_detr", side: int = 320, seed: int = 0) -> Path:
    """A small detection transformer in the folder that transformers itself loads."""
    import transformers

    torch.manual_seed(seed)
    labels = {"id2label": dict(NAMES), "label2id": {name: i for i, name in NAMES.items()}}
    if kind in ("rt_detr", "rt_detr_v2"):
        name = {"rt_detr": "RTDetr", "rt_detr_v2": "RTDetrV2"}[kind]
        backbone = transformers.RTDetrResNetConfig(
            embedding_size=16,
            hidden_sizes=[16, 32, 48, 64],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            out_features=["stage2", "stage3", "stage4"],
        )
        config = getattr(transformers, f"{name}Config")(
            backbone_config=backbone,
            encoder_in_channels=[32, 48, 64],
            encoder_hidden_dim=32,
            encoder_ffn_dim=64,
            encoder_attention_heads=2,
            d_model=32,
            num_queries=40,
            decoder_in_channels=[32, 32, 32],
            decoder_ffn_dim=64,
            decoder_layers=2,
            decoder_attention_heads=2,
            **labels,
        )
        processor = transformers.RTDetrImageProcessor(size={"height": side, "width": side})
    elif kind == "rf_detr":
        name = "RfDetr"
        backbone = transformers.RfDetrDinov2Config(
            hidden_size=32,
            num_hidden_layers=4,
            num_attention_heads=2,
            mlp_ratio=2,
            image_size=side,
            patch_size=16,
            num_windows=2,
            out_features=["stage2", "stage4"],
        )
        config = transformers.RfDetrConfig(
            backbone_config=backbone,
            d_model=32,
            num_queries=40,
            decoder_layers=1,
            decoder_self_attention_heads=2,
            decoder_cross_attention_heads=2,
            decoder_ffn_dim=64,
            group_detr=1,
            **labels,
        )
        processor = transformers.RfDetrImageProcessor(size={"height": side, "width": side})
    else:
        name = "Detr"
        config = transformers.DetrConfig(
            use_timm_backbone=False,
            use_pretrained_backbone=False,
            backbone_config=transformers.ResNetConfig(
                embedding_size=16, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1], out_features=["stage4"]
            ),
            num_queries=20,
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            **labels,
        )
        processor = transformers.DetrImageProcessor(size={"shortest_edge": side, "longest_edge": 2 * side})
    model = getattr(transformers, f"{name}ForObjectDetection")(config)
    with torch.no_grad():
        for weights in (w for n, w in model.named_parameters() if "class" in n or "score" in n):
            nn.init.normal_(weights, std=0.5)
        if kind == "detr":  # its scores are shares of one, most of them of "nothing"
            model.class_labels_classifier.weight *= 0.1
            model.class_labels_classifier.bias.copy_(torch.tensor([1.5, 0.0, 0.0]))
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
