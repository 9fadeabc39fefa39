"""Times the networks in torch on many cameras: the whole way from pixels to boxes and looks, its parts, and its peers.

Frames are made up and lie in host memory, or are decoded from a video; each shows the same number of people to the
embedder, whatever the random detector finds. The ceiling is the bare networks on inputs that are ready on the device.
"""

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from app.bench.gpu_networks import YOLO, write_clip, write_detector
from app.domains.vocabulary import CameraId, Crops, Frame, FrameBatch, Pixels
from app.infrastructure.pyav_decoding import HOST_DECODING, Decoding
from app.infrastructure.torch_decoding import TorchDecoding
from app.infrastructure.torch_detector import TorchDetector
from app.infrastructure.torch_embedder import TorchEmbedder
from app.infrastructure.torch_frames import DeviceFrames
from app.infrastructure.torch_pixels import cut_crops, place
from app.networks import Networks, build_networks
from app.settings import SiteFile, parse_site

LIVE_MS = 100.0  # a step may take so long where every camera gives 10 frames a second


@dataclass(frozen=True, slots=True)
class GpuPlan:
    """What is timed.

    Attributes:
        detectors: of gpu_networks.
        clip: open_clip's name of an architecture.
        cameras: how many, one run each.
        people: crops of a frame.
        size: width and height of the frames.
        seconds: that each number is taken over, at least.
        batch: pictures in one call of a network, at most.
        device: the one that is timed.
        precision: of the networks.
        compiled: what becomes of the networks' calls, one run each: off, graphs or inductor.
    """

    detectors: tuple[str, ...]
    clip: str
    cameras: tuple[int, ...]
    people: int
    size: tuple[int, int]
    seconds: float
    batch: int
    device: str
    precision: str
    compiled: tuple[str, ...] = ("off",)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast steps went, one frame of every camera each."""

    frames_per_s: float  # of all cameras together
    p50_ms: float  # of a step
    p95_ms: float

    @classmethod
    def of(cls, steps: Sequence[float], cameras: int) -> "Pace":
        """Sum up steps that took so many seconds."""
        middle, late = np.quantile(steps, [0.5, 0.95]).tolist()
        return cls(cameras / middle, 1000 * middle, 1000 * late)


@dataclass(frozen=True, slots=True)
class GpuRow:
    """One detector with CLIP on one number of cameras; rates in frames a second of all cameras together.

    Attributes:
        compiled: what became of the calls of both; the ceiling's and the peers' are as they are.
        frames_per_s: from pixels in host memory to boxes and looks in host memory.
        p50_ms: of a step, one frame of every camera.
        p95_ms: likewise.
        detect_per_s: without CLIP.
        ceiling_per_s: bare networks, inputs ready on the device.
        one_by_one_per_s: Ultralytics' predict(stream=True), camera by camera, without CLIP; None where it has no such
            network.
        batched_per_s: Ultralytics' predict of all cameras' frames in one call, without CLIP; None where it does not fit
            into the memory, too.
        decoded: the same with frames decoded from H.264 on the CPU; None where that was not asked for.
        card_decoded: likewise, decoded on the card; None without a card, too.
        memory_mb: most memory of the device; None without a card.
        host_ms: CPU time of this process for a frame.
        parts_ms: for a frame, each measured alone: copy, resize, detector, crops, clip.
    """

    detector: str
    compiled: str
    cameras: int
    frames_per_s: float
    p50_ms: float
    p95_ms: float
    detect_per_s: float
    ceiling_per_s: float
    one_by_one_per_s: float | None
    batched_per_s: float | None
    decoded: "Pace | None"
    card_decoded: "Pace | None"
    memory_mb: float | None
    host_ms: float
    parts_ms: dict[str, float]

    @property
    def of_ceiling(self) -> float:
        """Share of the ceiling that is reached end to end."""
        return self.frames_per_s / self.ceiling_per_s

    @property
    def live(self) -> bool:
        """Whether so many cameras can be followed at 10 frames a second."""
        return self.p95_ms <= LIVE_MS


class _Subject:
    """The networks under test, as a site file would have them, and what they look at."""

    def __init__(self, plan: GpuPlan, detector: Path, clip: Path, compiled: str) -> None:
        self.plan, self.compiled = plan, compiled
        self.networks = _build(plan, detector, clip, compiled)
        self.networks.prepare({plan.size})
        if not isinstance(self.networks.detector, TorchDetector) or not isinstance(
            self.networks.embedder, TorchEmbedder
        ):
            raise TypeError("the bench's networks run in torch")
        self.detector: TorchDetector = self.networks.detector
        self.embedder: TorchEmbedder = self.networks.embedder
        self.device = torch.device(plan.device)
        random = np.random.default_rng(0)
        self._pictures = [random.integers(0, 255, (plan.size[1], plan.size[0], 3), np.uint8) for _ in range(4)]
        width, height = plan.size
        size = np.column_stack([random.uniform(0.03, 0.06, plan.people), random.uniform(0.14, 0.28, plan.people)])
        corner = random.uniform(0, 1 - size)
        self._boxes = (np.hstack([corner, corner + size]) * [width, height, width, height]).astype(np.float32)

    def frames(self, cameras: int, pictures: Sequence[Pixels] = ()) -> FrameBatch:
        """Return a new batch: the same pixels, but frames that no device has seen."""
        shown = pictures or [self._pictures[i % len(self._pictures)] for i in range(cameras)]
        names = (CameraId(f"c{i:03}") for i in range(cameras))
        return FrameBatch(0.0, tuple(Frame(n, 0.0, 0, self.plan.size, p) for n, p in zip(names, shown, strict=True)))

    def crops(self, cameras: int) -> Crops:
        """Return the same people in every frame."""
        people = self.plan.people
        row = np.tile(np.arange(people), cameras)
        return Crops(np.repeat(np.arange(cameras), people), row, np.tile(self._boxes, (cameras, 1)))

    def step(self, batch: FrameBatch, crops: Crops) -> None:
        """Do what the frame path asks of networks."""
        self.detector.detect(batch)
        self.embedder.embed(batch, crops)


def _build(plan: GpuPlan, detector: Path, clip: Path, compiled: str) -> Networks:
    content = {
        "site": "bench",
        "cameras": [{"id": "c000", "source": "none"}],
        "detector": {"model": str(detector), "score": 0.25, "tiles": None},
        "embedder": {"model": str(clip)},
        "accelerator": {
            "devices": [plan.device],
            "precision": plan.precision,
            "batch": plan.batch,
            "compile": compiled,
        },
    }
    here = Path("bench.yaml")
    return build_networks(SiteFile(here, parse_site(content, here)), {}, None)


def measure(plan: GpuPlan, folder: Path, video: Path | None, say: Callable[[str], None]) -> list[GpuRow]:
    """Time every detector on every number of cameras.

    Args:
        plan: what is timed.
        folder: the networks are written there.
        video: frames are decoded from it for one more number; None leaves that out.
        say: called before each run.
    """
    clip = write_clip(plan.clip, folder)
    rows = []
    for name in plan.detectors:
        path = write_detector(name, folder)
        for compiled in plan.compiled:
            how = "" if compiled == "off" else f", compiled: {compiled}"
            say(f"{name} + CLIP {plan.clip}{how}")
            subject = _Subject(plan, path, clip, compiled)
            for cameras in plan.cameras:
                say(f"{name}, {cameras} {'camera' if cameras == 1 else 'cameras'}")
                rows.append(_measure(subject, name, path, cameras, video))
    return rows


def _measure(subject: _Subject, name: str, path: Path, cameras: int, video: Path | None) -> GpuRow:
    from app.bench.gpu_peers import ultralytics_rates

    plan, crops = subject.plan, subject.crops(cameras)
    if subject.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(subject.device)
    before = _cpu_s()
    steps = _times(lambda: subject.step(subject.frames(cameras), crops), plan.seconds, subject.device)
    host_s = _cpu_s() - before
    memory = torch.cuda.max_memory_allocated(subject.device) / 1e6 if subject.device.type == "cuda" else None
    detect = _times(lambda: subject.detector.detect(subject.frames(cameras)), plan.seconds, subject.device)
    parts = _parts(subject, cameras)
    alone, batched = (None, None)
    if name in YOLO:
        alone, batched = ultralytics_rates(path, subject.frames(cameras), plan.device, plan.precision, plan.seconds)
    on_cpu, on_card = (None, None)
    if video is not None:
        on_cpu = _decoded(subject, cameras, video, HOST_DECODING)
        if subject.device.type == "cuda":
            on_card = _decoded(subject, cameras, video, TorchDecoding(subject.device))
    return GpuRow(
        detector=name,
        compiled=subject.compiled,
        cameras=cameras,
        **asdict(Pace.of(steps, cameras)),
        detect_per_s=cameras / float(np.median(detect)),
        ceiling_per_s=1000 / (parts["detector"] + parts["clip"]),
        one_by_one_per_s=alone,
        batched_per_s=batched,
        decoded=on_cpu,
        card_decoded=on_card,
        memory_mb=memory,
        host_ms=1000 * host_s / ((len(steps) + WARM_UP) * cameras),
        parts_ms=parts,
    )


def _decoded(subject: _Subject, cameras: int, video: Path, decoding: Decoding) -> Pace:
    """Time the way from a video to boxes and looks."""
    from app.bench.gpu_decode import Decoders

    crops = subject.crops(cameras)
    with Decoders(video, cameras, decoding) as decoders:
        steps = _times(
            lambda: subject.step(subject.frames(cameras, decoders.next()), crops), subject.plan.seconds, subject.device
        )
    return Pace.of(steps, cameras)


WARM_UP = 2  # calls before the first that counts


def _times(call: Callable[[], object], seconds: float, device: torch.device) -> list[float]:
    """Return how long each call took, in seconds; at least three, for at least so long."""
    for _ in range(WARM_UP):
        call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        _wait(device)
        begin = time.perf_counter()
        call()
        _wait(device)
        times.append(time.perf_counter() - begin)
    return times


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _parts(subject: _Subject, cameras: int) -> dict[str, float]:
    """Return milliseconds a frame of each part alone, in batches as the adapters make them."""
    plan, device = subject.plan, subject.device
    finder, looker = subject.detector.networks[0], subject.embedder.networks[0]
    (stack,) = DeviceFrames((device,)).stacks(subject.frames(cameras))
    stack.upload(range(cameras))
    placement = finder.placement(plan.size)
    accelerator = subject.networks.accelerator
    dtype = torch.float32 if accelerator is None else accelerator.dtype
    crops = subject.crops(cameras)
    rows = torch.from_numpy(crops.frame).to(device)
    boxes = np.rint(crops.xyxy).astype(np.int64)
    widest, highest = (boxes[:, 2:] - boxes[:, :2]).max(axis=0).tolist()
    windows = torch.from_numpy(boxes).to(device)

    def in_batches(count: int, call: Callable[[int, int], object]) -> Callable[[], None]:
        def every() -> None:
            for begin in range(0, count, plan.batch):
                call(begin, min(count, begin + plan.batch))

        return every

    frames = DeviceFrames((device,))

    def copy() -> None:
        (again,) = frames.stacks(subject.frames(cameras))
        again.upload(range(cameras))

    def resize(begin: int, end: int) -> torch.Tensor:
        return place(stack.pixels[begin:end], placement, finder.traits.padding).div_(255.0).to(dtype)

    def cut(begin: int, end: int) -> torch.Tensor:
        return cut_crops(stack.pixels, rows[begin:end], windows[begin:end], (widest, highest), looker.plan).to(dtype)

    with torch.inference_mode():
        pictures, people = resize(0, min(plan.batch, cameras)), cut(0, min(plan.batch, len(crops)))
        calls = {
            "copy": copy,
            "resize": in_batches(cameras, resize),
            "detector": in_batches(cameras, lambda begin, end: finder.find(pictures[: end - begin])),
            "crops": in_batches(len(crops), cut),
            "clip": in_batches(len(crops), lambda begin, end: looker.look(people[: end - begin])),
        }
        medians = {part: float(np.median(_times(call, plan.seconds / 2, device))) for part, call in calls.items()}
    return {part: 1000 * seconds / cameras for part, seconds in medians.items()}
