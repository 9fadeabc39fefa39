from collections.abc import Callable

import numpy as np
import pytest
from world import Faults, World, camera, person

from app.domains.detection.tracker import CameraTrackers, TrackerConfig
from app.domains.vocabulary import CameraId, Detections, Tracks, TrackState

CONFIG = TrackerConfig()
HIGH, LOW = 0.9, 0.3  # well above and well below the score that the first stage asks for
HEIGHT, WIDTH = 200.0, 80.0  # pixels

Place = Callable[[float], tuple[float, float] | None]  # time to the middle of the feet, pixels; None while not seen


def still(x: float, y: float = 500.0) -> Place:
    return lambda _time: (x, y)


def walk(x: float, speed: float, y: float = 500.0) -> Place:
    """Start at x and go on at `speed` pixels a second: 115 are 1 m/s for a person 200 pixels tall."""
    return lambda time: (x + speed * time, y)


def hidden(place: Place, start: float, end: float) -> Place:
    return lambda time: None if start <= time < end else place(time)


def boxes_at(points: list[tuple[float, float]]) -> np.ndarray:
    feet = np.array(points, np.float64).reshape(-1, 2)
    return np.column_stack([feet[:, 0] - WIDTH / 2, feet[:, 1] - HEIGHT, feet[:, 0] + WIDTH / 2, feet[:, 1]]).astype(
        np.float32
    )


def detections(time: float, points: list[tuple[float, float]], confidence: float | list[float] = HIGH) -> Detections:
    return Detections(
        CameraId("a"), time, boxes_at(points), np.broadcast_to(np.float32(confidence), len(points)).astype(np.float32)
    )


def new_tracker(config: TrackerConfig = CONFIG) -> CameraTrackers:
    return CameraTrackers([CameraId("a")], config)


def update(tracker: CameraTrackers, found: Detections) -> Tracks:
    (tracks,) = tracker.update([found], [np.zeros((len(found), 0), np.float32)])
    return tracks


def follow(
    tracker: CameraTrackers, places: list[Place], seconds: float, rate: float, start: float = 0.0
) -> list[dict[int, int]]:
    """Track people; returns for each frame the track id of each person seen."""
    history = []
    for i in range(round(seconds * rate)):
        time = start + i / rate
        seen = {p: xy for p, place in enumerate(places) if (xy := place(time)) is not None}
        tracks = update(tracker, detections(time, list(seen.values())))
        assert len(set(tracks.track_id.tolist())) == len(tracks), "one id twice in a frame"
        people = np.array(list(seen), np.int64)[tracks.row]
        history.append(dict(zip(people.tolist(), tracks.track_id.tolist(), strict=True)))
    return history


def ids_of(history: list[dict[int, int]], who: int) -> list[int]:
    """The different ids of one person, in the order of their appearance."""
    return list(dict.fromkeys(frame[who] for frame in history if who in frame))


RATES = pytest.mark.parametrize("rate", [2.0, 7.0, 25.0], ids=lambda rate: f"{rate:g} fps")


@RATES
def test_people_who_walk_keep_their_ids_at_any_frame_rate(rate):
    places = [walk(0, 110), walk(1200, -110, 560), still(600, 850), walk(300, 60, 1000)]
    history = follow(new_tracker(), places, 8.0, rate)
    assert [ids_of(history, who) for who in range(4)] == [[history[0][who]] for who in range(4)]
    assert sum(len(frame) for frame in history) == 4 * len(history)


@RATES
def test_people_who_cross_in_full_view_keep_their_ids(rate):
    history = follow(new_tracker(), [walk(100, 115), walk(1020, -115, 530)], 8.0, rate)
    assert [len(ids_of(history, who)) for who in (0, 1)] == [1, 1]


@pytest.mark.parametrize("rate", [7.0, 25.0], ids=lambda rate: f"{rate:g} fps")
def test_people_who_cross_keep_their_ids_though_one_hides_the_other(rate):
    behind = hidden(walk(1020, -115), 3.6, 4.4)
    history = follow(new_tracker(), [walk(100, 115, 530), behind], 8.0, rate)
    assert [len(ids_of(history, who)) for who in (0, 1)] == [1, 1]


@RATES
def test_a_gap_within_the_limit_is_bridged(rate):
    gap = 0.75 * CONFIG.max_lost_s
    history = follow(new_tracker(), [hidden(walk(0, 80), 3.0, 3.0 + gap)], 8.0, rate)
    assert len(ids_of(history, 0)) == 1
    assert max(i / rate for i, frame in enumerate(history) if not frame) > 3.0


