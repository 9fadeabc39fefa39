from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from world import Camera, corner_cameras
from world import camera as put_camera

from app.domains.mapping.fusion import FloorFusion, FusionConfig
from app.domains.vocabulary import (
    NO_FLOOR,
    NO_ID,
    CameraId,
    FloorPoints,
    FloorTargets,
    Tracks,
    TrackState,
)

CONFIG = FusionConfig()
ALL = ("a", "b", "c", "d")
MIDDLE = (6.0, 4.0)
CAMERAS = [*corner_cameras(), put_camera("e", (-1.0, -1.0, 3.0), (-9.0, -9.0))]
NOBODY_LOOKS: dict[str, list[tuple[int, tuple[float, float]]]] = {"e": []}  # it looks away from everybody's floor

Seen = Mapping[str, Sequence[tuple[int, tuple[float, float]]]]  # per camera: number of the track and metres


def new_fusion(names: Sequence[str] = ALL) -> FloorFusion:
    return FloorFusion({c.name: c.view() for c in CAMERAS if c.name in {*names, "e"}}, CONFIG)


def camera(name: str) -> Camera:
    return next(c for c in CAMERAS if c.name == name)


def as_tracks(
    name: str, time: float, seen: Sequence[tuple[int, tuple[float, float]]], sigma: float, certainty: float
) -> tuple[Tracks, FloorPoints]:
    n = len(seen)
    xy = np.array([place for _, place in seen], np.float64).reshape(-1, 2)
    tracks = Tracks(
        camera_id=CameraId(name),
        captured_at=time,
        track_id=np.array([number for number, _ in seen], np.int64),
        state=np.full(n, TrackState.CONFIRMED, np.int64),
        row=np.arange(n),
        xyxy=camera(name).boxes(xy)[0].astype(np.float32),
        confidence=np.full(n, 0.9, np.float32),
        appearance=np.zeros((n, 0), np.float32),
        certainty=np.full(n, certainty),
    )
    return tracks, FloorPoints(CameraId(name), xy, np.tile(np.eye(2) * sigma**2, (n, 1, 1)), np.ones(n, np.bool_))


def step(
    fusion: FloorFusion, time: float, seen: Seen, *, sigma: float | dict[str, float] = 0.1, certainty: float = 1.0
) -> tuple[FloorTargets, dict[str, list[int]]]:
    """Take in floor points, cameras in the order of `seen`; returns the targets and each camera's target ids."""
    deviation = sigma if isinstance(sigma, dict) else dict.fromkeys(seen, sigma)
    given = [as_tracks(name, time, rows, deviation[name], certainty) for name, rows in seen.items()]
    n = sum(len(tracks) for tracks, _ in given)
    affinity = np.zeros((n, len(fusion.target_id)))
    targets, ids = fusion.update(time, [t for t, _ in given], [f for _, f in given], affinity)
    return targets, {name: part.tolist() for name, part in zip(seen, ids, strict=True)}


def shown(fusion: FloorFusion, targets: FloorTargets) -> list[int]:
    return targets.target_id[fusion.shown(targets)].tolist()


def near(random: np.random.Generator, place: tuple[float, float], sigma: float = 0.1) -> tuple[float, float]:
    x, y = np.array(place) + sigma * random.standard_normal(2)
    return float(x), float(y)


LINKED = pytest.mark.parametrize(
    "linked", [True, False], ids=["camera tracks hold", "camera tracks break in every frame"]
)
RATES = pytest.mark.parametrize("rate", [2.0, 10.0], ids=lambda rate: f"{rate:g} fps")


