"""The record: what was learnt later is in it as if it had been known at once."""

import numpy as np
import pytest
from frame_path import pipeline
from sighted import sighted
from world import Faults, World, corner_cameras, person

from app.domains.mapping.walking import Walk
from app.domains.vocabulary import (
    NO_ID,
    CameraId,
    FloorTargets,
    FloorTracks,
    Frame,
    FrameBatch,
    GlobalId,
    Merge,
    NamedTargets,
    TrackingUpdate,
)
from app.orchestration.history import History, HistoryConfig

WALK = Walk(acceleration=0.3, fade_s=12.0)
CAMERAS = (CameraId("a"), CameraId("b"))
NO_DOTS = FloorTracks(np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2, 2)), (), np.zeros(0))


def standing(rows):
    """Targets from rows of target id, x, y, global id, seen now, shown."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    n = len(table)
    seen = table[:, 4] > 0
    targets = FloorTargets(
        target_id=table[:, 0].astype(np.int64),
        xy=table[:, 1:3],
        velocity=np.zeros((n, 2)),
        covariance=np.tile(np.diag([0.04, 0.04, 0.25, 0.25]), (n, 1, 1)),
        confirmed=table[:, 3] > 0,
        unseen_s=np.where(seen, 0.0, 0.5),
        existence=np.ones(n),
        support=np.stack([seen, np.zeros(n, np.bool_)], axis=1),
    )
    named = table[:, 3].astype(np.int64)
    return NamedTargets(targets, named, np.ones(n, np.bool_), table[:, 5] > 0, (named != NO_ID).astype(np.float64))


def update(time, rows=(), boxes=(), tracks=None, corrections=()):
    frame = Frame(CameraId("a"), time, round(time * 10), (640, 360), np.zeros((360, 640, 3), np.uint8))
    sightings = (sighted("a", time, boxes, tracks=tracks),)
    return FrameBatch(time, (frame,)), TrackingUpdate(time, sightings, NO_DOTS, tuple(corrections), standing(rows))


def settled(updates, least_s=0.0, **config):
    """What the record has of the updates."""
    given = []
    history = History(HistoryConfig(least_s=least_s, **config), WALK, CAMERAS, lambda _batch, u: given.append(u))
    for one in updates:
        history.write(*one)
    history.finish()
    return given


def places(updates):
    return [dict(zip(u.floor.global_id.tolist(), u.floor.xy[:, 0].round(2).tolist(), strict=True)) for u in updates]


def test_every_update_comes_once_in_order_and_without_pixels():
    given = []
    history = History(HistoryConfig(lag_s=1.0), WALK, CAMERAS, lambda b, u: given.append((b, u)))
    merge = Merge(GlobalId(2), GlobalId(1))
    for k in range(30):
        history.write(*update(k / 10, corrections=[merge] if k == 7 else []))
    waiting = len(given)
    history.finish()
    assert 10 <= waiting <= 20
    assert [round(u.captured_at, 1) for _, u in given] == [k / 10 for k in range(30)]
    assert [b.captured_at for b, _ in given] == [u.captured_at for _, u in given]
    assert all(frame.pixels is None for b, _ in given for frame in b.frames)
    assert [u.corrections for _, u in given if u.corrections] == [(merge,)]


def test_a_dot_that_nobody_saw_again_is_taken_back():
    rows = [[(1, 0.0, 0, 7, seen, 1)] for seen in (1, 1, 0, 0)]
    assert places(settled(update(k / 5, row) for k, row in enumerate(rows))) == [{7: 0.0}, {7: 0.0}, {}, {}]


def test_a_dot_that_somebody_saw_again_stays():
    rows = [[(1, 0.0, 0, 7, seen, 1)] for seen in (1, 0, 0, 1)]
    assert [list(p) for p in places(settled(update(k / 5, row) for k, row in enumerate(rows)))] == [[7]] * 4


@pytest.mark.parametrize(("unseen", "found"), [(6, True), (8, False)])
def test_who_was_out_of_sight_for_a_moment_has_a_place_in_between(unseen, found):
    """The live dot goes after 0.8 s."""
    updates, moved = [], 0.1 * (unseen + 1)
    for k in range(-5, unseen + 6):
        x = 0.0 if k < 0 else moved * (k >= unseen)
        batch, told = update(10.0 + k / 5, [(1, x, 0, 7, int(not 0 <= k < unseen), int(not 4 <= k < unseen))])
        told.named.targets.unseen_s[:] = 0.2 * (k + 1) if 0 <= k < unseen else 0.0
        updates.append((batch, told))
    given = places(settled(updates))[5:-6]
    hidden = [place.get(7) for place in given[4:]]
    assert [list(place) for place in given[:4]] == [[7]] * 4
    if not found:
        assert hidden == [None] * (unseen - 4)
        return
    assert all(0.0 < at < moved for at in hidden), "where the smoother puts it"
    assert hidden == sorted(hidden)


def test_who_is_somewhere_else_meanwhile_is_not_in_between():
    rows = [[(1, 0.0, 0, 7, seen, seen), (2, 5.0, 0, 7, 1 - seen, 1 - seen)] for seen in (1, 1, 0, 0, 1)]
    given = places(settled(update(k / 5, row) for k, row in enumerate(rows)))
    assert given == [{7: 0.0}, {7: 0.0}, {7: 5.0}, {7: 5.0}, {7: 0.0}]


@pytest.mark.parametrize(("seconds", "stays"), [(0.4, False), (0.8, True), (6.0, True)])
def test_a_dot_that_was_seen_for_a_moment_only_is_taken_back(seconds, stays):
    steps = round(seconds / 0.2) + 1
    updates = [update(10.0 + k / 5, [(1, 0.0, 0, 7, int(k < steps), int(k < steps))]) for k in range(steps + 15)]
    given = places(settled(updates, least_s=0.8))
    assert given == [{7: 0.0} if stays else {}] * steps + [{}] * 15


def test_a_dot_that_has_just_come_when_the_record_ends_stays():
    assert places(settled((update(k / 5, [(1, 0.0, 0, 7, 1, 1)]) for k in range(2)), least_s=0.8)) == [{7: 0.0}] * 2


def test_a_target_has_its_name_from_its_birth_on():
    rows = [[(1, 0.0, 0, NO_ID, 1, 0)], [(1, 0.0, 0, NO_ID, 1, 0)], [(1, 0.0, 0, 7, 1, 1)]]
    assert places(settled(update(k / 5, row) for k, row in enumerate(rows))) == [{7: 0.0}] * 3


def test_a_name_that_is_shown_elsewhere_is_not_given_twice():
    rows = [
        [(1, 0.0, 0, 7, 1, 1), (2, 5.0, 0, NO_ID, 1, 0), (3, 8.0, 0, NO_ID, 1, 0)],
        [(2, 5.0, 0, 7, 1, 1), (3, 8.0, 0, NO_ID, 1, 0)],
    ]
    assert places(settled(update(k / 5, row) for k, row in enumerate(rows))) == [{7: 0.0}, {7: 5.0}]


def test_a_target_that_never_was_shown_has_no_dot():
    rows = [[(1, 0.0, 0, NO_ID, 1, 0)], [(1, 0.0, 0, 7, 1, 0)]]
    assert places(settled(update(k / 5, row) for k, row in enumerate(rows))) == [{}, {}]


def test_what_is_learnt_after_the_lag_comes_too_late():
    rows = [[(1, 0.0, 0, NO_ID, 1, 0)]] * 10 + [[(1, 0.0, 0, 7, 1, 1)]]
    given = places(settled((update(float(k), row) for k, row in enumerate(rows)), lag_s=2.0, rhythm_s=0.0))
    assert given == [{}] * 7 + [{7: 0.0}] * 4


def test_smoothing_lessens_the_error_of_the_filter():
    walkers = [
        person(n, [(0.0, -4.0, 3.0 * n - 4.0), (8.0, 4.0, 3.0 * n - 4.0), (16.0, 4.0, 3.0 * n - 12.0)]) for n in (1, 2)
    ]
    world = World(walkers, corner_cameras(), Faults(noise=0.04, missing=0.1))
    path = pipeline(world)
    batches = world.batches(16.0, 5.0)
    live = [path.step(b) for b in batches]
    given = []
    history = History(HistoryConfig(), path.fusion.config.walk, path.fusion.camera_ids, lambda _b, u: given.append(u))
    for b, u in zip(batches, live, strict=True):
        history.write(b, u)
    history.finish()

    def error(updates):
        gaps = []
        for u in updates:
            truth = np.array([p.at(u.captured_at) for p in walkers])
            gaps += [np.linalg.norm(truth - xy, axis=1).min() for xy in u.floor.xy]
        return float(np.sqrt(np.mean(np.square(gaps))))

    assert error(given) < 0.85 * error(live)


def boxes(updates):
    """Per update the left edge and the confidence of each identity's box."""
    found = []
    for u in updates:
        (s,) = u.sightings
        rows = zip(s.global_id.tolist(), s.tracks.xyxy[:, 0].tolist(), s.tracks.confidence.tolist(), strict=True)
        found.append({g: (left, sure) for g, left, sure in rows})
    return found


