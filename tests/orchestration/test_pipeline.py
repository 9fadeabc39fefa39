"""The whole frame path, from frames to dots, with a detector and an embedder that ask a world of known truth."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from frame_path import pipeline
from world import FALSE_BOX, HEIGHT_M, Camera, Faults, World, corner_cameras, person, stroller
from world import camera as put_camera

from app.domains.mapping.view import ViewConfig
from app.domains.vocabulary import NO_FLOOR, NO_ID, CameraId, Detections, Frame, FrameBatch, Merge, TrackingUpdate
from app.orchestration.pipeline import STAGES, Pipeline

FAULTS = Faults(noise=0.03, missing=0.1, false_boxes=0.3)
SECONDS = 12.0


def track(world: World, batches: Sequence[FrameBatch], path: Pipeline | None = None) -> list[TrackingUpdate]:
    path = path or pipeline(world)
    return [path.step(batch) for batch in batches]


def strollers(seed: int = 0, faults: Faults = FAULTS) -> World:
    """Eight people on four rounds, two on each, who meet those of the next round face to face 0.7 m apart and more."""
    rounds = [(0.8, 0.5), (1.6, 1.2), (2.4, 1.9), (3.2, 2.6)]
    people = [
        stroller(i + 1, (6.0, 4.0), rounds[i // 2], SECONDS, turns=(-1.0) ** (i // 2), phase=np.pi * (i % 2) + 0.7 * i)
        for i in range(8)
    ]
    return World(people, corner_cameras(), faults, seed)


@dataclass(frozen=True)
class Score:
    """How well ids and metres fit the truth, over all people and instants."""

    purity: float  # share of rows, over all cameras, with the one id that stands for their person (as IDF1's precision)
    recall: float  # share of people, over all instants, with a dot of their id within a metre
    error_m: float  # median, of those
    extra: float  # dots without a person within a metre, per instant


def rows_of(world: World, update: TrackingUpdate) -> list[tuple[int, int]]:
    """Person and global id of every row of every camera."""
    pairs = []
    for sightings in update.sightings:
        look = world.look(sightings.tracks.camera_id, sightings.tracks.captured_at)
        pairs += zip(look.person[sightings.tracks.row].tolist(), sightings.global_id.tolist(), strict=True)
    return pairs


def ids_of_people(world: World, updates: Sequence[TrackingUpdate]) -> dict[int, Counter[int]]:
    """How often each person went under each id, merges followed, NO_ID left out."""
    found: dict[int, Counter[int]] = {p.number: Counter() for p in world.people}
    for update in updates:
        for number, identity in rows_of(world, update):
            if number != FALSE_BOX and identity != NO_ID:
                found[number][identity] += 1
    kept = {c.gone: c.kept for update in updates for c in update.corrections if isinstance(c, Merge)}
    for counts in found.values():
        for gone in [identity for identity in counts if identity in kept]:
            last = gone
            while last in kept:
                last = kept[last]
            counts[last] += counts.pop(gone)
    return found


def score(world: World, updates: Sequence[TrackingUpdate], after: float = 2.0) -> Score:
    updates = [update for update in updates if update.captured_at >= after]
    found = ids_of_people(world, updates)
    identity = {number: counts.most_common(1)[0][0] if counts else NO_ID for number, counts in found.items()}
    right = sum(max(counts.values(), default=0) for counts in found.values())
    errors, people, extra = [], 0, 0
    for update in updates:
        truth = world.at(update.captured_at)
        people += len(truth)
        dots = dict(zip(update.floor.global_id.tolist(), update.floor.xy, strict=True))
        for number, place in truth.items():
            if identity[number] in dots and (gap := np.linalg.norm(dots[identity[number]] - place)) < 1.0:
                errors.append(gap)
        extra += sum(min(np.linalg.norm(xy - p) for p in truth.values()) >= 1.0 for xy in dots.values())
    return Score(
        purity=right / sum(sum(counts.values()) for counts in found.values()),
        recall=len(errors) / people,
        error_m=float(np.median(errors)),
        extra=extra / len(updates),
    )


@pytest.mark.parametrize(
    ("rate", "appearance"),
    [(2.0, True), (10.0, True), (5.0, False)],
    ids=["2 fps", "10 fps", "5 fps, by geometry alone"],
)
def test_eight_people_before_four_cameras_keep_their_ids_and_places(rate, appearance):
    world = strollers()
    updates = track(world, world.batches(SECONDS, rate), pipeline(world, appearance=appearance))
    result = score(world, updates)
    assert result.purity > 0.94
    assert result.recall > 0.9
    assert result.error_m < 0.15
    assert result.extra < 0.1
    kept = {counts.most_common(1)[0][0] for counts in ids_of_people(world, updates).values()}
    assert len(kept) == 8


def assert_sound(update: TrackingUpdate) -> None:
    """What holds of every update, whatever the cameras saw."""
    dots = update.floor.global_id
    assert (np.diff(dots) > 0).all(), "dots are ordered by id, each once"
    assert (dots > 0).all()
    assert np.isfinite(update.floor.xy).all()
    assert (np.linalg.eigvalsh(update.floor.covariance) > 0).all()
    places = dict(zip(dots.tolist(), update.floor.xy, strict=True))
    for sightings in update.sightings:
        assert len(set(sightings.tracks.track_id.tolist())) == len(sightings), "a TrackId twice in a frame"
        known = sightings.global_id[sightings.global_id != NO_ID].tolist()
        assert len(set(known)) == len(known), "an identity twice in one camera"
        assert (sightings.global_id[sightings.global_id != NO_ID] > 0).all()
        for identity, xy in zip(sightings.global_id.tolist(), sightings.floor.xy, strict=True):
            if identity in places and np.isfinite(xy).all():
                assert np.linalg.norm(places[identity] - xy) < 10.0, "one GlobalId 10 m apart at one instant"
    gone = {c.gone for c in update.corrections if isinstance(c, Merge)}
    assert not gone & set(dots.tolist())
    assert not gone & {int(i) for sightings in update.sightings for i in sightings.global_id}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "faults",
    [Faults(0.03, 0.1, 0.3), Faults(0.1, 0.4, 3.0)],
    ids=["a fair detector", "a bad detector"],
)
def test_every_update_is_sound(seed, faults):
    world = strollers(seed, faults)
    gone = set()
    for update in track(world, world.batches(10.0, 5.0)):
        assert_sound(update)
        gone |= {c.gone for c in update.corrections if isinstance(c, Merge)}
        assert not gone & set(update.floor.global_id.tolist()), "an identity that was merged away has come back"


def flat(update: TrackingUpdate) -> list[object]:
    """Everything in an update, cameras by name, as plain values that can be compared."""
    floor = update.floor
    values: list[object] = [update.captured_at, update.corrections, floor.cameras]
    values += [a.tolist() for a in (floor.global_id, floor.xy, floor.velocity, floor.covariance)]
    for s in sorted(update.sightings, key=lambda s: s.tracks.camera_id):
        values += [s.tracks.camera_id, s.tracks.captured_at]
        values += [a.tolist() for a in (s.tracks.track_id, s.tracks.state, s.tracks.row, s.tracks.xyxy, s.global_id)]
        values += [repr(s.floor.xy.tolist()), s.tracks.certainty.tolist()]
    return values


def test_who_looks_like_somebody_is_found_best_first():
    world = strollers(faults=Faults())
    path = pipeline(world)
    updates = track(world, world.batches(4.0, 10.0), path)
    looks = {
        identity: look
        for sightings in updates[-10:]
        for one in sightings.sightings
        for identity, look in zip(one.global_id.tolist(), one.tracks.appearance, strict=True)
        if identity != NO_ID and look.any()
    }
    assert len(looks) >= 6
    for identity, look in looks.items():
        (best, cosine), (_, less) = path.resembling(look, 2)
        assert best == identity
        assert cosine > less


def test_the_same_input_twice_gives_identical_output():
    one, other = (track(world, world.batches(10.0, 5.0)) for world in (strollers(), strollers()))
    assert [flat(update) for update in one] == [flat(update) for update in other]


def shuffled(batch: FrameBatch, random: np.random.Generator) -> FrameBatch:
    return FrameBatch(batch.captured_at, tuple(batch.frames[i] for i in random.permutation(len(batch.frames))))


def test_shuffled_cameras_change_nothing_but_order():
    world, random = strollers(), np.random.default_rng(0)
    batches = world.batches(10.0, 5.0)
    straight = track(world, batches)
    mixed_batches = [shuffled(batch, random) for batch in batches]
    mixed = track(world, mixed_batches)
    for one, other, batch in zip(straight, mixed, mixed_batches, strict=True):
        assert [s.tracks.camera_id for s in other.sightings] == [frame.camera_id for frame in batch.frames]
        ids = {s.tracks.camera_id: s.global_id.tolist() for s in one.sightings}
        assert {s.tracks.camera_id: s.global_id.tolist() for s in other.sightings} == ids
        np.testing.assert_array_equal(one.floor.global_id, other.floor.global_id)
        np.testing.assert_allclose(one.floor.xy, other.floor.xy, atol=1e-6)
        assert one.floor.cameras == other.floor.cameras


def test_cameras_in_another_order_at_construction_change_nothing():
    world = strollers()
    backwards = World(world.people, world.cameras[::-1], world.faults, world.seed)
    batches = world.batches(6.0, 5.0)
    assert [flat(u) for u in track(world, batches)] == [flat(u) for u in track(backwards, batches)]


def test_a_camera_that_is_missing_from_batches_disturbs_nobody():
    world = strollers()
    batches = [
        world.batch(batch.captured_at, "abcd" if batch.captured_at < 5.0 else "acd")
        for batch in world.batches(SECONDS, 5.0)
    ]
    updates = track(world, batches)
    assert [len(update.sightings) for update in updates] == [4] * 25 + [3] * 35
    result = score(world, updates)
    assert result.purity > 0.95
    assert result.recall > 0.85
    assert not any("b" in seers for update in updates[25:] for seers in update.floor.cameras)


def test_cameras_of_different_rates_work_together():
    world = strollers()
    updates = track(world, world.batches(SECONDS, {"a": 2.0, "b": 5.0, "c": 10.0, "d": 7.0}))
    for update in updates:
        assert_sound(update)
    result = score(world, updates)
    assert result.purity > 0.9
    assert result.recall > 0.8
    assert result.error_m < 0.2


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param(2.0, id="as slow"),
        pytest.param(25.0, id="fast"),
    ],
)
def test_a_camera_in_another_room_delays_nobody(elsewhere):
    """What a camera says of a person weighs the same whatever the rate of a camera that cannot see that person."""
    world = World([person(1, [(0, -2.0, 2.0), (6, 2.0, 2.0)])], two_rooms())
    updates = track(world, world.batches(6.0, {"hall": 2.0, "yard": elsewhere}))
    assert next(update.captured_at for update in updates if len(update.floor)) <= 1.0


def test_frames_of_nobody():
    world = World([], corner_cameras())
    for update in track(world, world.batches(3.0, 5.0)):
        assert len(update.floor) == 0
        assert [len(s) for s in update.sightings] == [0, 0, 0, 0]
        assert update.corrections == ()


@pytest.mark.parametrize("appearance", [True, False], ids=["with appearance", "by geometry alone"])
def test_a_batch_without_frames_changes_nothing(appearance):
    world = strollers(faults=Faults())
    path = pipeline(world, appearance=appearance)
    before = track(world, world.batches(2.0, 5.0), path)[-1]
    between = path.step(FrameBatch(1.9, ()))
    assert between.sightings == ()
    assert set(between.floor.global_id.tolist()) == set(before.floor.global_id.tolist())
    after = path.step(world.batch(2.0))
    assert set(after.floor.global_id.tolist()) >= set(before.floor.global_id.tolist())


@pytest.mark.parametrize("appearance", [True, False], ids=["with appearance", "by geometry alone"])
def test_cameras_without_calibration_get_ids_and_no_floor(appearance):
    world = strollers()
    path = pipeline(world, uncalibrated="abcd", appearance=appearance)
    updates = track(world, world.batches(10.0, 5.0), path)
    assert all(len(update.floor) == 0 for update in updates)
    for update in updates:
        assert_sound(update)
        assert not any(s.floor.valid.any() for s in update.sightings)
    named = [identity for update in updates[10:] for _, identity in rows_of(world, update)]
    assert np.mean(np.array(named) != NO_ID) > 0.9


def test_people_before_one_camera_without_calibration_keep_their_ids():
    people = [person(i, [(0, x, 6 - 0.5 * i), (8, 12 - x, 6 - 0.5 * i)]) for i, x in ((1, 3.0), (2, 9.0), (3, 5.0))]
    world = World(people, [put_camera("a", (6.0, -4.0, 3.0), (6.0, 4.0))], Faults(0.02, 0.05, 0.0))
    updates = track(world, world.batches(8.0, 10.0), pipeline(world, uncalibrated="a"))
    found = ids_of_people(world, updates)
    assert len({counts.most_common(1)[0][0] for counts in found.values()}) == 3
    right = sum(counts.most_common(1)[0][1] for counts in found.values())
    assert right / sum(sum(counts.values()) for counts in found.values()) > 0.95


def test_a_camera_without_calibration_beside_others_takes_nothing_from_the_floor():
    world = strollers()
    updates = track(world, world.batches(SECONDS, 5.0), pipeline(world, uncalibrated="d"))
    for update in updates:
        assert_sound(update)
    assert score(world, updates).recall > 0.85
    assert not any("d" in seers for update in updates for seers in update.floor.cameras)


def test_a_batch_of_nothing_but_an_uncalibrated_cameras_frame():
    world = strollers(faults=Faults())
    path = pipeline(world, uncalibrated="d")
    for i in range(20):
        path.step(world.batch(0.2 * i))
    update = path.step(world.batch(4.0, "d"))
    assert [s.tracks.camera_id for s in update.sightings] == ["d"]
    assert len(update.floor) == 8


def main_ids(world: World, updates: Sequence[TrackingUpdate]) -> list[int]:
    """The id of each person's rows in turn, merges not followed: what an operator saw."""
    return [counts.most_common(1)[0][0] for _, counts in sorted(ids_of_people(world, updates).items())]


