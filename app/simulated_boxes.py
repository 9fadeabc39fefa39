"""Simulated sites as boxes in place of videos: what a detector would have found, and the truth. Paints nothing.

Knows no server and no tracker; what it writes is read like any other site with recorded detections.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app.domains.vocabulary import FloatArray
from app.evaluation.detection_noise import NoisyBoxes
from app.evaluation.mot_text import write_detections
from app.evaluation.seen_noise import SeenBoxes, SeenNoise, detect_seen
from app.evaluation.truth import FLOOR_TRUTH
from app.orchestration.jobs import Progress
from app.simulated import (
    SiteConfig,
    address_of,
    calibration_of,
    mounts_of,
    scene_of,
    start_of,
    start_s_of,
    write_site_file,
    written_whole,
)
from app.simulation.box_recording import BoxCamera, FloorVisibility, Sight, record_boxes
from app.simulation.recording import LEAST_VISIBLE
from app.simulation.schedule import count_frames
from app.simulation.world import World

FLOOR_TRUTH_HEADER = "time_s,global_id,x_m,y_m,visibility,counts"


def write_boxes(
    out: Path, config: SiteConfig, noise: SeenNoise, report: Callable[[Progress, int | None], None]
) -> Path:
    """Write a simulated site as a test set of boxes.

    Writes `site.yaml`, `plan.png`, `floor_truth.csv`, and per camera `<camera>/det/det.txt`, `<camera>/gt/gt.txt`, and
    with looks `<camera>/det/emb.npz`. Whole or not at all: until it is complete the folder's name ends in `.part`.

    Args:
        out: the folder, which must not exist yet or be empty.
        config: the site; its duration must be given. Light changes nothing here.
        noise: how far boxes are from what is there; drawn by the world's seed.
        report: called after each instant with the progress, and the number of all frames.

    Returns:
        The site file's path.

    Raises:
        ConfigError: the folder is in use.
        ValueError: no duration, no such scene, walks that cannot be played, faults of a camera that is not there, or
            a camera that sees nobody in all its frames.
    """
    if config.duration_s is None:
        raise ValueError("a recording needs a duration")
    world = World(scene_of(config), config.world)
    mounts = mounts_of(world.scene, config)
    addresses = [address_of(mount, config) for mount in mounts]
    cameras = [BoxCamera(address, world) for address in addresses]
    frames = count_frames(addresses[0]) or 0

    def tell(done: int, people: int) -> None:
        report(Progress(done, done * len(cameras), people, 0), frames * len(cameras))

    with written_whole(out) as part:
        floor = record_boxes(cameras, world, config.fps, frames, tell)
        sections = []
        for mount, camera in zip(mounts, cameras, strict=True):
            boxes = _detect(camera, world, config, noise, mount.name)
            write_detections(part / mount.name / "det", boxes)
            truth = part / mount.name / "gt" / "gt.txt"
            truth.parent.mkdir()
            truth.write_text("".join(camera.truth), encoding="utf-8")
            section: dict[str, Any] = {
                "id": mount.name,
                "detections": f"{mount.name}/det/det.txt",
                "size": list(config.size),
                "fps": config.fps,
            }
            if lost := _lost(camera, frames):
                section["lost"] = lost
            if noise.looks is not None:
                section["embeddings"] = f"{mount.name}/det/emb.npz"
            calibration = calibration_of(world.scene, mount, config)
            sections.append({**section, **start_of(mount.name, config), "calibration": calibration})
        _write_floor_truth(part / FLOOR_TRUTH, floor, config)
        write_site_file(world.scene, sections, part)
    return out / "site.yaml"


def _detect(camera: BoxCamera, world: World, config: SiteConfig, noise: SeenNoise, name: str) -> NoisyBoxes:
    """Return the detections of one camera; frames that show the same instant have the same boxes."""
    shown_s = np.array([sight.shown_s for sight in camera.sights])
    pictures, first = np.unique(shown_s, return_index=True)
    boxes = _seen([camera.sights[k] for k in first], world, config)
    found = detect_seen(boxes, noise, config.world.seed, name)
    if not len(found):
        raise ValueError(f"camera {name} sees nobody in all its frames; give more people or a longer time")
    picture = np.searchsorted(pictures, shown_s) + 1
    number = np.array([sight.frame for sight in camera.sights])
    low, high = np.searchsorted(found.frame, picture), np.searchsorted(found.frame, picture, side="right")
    rows = np.concatenate([np.arange(a, b) for a, b in zip(low, high, strict=True)])
    frame = np.repeat(number, high - low)
    return NoisyBoxes(frame, found.xyxy[rows], found.confidence[rows], found.person[rows], found.embedding[rows])


def _lost(camera: BoxCamera, frames: int) -> list[list[int]]:
    """Return the first and last number of each stretch of frames that never came."""
    came = np.zeros(frames + 2, bool)
    came[[0, -1]] = True
    came[[sight.frame for sight in camera.sights]] = True
    edges = np.diff(came.astype(np.int8))
    begin, end = np.flatnonzero(edges < 0) + 1, np.flatnonzero(edges > 0)
    return [[a, b] for a, b in zip(begin.tolist(), end.tolist(), strict=True)]


def _seen(sights: list[Sight], world: World, config: SiteConfig) -> SeenBoxes:
    views = [sight.silhouettes for sight in sights]
    person = np.concatenate([view.ids for view in views])
    return SeenBoxes(
        frame=np.repeat(np.arange(1, len(views) + 1), [len(view.ids) for view in views]),
        person=person,
        outfit=world.outfit_of(person),
        xyxy=np.concatenate([view.xyxy for view in views]).astype(np.float64),
        visible_xyxy=np.concatenate([view.visible_xyxy for view in views]),
        visibility=np.concatenate([view.visibility for view in views]),
        inside=np.concatenate([view.inside for view in views]),
        facing=np.concatenate([view.facing for view in views]),
        frames=len(views),
        fps=config.fps,
        size=config.size,
    )


def _write_floor_truth(path: Path, floor: FloorVisibility, config: SiteConfig) -> None:
    """Write where everybody on the watched floor is; who is hardly seen by any camera does not count."""
    counts = [len(ids) for ids in floor.ids]
    time_s = start_s_of(config) + np.repeat(np.arange(len(counts)) / config.fps, counts)
    visibility: FloatArray = np.concatenate(floor.visibility)
    columns = (time_s, np.concatenate(floor.ids), np.concatenate(floor.xy), visibility, visibility >= LEAST_VISIBLE)
    np.savetxt(path, np.column_stack(columns), "%.6f,%d,%.4f,%.4f,%.3f,%d", header=FLOOR_TRUTH_HEADER, comments="")
