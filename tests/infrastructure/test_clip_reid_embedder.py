"""CLIP-ReID's checkpoints, against the vectors that their authors' formula gives with transformers' CLIP."""

import numpy as np
import pytest
import torch
from random_weights import pictures

from app.domains.vocabulary import CameraId, Crops, Frame, FrameBatch
from app.errors import ModelError
from app.infrastructure.model_files import ModelFile
from app.infrastructure.torch_device import open_accelerator
from app.infrastructure.torch_embedder import TorchEmbedder
from app.infrastructure.torch_frames import DeviceFrames
from app.infrastructure.torch_networks import load_look_networks

pytestmark = pytest.mark.gpu_stack
CPU = open_accelerator(["cpu"], "fp32", 4)
WIDTH, LAYERS = 64, 2


def tower(places: int):
    """Transformers' vision tower, with so many places; it resizes nothing, so their number is free."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=1,
        image_size=256,
        patch_size=16,
        projection_dim=32,
        hidden_act="quick_gelu",
    )
    model = CLIPVisionModelWithProjection(config).eval()
    embeddings = model.vision_model.embeddings
    embeddings.position_embedding = torch.nn.Embedding(places + 1, WIDTH)
    embeddings.position_ids = torch.arange(places + 1)[None]
    return model


def as_clip_reid(model) -> dict[str, torch.Tensor]:
    """The same weights by the names of the authors' code."""
    own = model.vision_model
    weights = {
        "class_embedding": own.embeddings.class_embedding,
        "positional_embedding": own.embeddings.position_embedding.weight,
        "conv1.weight": own.embeddings.patch_embedding.weight,
        "proj": model.visual_projection.weight.T,
    }
    for ours, theirs in (("ln_pre", own.pre_layrnorm), ("ln_post", own.post_layernorm)):
        weights |= {f"{ours}.weight": theirs.weight, f"{ours}.bias": theirs.bias}
    for i, block in enumerate(own.encoder.layers):
        attention, name = block.self_attn, f"transformer.resblocks.{i}"
        parts = (attention.q_proj, attention.k_proj, attention.v_proj)
        weights |= {
            f"{name}.attn.in_proj_weight": torch.cat([part.weight for part in parts]),
            f"{name}.attn.in_proj_bias": torch.cat([part.bias for part in parts]),
        }
        for ours, theirs in (
            ("attn.out_proj", attention.out_proj),
            ("ln_1", block.layer_norm1),
            ("ln_2", block.layer_norm2),
            ("mlp.c_fc", block.mlp.fc1),
            ("mlp.c_proj", block.mlp.fc2),
        ):
            weights |= {f"{name}.{ours}.weight": theirs.weight, f"{name}.{ours}.bias": theirs.bias}
    named = {f"image_encoder.{name}": tensor.detach().clone() for name, tensor in weights.items()}
    return named | {"classifier.weight": torch.zeros(5, WIDTH), "text_encoder.ln_final.bias": torch.zeros(4)}


def embedder(weights, path) -> TorchEmbedder:
    torch.save(weights, path)
    networks = load_look_networks(ModelFile("clip-reid", path), CPU, None)
    return TorchEmbedder(
        name="clip-reid", path=path, networks=networks, accelerator=CPU, frames=DeviceFrames(CPU.devices)
    )


def picture() -> tuple[FrameBatch, Crops]:
    frame = Frame(CameraId("a"), 0.0, 0, (640, 480), pictures(1, (640, 480))[0])
    boxes = np.array([[10, 20, 138, 276], [300, 100, 428, 356]], np.float32)  # of the input's size: no resize
    return FrameBatch(0.0, (frame,)), Crops(np.zeros(2, np.int64), np.arange(2), boxes)


@pytest.mark.parametrize(("places", "stride"), [(16 * 8, 16), (21 * 10, 12)], ids=["plain", "overlapping patches"])
def test_the_vectors_are_the_features_before_and_after_the_projection(tmp_path, places, stride):
    model = tower(places)
    batch, crops = picture()
    found = embedder(as_clip_reid(model), tmp_path / "clip-reid.pth").embed(batch, crops).vectors
    model.vision_model.embeddings.patch_embedding.stride = (stride, stride)
    cut = [batch.frames[0].pixels[t:b, left:r, ::-1] for left, t, r, b in crops.xyxy.astype(int)]
    images = torch.from_numpy(np.stack(cut).copy()).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        features = whole_picture(model, (images - 0.5) / 0.5)
        expected = torch.cat([features, model.visual_projection(features)], dim=1)
    expected = torch.nn.functional.normalize(expected, dim=1).numpy()
    assert found.shape == (2, WIDTH + 32)
    assert (found * expected).sum(axis=1).min() >= 0.9999
    assert found[0] @ found[1] < 0.9999


def whole_picture(model, images: torch.Tensor) -> torch.Tensor:
    """Transformers refuses other than square pictures; the steps of its own forward, without that check."""
    own = model.vision_model
    patches = own.embeddings.patch_embedding(images).flatten(2).transpose(1, 2)
    first = own.embeddings.class_embedding.expand(len(images), 1, -1)
    x = torch.cat([first, patches], dim=1) + own.embeddings.position_embedding(own.embeddings.position_ids)
    return own.post_layernorm(own.encoder(inputs_embeds=own.pre_layrnorm(x)).last_hidden_state[:, 0])


def test_side_information_is_left_out_and_said_so(tmp_path, caplog):
    embedder(as_clip_reid(tower(128)) | {"cv_embed": torch.zeros(6, WIDTH)}, tmp_path / "sie.pth")
    assert "other cameras do not have" in caplog.text


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"image_encoder.positional_embedding": torch.zeros(100, WIDTH)}, "99 places are no grid"),
        ({"image_encoder.ln_post.bias": None}, "fit no vision transformer of CLIP: .*ln_post.bias"),
        ({"image_encoder.proj": None}, "another backbone than ViT"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, change, problem):
    weights = {name: tensor for name, tensor in (as_clip_reid(tower(128)) | change).items() if tensor is not None}
    with pytest.raises(ModelError, match=problem):
        embedder(weights, tmp_path / "bad.pth")