def away(seconds: float, back_at: tuple[float, float], clothes: int | None = None) -> World:
    """One person who stands beside the cameras' floor, leaves its view and comes back, and another who stays."""
    comes = 6.0 + seconds
    leaver = person(
        1,
        [(0, 4.0, 4.0), (6, 7.0, 4.0)],
        [(comes, *back_at), (comes + 6, back_at[0] + 3.0, back_at[1])],
        clothes=clothes,
    )
    stayer = person(2, [(0, 6.0, 6.0), (comes + 6, 6.5, 6.5)])
    return World([leaver, stayer], corner_cameras(), Faults(0.02, 0.05, 0.0))


def track_until_back(world: World, rate: float = 5.0, **options: bool) -> tuple[dict[int, int], dict[int, int]]:
    """The last id of each person before the gap and at the end."""
    end = max(walk[-1, 0] for p in world.people for walk in p.walks)
    updates = track(world, world.batches(end, rate), pipeline(world, **options))
    before, after = (
        {
            p.number: ids_of_people(world, [u for u in updates if t - 2.0 <= u.captured_at <= t])[p.number].most_common(
                1
            )[0][0]
            for p in world.people
        }
        for t in (6.0, end)
    )
    return before, after


@pytest.mark.parametrize("appearance", [True, False], ids=["with appearance", "by place alone"])
def test_somebody_who_comes_back_after_seconds_where_he_left_is_the_same(appearance):
    before, after = track_until_back(away(3.0, (7.5, 4.0)), appearance=appearance)
    assert before[1] == after[1]
    assert before[2] == after[2]
    assert before[1] != before[2]


