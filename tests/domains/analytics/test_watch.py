"""What FloorWatch makes of walks that are written out by hand, and of many at once."""

import numpy as np
import pytest
from walkers import BEGUN, BOTH, LEFT_CAMERA, RIGHT_CAMERA, coverage, dot_rows, drawn, line, part, walk, zone

from app.domains.analytics.figures import Ending, EventKind
from app.domains.analytics.heat import cell_of
from app.domains.analytics.places import FLOOR, PlaceId, PlaceVersion
from app.domains.analytics.watch import FloorWatch, WatchConfig
from app.domains.analytics.watched import DotRows, OccupancyRows, StayRows, Watched
from app.domains.vocabulary import Merge, Split

DOOR, DESK = zone("door", 0.0, 0.0, 4.0, 4.0), zone("desk", 6.0, 6.0, 9.0, 9.0)
WIRE = line("wire", (5.0, 10.0), (5.0, 2.0))  # who walks towards larger x comes from its right
NOBODY = dot_rows([])


def watch_all(watch: FloorWatch, instants: np.ndarray, dots: DotRows, corrections: tuple = ()) -> Watched:
    return watch.update(instants, dots, [BOTH] * len(instants), corrections)


def passing(person: int, *spots: tuple[float, float], begun: float = BEGUN, period_s: float = 0.5) -> list[tuple]:
    """Return rows of somebody who is at one spot after the other."""
    return [(begun + period_s * i, person, x, y) for i, (x, y) in enumerate(spots)]


def see(watch: FloorWatch, rows: list[tuple], corrections: tuple = (), sigma: float = 0.1) -> Watched:
    dots = dot_rows(sorted(rows), sigma)
    return watch_all(watch, np.unique(dots.at), dots, corrections)


def told(watched: Watched) -> list[tuple]:
    return [(event.kind, event.place_id, event.identity) for event in watched.events]


def stays_of(*watched: Watched) -> dict[tuple, tuple]:
    """Return version, end and ending of each stay, by place, person and begin, as the last report has it."""
    found = {}
    for rows in (w.stays for w in watched):
        keys = zip(rows.place, rows.person.tolist(), rows.begun.tolist(), strict=True)
        facts = zip(rows.place_version.tolist(), rows.ended.tolist(), rows.ending, strict=True)
        found.update(zip(keys, facts, strict=True))
    return found


SUMS = ("observed_s", "watched_s", "person_s", "distance_m", "sigma_s", "certainty_s", "entered", "gone")


def totals_of(*watched: Watched) -> dict[tuple, np.ndarray]:
    """Return the sums and the peak by place and minute."""
    found: dict[tuple, np.ndarray] = {}
    for rows in (w.occupancy for w in watched):
        for i, key in enumerate(zip(rows.place, rows.minute.tolist(), strict=True)):
            more = np.array([*(getattr(rows, name)[i] for name in SUMS), 0.0], np.float64)
            before = found.get(key, np.zeros(len(SUMS) + 1))
            found[key] = before + more
            found[key][-1] = max(before[-1], rows.peak[i])
    return found


def heat_of(*watched: Watched) -> dict[tuple, float]:
    found: dict[tuple, float] = {}
    for rows in (w.heat for w in watched):
        for minute, cell, seconds in zip(rows.minute.tolist(), rows.cell.tolist(), rows.seconds.tolist(), strict=True):
            found[minute, cell] = found.get((minute, cell), 0.0) + seconds
    return found


def counted(watch: FloorWatch) -> dict[str, int]:
    return {place: len(people) for place, people in watch.now().items()}


def sum_of(rows: OccupancyRows, name: str, place: str) -> float:
    return float(getattr(rows, name)[[p == place for p in rows.place]].sum())