def test_a_box_has_its_track_s_name_from_the_first_on():
    rows = [[(NO_ID, 0, 0, 10, 20)], [(NO_ID, 1, 0, 11, 20)], [(7, 2, 0, 12, 20)]]
    given = settled(update(k / 5, boxes=row, tracks=[4]) for k, row in enumerate(rows))
    assert boxes(given) == [{7: (0.0, 1.0)}, {7: (1.0, 1.0)}, {7: (2.0, 1.0)}]


def test_a_box_of_another_track_keeps_no_name():
    given = settled(
        [
            update(0.0, boxes=[(NO_ID, 0, 0, 10, 20), (7, 50, 0, 60, 20)], tracks=[4, 5]),
            update(0.2, boxes=[(7, 0, 0, 10, 20)], tracks=[4]),  # 5 had the name while 4 had none
            update(0.4, boxes=[(8, 0, 0, 10, 20)], tracks=[6]),
        ]
    )
    assert [list(frame) for frame in boxes(given)] == [[NO_ID, 7], [7], [8]]


def test_a_missed_box_lies_between_its_neighbours():
    rows = [[(7, 0, 0, 10, 20)], [], [], [(7, 30, 0, 40, 20)]]
    given = settled(update(k / 10, boxes=row) for k, row in enumerate(rows))
    assert boxes(given) == [{7: (0, 1)}, {7: (pytest.approx(10), 0)}, {7: (pytest.approx(20), 0)}, {7: (30, 1)}]
    filled = given[1].sightings[0]
    assert filled.tracks.row.tolist() == [-1]
    assert not filled.floor.valid.any()