@LINKED
@RATES
@pytest.mark.parametrize("names", [("a",), ("a", "c"), ("a", "b", "c")], ids=["one camera", "two", "three"])
def test_one_person_is_one_target_however_many_cameras_see_it(names, rate, linked):
    fusion, random = new_fusion(names), np.random.default_rng(0)
    ever, errors, lone = set(), [], 0
    for i in range(int(12 * rate)):
        time = i / rate
        place = (2.0 + 0.6 * time, 4.0)
        seen = {name: [(1 if linked else i, near(random, place))] for name in names}
        targets, ids = step(fusion, time, seen, certainty=1.0 if linked else 0.0)
        dots = shown(fusion, targets)
        ever.update(dots)
        if time >= 2.0:
            assert len(dots) == 1
            errors.append(np.linalg.norm(targets.xy[targets.target_id == dots[0]][0] - place))
            lone += sum(part != dots for part in ids.values())
    assert len(ever) == 1
    assert np.median(errors) < 0.15
    assert lone < 0.05 * len(errors) * len(names)


@LINKED
@RATES
def test_two_people_half_a_metre_apart_stay_two(rate, linked):
    fusion, random = new_fusion(), np.random.default_rng(1)
    given = []
    for i in range(int(10 * rate)):
        time = i / rate
        people = [(4.0 + 0.3 * time, 4.0), (4.0 + 0.3 * time, 4.5)]
        seen = {
            name: [(p if linked else 2 * i + p, near(random, place, 0.07)) for p, place in enumerate(people)]
            for name in ALL
        }
        targets, ids = step(fusion, time, seen, sigma=0.07, certainty=1.0 if linked else 0.0)
        if time >= 2.0:
            assert len(shown(fusion, targets)) == 2
            given += ids.values()
    whom = np.array(given)
    one, other = (int(np.bincount(column[column != NO_ID]).argmax()) for column in whom.T)
    assert one != other
    assert not (whom == (other, one)).any(), "a point of one person went to the other's target"
    assert (whom == (one, other)).mean() > 0.95


def test_two_people_whose_paths_cross_keep_their_targets():
    fusion, random = new_fusion(), np.random.default_rng(2)
    history = []
    for i in range(100):
        time = 0.1 * i
        people = [(1.0 + time, 3.9), (11.0 - time, 4.3)]
        seen = {name: [(p, near(random, place)) for p, place in enumerate(people)] for name in ALL}
        history.append(step(fusion, time, seen)[1])
    early, late = history[20], history[-1]
    assert early == late == dict.fromkeys(ALL, early["a"])
    assert len(set(early["a"])) == 2


@pytest.mark.parametrize("name", ALL)
def test_a_single_false_box_never_becomes_a_dot(name):
    fusion = new_fusion()
    for i in range(30):
        seen = {other: [] for other in ALL}
        if i == 10:
            seen[name] = [(1, MIDDLE)]
        targets, _ = step(fusion, 0.1 * i, seen)
        assert shown(fusion, targets) == []
    assert len(fusion) == 0


def test_false_boxes_here_and_there_make_no_dots_beside_the_person():
    fusion, random = new_fusion(), np.random.default_rng(3)
    false = 0
    for i in range(100):
        seen = {name: [(1, near(random, MIDDLE))] for name in ALL}
        name, place = str(random.choice(ALL)), (float(random.uniform(1, 11)), float(random.uniform(1, 7)))
        if np.linalg.norm(np.array(place) - MIDDLE) > 1.5:
            seen[name].append((100 + i, place))
            false += 1
        targets, _ = step(fusion, 0.5 * i, seen)
        if i >= 4:
            assert len(shown(fusion, targets)) == 1
    assert false > 50


def existence_after(fusion: FloorFusion, later: Seen, steps: int = 3) -> float:
    """Let all cameras see one person in the middle, then only what `later` says; 0 for a target that has ended."""
    for i in range(10):
        targets, _ = step(fusion, 0.5 * i, {name: [(1, MIDDLE)] for name in ALL})
    for i in range(steps):
        targets, _ = step(fusion, 5.0 + 0.5 * i, later)
    at = np.linalg.norm(targets.xy - MIDDLE, axis=1) < 0.5
    return float(targets.existence[at].max(initial=0.0))


