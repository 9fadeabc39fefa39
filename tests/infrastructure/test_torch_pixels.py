import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from random_weights import pictures
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

from app.infrastructure.torch_pixels import CropPlan, Placement, crops_at_once, cut_crops, place

pytestmark = pytest.mark.gpu_stack
MEAN, DEVIATION = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)


@pytest.mark.parametrize(
    ("size", "inner", "off"),
    [
        pytest.param((1280, 720), (640, 360), 0.0, id="half"),
        pytest.param((1920, 1080), (640, 360), 0.0, id="a third"),
        pytest.param((640, 480), (640, 480), 0.0, id="as it is"),
        pytest.param((500, 700), (457, 640), 1.0, id="an odd share"),
        pytest.param((320, 240), (640, 480), 1.0, id="twice"),
    ],
)
def test_regions_are_resized_as_opencv_does(size, inner, off):
    (picture,) = pictures(1, size)
    placed = place(torch.from_numpy(picture)[None], Placement((700, 700), inner, (11, 5)), padding=114)[0]
    shown = placed[:, 5 : 5 + inner[1], 11 : 11 + inner[0]].permute(1, 2, 0).flip(2).numpy()
    assert np.abs(shown - cv2.resize(picture, inner).astype(float)).max() <= off
    assert (placed[:, :5] == 114).all()
    assert (placed[:, :, :11] == 114).all()
    assert (placed[:, 5 + inner[1] :] == 114).all()


def test_boxes_go_back_the_way_that_pixels_came():
    placement = Placement((480, 640), (457, 640), (11, 0))
    boxes = placement.to_region(torch.tensor([[11.0, 0.0, 468.0, 640.0]]), (500, 700))
    torch.testing.assert_close(boxes, torch.tensor([[0.0, 0.0, 500.0, 700.0]]))


def as_torchvision(picture: np.ndarray, window: tuple[int, int, int, int], plan: CropPlan) -> torch.Tensor:
    """What the libraries do on the host: a Pillow picture through torchvision's transforms."""
    left, top, right, bottom = window
    crop = Image.fromarray(np.ascontiguousarray(picture[top:bottom, left:right, ::-1]))
    mode = {"bicubic": InterpolationMode.BICUBIC, "bilinear": InterpolationMode.BILINEAR}[plan.filter]
    width, height = plan.size
    if plan.fit == "squash":
        steps = [Resize((height, width), mode)]
    elif plan.fit == "shortest":
        steps = [Resize(width, mode), CenterCrop((height, width))]
    else:
        scale = min(width / crop.width, height / crop.height)
        steps = [Resize((max(1, round(crop.height * scale)), max(1, round(crop.width * scale))), mode),
                 CenterCrop((height, width))]  # fmt: skip
    return Compose([*steps, ToTensor(), Normalize(plan.mean, plan.deviation)])(crop)


@pytest.mark.parametrize("fit", ["squash", "shortest", "longest"])
@pytest.mark.parametrize("kind", ["bicubic", "bilinear"])
def test_crops_of_all_sizes_are_cut_at_once_as_pillow_does_one_by_one(fit, kind):
    plan = CropPlan((224, 224) if fit == "shortest" else (128, 256), kind, fit, MEAN, DEVIATION)
    frames = pictures(2, (640, 480), seed=3)
    windows = [(10, 20, 90, 260), (0, 0, 640, 480), (600, 300, 640, 480), (300, 100, 317, 141), (5, 5, 6, 9)]
    row = [0, 1, 1, 0, 1]
    cut = cut_crops(torch.from_numpy(np.stack(frames)), torch.tensor(row), torch.tensor(windows), (640, 480), plan)
    for image, number, window in zip(cut, row, windows, strict=True):
        expected = as_torchvision(frames[number], window, plan)
        levels = (image - expected).abs() * torch.tensor(DEVIATION)[:, None, None] * 255
        assert levels.max() <= 1.01  # Pillow's weights have 8 bits behind the point
        assert levels.mean() < 0.05


def test_a_large_crop_leaves_room_for_few():
    plan = CropPlan((224, 224), "bicubic", "squash", MEAN, DEVIATION)
    assert crops_at_once((100, 250), plan) > 300
    assert crops_at_once((8000, 8000), plan) == 1