@RATES
def test_a_gap_beyond_the_limit_ends_the_track(rate):
    tracker = new_tracker()
    history = follow(tracker, [hidden(still(500), 3.0, 3.6 + CONFIG.max_lost_s)], 8.0, rate)
    assert len(ids_of(history, 0)) == 2


def test_a_lost_track_is_kept_for_the_limit_and_no_longer():
    tracker = new_tracker()
    follow(tracker, [still(500)], 1.0, 10.0)  # seen until 0.9
    update(tracker, detections(0.9 + CONFIG.max_lost_s - 0.05, []))
    assert len(tracker) == 1
    update(tracker, detections(0.9 + CONFIG.max_lost_s + 0.05, []))
    assert len(tracker) == 0


def test_a_lost_track_goes_on_at_its_speed():
    tracker = new_tracker()
    follow(tracker, [walk(100, 100)], 4.0, 10.0)  # the last at 3.9: x 490
    update(tracker, detections(4.9, []))
    tracks = update(tracker, detections(5.0, [(490, 500), (600, 500)]))
    assert dict(zip(tracks.row.tolist(), tracks.track_id.tolist(), strict=True)) == {0: 2, 1: 1}


def test_a_track_that_nobody_confirms_ends_early():
    tracker = new_tracker()
    update(tracker, detections(0.0, [(500, 500)]))
    update(tracker, detections(CONFIG.tentative_lost_s + 0.05, []))
    assert len(tracker) == 0
    assert CONFIG.tentative_lost_s < CONFIG.max_lost_s


def test_a_track_is_confirmed_by_age_and_a_second_box():
    tracker = new_tracker()
    assert update(tracker, detections(0.0, [(500, 500)])).state.tolist() == [TrackState.TENTATIVE]
    assert update(tracker, detections(0.4, [(500, 500)])).state.tolist() == [TrackState.CONFIRMED]


def test_a_doubtful_box_continues_a_track_and_starts_none():
    tracker = new_tracker()
    follow(tracker, [still(500)], 1.0, 10.0)
    tracks = update(tracker, detections(1.0, [(502, 500), (900, 500)], [LOW, LOW]))
    assert tracks.track_id.tolist() == [1]
    assert tracks.row.tolist() == [0]
    assert tracks.confidence.tolist() == [pytest.approx(LOW)]


def test_a_confident_box_goes_before_a_doubtful_one_that_lies_better():
    tracker = new_tracker()
    follow(tracker, [still(500)], 1.0, 10.0)
    tracks = update(tracker, detections(1.0, [(500, 500), (512, 500)], [LOW, HIGH]))
    assert dict(zip(tracks.row.tolist(), tracks.track_id.tolist(), strict=True)) == {1: 1}


def test_a_track_that_lives_on_doubtful_boxes_alone_ends():
    tracker = new_tracker()
    follow(tracker, [still(500)], 1.0, 10.0)
    last = 0.0
    for i in range(100):
        time = 1.0 + 0.1 * i
        if len(update(tracker, detections(time, [(500, 500)], LOW))):
            last = time
    assert 1.0 < last < 5.0
    assert len(tracker) == 0


def test_a_second_box_of_one_person_starts_no_track():
    tracker = new_tracker()
    for i in range(20):
        points = [(500.0, 500.0), (505.0, 503.0)] if i else [(500.0, 500.0)]
        tracks = update(tracker, detections(0.1 * i, points))
    assert tracks.track_id.tolist() == [1]
    assert len(tracker) == 1


def test_two_people_side_by_side_are_two():
    history = follow(new_tracker(), [still(500), still(500 + 0.8 * WIDTH)], 2.0, 10.0)
    assert [ids_of(history, 0), ids_of(history, 1)] == [[1], [2]]


def test_a_newcomer_gets_a_new_id_and_ids_never_come_back():
    tracker = new_tracker()
    follow(tracker, [still(500)], 1.0, 10.0)
    update(tracker, detections(60.0, []))
    assert update(tracker, detections(60.1, [(500, 500)])).track_id.tolist() == [2]


def test_looks_tell_apart_whom_places_cannot():
    """Two people meet, stand in one spot out of sight, and go back the way that they came."""
    looks = np.eye(4, dtype=np.float32)[:2]

    def evidence(cosine: np.ndarray) -> np.ndarray:
        return np.nan_to_num(8.0 * (cosine - 0.5))

    def run(tracker: CameraTrackers, appearance: np.ndarray) -> list[int]:
        for i in range(21):
            time, gap = 0.1 * i, 6.0 * (20 - i)
            found = detections(time, [(500 - gap, 500), (500 + gap, 500)])
            (before,) = tracker.update([found], [appearance])
        for i in range(25):
            time, gap = 2.6 + 0.1 * i, 6.0 * i + 12.0
            found = detections(time, [(500 - gap, 500), (500 + gap, 500)])
            (after,) = tracker.update([found], [appearance])
        return [before.track_id.tolist(), after.track_id.tolist()]

    before, after = run(CameraTrackers([CameraId("a")], CONFIG, evidence), looks)
    assert before == after
    before, after = run(new_tracker(), np.zeros((2, 0), np.float32))
    assert before != after, "geometry alone would have told them apart, so the test shows nothing"