def test_cameras_that_should_see_somebody_and_do_not_speak_against_him():
    nobody = existence_after(new_fusion(), {name: [] for name in ALL})
    one_misses = existence_after(new_fusion(), {"b": []})
    no_frames = existence_after(new_fusion(), NOBODY_LOOKS)
    assert nobody < 0.2 < 0.8 < no_frames
    assert nobody < one_misses < no_frames


def test_a_spot_that_one_of_four_cameras_reports_is_believed_less_than_one_that_only_it_can_see():
    def belief(others: Sequence[str]) -> float:
        targets, _ = step(new_fusion(), 0.0, {"a": [(1, MIDDLE)], **{name: [] for name in others}})
        return float(targets.existence.max(initial=0.0))

    assert belief(["b", "c", "d"]) < 0.3
    assert belief(["b"]) < 0.45
    assert belief(["e"]) == pytest.approx(0.5, abs=0.05)


def test_a_camera_that_places_somebody_wrongly_makes_no_second_person():
    """Camera b is off by 0.45 m, far more than it says; a and c agree."""
    fusion = new_fusion(("a", "b", "c"))
    for i in range(40):
        place = (4.0 + 0.05 * i, 4.0)
        seen = {"a": [(1, place)], "b": [(1, (place[0], 4.45))] if i > 5 else [], "c": [(1, place)]}
        targets, _ = step(fusion, 0.1 * i, seen, sigma=0.04)
        assert len(shown(fusion, targets)) <= 1
    assert len(targets) == 1


def test_a_known_track_whose_feet_are_lost_for_a_moment_makes_no_second_person():
    """A bag hides the feet: the box ends at the hip, and its point lies 3 m behind the person."""
    fusion = new_fusion(("a",))
    for i in range(60):
        step(fusion, 0.05 * i, {"a": [(1, MIDDLE)]})
    for i in range(60, 60 + int(0.5 * CONFIG.continuity_s / 0.05)):
        targets, _ = step(fusion, 0.05 * i, {"a": [(1, (8.5, 6.0))]})
        assert targets.target_id.tolist() == [1]
        np.testing.assert_allclose(targets.xy[0], MIDDLE, atol=0.2)


def test_a_camera_that_cannot_see_the_spot_says_nothing_of_it():
    """Camera a stands at (-1, -1) and looks over the floor: what is behind it is not its business."""
    behind = (-3.0, -3.0)
    fusion = new_fusion(("a", "c"))
    for i in range(10):
        targets, _ = step(fusion, 0.5 * i, {"a": [], "c": [(1, behind)]})
    assert shown(fusion, targets) == targets.target_id.tolist()
    assert len(targets) == 1


def test_a_camera_says_nothing_of_somebody_who_is_hidden_by_a_nearer_person():
    view = camera("a")
    place, near_by = np.array(MIDDLE), np.array(MIDDLE) + 0.10 * (np.array([-1.0, -1.0]) - MIDDLE)
    assert (view.boxes(near_by[None])[0][0, :2] < view.boxes(place[None])[0][0, :2] + 15).all()

    def belief(with_neighbour: bool) -> float:
        fusion = new_fusion(("a",))
        first = [(1, MIDDLE), (2, tuple(near_by.tolist()))] if with_neighbour else [(1, MIDDLE)]
        for i in range(10):
            step(fusion, 0.5 * i, {"a": first})
        targets, _ = step(fusion, 5.0, {"a": first[1:]})
        return float(targets.existence[np.linalg.norm(targets.xy - place, axis=1) < 0.2].max(initial=0.0))

    assert belief(with_neighbour=True) > belief(with_neighbour=False) + 0.005


