"""The floor of the past: at one instant, and played again."""

import asyncio

import numpy as np
import pytest
from fake_archive import NOON, FakeArchive

from app.domains.analytics.figures import Period
from app.orchestration.archive import Dots
from app.orchestration.replay import HOLD_S, Replay, floor_at, played


class Gap(FakeArchive):
    """One person is there for a second, and again ten seconds later."""

    async def dots(self, period, identity=None):
        async for part in super().dots(period, identity):
            kept = (part.at < NOON + 1.0) | (part.at >= NOON + 10.0)
            if kept.any():
                yield Dots(*(getattr(part, name)[kept] for name in ("at", "identity", "xy", "sigma", "certainty")))


async def test_an_instant_has_the_newest_dot_of_everybody_with_its_velocity():
    update = await floor_at(FakeArchive(), NOON + 100.3)
    assert update.captured_at == NOON + 100.0
    assert update.floor.global_id.tolist() == [1, 2]
    np.testing.assert_allclose(update.floor.xy, [[10.0, 1.0], [10.0, 2.0]])
    np.testing.assert_allclose(update.floor.velocity, [[0.1, 0.0]] * 2)
    np.testing.assert_allclose(update.floor.covariance[0], [[0.01, 0.0], [0.0, 0.01]])
    assert update.floor.certainty.tolist() == [0.9, 0.9]


@pytest.mark.parametrize("at", [NOON - 0.1, NOON + 1199.5 + HOLD_S + 0.1])
async def test_where_nobody_was_there_are_no_dots(at):
    update = await floor_at(FakeArchive(), at)
    assert (update.captured_at, len(update.floor)) == (at, 0)


async def test_the_instant_itself_is_included():
    assert (await floor_at(FakeArchive(), NOON)).captured_at == NOON


async def test_a_period_is_played_in_order_each_instant_whole():
    updates = [update async for update in played(FakeArchive(), Period(NOON + 599.0, NOON + 601.0))]
    assert [update.captured_at - NOON for update in updates] == [599.0, 599.5, 600.0, 600.5]
    assert all(update.floor.global_id.tolist() == [1, 2] for update in updates)
    for update in updates:
        np.testing.assert_allclose(update.floor.velocity, [[0.1, 0.0]] * 2, atol=1e-9)


async def test_everybody_who_walks_has_a_velocity_at_every_instant_however_the_history_is_cut():
    class Crumbs(FakeArchive):
        async def dots(self, period, identity=None):
            async for part in super().dots(period, identity):
                for at in np.unique(part.at):
                    rows = part.at == at
                    yield Dots(*(getattr(part, n)[rows] for n in ("at", "identity", "xy", "sigma", "certainty")))

    whole = [update async for update in played(FakeArchive(), Period(NOON, NOON + 3.0))]
    crumbs = [update async for update in played(Crumbs(), Period(NOON, NOON + 3.0))]
    assert [update.captured_at for update in crumbs] == [update.captured_at for update in whole]
    for update, same in zip(crumbs, whole, strict=True):
        np.testing.assert_allclose(update.floor.velocity, [[0.1, 0.0]] * 2)
        np.testing.assert_allclose(same.floor.velocity, [[0.1, 0.0]] * 2)


async def test_an_instant_that_two_parts_share_is_one_update():
    class Cut(FakeArchive):
        async def dots(self, period, identity=None):
            async for part in super().dots(period, identity):
                for rows in (slice(0, 3), slice(3, None)):
                    yield Dots(*(getattr(part, n)[rows] for n in ("at", "identity", "xy", "sigma", "certainty")))

    updates = [update async for update in played(Cut(), Period(NOON, NOON + 2.0))]
    assert [(update.captured_at - NOON, len(update.floor)) for update in updates] == [(t / 2, 2) for t in range(4)]


async def play(archive, period, speed, seconds, orders=()):
    """Run a replay for so long; returns the offsets of its updates from NOON, and its states."""
    given, states = [], []
    replay = Replay(archive, period, speed, given.append, states.append)
    task = asyncio.create_task(replay.run())
    for after_s, order in orders:
        await asyncio.sleep(after_s)
        order(replay)
    await asyncio.sleep(seconds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return given, states


async def test_it_plays_at_its_pace_every_instant_to_the_end():
    given, states = await play(FakeArchive(), Period(NOON, NOON + 3.0), 10.0, 0.6)
    assert [update.captured_at - NOON for update in given] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert [(state.at - NOON, state.ended) for state in states] == [(pytest.approx(0.0, abs=0.2), False), (3.0, True)]


async def test_above_a_pace_it_looks_up_the_floor_now_and_then():
    given, _ = await play(FakeArchive(), Period(NOON, NOON + 600.0), 600.0, 0.55)
    at = [update.captured_at - NOON for update in given]
    assert 4 <= len(at) <= 9
    assert 200.0 < at[-1] <= 350.0
    assert at == sorted(at)


async def test_seek_pause_and_pace_take_effect_at_once():
    orders = [
        (0.1, lambda replay: replay.seek(NOON + 500.0)),
        (0.1, lambda replay: replay.pause(paused=True)),
        (0.2, lambda replay: replay.pace(4.0)),
        (0.0, lambda replay: replay.pause(paused=False)),
    ]
    given, states = await play(FakeArchive(), Period(NOON, NOON + 1000.0), 1.0, 0.5, orders)
    assert [round(state.at - NOON) for state in states[:3]] == [0, 500, 500]
    assert [state.paused for state in states[:3]] == [False, False, True]
    assert (states[-1].speed, states[-1].paused) == (4.0, False)
    assert NOON + 501.0 <= given[-1].captured_at <= NOON + 502.5


async def test_seeking_goes_no_farther_than_the_period():
    given, states = await play(FakeArchive(), Period(NOON, NOON + 9.0), 1.0, 0.1, [(0.05, lambda r: r.seek(0.0))])
    assert states[-1].at == pytest.approx(NOON, abs=0.2)
    assert given[-1].captured_at == NOON


async def test_the_floor_empties_where_nobody_was_there():
    given, _ = await play(Gap(), Period(NOON, NOON + 12.0), 10.0, 1.4)
    empty = [update.captured_at - NOON for update in given if not len(update.floor)]
    assert empty == [2.5]
    assert [update.captured_at - NOON for update in given if len(update.floor)][-1] == 11.5