def test_somebody_who_comes_back_after_minutes_is_known_by_looks():
    before, after = track_until_back(away(120.0, (3.0, 3.0)), rate=2.0)
    assert before[1] == after[1]
    assert before[2] == after[2]


def test_a_stranger_who_comes_a_minute_later_is_somebody_else():
    comes = 66.0
    people = [
        person(1, [(0, 4.0, 4.0), (6, 7.0, 4.0)]),
        person(3, [(comes, 7.0, 4.0), (comes + 6, 4.0, 4.0)]),
        person(2, [(0, 6.0, 6.0), (comes + 6, 6.5, 6.5)]),
    ]
    world = World(people, corner_cameras(), Faults(0.02, 0.05, 0.0))
    updates = track(world, world.batches(comes + 6.0, 2.0))
    assert len(set(main_ids(world, updates))) == 3


def two_rooms() -> list[Camera]:
    return [put_camera("hall", (0.0, -4.0, 3.0), (0.0, 2.0)), put_camera("yard", (40.0, -4.0, 3.0), (40.0, 2.0))]


@pytest.mark.parametrize("uncalibrated", [(), ("hall", "yard")], ids=["on one floor", "without calibration"])
def test_cameras_that_see_different_rooms_hand_people_over_by_looks(uncalibrated):
    people = [
        person(1, [(0, -3.0, 2.0), (6, 3.0, 2.0)], [(40, 37.0, 2.0), (46, 43.0, 2.0)]),
        person(2, [(0, 3.0, 3.0), (6, -3.0, 3.0)], [(42, 43.0, 3.0), (48, 37.0, 3.0)]),
        person(3, [(1, 2.0, 1.0), (7, -2.0, 1.0)]),
        person(4, [(41, 38.0, 1.0), (47, 42.0, 1.0)]),
    ]
    world = World(people, two_rooms(), Faults(0.02, 0.05, 0.0))
    updates = track(world, world.batches(48.0, 5.0), pipeline(world, uncalibrated=uncalibrated))
    early, late = (
        ids_of_people(world, [u for u in updates if start <= u.captured_at < start + 4.0]) for start in (2.0, 44.0)
    )
    for number in (1, 2):
        assert early[number].most_common(1)[0][0] == late[number].most_common(1)[0][0]
    ids = {early[n].most_common(1)[0][0] for n in (1, 2, 3)} | {late[4].most_common(1)[0][0]}
    assert len(ids) == 4


