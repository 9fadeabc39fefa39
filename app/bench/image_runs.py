"""Scores SpotOn and its peers in the image of one recorded camera, all on the boxes of one detector."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.bench.floor_runs import Tracked, silent, tracking_values
from app.bench.image_peers import INSTALL, Picture, Update, peers
from app.domains.vocabulary import FloatArray
from app.evaluation.mot_text import BoxTable
from app.evaluation.run_folder import RunFolder
from app.evaluation.scoring import score_image
from app.evaluation.truth import Truth, inside
from app.main import open_recordings
from app.networks import build_networks
from app.orchestration.jobs import StageClock
from app.recorded import open_run
from app.settings import SiteFile


def image_values(run: RunFolder, truth: Truth) -> dict[str, float]:
    """Score the boxes of a run in its images; shares in per cent."""
    scores = score_image(run, truth, truth.area)
    return tracking_values(scores.all, scores.churn)


def track_peers(tracked: Tracked, models_dir: Path | None) -> tuple[Mapping[str, RunFolder], Mapping[str, str]]:
    """Return the run with each peer's boxes in place of SpotOn's, and why others are missing."""
    camera = tracked.site_file.site.cameras[0].id
    opened, missing = _open_peers(tracked.run.clocks[camera].fps)
    rows: dict[str, list[FloatArray]] = {name: [np.zeros((0, 6))] for name in opened}
    for number, boxes, score, pixels in _found(tracked.site_file, models_dir) if opened else ():
        for name, update in opened.items():
            ids, places = update(boxes, score, pixels)
            rows[name].append(np.column_stack([np.full(len(ids), number), ids, places]))
    runs = {name: replace(tracked.run, boxes={camera: _table(np.concatenate(mine))}) for name, mine in rows.items()}
    return runs, missing


def _open_peers(fps: float) -> tuple[dict[str, Update], dict[str, str]]:
    opened, missing = {}, {}
    for name, open_peer in peers(fps).items():
        try:
            opened[name] = open_peer()
        except ImportError:
            missing[name] = INSTALL
    return opened, missing


def _found(site_file: SiteFile, models_dir: Path | None) -> Iterator[tuple[int, FloatArray, FloatArray, Picture]]:
    """Give of each frame its number, and what the site's detector finds on the site's floor.

    SpotOn gives nobody else an identity, so its peers get nobody else's boxes.
    """
    detector = build_networks(site_file, open_recordings(site_file), models_dir).detector
    bounds = site_file.site.floor.bounds if site_file.site.floor else None
    with open_run(site_file, models_dir, StageClock(), silent) as run:
        for batch in run.batcher:
            frame, boxes = batch.frames[0], detector.detect(batch)[0]
            if frame.pixels is None:
                raise ValueError(f"camera {frame.camera_id} has no pixels")
            kept = np.ones(len(boxes), bool)
            points = run.views[frame.camera_id].project(boxes.xyxy)
            if bounds is not None:
                kept = inside(points.xy, bounds) | ~points.valid
            xyxy, score = boxes.xyxy[kept].astype(np.float64), boxes.confidence[kept].astype(np.float64)
            yield frame.index + 1, xyxy, score, np.asarray(frame.pixels)


def _table(rows: FloatArray) -> BoxTable:
    """Turn (N, 6) rows of frame, id and box into a table."""
    n = len(rows)
    ids = rows[:, :2].astype(np.int64)
    return BoxTable(ids[:, 0], ids[:, 1], rows[:, 2:], np.full((n, 2), np.nan), np.zeros(n, bool))
