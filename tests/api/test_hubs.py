import asyncio
import json
import math
import threading
from contextlib import asynccontextmanager, suppress

import pytest
from stage import CAMERAS, Stage, StagedScorer, StagedTruth, batch, soon, update

from app.api.floor_hub import QUEUE, FloorHub
from app.api.frame_hub import FrameHub, FrameViewer, width_step
from app.api.frame_message import decode
from app.domains.vocabulary import Merge, Split

EAST, WEST = CAMERAS


@pytest.fixture
def stage():
    return Stage()


@asynccontextmanager
async def running(site):
    hub = FloorHub(site)
    site.runtime.listen(hub.publish)
    task = asyncio.create_task(hub.run())
    await asyncio.sleep(0.01)
    yield hub
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def next_of(viewer, kind):
    async with asyncio.timeout(3.0):
        while True:
            message = json.loads(await viewer.take())
            if message["type"] == kind:
                return message


async def test_a_split_without_begin_is_told_without(stage):
    async with running(stage.site()) as hub:
        viewer = hub.join()
        whole = Split(3, 8, -math.inf, 995.5, (3,))
        stage.runtime.publish(None, update(1000.0, {8: (0.0, 0.0)}, (whole,)))
        (told,) = (await next_of(viewer, "floor"))["corrections"]
    assert (told["since"], told["until"], told["reported"]) == (None, 995.5, [3])


async def test_an_update_reaches_every_viewer_as_one_text(stage):
    async with running(stage.site()) as hub:
        viewers = [hub.join(), hub.join()]
        corrections = (Merge(5, 3), Split(3, 8, 990.0, 995.5, certainty=0.9))
        stage.runtime.publish(None, update(1000.00004, {3: (1.23456, 4.5), 9: (0.0, 0.0)}, corrections))
        first, second = [await next_of(viewer, "floor") for viewer in viewers]
    assert first == second
    assert (first["seq"], first["captured_at"]) == (1, 1000.0)
    assert first["corrections"] == [
        {"type": "merge", "gone": 5, "kept": 3, "certainty": 1.0},
        {"type": "split", "mixed": 3, "apart": 8, "since": 990.0, "until": 995.5, "reported": [], "certainty": 0.9},
    ]
    person = {
        "id": 3,
        "x": 1.235,
        "y": 4.5,
        "vx": 0.5,
        "vy": 0.5,
        "cov": [0.01, 0.002, 0.02],
        "cameras": list(CAMERAS),
    } | {"certainty": 0.877}
    assert first["people"][0] == person
    assert [person["id"] for person in first["people"]] == [3, 9]
    assert abs(first["published_at"] - stage.runtime.clock.now()) < 5.0
    assert hub.here.tolist() == [3, 9]


async def test_updates_from_another_thread_arrive_in_order(stage):
    async with running(stage.site()) as hub:
        viewer = hub.join()
        thread = threading.Thread(
            target=lambda: [stage.runtime.publish(None, update(float(i), {1: (0, 0)})) for i in range(20)]
        )
        thread.start()
        times = [(await next_of(viewer, "floor"))["captured_at"] for _ in range(20)]
        thread.join()
    assert times == [float(i) for i in range(20)]


async def test_who_comes_later_is_told_at_once_how_things_stand(stage):
    async with running(stage.site(truth=StagedTruth(), scorer=StagedScorer())) as hub:
        stage.runtime.publish(None, update(1.0, {1: (2.0, 3.0)}))
        await soon(lambda: len(hub.here) == 1)
        viewer = hub.join()
        assert (await next_of(viewer, "floor"))["people"][0]["id"] == 1
        truth = await next_of(viewer, "truth")
    assert truth["people"] == [{"id": 1, "x": 1.0, "y": 2.0}, {"id": 2, "x": 3.0, "y": 4.0}]


async def test_the_state_comes_every_second_with_counts(stage):
    stage.runtime.device_faults = {"cuda:0 out of memory": 2}
    async with running(stage.site()) as hub:
        state = await next_of(hub.join(), "state")
    assert state["cameras"][0]["state"] == "live"
    assert state["counts"] == {
        "now": 0,
        "last_minute": 1,
        "last_15_minutes": 2,
        "last_hour": 3,
        "observed_since": "2026-01-01T10:00:00.250Z",
    }
    assert state["device_faults"] == {"cuda:0 out of memory": 2}
    assert (state["steps_per_s"], state["history_waiting"], state["stages_ms"]) == (5.0, 3, {"detect": 12.0})
    assert state["history_lag_s"] == 0.75


async def test_a_history_that_cannot_be_read_leaves_the_map_alone(stage):
    stage.store.broken = True
    async with running(stage.site()) as hub:
        assert (await next_of(hub.join(), "state"))["counts"] is None


async def test_a_slow_viewer_loses_the_oldest_and_nobody_else_waits(stage):
    async with running(stage.site()) as hub:
        slow, quick = hub.join(), hub.join()
        for i in range(3 * QUEUE):
            stage.runtime.publish(None, update(float(i), {}))
            assert (await next_of(quick, "floor"))["seq"] == i + 1
        first = (await next_of(slow, "floor"))["seq"]
        rest = [(await next_of(slow, "floor"))["seq"] for _ in range(3 * QUEUE - first)]
    assert first > 2 * QUEUE
    assert rest == list(range(first + 1, 3 * QUEUE + 1))