def test_two_people_dressed_alike_who_stand_apart_never_merge():
    people = [
        person(1, [(0, 2.0, 2.0), (30, 5.0, 2.0)], clothes=7),
        person(2, [(0, 10.0, 6.0), (30, 7.0, 6.0)], clothes=7),
        person(3, [(5, 2.0, 6.5), (30, 5.0, 6.5)], clothes=7),
    ]
    world = World(people, corner_cameras(), Faults(0.03, 0.1, 0.2))
    updates = track(world, world.batches(30.0, 5.0))
    found = ids_of_people(world, [u for u in updates if u.captured_at > 8.0])
    assert [len(counts) for counts in found.values()] == [1, 1, 1]
    assert len({identity for counts in found.values() for identity in counts}) == 3


def test_people_dressed_alike_in_rooms_far_apart_at_one_time_are_two():
    """Looks say one person; that both are seen at one instant says two."""
    people = [
        person(1, [(0, -3.0, 2.0), (20, 3.0, 2.0)], clothes=7),
        person(2, [(3, 37.0, 2.0), (20, 43.0, 2.0)], clothes=7),
    ]
    world = World(people, two_rooms(), Faults(0.02, 0.05, 0.0))
    updates = track(world, world.batches(20.0, 5.0))
    first, second = ids_of_people(world, updates).values()
    assert not first.keys() & second.keys()


