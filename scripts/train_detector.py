"""Trains the small person detector for simulated scenes, from nothing but the simulator's own pictures.

    uv run --group training python scripts/train_detector.py --frames 8000 --epochs 4
    uv run --group training python scripts/train_detector.py --frames 6000 --epochs 7 --init people_net.pt

These two made the weights that are there, the second from the first one's and with the scenes as they are now; about 50
minutes on two cores.

Writes an ONNX file in YOLOX's output layout, which the product reads like any YOLOX: app/infrastructure/weights. The
network knows simulated people only; it is the demo's detector where no weights of a real one are present.

Anchor-free head and SimOTA assignment: YOLOX (Ge et al. 2021). Depthwise-separable blocks: MobileNet (Howard et al.
2017).
Boxes are those of whole figures, also where others hide a part: a foot that is hidden is guessed, not cut off.
"""

import argparse
import math
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from app.simulation.camera import SimulatedCamera
from app.simulation.floor_plan import Mount
from app.simulation.lens import calibrate
from app.simulation.scenes.catalogue import build_scene
from app.simulation.world import World, WorldConfig

SIZE = (448, 256)  # width and height of the input: 640 x 360 fits with 4 rows of padding
STRIDES = (8, 16, 32)
GREY = 114
LEAST_VISIBLE = 0.25  # share of a figure from which on it is to be found; less is neither right nor wrong
MOST = 48  # people a picture
WORLDS = ("shop", "offices", "shop", "square", "shop")  # the demo's scene comes most often
OUT = Path(__file__).parent.parent / "app/infrastructure/weights/simulated-people.onnx"