def test_somebody_walks_in_and_out() -> None:
    watch = FloorWatch(drawn(DOOR), coverage())
    seen = see(watch, passing(7, (5.0, 2.0), (4.05, 2.0), (3.5, 2.0), (3.95, 2.0), (4.05, 2.0), (4.5, 2.0)))
    enter, leave = seen.events
    assert (enter.kind, enter.at, enter.identity, enter.place_version) == (EventKind.ENTER, BEGUN + 1.0, 7, 1)
    assert (leave.kind, leave.at, leave.dwell_s) == (EventKind.EXIT, BEGUN + 2.5, 1.5)
    assert stays_of(seen) == {
        ("door", 7, BEGUN + 1.0): (1, BEGUN + 2.5, Ending.LEFT),
        (FLOOR, 7, BEGUN): (0, BEGUN + 2.5, Ending.HERE),
    }
    assert sum_of(seen.occupancy, "person_s", "door") == pytest.approx(1.5)
    assert sum_of(seen.occupancy, "person_s", FLOOR) == pytest.approx(2.5)
    assert sum_of(seen.occupancy, "sigma_s", "door") == pytest.approx(0.15)
    assert sum_of(seen.occupancy, "certainty_s", "door") == pytest.approx(1.35)
    assert sum_of(seen.occupancy, "entered", "door") == sum_of(seen.occupancy, "gone", "door") == 1
    assert counted(watch) == {FLOOR: 1, "door": 0}


def test_who_appears_inside_has_entered_and_who_vanishes_has_left_at_the_last_dot() -> None:
    watch = FloorWatch(drawn(DOOR), coverage())
    see(watch, passing(1, (3.99, 2.0), (2.0, 2.0)))
    assert counted(watch) == {FLOOR: 1, "door": 1}
    later = watch_all(watch, BEGUN + np.arange(2.0, 6.0), NOBODY)
    assert [(event.kind, event.at, event.dwell_s) for event in later.events] == [(EventKind.EXIT, BEGUN + 0.5, 0.5)]
    assert set(stays_of(later).values()) == {(1, BEGUN + 0.5, Ending.LOST), (0, BEGUN + 0.5, Ending.LOST)}
    assert sum_of(later.occupancy, "gone", FLOOR) == 1
    assert counted(watch) == {FLOOR: 0, "door": 0}


def test_a_missed_dot_ends_no_stay_and_its_time_counts() -> None:
    watch = FloorWatch(drawn(DOOR), coverage())
    rows = [(BEGUN, 1, 2.0, 2.0), (BEGUN + 2.9, 1, 2.0, 2.0)]
    seen = watch_all(watch, BEGUN + np.arange(0.0, 3.0, 0.1).round(1), dot_rows(rows))
    assert told(seen) == [(EventKind.ENTER, "door", 1)]
    assert sum_of(seen.occupancy, "person_s", "door") == pytest.approx(2.9)


@pytest.mark.parametrize("seed", range(5))
def test_a_jittering_dot_at_the_border_makes_no_storm(seed: int) -> None:
    rng, sigma = np.random.default_rng(seed), 0.15
    jitter = rng.normal(0.0, 0.3 * sigma, 2000)  # of a smoothed record
    rows = passing(1, *[(4.0 + off, 2.0) for off in jitter], period_s=0.1)
    watch = FloorWatch(drawn(DOOR, line("edge", (4.0, 0.0), (4.0, 4.0))), coverage())
    assert len(see(watch, rows, sigma=sigma).events) <= 4
    without = FloorWatch(drawn(DOOR), coverage(), WatchConfig(border_sigmas=0.0))
    assert len(see(without, rows, sigma=sigma).events) > 500


def test_a_small_zone_can_be_entered_however_unsure_the_dot() -> None:
    watch = FloorWatch(drawn(zone("mat", 4.0, 4.0, 4.6, 4.6)), coverage())
    seen = see(watch, passing(1, (2.0, 4.3), (4.3, 4.3), (6.0, 4.3)), sigma=2.0)
    assert [event.kind for event in seen.events] == [EventKind.ENTER, EventKind.EXIT]


def test_lines_are_crossed_in_both_directions_but_not_past_their_ends() -> None:
    watch = FloorWatch(drawn(WIRE), coverage())
    forth, back = passing(1, (4.0, 5.0), (4.95, 5.0), (5.05, 5.0), (6.0, 5.0)), passing(2, (6.0, 5.0), (4.0, 5.0))
    past = passing(3, (4.0, 1.0), (6.0, 1.0), (6.0, 1.9), (4.0, 1.9))
    seen = see(watch, [*forth, *back, *past])
    assert [(event.kind, event.identity, event.inwards) for event in seen.events] == [
        (EventKind.CROSS, 2, True),
        (EventKind.CROSS, 1, False),
    ]
    assert (sum_of(seen.occupancy, "entered", "wire"), sum_of(seen.occupancy, "gone", "wire")) == (1, 1)
    assert sum_of(seen.occupancy, "person_s", "wire") == 0
    assert "wire" not in counted(watch)