def test_cameras_never_affect_each_other():
    """A camera's tracks are the same alone and beside others, at another rate, in any order of frames."""
    mine, theirs = CameraId("a"), CameraId("b")
    places, others = [walk(0, 100), still(800)], [walk(10, 100), still(810), walk(900, -90)]
    alone = follow(new_tracker(), places, 3.0, 10.0)
    site, together = CameraTrackers([theirs, mine], CONFIG), []
    for i in range(30):
        time = 0.1 * i
        frames = [detections(time, [place(time) for place in places])]
        if i % 3 != 1:
            found = detections(time, [place(time) for place in others])
            frames.insert(i % 2, Detections(theirs, time, found.xyxy, found.confidence))
        found = site.update(frames, [np.zeros((len(frame), 0), np.float32) for frame in frames])
        assert [tracks.camera_id for tracks in found] == [frame.camera_id for frame in frames]
        ours = next(tracks for tracks in found if tracks.camera_id == mine)
        together.append(dict(zip(ours.row.tolist(), ours.track_id.tolist(), strict=True)))
        assert {1, 2, 3} >= {track for tracks in found for track in tracks.track_id.tolist()}
    assert together == alone


def test_a_site_of_crowds_that_come_and_go_tracks_as_each_camera_alone():
    """Tracks end and begin in all cameras while the table grows; looks go with their tracks."""
    rng, names = np.random.default_rng(3), [CameraId(name) for name in "abc"]
    site, alone = CameraTrackers(names, CONFIG), {name: CameraTrackers([name], CONFIG) for name in names}
    feet = rng.uniform(0, 1900, (3, 60, 2))
    for i in range(60):
        frames, looks = [], []
        for c, name in enumerate(names):
            there = np.flatnonzero((np.arange(60) * 7 + 11 * c + i) % 40 < 18)  # each is away for 22 steps in 40
            found = detections(0.2 * i, [tuple(feet[c, p]) for p in there])
            frames.append(Detections(name, found.captured_at, found.xyxy, found.confidence))
            looks.append(np.eye(60, dtype=np.float32)[there])
        together = site.update(frames, looks)
        for frame, look, tracks in zip(frames, looks, together, strict=True):
            (expected,) = alone[frame.camera_id].update([frame], [look])
            for column in ("track_id", "state", "row", "certainty", "appearance"):
                np.testing.assert_array_equal(getattr(tracks, column), getattr(expected, column), err_msg=column)
    assert len(site) == sum(len(tracker) for tracker in alone.values()) > 64
    assert max(tracks.track_id.max() for tracks in together) > 60, "nobody has come back as a new track"


def test_a_camera_without_frame_keeps_its_tracks():
    a, b = CameraId("a"), CameraId("b")
    site = CameraTrackers([a, b], CONFIG)
    nothing = [np.zeros((1, 0), np.float32)]
    site.update([detections(0.0, [(500, 500)])], nothing)
    for i in range(100):
        found = detections(0.1 * i, [(300, 500)])
        site.update([Detections(b, found.captured_at, found.xyxy, found.confidence)], nothing)
    assert len(site) == 2
    (tracks,) = site.update([detections(0.5, [(500, 500)])], nothing)
    assert tracks.track_id.tolist() == [1]


@pytest.mark.parametrize(
    ("cameras", "problem"), [(["a", "a"], "camera a is in the step twice"), (["z"], "camera z is unknown")]
)
def test_a_step_takes_one_frame_of_each_known_camera(cameras, problem):
    found = detections(0.0, [])
    frames = [Detections(CameraId(name), 0.0, found.xyxy, found.confidence) for name in cameras]
    with pytest.raises(ValueError, match=problem):
        new_tracker().update(frames, [np.zeros((0, 0), np.float32)] * len(frames))


def test_a_camera_comes_once_though_another_has_no_frame():
    site, found = CameraTrackers([CameraId("a"), CameraId("b")], CONFIG), detections(0.0, [])
    with pytest.raises(ValueError, match="camera a is in the step twice"):
        site.update([found, found], [np.zeros((0, 0), np.float32)] * 2)


