"""`spoton bench gpu`: frames a second of the networks in torch, beside their ceiling and their peers."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from app.cli.console import out, say
from app.cli.options import JsonOption
from app.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from app.bench.gpu import GpuPlan, GpuRow, Pace


@dataclass(frozen=True, slots=True)
class Usual:
    """What is timed where the command line does not say."""

    cameras: str
    size: str
    people: int
    seconds: float
    batch: int
    compiled: str


CLIP = "ViT-B-32"
CARD = Usual("1,4,8,16,32,64,128,200", "1920x1080", people=15, seconds=3.0, batch=32, compiled="off,graphs")
NO_CARD = Usual("1,2", "1280x720", people=4, seconds=0.5, batch=4, compiled="off")


def bench_gpu_command(
    detectors: Annotated[
        str | None, typer.Option(metavar="A,B", help="Of yolo11n, yolo11s, yolo11m, rtdetr_r18, rtdetr_r50.")
    ] = None,
    cameras: Annotated[str | None, typer.Option(metavar="N,N", help="Numbers of cameras.")] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Pixels of the frames.")] = None,
    people: Annotated[int | None, typer.Option(min=1, help="Crops of each frame.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Time for each number.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Pictures in one call of a network, at most.")] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda:N", help="Which device is timed.")] = "auto",
    precision: Annotated[str, typer.Option(metavar="auto|fp32|fp16|bf16")] = "auto",
    compiled: Annotated[
        str | None, typer.Option("--compile", metavar="A,B", help="Of off, graphs (cards alone), inductor.")
    ] = None,
    decode: Annotated[bool, typer.Option(help="Also with frames decoded from H.264.")] = True,
    json_file: JsonOption = None,
) -> None:
    """Time detectors with CLIP on many cameras, from pixels in host memory to boxes and looks.

    The weights are random, which changes nothing about speed. Without a card all numbers are smaller.
    """
    try:
        import torch
    except ImportError as error:
        raise ModelError("torch", "not installed; uv sync --extra gpu --no-group cpu brings it") from error
    from app.bench.gpu import GpuPlan, measure
    from app.bench.gpu_decode import write_video
    from app.bench.gpu_networks import DETECTORS

    chosen = device if device != "auto" else ("cuda:0" if torch.cuda.is_available() else "cpu")
    usual = CARD if chosen != "cpu" else NO_CARD
    names = _names(detectors, DETECTORS if chosen != "cpu" else ("yolo11n", "rtdetr_r18"), DETECTORS)
    plan = GpuPlan(
        detectors=names,
        clip=CLIP,
        cameras=_numbers("--cameras", cameras or usual.cameras, ","),
        people=people or usual.people,
        size=_size(size or usual.size),
        seconds=seconds or usual.seconds,
        batch=batch or usual.batch,
        device=chosen,
        precision=precision,
        compiled=_modes(compiled or usual.compiled, on_card=chosen != "cpu"),
    )
    with tempfile.TemporaryDirectory(prefix="spoton-bench-") as folder:
        video = write_video(Path(folder) / "video.mp4", plan.size) if decode else None
        rows = measure(plan, Path(folder), video, say)
    name = torch.cuda.get_device_name(chosen) if chosen != "cpu" else "CPU"
    _show(rows, plan, name)
    if json_file is not None:
        record = {"device": name, "torch": torch.__version__, "plan": asdict(plan)}
        record["rows"] = [{**asdict(row), "of_ceiling": row.of_ceiling, "live": row.live} for row in rows]
        json_file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _names(asked: str | None, usual: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    names = usual if asked is None else tuple(asked.split(","))
    if unknown := [name for name in names if name not in known]:
        raise ConfigError("--detectors", unknown[0], f"unknown; known are {', '.join(known)}")
    return names


def _modes(text: str, *, on_card: bool) -> tuple[str, ...]:
    modes = tuple(text.split(","))
    if unknown := [mode for mode in modes if mode not in ("off", "graphs", "inductor")]:
        raise ConfigError("--compile", unknown[0], "unknown; known are off, graphs, inductor")
    if "graphs" in modes and not on_card:
        raise ConfigError("--compile", "graphs", "CUDA graphs need a card; give off or inductor")
    return modes


def _numbers(option: str, text: str, separator: str) -> tuple[int, ...]:
    parts = text.split(separator)
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(option, text, f"give whole numbers above zero with {separator!r} between them")
    return tuple(int(part) for part in parts)


def _size(text: str) -> tuple[int, int]:
    numbers = _numbers("--size", text, "x")
    if len(numbers) != 2 or any(number % 16 for number in numbers[:1]) or min(numbers) < 64:
        raise ConfigError("--size", text, "give width x height, such as 1920x1080; the width in steps of 16")
    return numbers[0], numbers[1]


def _show(rows: list[GpuRow], plan: GpuPlan, name: str) -> None:
    width, height = plan.size
    what = f"{name}, {plan.precision}, {width} x {height}, {plan.people} people a frame; random weights"
    speed = Table(
        "network", "cameras", "frames/s", "p50 / p95 ms", "10 fps each", "of ceiling", "host ms", "memory MB",
        title=f"With CLIP {plan.clip}: {what}",
    )  # fmt: skip
    decoded = Table("network", "cameras", "CPU: frames/s", "p50 / p95 ms", "card: frames/s", "p50 / p95 ms",
                    title="The same, with H.264 decoded first")  # fmt: skip
    peers = Table("network", "cameras", "SpotOn", "Ultralytics, one by one", "batched", "times one by one",
                  title="Detection alone, frames/s")  # fmt: skip
    parts = Table("network", "cameras", "copy", "resize", "detector", "crops", "CLIP",
                  title="Milliseconds a frame and share, each part alone")  # fmt: skip
    for row in rows:
        network = row.detector if row.compiled == "off" else f"{row.detector}, {row.compiled}"
        speed.add_row(
            network,
            str(row.cameras),
            f"{row.frames_per_s:.1f}",
            f"{row.p50_ms:.1f} / {row.p95_ms:.1f}",
            "yes" if row.live else "no",
            f"{row.of_ceiling:.2f}",
            f"{row.host_ms:.2f}",
            _number(row.memory_mb),
        )
        decoded.add_row(network, str(row.cameras), *_pace(row.decoded), *_pace(row.card_decoded))
        ratio = None if row.one_by_one_per_s is None else row.detect_per_s / row.one_by_one_per_s
        peers.add_row(
            network,
            str(row.cameras),
            f"{row.detect_per_s:.1f}",
            _number(row.one_by_one_per_s),
            _number(row.batched_per_s),
            "-" if ratio is None else f"{ratio:.2f}",
        )
        whole = sum(row.parts_ms.values())
        shares = (f"{value:.2f} ({value / whole:.0%})" for value in row.parts_ms.values())
        parts.add_row(network, str(row.cameras), *shares)
    with_decoding = (decoded,) if any(row.decoded is not None for row in rows) else ()
    for table in (speed, *with_decoding, peers, parts):
        out().print(table)


def _pace(pace: Pace | None) -> tuple[str, str]:
    return ("-", "-") if pace is None else (f"{pace.frames_per_s:.1f}", f"{pace.p50_ms:.1f} / {pace.p95_ms:.1f}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