def test_limits_are_told_once() -> None:
    full = zone("full", 0.0, 0.0, 4.0, 4.0, capacity=1, max_dwell_s=2.0, restricted=True)
    watch = FloorWatch(drawn(full), coverage())
    rows = passing(1, *[(2.0, 2.0)] * 8) + passing(2, (2.0, 1.0), (2.0, 1.0), (6.0, 1.0), (6.0, 1.0))
    seen = see(watch, rows)
    assert [(event.kind, event.at - BEGUN, event.people) for event in seen.events if event.identity != 2] == [
        (EventKind.ENTER, 0.0, None),
        (EventKind.RESTRICTED, 0.0, None),
        (EventKind.CAPACITY, 0.0, 2),
        (EventKind.CALM, 1.0, 1),
        (EventKind.DWELL, 2.5, None),
    ]
    assert seen.events[-1].dwell_s == pytest.approx(2.5)


def test_peaks_are_people_seen_at_once() -> None:
    watch = FloorWatch(drawn(DOOR), coverage())
    first, second = passing(1, (2.0, 2.0), (2.0, 2.0)), passing(2, (2.0, 2.0), (2.0, 2.0), begun=BEGUN + 1.0)
    seen = see(watch, first + second)  # perhaps one person under two ids
    assert seen.occupancy.peak[list(seen.occupancy.place).index(PlaceId("door"))] == 1


def test_ways_are_added_up_by_strides() -> None:
    watch = FloorWatch((), coverage())
    ahead = np.arange(0.0, 8.1, 0.1)
    noise = np.random.default_rng(0).normal(0.0, 0.02, (2, len(ahead)))
    rows = passing(1, *zip(1.0 + ahead + noise[0], 5.0 + noise[1], strict=True), period_s=0.1)
    see(watch, rows)
    seen = see(FloorWatch((), coverage()), rows)
    assert sum_of(seen.occupancy, "distance_m", FLOOR) == pytest.approx(8.0, rel=0.02)