def test_a_box_whose_feet_are_cut_off_keeps_its_identity_by_its_track():
    """The camera's image ends at the person's knees when the person comes near."""
    world = World(
        [person(1, [(0, 0.0, 6.0), (5, 0.0, -0.2), (8, 0.0, -1.4)]), person(2, [(0, 2.0, 7.0), (8, 2.5, 6.0)])],
        [put_camera("a", (0.0, -4.0, 2.0), (0.0, 8.0))],
        Faults(0.01, 0.0, 0.0),
    )
    updates = track(world, world.batches(8.0, 10.0), pipeline(world, view=ViewConfig(height_sigma_m=0.0)))
    cut = [
        (number, identity)
        for update in updates
        for s in update.sightings
        for number, identity, valid in zip(
            world.look(CameraId("a"), s.tracks.captured_at).person[s.tracks.row].tolist(),
            s.global_id.tolist(),
            s.floor.valid.tolist(),
            strict=True,
        )
        if not valid
    ]
    assert len(cut) > 5
    (whole,) = {identity for u in updates[20:30] for number, identity in rows_of(world, u) if number == 1}
    assert set(cut) == {(1, whole)}


def walks_past_below_the_camera() -> World:
    """The camera's image ends above the person's feet."""
    return World([person(1, [(0, -1.5, -1.4), (8, 1.5, -1.4)])], [put_camera("a", (0.0, -4.0, 2.0), (0.0, 8.0))])


def test_somebody_whose_feet_are_never_seen_gets_an_identity_and_no_dot_by_feet_alone():
    world = walks_past_below_the_camera()
    updates = track(world, world.batches(8.0, 10.0), pipeline(world, view=ViewConfig(height_sigma_m=0.0)))
    assert not any(s.floor.valid.any() for update in updates for s in update.sightings)
    assert {identity for update in updates[30:] for _, identity in rows_of(world, update)} == {1}
    assert all(len(update.floor) == 0 for update in updates)


