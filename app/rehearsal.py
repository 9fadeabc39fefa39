"""Walks made-up boxes through a frame path of its own, before the first real frame, and throws the result away.

So everything that is compiled is there, from the cache or fresh, when cameras begin to wait for it. Knows no network's
kind; the boxes stand where a person could stand, and mean nothing.
"""

import threading
from collections.abc import Mapping

import numpy as np

from app.domains.analytics.coverage import Coverage
from app.domains.analytics.places import Line, PlaceId, PlaceVersion, Zone
from app.domains.analytics.watch import FloorWatch
from app.domains.analytics.watched import DotRows
from app.domains.mapping.habits import CameraHabits, HabitConfig
from app.domains.mapping.view import CameraView
from app.domains.reid.likelihood import CosinePrior
from app.domains.vocabulary import CameraId, Crops, Detections, Embeddings, Frame, FrameBatch
from app.main import build_history, build_pipeline
from app.networks import Networks, Prepare
from app.orchestration.pipeline import Pipeline
from app.settings import Site

STEPS = 6  # tracks begin, are confirmed, go on, are lost; targets and identities begin
PERIOD_S = 0.2
WAIT_S = 0.1  # between two looks whether it has ended
LOOKS = np.eye(4, dtype=np.float32)


class _MadeUp:
    """A detector and embedder that looks at nothing: two people side by side, and half of a third."""

    def detect(self, batch: FrameBatch) -> list[Detections]:
        found = []
        for frame in batch.frames:
            width, height = frame.size
            left = width * np.array([0.2, 0.45, 0.7]) + 20.0 * batch.captured_at
            corners = np.stack([left, np.full(3, 0.4 * height), left + 0.1 * width, np.full(3, 0.8 * height)], axis=1)
            seen = slice(0, 1 if batch.captured_at > (STEPS - 2) * PERIOD_S else 3)
            confidence = np.array([0.95, 0.95, 0.2], np.float32)
            found.append(
                Detections(frame.camera_id, frame.captured_at, corners[seen].astype(np.float32), confidence[seen])
            )
        return found

    def embed(self, _batch: FrameBatch, crops: Crops) -> Embeddings:
        return Embeddings(LOOKS[crops.row])


def rehearse(site: Site, views: Mapping[CameraId, CameraView], prepare: Prepare) -> None:
    """Run a few made-up steps with the site's settings and views: a minute or two on the first start, then a second.

    The site's networks see nothing of them; `prepare` lets those compile that do.

    They run in a thread of their own, so that Ctrl-C ends the wait for them at once: a compiler that is interrupted
    may swallow the interruption.
    """
    faults: list[BaseException] = []

    def run() -> None:
        try:
            _walk(site, views)
            prepare({view.size for view in views.values()})
        except BaseException as fault:  # noqa: BLE001 - raised again by the thread that waits
            faults.append(fault)

    thread = threading.Thread(target=run, name="rehearsal", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(WAIT_S)
    if faults:
        raise faults[0]


def _walk(site: Site, views: Mapping[CameraId, CameraView]) -> None:
    made_up = _MadeUp()
    for embedder in (made_up, None):
        pipeline = build_pipeline(site, views, Networks(made_up, embedder, None, CosinePrior(), (), ("", "")))
        history = build_history(site, pipeline, lambda _batch, _update: None)
        for step in range(STEPS):
            at = PERIOD_S * step
            frames = tuple(Frame(camera, at, step, views[camera].size, None) for camera in sorted(views))
            batch = FrameBatch(at, frames)
            history.write(batch, pipeline.step(batch))
        history.finish()
    _learn(pipeline)
    _watch()


def _learn(pipeline: Pipeline) -> None:
    """Let the cameras' habits learn from a box that stands where it seems to stand; made-up people never meet."""
    habits = CameraHabits([pipeline.views[camera] for camera in pipeline.fusion.camera_ids], HabitConfig())
    for number, camera in enumerate(pipeline.fusion.camera_ids):
        width, height = pipeline.views[camera].size
        box = np.array([[0.4 * width, 0.4 * height, 0.5 * width, 0.8 * height]], np.float32)
        floor = pipeline.views[camera].project(box)
        habits.learn(0.0, np.array([[number, 0, 1]]), box, floor.xy, floor.covariance)
    habits.anchor(0.0)


def _watch() -> None:
    """Let somebody walk over a made-up zone and a line, on a floor that one camera sees."""
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    places = Zone(PlaceId("zone"), "zone", square), Line(PlaceId("line"), "line", square[:2])
    coverage = Coverage((), {CameraId("camera"): square}, (0.0, 0.0, 1.0, 1.0))
    watch = FloorWatch([PlaceVersion(place.place_id, 1, 0.0, place) for place in places], coverage)
    at, xy = PERIOD_S * np.arange(2.0), np.array([0.0, 0.5])
    watch.update(at, DotRows(at, np.ones(2, np.int64), xy, xy, xy, xy), [frozenset({CameraId("camera")})] * 2)