def test_what_a_step_found_stays_as_it_was_whatever_follows():
    tracker, kept = new_tracker(), []
    points = [(40.0 * x, 400.0 * y) for x in range(50) for y in range(2)]
    for i in range(60):  # 6000 rows, more than are kept together
        tracks = update(tracker, detections(0.1 * i, points))
        kept.append((tracks, [getattr(tracks, name).copy() for name in ("track_id", "row", "xyxy", "certainty")]))
    for tracks, before in kept:
        for name, column in zip(("track_id", "row", "xyxy", "certainty"), before, strict=True):
            np.testing.assert_array_equal(getattr(tracks, name), column, err_msg=name)


def test_a_crowd_on_one_spot_has_room():
    """Every track could have every box; each keeps one, and none is somebody else's."""
    rng, tracker = np.random.default_rng(0), new_tracker(TrackerConfig(duplicate_iou=1.1))
    for i in range(5):
        tracks = update(tracker, detections(0.1 * i, [(500 + x, 500 + y) for x, y in rng.normal(0, 8, (40, 2))]))
        assert sorted(tracks.row.tolist()) == list(range(40))
        assert len(set(tracks.track_id.tolist())) == 40


def test_no_frame_at_all():
    assert new_tracker().update([], []) == []
    assert new_tracker().due_for_embedding([]) == []


@RATES
def test_frames_without_boxes(rate):
    tracker = new_tracker()
    assert follow(tracker, [hidden(still(0), 0.0, 99.0)], 4.0, rate) == [{}] * round(4 * rate)
    empty = update(tracker, detections(10.0, []))
    assert (empty.track_id.shape, empty.xyxy.shape, empty.certainty.shape) == ((0,), (0, 4), (0,))
    assert len(tracker) == 0


def test_time_that_runs_backwards_is_refused_and_changes_nothing():
    tracker = new_tracker()
    update(tracker, detections(1.0, [(500, 500)]))
    with pytest.raises(ValueError, match=r"camera a: time runs backwards by 0\.500 s"):
        update(tracker, detections(0.5, [(500, 500)]))
    assert update(tracker, detections(1.2, [(500, 500)])).track_id.tolist() == [1]


def test_one_appearance_row_per_detection():
    with pytest.raises(ValueError, match="1 appearance rows of 8 numbers for 2 detections of camera a"):
        new_tracker().update([detections(0.0, [(100, 500), (400, 500)])], [np.zeros((1, 8), np.float32)])


def noisy_walkers() -> World:
    people = [
        person(1, [(0, 0, 2), (10, 8, 4)]),
        person(2, [(0, 8, 3), (10, 0, 3)]),
        person(3, [(0, 4, 6), (10, 4, 1)]),
        person(4, [(0, 2, 5), (10, 7, 5)]),
    ]
    return World(people, [camera("a", (4.0, -4.0, 3.0), (4.0, 4.0))], Faults(0.03, 0.1, 0.5), seed=3)


def track_world(
    world: World, order: Callable[[int], np.ndarray]
) -> tuple[list[list[tuple[int, tuple[int, int], int]]], list[float]]:
    """Track a world whose rows come in another order.

    Returns:
        For each frame its rows, sorted: row in the world, the frame and row that its track began with, state; and all
        certainties in that order.
    """
    tracker, frames, certainty = new_tracker(), [], []
    began: dict[int, tuple[int, int]] = {}
    for frame, batch in enumerate(world.batches(10.0, 10.0)):
        d = world.look(CameraId("a"), batch.captured_at).detections
        rows = order(len(d))
        tracks = update(tracker, Detections(d.camera_id, d.captured_at, d.xyxy[rows], d.confidence[rows]))
        taken = rows[tracks.row]
        assert (np.diff(tracks.row) > 0).all()
        np.testing.assert_array_equal(tracks.xyxy, d.xyxy[taken])
        for row, track in zip(taken.tolist(), tracks.track_id.tolist(), strict=True):
            began.setdefault(track, (frame, row))
        frames.append(
            sorted(
                (row, began[track], state)
                for row, track, state in zip(
                    taken.tolist(), tracks.track_id.tolist(), tracks.state.tolist(), strict=True
                )
            )
        )
        certainty += tracks.certainty[np.argsort(taken)].tolist()
    return frames, certainty


def test_the_same_input_twice_gives_the_same_output():
    world = noisy_walkers()
    assert track_world(world, np.arange) == track_world(world, np.arange)


def test_shuffled_rows_change_nothing_but_order():
    world = noisy_walkers()
    straight, certainty = track_world(world, np.arange)
    backwards, other_certainty = track_world(world, lambda n: np.arange(n)[::-1])
    assert backwards == straight
    assert other_certainty == pytest.approx(certainty, abs=1e-9)
    assert sum(len(frame) for frame in straight) > 200