async def test_who_leaves_gets_nothing_more(stage):
    async with running(stage.site()) as hub:
        viewer = hub.join()
        hub.leave(viewer)
        stage.runtime.publish(None, update(1.0, {}))
        await asyncio.sleep(0.05)
    assert not [text for text in viewer._texts if '"floor"' in text]


@asynccontextmanager
async def frames(stage):
    hub = FrameHub(CAMERAS, stage.encoder)
    hub.open()
    yield hub
    hub.close()


def show(hub, captured_at, shade, cameras=CAMERAS):
    hub.publish(batch(captured_at, shade, cameras), update(captured_at, {}, cameras=cameras))


async def take(viewer):
    async with asyncio.timeout(3.0):
        message = decode(await viewer.take())
    return message.camera_id, message.index


async def test_a_frame_is_encoded_once_however_many_watch(stage):
    async with frames(stage) as hub:
        viewers = [FrameViewer() for _ in range(5)]
        for viewer in viewers:
            hub.watch(viewer, [EAST], 640)
        show(hub, 1.0, 7)
        assert {await take(viewer) for viewer in viewers} == {(EAST, 7)}
    assert stage.encoder.encoded == [(7, 640)]


async def test_nothing_is_encoded_while_nobody_watches(stage):
    async with frames(stage) as hub:
        show(hub, 1.0, 7)
        viewer = FrameViewer()
        hub.watch(viewer, [WEST], 640)
        assert await take(viewer) == (WEST, 7)
        hub.leave(viewer)
        show(hub, 2.0, 8)
        await asyncio.sleep(0.05)
    assert stage.encoder.encoded == [(7, 640)]


async def test_who_begins_to_watch_gets_the_newest_frame_without_encoding_it_again(stage):
    async with frames(stage) as hub:
        first, second = FrameViewer(), FrameViewer()
        hub.watch(first, [EAST], 640)
        show(hub, 1.0, 7)
        await take(first)
        hub.watch(second, [EAST], 500)
        assert await take(second) == (EAST, 7)
    assert stage.encoder.encoded == [(7, 640)]


async def test_each_width_is_encoded_for_those_who_want_it(stage):
    async with frames(stage) as hub:
        small, large = FrameViewer(), FrameViewer()
        hub.watch(small, [EAST], 100)
        hub.watch(large, [EAST], 900)
        show(hub, 1.0, 7)
        await take(small)
        await take(large)
    assert sorted(stage.encoder.encoded) == [(7, 320), (7, 960)]


async def test_while_a_frame_is_encoded_newer_ones_replace_each_other(stage):
    stage.encoder.gate = threading.Event()
    async with frames(stage) as hub:
        viewer = FrameViewer()
        hub.watch(viewer, [EAST], 640)
        for i in range(5):
            show(hub, float(i), i, [EAST])
            await asyncio.sleep(0.01)
        stage.encoder.gate.set()
        await soon(lambda: len(stage.encoder.encoded) == 2)
        await asyncio.sleep(0.05)
        assert await take(viewer) == (EAST, 4)
    assert stage.encoder.encoded == [(0, 640), (4, 640)]


async def test_a_slow_viewer_gets_the_newest_frame_of_each_camera_in_turn(stage):
    async with frames(stage) as hub:
        viewer = FrameViewer()
        hub.watch(viewer, CAMERAS, 640)
        seen = []
        for i in range(1, 7):  # two cameras give a frame each, and the viewer manages one
            show(hub, float(i), i)
            await soon(lambda expected=2 * i: len(stage.encoder.encoded) == expected)
            await asyncio.sleep(0.01)
            seen.append(await take(viewer))
    assert [index for _, index in seen] == [1, 2, 3, 4, 5, 6]
    assert {camera for camera, _ in seen[:2]} == {camera for camera, _ in seen[2:4]} == set(CAMERAS)


async def test_watching_others_drops_what_was_not_sent_yet(stage):
    async with frames(stage) as hub:
        viewer = FrameViewer()
        hub.watch(viewer, [EAST], 640)
        show(hub, 1.0, 7)
        await soon(lambda: len(stage.encoder.encoded) == 1)
        hub.watch(viewer, [WEST], 640)
        assert await take(viewer) == (WEST, 7)


async def test_boxes_without_pixels_are_sent_without_a_picture(stage):
    async with frames(stage) as hub:
        viewer = FrameViewer()
        hub.watch(viewer, [EAST], 640)
        frame = batch(1.0, 3, [EAST]).frames[0]
        blind = type(frame)(frame.camera_id, 1.0, 3, frame.size, None)
        hub.publish(type(batch(1.0))(1.0, (blind,)), update(1.0, {}, cameras=[EAST]))
        assert decode(await viewer.take()).jpeg == b""


@pytest.mark.parametrize(("asked", "given"), [(1, 320), (320, 320), (321, 480), (640, 640), (1900, 1920), (5000, 1920)])
def test_widths_come_in_steps(asked, given):
    assert width_step(asked) == given
