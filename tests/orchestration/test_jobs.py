import time

import numpy as np
import pytest
from fakes import FakeDetector, FakeSource
from world import SIZE, World, corner_cameras, person

from app.domains.detection.tracker import CameraTrackers, TrackerConfig
from app.domains.mapping.fusion import FloorFusion, FusionConfig
from app.domains.reid.evidence import IdentityConfig
from app.domains.reid.gallery import Gallery
from app.domains.reid.identity import IdentityResolver
from app.domains.reid.likelihood import CosineLikelihood, CosinePrior
from app.domains.vocabulary import FrameBatch, TrackingUpdate
from app.errors import FrameCorrupt
from app.infrastructure.faiss_index import FaissIndex
from app.orchestration.batcher import Batcher
from app.orchestration.jobs import Progress, StageClock, people_in, run_recording
from app.orchestration.pipeline import STAGES, Pipeline

FRAMES = 12


@pytest.fixture
def clock() -> StageClock:
    return StageClock()


@pytest.fixture
def world() -> World:
    return World([person(1, [(0, 4, 4), (9, 8, 4)]), person(2, [(0, 8, 2), (9, 4, 3)])], corner_cameras())


@pytest.fixture
def pipeline(world, clock) -> Pipeline:
    identity = IdentityConfig()
    likelihood = CosineLikelihood(CosinePrior(), identity.likelihood)
    return Pipeline(
        detector=FakeDetector(world),
        embedder=None,
        trackers=CameraTrackers([c.name for c in world.cameras], TrackerConfig()),
        views=world.views(),
        fusion=FloorFusion(world.views(), FusionConfig()),
        identities=IdentityResolver(Gallery(FaissIndex(1), identity.gallery), likelihood, identity, {}),
        timed=clock.time,
    )


class CutSource(FakeSource):
    """A source whose frame number 3 does not decode."""

    def read(self):
        frame = super().read()
        if frame is not None and frame.index == 3:
            raise FrameCorrupt(self.camera_id, "does not decode")
        return frame


def sources(kind=FakeSource):
    return [kind(name, [i / 5 for i in range(FRAMES)], SIZE, 5.0) for name in "abcd"]


def test_every_batch_goes_through_the_pipeline_and_to_every_output_in_order(pipeline, clock):
    first: list[tuple[FrameBatch, TrackingUpdate]] = []
    second: list[str] = []
    reported: list[Progress] = []
    with Batcher(sources()) as batcher:
        end = run_recording(
            batcher,
            pipeline,
            [
                ("store", lambda batch, update: first.append((batch, update))),
                ("draw", lambda _batch, _update: second.append(f"{len(first)} before")),
            ],
            clock,
            reported.append,
        )
    assert [round(batch.captured_at * 5) for batch, _ in first] == list(range(FRAMES))
    assert all(batch.captured_at == update.captured_at for batch, update in first)
    assert second == [f"{i + 1} before" for i in range(FRAMES)]
    assert end == reported[-1] == Progress(batches=FRAMES, frames=4 * FRAMES, people_now=2, faults=0)
    assert [progress.batches for progress in reported] == list(range(1, FRAMES + 1))
    assert first[-1][1].floor.global_id.tolist() == [1, 2]


def test_faults_are_counted_and_the_run_goes_on(pipeline, clock):
    with Batcher(sources(CutSource)) as batcher:
        end = run_recording(batcher, pipeline, [], clock, lambda _: None)
    assert end == Progress(batches=FRAMES - 1, frames=4 * (FRAMES - 1), people_now=2, faults=4)


def test_every_stage_and_output_is_timed(pipeline, clock):
    with Batcher(sources()) as batcher:
        run_recording(batcher, pipeline, [("store", lambda _batch, _update: time.sleep(0.002))], clock, lambda _: None)
    summary = clock.summary()
    assert set(summary) == {"read", *STAGES, "store"}
    assert summary["store"]["p50_ms"] >= 2.0
    assert summary["store"]["total_s"] >= 0.002 * FRAMES
    for figures in summary.values():
        assert set(figures) == {"total_s", "mean_ms", "p50_ms", "p95_ms"}
        assert 0.0 <= figures["p50_ms"] <= figures["p95_ms"]


def test_an_output_that_fails_stops_the_run_and_is_timed(pipeline, clock):
    def full(_batch: FrameBatch, _update: TrackingUpdate) -> None:
        raise OSError("disk full")

    with Batcher(sources()) as batcher, pytest.raises(OSError, match="disk full"):
        run_recording(batcher, pipeline, [("store", full)], clock, lambda _: None)
    assert "store" in clock.summary()


def test_a_clock_without_times_has_nothing_to_say(clock):
    assert clock.summary() == {}


def test_times_of_one_stage_add_up(clock):
    for seconds in (0.002, 0.004):
        with clock.time("sleep"):
            time.sleep(seconds)
    (figures,) = clock.summary().values()
    assert figures["total_s"] >= 0.006
    assert figures["mean_ms"] == pytest.approx(1000 * figures["total_s"] / 2, abs=0.6)


def test_people_are_counted_once_wherever_they_are_seen(pipeline, world):
    nobody = pipeline.step(FrameBatch(0.0, world.batch(0.0).frames[:1]))
    assert people_in(nobody) == len(set(nobody.floor.global_id.tolist()))
    for i in range(1, 10):
        update = pipeline.step(world.batch(0.2 * i))
    assert people_in(update) == 2
    assert np.concatenate([s.global_id for s in update.sightings]).size > 2
