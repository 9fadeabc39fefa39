"""Times Ultralytics' own predict on the frames that SpotOn is timed on."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.domains.vocabulary import FrameBatch
from app.infrastructure.ultralytics_detector import import_ultralytics


def ultralytics_rates(
    path: Path, batch: FrameBatch, device: str, precision: str, seconds: float
) -> tuple[float, float | None]:
    """Return frames a second of predict(stream=True) camera by camera, and of all cameras' frames in one call.

    The latter is None where so many frames at once do not fit into the device's memory.
    """
    import_ultralytics()
    from ultralytics import YOLO

    model: Any = YOLO(str(path))
    pictures = [np.asarray(frame.pixels) for frame in batch.frames]
    half = torch.device(device).type == "cuda" and precision in ("auto", "fp16")
    settings = {"conf": 0.25, "classes": [0], "device": device, "half": half, "verbose": False}

    def one_by_one() -> None:
        for picture in pictures:
            for result in model.predict(picture, stream=True, **settings):
                result.boxes.xyxy.cpu()

    def together() -> None:
        for result in model.predict(pictures, stream=True, batch=len(pictures), **settings):
            result.boxes.xyxy.cpu()

    alone = _rate(one_by_one, len(pictures), seconds)
    try:
        return alone, _rate(together, len(pictures), seconds)
    except torch.OutOfMemoryError:
        return alone, None


def _rate(call: Callable[[], None], frames: int, seconds: float) -> float:
    call()
    begin, calls = time.perf_counter(), 0
    while calls < 2 or time.perf_counter() - begin < seconds:
        call()
        calls += 1
    return calls * frames / (time.perf_counter() - begin)