@RATES
@pytest.mark.parametrize("names", [("a",), ALL], ids=["one camera", "four cameras"])
def test_the_error_is_as_large_as_the_covariance_says(rate, names):
    """The normalised error squared of people who move as the filter assumes has the mean 2: one per axis."""
    random, people, dt = np.random.default_rng(4), 6, 1 / rate
    transition = np.eye(4)
    transition[0, 2] = transition[1, 3] = dt
    block = CONFIG.acceleration**2 * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    noise = np.linalg.cholesky(np.kron(block, np.eye(2)))
    normalised, claimed, errors = [], [], []
    for person in range(people):
        fusion = new_fusion(names)
        state = np.array([*MIDDLE, 0.3 * np.cos(person), 0.3 * np.sin(person)])
        for i in range(int(8 * rate)):
            state = transition @ state + noise @ random.standard_normal(4)
            seen = {name: [(1, near(random, tuple(state[:2]), 0.15))] for name in names}
            targets, ids = step(fusion, i * dt, seen, sigma=0.15)
            if i * dt >= 2.0:
                (row,) = np.flatnonzero(targets.target_id == ids["a"][0])
                error = targets.xy[row] - state[:2]
                normalised.append(error @ np.linalg.solve(targets.covariance[row, :2, :2], error) / 2.0)
                claimed.append(np.trace(targets.covariance[row, :2, :2]))
                errors.append(error @ error)
    assert 0.6 < np.mean(normalised) < 1.6
    assert 0.6 < np.mean(errors) / np.mean(claimed) < 1.6


def test_more_cameras_place_a_person_better():
    traces = []
    for names in (("a",), ("a", "b"), ALL):
        fusion = new_fusion(names)
        for i in range(20):
            targets, _ = step(fusion, 0.5 * i, {name: [(1, MIDDLE)] for name in names})
        traces.append(np.trace(targets.covariance[0, :2, :2]))
    assert traces[0] > 1.3 * traces[1] > 1.3**2 * traces[2]


def test_the_sharper_camera_counts_more():
    fusion = new_fusion(("a", "c"))
    left, right = (5.8, 4.0), (6.2, 4.0)
    for i in range(20):
        sharp, sharp_floor = as_tracks("a", 0.5 * i, [(1, left)], 0.05, 1.0)
        vague, vague_floor = as_tracks("c", 0.5 * i, [(1, right)], 0.5, 1.0)
        targets, _ = fusion.update(
            0.5 * i, [sharp, vague], [sharp_floor, vague_floor], np.zeros((2, len(fusion.target_id)))
        )
    assert targets.xy[0, 0] == pytest.approx(5.8, abs=0.05)


def walked(fusion: FloorFusion) -> None:
    """Let everybody see one person walk 3 m along x at 1 m/s, until 2.9 s and (5.9, 4)."""
    for i in range(30):
        step(fusion, 0.1 * i, {name: [(1, (3.0 + 0.1 * i, 4.0))] for name in ALL})


def test_a_dot_coasts_at_its_speed_and_then_is_shown_no_longer():
    fusion = new_fusion()
    walked(fusion)
    targets, _ = step(fusion, 2.9 + 0.6 * CONFIG.coast_s, NOBODY_LOOKS)
    assert len(shown(fusion, targets)) == 1
    np.testing.assert_allclose(targets.xy[0], [5.9 + 0.6 * CONFIG.coast_s, 4.0], atol=0.1)
    np.testing.assert_allclose(targets.velocity[0], [1.0, 0.0], atol=0.1)
    assert targets.unseen_s[0] == pytest.approx(0.6 * CONFIG.coast_s)
    assert not targets.support.any()
    targets, _ = step(fusion, 2.9 + 1.3 * CONFIG.coast_s, NOBODY_LOOKS)
    assert shown(fusion, targets) == []
    assert len(targets) == 1