def separable(inner: int, outer: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """Return a depthwise and a pointwise convolution."""
    return nn.Sequential(
        nn.Conv2d(inner, inner, kernel, stride, kernel // 2, groups=inner, bias=False),
        nn.BatchNorm2d(inner),
        nn.ReLU(inplace=True),
        nn.Conv2d(inner, outer, 1, bias=False),
        nn.BatchNorm2d(outer),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """A separable block that adds to its input."""

    def __init__(self, width: int, kernel: int = 3) -> None:
        super().__init__()
        self.block = separable(width, width, 1, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum."""
        return x + self.block(x)


class PeopleNet(nn.Module):
    """Takes (B, 3, H, W) BGR 0-255, gives (B, cells of strides 8, 16 and 32, 6) as YOLOX does.

    Columns: centre offset and log size in cells, objectness, and class 0. Objectness is a logit in training and a
    probability in evaluation; the class, there being one, is certain and left out in training.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        self.to4 = nn.Sequential(
            nn.Conv2d(16, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True), Residual(32)
        )
        self.to8 = nn.Sequential(separable(32, 64, 2), Residual(64), Residual(64))
        self.to16 = nn.Sequential(separable(64, 128, 2), Residual(128), Residual(128, 5), Residual(128, 5))
        self.to32 = nn.Sequential(separable(128, 192, 2), Residual(192, 5), Residual(192, 5))
        self.lateral = nn.ModuleList([nn.Conv2d(width, 64, 1) for width in (64, 128, 192)])
        self.smooth = nn.ModuleList([Residual(64, 5) for _ in STRIDES])
        self.head = nn.ModuleList([nn.Sequential(Residual(64), Residual(64), nn.Conv2d(64, 5, 1)) for _ in STRIDES])
        for branch in self.head:
            nn.init.constant_(branch[-1].bias[4:], -math.log(99.0))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the raw cells of all strides."""
        x8 = self.to8(self.to4(self.stem((pixels - 114.0) / 64.0)))
        x16 = self.to16(x8)
        x32 = self.to32(x16)
        p32 = self.smooth[2](self.lateral[2](x32))
        p16 = self.smooth[1](self.lateral[1](x16) + functional.interpolate(p32, scale_factor=2.0))
        p8 = self.smooth[0](self.lateral[0](x8) + functional.interpolate(p16, scale_factor=2.0))
        cells = torch.cat(
            [head(p).flatten(2).transpose(1, 2) for head, p in zip(self.head, (p8, p16, p32), strict=True)], dim=1
        )
        if self.training:
            return cells
        return torch.cat([cells[..., :4], cells[..., 4:].sigmoid(), torch.ones_like(cells[..., 4:])], dim=2)


def grid() -> tuple[Tensor, Tensor]:
    """Return (A, 2) the place of each cell in its grid, and (A,) its stride."""
    corners, strides = [], []
    for stride in STRIDES:
        rows, columns = SIZE[1] // stride, SIZE[0] // stride
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        corners.append(torch.stack([x, y], dim=2).reshape(-1, 2).float())
        strides.append(torch.full((rows * columns,), float(stride)))
    return torch.cat(corners), torch.cat(strides)


def to_xyxy(cells: Tensor, corner: Tensor, stride: Tensor) -> Tensor:
    """Decode (..., A, 4) cells into boxes, pixels of the input."""
    centre = (cells[..., :2] + corner) * stride[:, None]
    half = cells[..., 2:4].clamp(max=6.0).exp() * stride[:, None] / 2.0
    return torch.cat([centre - half, centre + half], dim=-1)


def overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU and GIoU of boxes (..., 4), row by row."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0.0).prod(dim=-1)
    area_a, area_b = ((box[..., 2:] - box[..., :2]).clamp(min=0.0).prod(dim=-1) for box in (a, b))
    union = area_a + area_b - shared + 1e-6
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(dim=-1) + 1e-6
    return shared / union, shared / union - (hull - union) / hull


def assign(boxes: Tensor, predicted: Tensor, logits: Tensor, corner: Tensor, stride: Tensor) -> tuple[Tensor, Tensor]:
    """Choose the cells that are to find each box (SimOTA): those where it is cheapest, more for boxes found well.

    Args:
        boxes: (G, 4).
        predicted: (A, 4) boxes.
        logits: (A,) objectness.
        corner: (A, 2).
        stride: (A,).

    Returns:
        Cells (P,) and the box of each (P,).
    """
    centre = (corner + 0.5) * stride[:, None]
    middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2.0
    near = ((centre - middle).abs() < 2.0 * stride[:, None]).all(dim=2)  # (G, A)
    candidates = near.any(dim=0).nonzero()[:, 0]
    iou, _ = overlap(boxes[:, None], predicted[None, candidates])
    wrong = functional.binary_cross_entropy_with_logits(
        logits[candidates], torch.ones_like(logits[candidates]), reduction="none"
    )
    cost = wrong[None] - 3.0 * (iou + 1e-8).log() + 1e5 * ~near[:, candidates]
    count = iou.topk(min(8, iou.shape[1]), dim=1).values.sum(dim=1).int().clamp(min=1)
    chosen = torch.zeros_like(cost, dtype=torch.bool)
    for g in range(len(boxes)):
        chosen[g, cost[g].topk(min(int(count[g]), cost.shape[1]), largest=False).indices] = True
    chosen &= near[:, candidates]
    owner = torch.where(chosen, cost, torch.inf).argmin(dim=0)
    cells = chosen.any(dim=0).nonzero()[:, 0]
    return candidates[cells], owner[cells]


def loss_of(cells: Tensor, truth: list[tuple[Tensor, Tensor]], corner: Tensor, stride: Tensor) -> Tensor:
    """Return the loss of a batch.

    Args:
        cells: (B, A, 5) raw.
        truth: for each picture the boxes (G, 4) to be found, and (H, 4) boxes that may be found or not.
        corner: (A, 2).
        stride: (A,).
    """
    predicted = to_xyxy(cells, corner, stride)
    centre = (corner + 0.5) * stride[:, None]
    parts = torch.zeros(3)
    found = 0
    for b, (boxes, unclear) in enumerate(truth):
        target, weight = torch.zeros(len(corner)), torch.ones(len(corner))
        for box in unclear:
            weight[((centre > box[:2]) & (centre < box[2:])).all(dim=1)] = 0.0
        if len(boxes):
            with torch.no_grad():
                rows, owner = assign(boxes, predicted[b], cells[b, :, 4], corner, stride)
            iou, giou = overlap(predicted[b, rows], boxes[owner])
            target[rows] = iou.detach().clamp(min=0.1)
            weight[rows] = 1.0
            size = (boxes[owner, 2:] - boxes[owner, :2]).repeat(1, 2)
            apart = ((predicted[b, rows] - boxes[owner]) / size).abs() * torch.tensor(
                [1.0, 0.5, 1.0, 2.0]
            )  # feet count
            parts = parts + torch.stack([(1.0 - giou).sum(), apart.sum(), torch.zeros(())])
            found += len(rows)
        focus = (target - cells[b, :, 4].detach().sigmoid()).abs().square()  # quality focal loss (Li et al. 2020)
        wrong = functional.binary_cross_entropy_with_logits(cells[b, :, 4], target, reduction="none")
        parts = parts + torch.stack([torch.zeros(()), torch.zeros(()), (wrong * weight * (focus + 0.02)).sum()])
    return (2.0 * parts[0] + 1.0 * parts[1] + 4.0 * parts[2]) / max(found, 1)


def pictures(job: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Render `job[1]` pictures of world number `job[0]`.

    Returns:
        Pixels (N, H, W, 3) of the input's size, and (N, MOST, 5) boxes with visibility, padded with -1.
    """
    number, count = job
    rng = np.random.default_rng([77, number])
    scene = build_scene(WORLDS[number % len(WORLDS)])
    people = int(rng.integers(6, 40))
    world = World(scene, WorldConfig(people=people, seed=1_000_000 + number, outfits=int(rng.choice([0, 0, 4]))))
    mounts = [_somewhere_near(scene.mounts[m], rng) for m in rng.permutation(len(scene.mounts))[:3]]
    sights = [SimulatedCamera(scene, calibrate(mount, (640, 360)), world.figures, seed=number) for mount in mounts]
    pixels = np.empty((count, SIZE[1], SIZE[0], 3), np.uint8)
    truth = np.full((count, MOST, 5), -1.0, np.float32)
    for row in range(count):
        at = 1.7 * row
        shown = sights[row % len(sights)].render(world.bodies_at(at), at, gain=float(rng.uniform(0.7, 1.25)))
        scale = min(SIZE[0] / shown.pixels.shape[1], SIZE[1] / shown.pixels.shape[0])
        inner = cv2.resize(shown.pixels, None, fx=scale, fy=scale)
        pixels[row] = GREY
        pixels[row, : inner.shape[0], : inner.shape[1]] = inner
        n = min(MOST, len(shown.xyxy))
        truth[row, :n, :4], truth[row, :n, 4] = scale * shown.xyxy[:n], shown.visibility[:n]
    return pixels, truth


def _somewhere_near(mount: Mount, rng: np.random.Generator) -> Mount:
    """Return the camera moved and turned a little, so that no background is learnt by heart."""
    at = np.array(mount.at) + np.clip(rng.normal(0.0, (0.3, 0.3, 0.15)), -0.6, 0.6)
    look_at = np.array(mount.look_at) + rng.normal(0.0, (1.5, 1.5, 0.2))
    inward = np.sign(look_at[:2] - np.array(mount.at[:2]))
    at[:2] = np.array(mount.at[:2]) + inward * np.abs(at[:2] - np.array(mount.at[:2]))
    return replace(mount, at=tuple(at), look_at=tuple(look_at), focal=mount.focal * float(rng.uniform(0.9, 1.15)))


def load_pictures(count: int, cache: Path, processes: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Render the pictures, or take those of an earlier call."""
    file = cache / f"pictures-{count}.npz"
    if file.is_file():
        stored = np.load(file)
        return stored["pixels"], stored["truth"]
    jobs = [(number, 100) for number in range(math.ceil(count / 100))]
    begun = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        parts = list(pool.imap(pictures, jobs))
    pixels, truth = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    print(f"{len(pixels)} pictures in {time.perf_counter() - begun:.0f} s")
    cache.mkdir(parents=True, exist_ok=True)
    np.savez(file, pixels=pixels, truth=truth)
    return pixels, truth


def batches(
    pixels: NDArray[np.uint8], truth: NDArray[np.float32], size: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, list[tuple[Tensor, Tensor]]]]:
    """Yield all pictures once, in random order: mirrored, shifted, larger or smaller, brighter or darker."""
    order = rng.permutation(len(pixels))
    for begin in range(0, len(order) - size + 1, size):
        images, boxes = [], []
        for row in order[begin : begin + size]:
            image, people = _vary(pixels[row], truth[row][truth[row, :, 4] >= 0.0], rng)
            images.append(image)
            clear = people[:, 4] >= LEAST_VISIBLE
            boxes.append((torch.from_numpy(people[clear, :4]), torch.from_numpy(people[~clear, :4])))
        yield torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float(), boxes


def _vary(
    image: NDArray[np.uint8], people: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    people = people.copy()
    if rng.random() < 0.5:
        image = image[:, ::-1]
        people[:, [0, 2]] = SIZE[0] - people[:, [2, 0]]
    scale = float(np.exp(rng.uniform(-0.25, 0.35)))
    shift = (1.0 - scale) * rng.uniform(0, 1, 2) * SIZE
    image = cv2.warpAffine(
        np.ascontiguousarray(image),
        np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]),
        SIZE,
        borderValue=(GREY, GREY, GREY),
    )
    before = people[:, :4] * scale + np.tile(shift, 2).astype(np.float32)
    after = np.clip(before, 0, np.tile(SIZE, 2).astype(np.float32))
    area, left = (np.maximum(b[:, 2:] - b[:, :2], 0).prod(axis=1) for b in (before, after))
    people[:, :4] = after
    people[:, 4] *= left / np.maximum(area, 1e-6)
    people = people[(left > 20) & (left > 0.05 * area)]
    tint = rng.uniform(0.8, 1.25) * rng.uniform(0.93, 1.07, 3)
    return np.clip(image * tint + rng.normal(0, 6), 0, 255).astype(np.uint8), people


def train(net: PeopleNet, pixels: NDArray[np.uint8], truth: NDArray[np.float32], epochs: int, batch: int) -> None:
    """Train with AdamW and a cosine schedule."""
    corner, stride = grid()
    steps = epochs * (len(pixels) // batch)
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps, pct_start=0.08)
    rng = np.random.default_rng(5)
    begun, done, running = time.perf_counter(), 0, 0.0
    for epoch in range(epochs):
        for images, boxes in batches(pixels, truth, batch, rng):
            loss = loss_of(net(images), boxes, corner, stride)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            optimiser.step()
            schedule.step()
            done += 1
            running += 0.02 * (loss.item() - running) if done > 1 else loss.item()
            if done % 50 == 0:
                rate = done * batch / (time.perf_counter() - begun)
                print(
                    f"epoch {epoch + 1}/{epochs}, step {done}/{steps}, loss {running:.3f}, {rate:.0f} pictures/s",
                    flush=True,
                )


def export(net: PeopleNet, path: Path) -> None:
    """Write the network as ONNX."""
    net.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        net,
        (torch.zeros(1, 3, SIZE[1], SIZE[0]),),
        str(path),
        input_names=["images"],
        output_names=["cells"],
        opset_version=17,
        dynamo=False,
    )
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {sum(p.numel() for p in net.parameters())} parameters")


def main() -> None:
    """Render, train, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=12_000)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path("build/train_detector"), help="keep the pictures here")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--init", type=Path, help="go on from these weights, the people_net.pt of an earlier run")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(arguments.processes)
    pixels, truth = load_pictures(arguments.frames, arguments.cache, arguments.processes)
    net = PeopleNet()
    if arguments.init is not None:
        net.load_state_dict(torch.load(arguments.init))
    train(net, pixels, truth, arguments.epochs, arguments.batch)
    torch.save(net.state_dict(), arguments.cache / "people_net.pt")
    export(net, arguments.out)


if __name__ == "__main__":
    main()