def test_somebody_whose_feet_are_never_seen_gets_a_dot_by_the_head():
    world = walks_past_below_the_camera()
    updates = track(world, world.batches(8.0, 10.0))
    assert {identity for update in updates[30:] for _, identity in rows_of(world, update)} == {1}
    gaps = [
        np.linalg.norm(update.floor.xy[0] - np.array([0.375 * update.captured_at - 1.5, -1.4]))
        for update in updates[30:]
        if len(update.floor)
    ]
    assert len(gaps) > 40
    assert np.median(gaps) < 0.5


def test_the_dots_of_a_camera_that_dies_go_and_the_others_stay():
    people = [person(1, [(0, -2.0, 2.0), (9, 2.0, 2.0)]), person(2, [(0, 38.0, 2.0), (9, 42.0, 2.0)])]
    world = World(people, two_rooms())
    batches = [
        world.batch(batch.captured_at, ["hall", "yard"] if batch.captured_at < 5.0 else ["yard"])
        for batch in world.batches(9.0, 5.0)
    ]
    places = {round(u.captured_at, 1): sorted(u.floor.xy[:, 0].round().tolist()) for u in track(world, batches)}
    assert places[4.0] == [0.0, 40.0]
    assert places[5.2] == [0.0, 40.0]
    assert places[6.4] == [41.0]
    assert places[8.8] == [42.0]


def test_dots_outside_the_watched_floor_are_not_reported_and_keep_their_ids():
    world = World([person(1, [(0, 2.0, 4.0), (10, 10.0, 4.0)])], corner_cameras())
    updates = track(world, world.batches(10.0, 5.0), pipeline(world, bounds=(0.0, 0.0, 5.0, 8.0)))
    dots = {round(u.captured_at, 1): u.floor.global_id.tolist() for u in updates}
    assert dots[3.0] == [1]
    assert dots[6.0] == []
    assert rows_of(world, updates[30]) == [(1, 1)] * 4
    assert all((u.floor.xy[:, 0] <= 5.0).all() for u in updates)


def test_floor_positions_are_those_of_the_feet():
    """Neither heads nor middles: a person who stands still is where the world says, and no deeper."""
    world = World([person(1, [(0, 5.0, 3.0), (5, 5.0, 3.0)])], corner_cameras())
    update = track(world, world.batches(5.0, 5.0))[-1]
    np.testing.assert_allclose(update.floor.xy, [[5.0, 3.0]], atol=0.03)
    np.testing.assert_allclose(update.floor.velocity, [[0.0, 0.0]], atol=0.05)
    assert HEIGHT_M > 1.0
    for sightings in update.sightings:
        np.testing.assert_allclose(sightings.floor.xy, [[5.0, 3.0]], atol=0.03)


def test_two_pipelines_never_affect_each_other():
    world, other = strollers(0), strollers(1)
    batches = world.batches(4.0, 5.0)
    alone = [flat(update) for update in track(world, batches)]
    one, two = pipeline(world), pipeline(other)
    together = []
    for batch in batches:
        two.step(batch)
        together.append(flat(one.step(batch)))
    assert together == alone


class Stages:
    """Notes the stages that are timed."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, stage: str) -> "Stages":
        self.names.append(stage)
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_every_stage_is_timed_once_a_step():
    world = strollers()
    path, stages = pipeline(world), Stages()
    timed = Pipeline(
        detector=path.detector,
        embedder=path.embedder,
        trackers=path.trackers,
        views=path.views,
        fusion=path.fusion,
        identities=path.identities,
        timed=stages,
    )
    timed.step(world.batch(0.0))
    assert tuple(stages.names) == STAGES


class NoneFound:
    """A detector that finds nobody."""

    def detect(self, batch: FrameBatch) -> list[Detections]:
        nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        return [Detections(frame.camera_id, frame.captured_at, *nothing) for frame in batch.frames]


def test_an_update_speaks_of_the_frames_of_its_batch():
    world = strollers()
    path = pipeline(world)
    path.detector = NoneFound()
    frames = tuple(Frame(CameraId(n), t, 0, (1280, 720), None) for n, t in (("a", 0.0), ("c", 0.04)))
    update = path.step(FrameBatch(0.04, frames))
    assert update.captured_at == 0.04
    assert [(s.tracks.camera_id, s.tracks.captured_at) for s in update.sightings] == [("a", 0.0), ("c", 0.04)]
    assert NO_FLOOR not in update.floor.global_id