def test_time_is_observed_as_far_as_running_cameras_see() -> None:
    wide = zone("wide", 4.0, 0.0, 8.0, 4.0)
    watch = FloorWatch(drawn(wide, WIRE), coverage())
    instants = BEGUN + np.arange(0.0, 20.5, 0.5)
    only_left, only_right = frozenset({LEFT_CAMERA}), frozenset({RIGHT_CAMERA})
    running = [BOTH if at <= BEGUN + 10.0 else only_left if at <= BEGUN + 16.0 else frozenset() for at in instants]
    seen = watch.update(instants, NOBODY, running)
    minutes = {60.0 * (BEGUN // 60.0), 60.0 * (BEGUN // 60.0) + 60.0}
    assert set(seen.occupancy.minute) == minutes
    assert sum_of(seen.occupancy, "observed_s", "wide") == pytest.approx(10.0 + 6.0 / 4.0, abs=0.2)
    assert sum_of(seen.occupancy, "watched_s", "wide") == pytest.approx(16.0)
    assert sum_of(seen.occupancy, "observed_s", FLOOR) == pytest.approx(13.0, abs=0.2)
    more = watch.update(instants + 100.0, NOBODY, [only_right] * len(instants))  # nobody watched in between
    assert sum_of(more.occupancy, "watched_s", "wide") == pytest.approx(21.0)


def test_no_minute_has_more_than_a_minute() -> None:
    watch = FloorWatch((), coverage())
    seen = watch_all(watch, BEGUN + np.arange(0.0, 200.0, 0.7), NOBODY)
    assert sum_of(seen.occupancy, "watched_s", FLOOR) == pytest.approx(0.7 * 285)
    assert seen.occupancy.watched_s.max() == pytest.approx(60.0)


def test_nothing_comes_of_nothing() -> None:
    watch = FloorWatch(drawn(DOOR, WIRE), coverage())
    seen = watch_all(watch, np.zeros(0), NOBODY)
    assert (seen.events, len(seen.stays), len(seen.occupancy), len(seen.heat)) == ((), 0, 0, 0)
    nowhere = watch_all(watch, np.array([BEGUN]), dot_rows([(BEGUN, 1, np.nan, 2.0)]))
    assert (nowhere.events, len(nowhere.stays), len(nowhere.heat)) == ((), 0, 0)
    assert counted(watch) == {FLOOR: 0, "door": 0}
    assert len(watch.close(BEGUN).stays) == 0


@pytest.mark.parametrize(
    ("instants", "rows"),
    [([1.0, 0.5], []), ([np.nan], []), ([1.0], [(2.0, 1, 0.0, 0.0)]), ([], [(2.0, 1, 0.0, 0.0)])],
)
def test_times_that_go_back_are_refused(instants: list, rows: list) -> None:
    with pytest.raises(ValueError, match="instant"):
        watch_all(FloorWatch((), coverage()), np.array(instants), dot_rows(rows))


def test_an_update_before_the_last_one_is_refused() -> None:
    watch = FloorWatch((), coverage())
    watch_all(watch, np.array([BEGUN]), NOBODY)
    with pytest.raises(ValueError, match="decrease"):
        watch_all(watch, np.array([BEGUN - 1.0]), NOBODY)


def test_a_merge_renames_who_is_there() -> None:
    watch = FloorWatch(drawn(DOOR), coverage())
    rows = passing(5, (2.0, 2.0), (2.0, 2.0)) + passing(3, (2.0, 2.0), (2.0, 2.0), begun=BEGUN + 1.0)
    seen = see(watch, rows, ((BEGUN + 1.0, Merge(gone=5, kept=3)),))
    assert told(seen) == [(EventKind.ENTER, "door", 5)]
    assert stays_of(seen)["door", 5, BEGUN] == (1, BEGUN + 0.5, Ending.LOST)
    assert stays_of(seen)["door", 3, BEGUN + 1.0] == (1, BEGUN + 1.5, Ending.HERE)
    assert sum_of(seen.occupancy, "person_s", "door") == pytest.approx(1.5)
    left = see(watch, passing(3, (6.0, 2.0), begun=BEGUN + 2.0))
    assert [(event.identity, event.dwell_s) for event in left.events] == [(3, 2.0)]
    assert sum_of(left.occupancy, "gone", "door") == 1


def test_a_merge_of_two_who_are_there_keeps_the_longer_stay() -> None:
    watch = FloorWatch(drawn(zone("door", 0.0, 0.0, 4.0, 4.0, max_dwell_s=2.2)), coverage())
    both = passing(5, *[(2.0, 2.0)] * 4) + passing(3, (2.0, 1.0), (2.0, 1.0), begun=BEGUN + 1.0)
    see(watch, both)
    seen = see(watch, passing(3, (2.0, 1.0), begun=BEGUN + 2.5), ((BEGUN + 2.5, Merge(gone=5, kept=3)),))
    assert told(seen) == [(EventKind.DWELL, "door", 3)]
    assert seen.events[0].dwell_s == 2.5
    assert counted(watch) == {FLOOR: 1, "door": 1}


def test_a_split_of_who_is_there_now_renames_them() -> None:
    watch = FloorWatch(drawn(DOOR), coverage())
    rows = passing(1, (2.0, 2.0), (2.0, 2.0)) + passing(9, (2.0, 2.0), (6.0, 2.0), begun=BEGUN + 1.0)
    seen = see(watch, rows, ((BEGUN + 1.0, Split(mixed=1, apart=9, since=BEGUN, until=BEGUN + 1.0)),))
    assert told(seen) == [(EventKind.ENTER, "door", 1), (EventKind.EXIT, "door", 9)]
    assert seen.events[1].dwell_s == 1.5


def test_a_split_of_what_is_past_lets_both_be_there() -> None:
    watch = FloorWatch(drawn(DOOR), coverage())
    rows = passing(1, *[(2.0, 2.0)] * 4) + passing(9, (2.0, 3.0), begun=BEGUN + 1.5)
    seen = see(watch, rows, ((BEGUN + 1.5, Split(mixed=1, apart=9, since=BEGUN, until=BEGUN + 0.5)),))
    assert told(seen) == [(EventKind.ENTER, "door", 1), (EventKind.ENTER, "door", 9)]
    assert counted(watch)[PlaceId("door")] == 2


def test_corrections_of_nobody_and_at_the_end_do_no_harm() -> None:
    watch = FloorWatch(drawn(DOOR), coverage())
    see(watch, passing(1, (2.0, 2.0)), ((BEGUN, Merge(gone=50, kept=51)), (BEGUN + 9.0, Merge(gone=1, kept=2))))
    seen = see(watch, passing(2, (2.0, 2.0), begun=BEGUN + 0.5))
    assert seen.events == ()
    assert counted(watch) == {FLOOR: 1, "door": 1}


def test_a_place_that_is_changed_ends_its_stays_and_no_others() -> None:
    watch = FloorWatch(drawn(DOOR, DESK, WIRE), coverage())
    see(watch, passing(1, (2.0, 2.0), (2.0, 2.0)) + passing(2, (8.0, 8.0), (8.0, 8.0)))
    shrunk = PlaceVersion(DOOR.place_id, 2, BEGUN, zone("door", 1.0, 1.0, 3.0, 3.0))
    cut = watch.redraw((*drawn(DOOR, DESK, WIRE), shrunk), BEGUN + 0.6)
    assert stays_of(cut) == {("door", 1, BEGUN): (1, BEGUN + 0.5, Ending.LOST)}
    seen = see(watch, passing(1, (2.0, 2.0), begun=BEGUN + 1.0) + passing(2, (8.0, 8.0), begun=BEGUN + 1.0))
    assert seen.events == ()
    assert stays_of(seen, watch.close(BEGUN + 1.5)) == {
        ("door", 1, BEGUN + 1.0): (2, BEGUN + 1.0, Ending.LOST),
        ("desk", 2, BEGUN): (1, BEGUN + 1.0, Ending.LOST),
        (FLOOR, 1, BEGUN): (0, BEGUN + 1.0, Ending.LOST),
        (FLOOR, 2, BEGUN): (0, BEGUN + 1.0, Ending.LOST),
    }


def test_a_place_that_is_removed_has_nobody() -> None:
    watch = FloorWatch(drawn(DESK, DOOR), coverage())
    see(watch, passing(1, (2.0, 2.0)))
    cut = watch.redraw((*drawn(DESK), PlaceVersion(DOOR.place_id, 2, BEGUN, None)), BEGUN)
    assert [*stays_of(cut)] == [("door", 1, BEGUN)]
    assert counted(watch) == {FLOOR: 1, "desk": 0}


def test_a_crowd_in_a_place_that_is_changed_is_over() -> None:
    full = zone("full", 0.0, 0.0, 4.0, 4.0, capacity=1)
    watch = FloorWatch(drawn(full), coverage())
    see(watch, passing(1, (2.0, 2.0)) + passing(2, (2.0, 3.0)))
    later = watch.redraw(drawn(full, version=2), BEGUN - 9.0)
    assert [(event.kind, event.at, event.place_version, event.people) for event in later.events] == [
        (EventKind.CALM, BEGUN, 1, 2)
    ]
    again = see(watch, passing(1, (2.0, 2.0), begun=BEGUN + 0.5) + passing(2, (2.0, 3.0), begun=BEGUN + 0.5))
    assert told(again) == [(EventKind.CAPACITY, "full", None)]


def test_lines_and_crowds_are_remembered_where_others_are_redrawn() -> None:
    full = zone("full", 0.0, 0.0, 4.0, 4.0, capacity=1)
    watch = FloorWatch(drawn(DESK, full, line("old", (3.0, 0.0), (3.0, 1.0)), WIRE), coverage())
    see(watch, passing(1, (2.0, 2.0)) + passing(2, (2.0, 3.0)))
    watch.redraw(drawn(full, WIRE), BEGUN)
    seen = see(watch, passing(1, (6.0, 5.0), begun=BEGUN + 0.5) + passing(2, (2.0, 3.0), begun=BEGUN + 0.5))
    assert told(seen) == [(EventKind.CROSS, "wire", 1), (EventKind.EXIT, "full", 1), (EventKind.CALM, "full", None)]


def test_a_camera_is_missed_where_it_sees() -> None:
    watch = FloorWatch(drawn(DOOR, DESK), coverage())
    assert watch.camera(BEGUN, LEFT_CAMERA, running=True) == ()
    silent = watch.camera(BEGUN, LEFT_CAMERA, running=False)
    assert [(event.kind, event.place_id, event.camera_id) for event in silent] == [
        (EventKind.SILENT, FLOOR, LEFT_CAMERA),
        (EventKind.SILENT, "door", LEFT_CAMERA),
    ]
    assert watch.camera(BEGUN + 1.0, LEFT_CAMERA, running=False) == ()
    heard = watch.camera(BEGUN + 2.0, LEFT_CAMERA, running=True)
    assert [event.kind for event in heard] == [EventKind.HEARD] * 2
    assert [event.place_id for event in watch.camera(BEGUN, RIGHT_CAMERA, running=False)] == [FLOOR, "desk"]


MANY = drawn(
    DOOR,
    zone("desk", 5.0, 5.0, 9.0, 9.0, capacity=2, max_dwell_s=4.0),
    zone("mat", 4.0, 4.0, 4.5, 4.5, restricted=True),
    WIRE,
)
RENAMES = (
    (BEGUN + 20.0, Merge(gone=2, kept=4)),
    (BEGUN + 30.0, Split(mixed=4, apart=99, since=BEGUN + 19.0, until=BEGUN + 30.0)),
    (BEGUN + 55.0, Merge(gone=99, kept=2)),
)


@pytest.mark.parametrize("seed", range(6))
def test_bit_by_bit_is_all_at_once(seed: int) -> None:
    instants, dots = walk(people=9, instants=500, seed=seed)
    once, bits = FloorWatch(MANY, coverage()), FloorWatch(MANY, coverage())
    whole = [watch_all(once, instants, dots, RENAMES), once.close(instants[-1])]
    rng, parts, begin = np.random.default_rng(seed), [], -1
    while begin < len(instants) - 1:
        end = min(begin + int(rng.integers(1, 40)), len(instants) - 1)
        since, until = (instants[begin] if begin >= 0 else -np.inf), instants[end]
        renames = tuple((at, correction) for at, correction in RENAMES if since < at <= until)
        parts.append(watch_all(bits, instants[begin + 1 : end + 1], part(dots, since, until), renames))
        begin = end
    parts.append(bits.close(instants[-1]))
    assert [event for watched in parts for event in watched.events] == [*whole[0].events, *whole[1].events]
    assert stays_of(*parts) == stays_of(*whole)
    assert len(whole[0].events) > 20
    for ours, theirs in ((totals_of(*parts), totals_of(*whole)), (heat_of(*parts), heat_of(*whole))):
        assert ours.keys() == theirs.keys()
        for key, values in theirs.items():
            assert ours[key] == pytest.approx(values), key


@pytest.mark.parametrize("seed", range(6))
def test_everything_adds_up(seed: int) -> None:
    instants, dots = walk(people=9, instants=500, seed=seed)
    watch = FloorWatch(MANY, coverage())
    seen = watch_all(watch, instants, dots)
    open_stays = counted(watch)
    stays = stays_of(seen, watch.close(instants[-1]))
    for place in (FLOOR, "door", "desk", "mat"):
        mine = [(begun, ended) for (where, _, begun), (_, ended, _) in stays.items() if where == place]
        assert sum_of(seen.occupancy, "person_s", place) == pytest.approx(sum(end - begin for begin, end in mine))
        there = sum_of(seen.occupancy, "entered", place) - sum_of(seen.occupancy, "gone", place)
        assert there >= open_stays[PlaceId(place)]
        assert sum_of(seen.occupancy, "entered", place) == len(mine)
    assert seen.heat.seconds.sum() == pytest.approx(sum_of(seen.occupancy, "person_s", FLOOR))
    assert np.isin(seen.heat.cell, cell_of(np.stack([dots.x, dots.y], axis=1))).all()
    keys = list(zip(seen.heat.minute, seen.heat.cell, strict=True))
    assert keys == sorted(set(keys))


def test_a_stay_that_goes_on_is_reported_once_a_second() -> None:
    watch, reports = FloorWatch((), coverage()), []
    for step in range(40):
        rows: StayRows = see(watch, passing(1, (2.0, 2.0), begun=BEGUN + 0.1 * step)).stays
        reports += rows.ended.tolist()
    assert len(reports) == 4
    assert watch.close(BEGUN + 4.0).stays.ended.tolist() == [pytest.approx(BEGUN + 3.9)]