def test_a_target_without_support_ends():
    fusion = new_fusion()
    walked(fusion)
    targets, _ = step(fusion, 2.9 + 0.9 * CONFIG.lost_s, NOBODY_LOOKS)
    assert len(targets) == 1
    targets, _ = step(fusion, 2.9 + 1.1 * CONFIG.lost_s, NOBODY_LOOKS)
    assert len(targets) == 0
    assert len(fusion) == 0


def test_a_target_in_full_view_that_nobody_sees_ends_much_sooner():
    fusion = new_fusion()
    walked(fusion)
    for i in range(1, 11):
        targets, _ = step(fusion, 2.9 + 0.1 * i, {name: [] for name in ALL})
    assert shown(fusion, targets) == []


def test_somebody_who_is_seen_again_in_time_is_the_same_target():
    fusion = new_fusion()
    walked(fusion)
    later = 2.9 + 0.5 * CONFIG.lost_s
    place = (5.9 + 0.5 * CONFIG.lost_s, 4.0)
    _, ids = step(fusion, later, {name: [(7, place)] for name in ALL})
    assert ids == {name: [1] for name in ALL}


def test_uncertainty_grows_while_nobody_sees_a_target():
    fusion = new_fusion()
    walked(fusion)
    before, _ = step(fusion, 3.0, NOBODY_LOOKS)
    after, _ = step(fusion, 3.5, NOBODY_LOOKS)
    assert np.linalg.eigvalsh((after.covariance[0] - before.covariance[0])[:2, :2]).min() > 0


def crowd(order: Sequence[str]) -> tuple[list[FloorTargets], list[dict[str, list[int]]]]:
    """Track five people; the cameras are told of in `order`, and each is as sharp as no other."""
    fusion, random = new_fusion(), np.random.default_rng(5)
    sigma = {"a": 0.10, "b": 0.11, "c": 0.12, "d": 0.13}
    history, ids = [], []
    for i in range(60):
        time = 0.2 * i
        people = [(2.0 + 0.4 * time, 2.0 + p) if p % 2 else (9.0 - 0.4 * time, 2.3 + p) for p in range(5)]
        seen = {name: [(p, near(random, place)) for p, place in enumerate(people)] for name in ALL}
        seen = {name: [row for row in rows if random.random() < 0.85] for name, rows in seen.items()}
        targets, found = step(fusion, time, {name: seen[name] for name in order}, sigma=sigma)
        history.append(targets)
        ids.append({name: found[name] for name in ALL})
    return history, ids


def test_the_order_of_the_cameras_changes_nothing():
    (one, one_ids), (other, other_ids) = crowd(ALL), crowd(("c", "a", "d", "b"))
    assert one_ids == other_ids
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.target_id, b.target_id)
        np.testing.assert_allclose(a.xy, b.xy, atol=1e-9)
        np.testing.assert_array_equal(a.support, b.support)
    assert len(one[-1]) >= 5