@pytest.mark.parametrize("gap_s", [0.5, 0.7])
def test_only_short_gaps_are_filled(gap_s):
    given = settled(
        [
            update(0.0, boxes=[(7, 0, 0, 10, 20)]),
            update(gap_s / 2),
            update(gap_s, boxes=[(7, 30, 0, 40, 20)]),
        ],
        fill_s=0.6,
    )
    assert len(boxes(given)[1]) == (gap_s < 0.6)


def test_gaps_are_filled_across_what_was_given_out_before():
    frames = [[(7, k, 0, 10 + k, 20)] if k % 3 else [] for k in range(40)]
    given = settled((update(k / 10, boxes=row) for k, row in enumerate(frames)), lag_s=0.5, rhythm_s=0.0)
    assert [len(frame) for frame in boxes(given)] == [0] + [1] * 38 + [0]


def test_a_site_without_floor_keeps_its_dots_and_boxes():
    batch, one = update(0.0, boxes=[(7, 0, 0, 10, 20)])
    bare = TrackingUpdate(one.captured_at, one.sightings, NO_DOTS, ())
    (given,) = settled([(batch, bare)])
    assert given.floor is NO_DOTS
    assert boxes([given]) == [{7: (0.0, 1.0)}]


@pytest.mark.parametrize("name", ["lag_s", "rhythm_s", "least_s", "gap_s", "fill_s"])
def test_a_negative_time_is_refused(name):
    with pytest.raises(ValueError, match=name):
        HistoryConfig(**{name: -0.1})