def test_the_same_input_twice_gives_the_same_targets():
    (one, one_ids), (other, other_ids) = crowd(ALL), crowd(ALL)
    assert one_ids == other_ids
    for a, b in zip(one, other, strict=True):
        for name in ("target_id", "xy", "velocity", "covariance", "existence", "support"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_no_target_takes_two_points_of_one_camera():
    _, ids = crowd(ALL)
    for frame in ids:
        for found in frame.values():
            known = [target for target in found if target != NO_ID]
            assert len(known) == len(set(known))


def test_affinity_decides_what_places_cannot():
    """Two people meet in one spot; whose point is whose afterwards, only looks can say."""

    def run(straight: bool) -> tuple[list[int], list[int]]:
        fusion = new_fusion()
        for i in range(20):
            gap = 0.1 * (20 - i)
            _, before = step(fusion, 0.1 * i, {name: [(1, (6 - gap, 4)), (2, (6 + gap, 4))] for name in ALL})
        given = [as_tracks(name, 4.0, [(3, (5.6, 4.0)), (4, (6.4, 4.0))], 0.3, 0.0) for name in ALL]
        sign = 8.0 if straight else -8.0
        affinity = np.zeros((8, len(fusion.target_id)))
        columns = [fusion.target_id.tolist().index(target) for target in before["a"]]
        affinity[0::2, columns], affinity[1::2, columns] = [sign, -sign], [-sign, sign]
        _, after = fusion.update(4.0, [t for t, _ in given], [f for _, f in given], affinity)
        return before["a"], after[0].tolist()

    before, after = run(straight=True)
    assert after == before
    before, after = run(straight=False)
    assert after == before[::-1]


@pytest.mark.parametrize("seen", [{}, {"b": []}, {name: [] for name in ALL}], ids=["no camera", "one", "all"])
def test_nobody_on_an_empty_floor(seen):
    targets, ids = step(new_fusion(), 0.0, seen)
    assert len(targets) == 0
    assert (targets.xy.shape, targets.covariance.shape, targets.support.shape) == ((0, 2), (0, 4, 4), (0, 5))
    assert ids == {name: [] for name in seen}


def test_a_site_without_floor_has_no_targets():
    fusion = FloorFusion({}, CONFIG)
    targets, ids = fusion.update(0.0, [], [], np.zeros((0, 0)))
    assert len(targets) == 0
    assert ids == []


def test_points_without_floor_are_nobodys():
    fusion = new_fusion(("a",))
    tracks, floor = as_tracks("a", 0.0, [(1, MIDDLE), (2, (3.0, 3.0))], 0.1, 1.0)
    nowhere = np.array([False, True])
    xy, covariance = floor.xy.copy(), floor.covariance.copy()
    xy[0], covariance[0] = np.nan, np.nan
    targets, (ids,) = fusion.update(
        0.0, [tracks], [FloorPoints(CameraId("a"), xy, covariance, nowhere)], np.zeros((2, 0))
    )
    assert ids[0] == NO_FLOOR
    assert ids[1] == targets.target_id[0]
    assert np.isfinite(targets.xy).all()


def test_time_that_runs_backwards_is_refused():
    fusion = new_fusion()
    step(fusion, 1.0, {"a": [(1, MIDDLE)]})
    with pytest.raises(ValueError, match="time runs backwards"):
        step(fusion, 0.5, {"a": [(1, MIDDLE)]})


def test_two_floors_never_affect_each_other():
    alone = crowd(ALL)[1]
    one = new_fusion()
    for i in range(10):
        step(one, 0.1 * i, {name: [(1, MIDDLE)] for name in ALL})
    assert crowd(ALL)[1] == alone


def watched_by(detected: Sequence[bool], steps: int = 60) -> tuple[FloorFusion, float]:
    """One person, two steps a second, whom camera b always detects and camera a as often as in the pattern."""
    fusion, time = new_fusion(("a", "b")), 10.0
    for k in range(steps):
        a = [(1, MIDDLE)] if detected[k % len(detected)] else []
        step(fusion, time := time + 0.5, {"a": a, "b": [(1, MIDDLE)], "e": []})
    return fusion, time


def test_a_camera_that_overlooks_people_is_found_out() -> None:
    fusion, _ = watched_by([True, False])
    assert fusion.recall.tolist() == pytest.approx(
        [0.5, CONFIG.detection_probability, CONFIG.detection_probability], abs=0.05
    )
    blind, _ = watched_by([False])
    assert blind.recall[0] == CONFIG.least_recall
    assert blind.recall[2] == CONFIG.detection_probability, "who looks at nobody overlooks nobody"


@pytest.mark.parametrize(("detected", "there"), [([True, False], True), ([True], False)])
def test_that_a_weak_camera_sees_nobody_says_less(detected: Sequence[bool], there: bool) -> None:
    fusion, time = watched_by(detected)
    for _ in range(4):
        targets, _ = step(fusion, time := time + 0.5, {"a": [], "e": []})
    assert (targets.existence > 0.5).tolist() == ([True] if there else [False])
