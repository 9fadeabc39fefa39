import numpy as np
import pytest
from named_people import BLUE, FAR, GREEN, HERE, NEAR_BY, RED, Answer, Site

from app.domains.reid.evidence import IdentityConfig
from app.domains.reid.gallery import GalleryConfig
from app.domains.vocabulary import NO_CALIBRATION, NO_FLOOR, NO_ID, CameraId, Split, TrackState


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_person_keeps_one_identity_in_all_cameras(site):
    first = site.see(0.0, {1: HERE}, {"a": [(5, 1, RED)], "b": [(9, 1, RED)]})
    assert first.rows == {"a": [1], "b": [1]}
    assert first.targets == {1: 1}
    later = site.watch(0.5, 20.0, {1: HERE}, {"a": [(5, 1, None)], "b": [(12, 1, RED)], "c": [(1, 1, None)]})
    assert later.rows == {"a": [1], "b": [1], "c": [1]}


def test_two_people_are_two(site):
    answer = site.watch(0.0, 5.0, {1: HERE, 2: NEAR_BY}, {"a": [(5, 1, RED), (6, 2, BLUE)], "b": [(1, 2, BLUE)]})
    assert answer.rows == {"a": [1, 2], "b": [2]}


def test_what_may_be_nobody_gets_no_identity(site):
    rows = {"a": [(5, 1, RED)]}
    assert site.see(0.0, {1: HERE}, rows, confirmed=False) == Answer({"a": [NO_ID]}, {1: NO_ID}, ())
    assert site.see(0.5, {1: HERE}, rows, watched=False) == Answer({"a": [NO_ID]}, {1: NO_ID}, ())
    assert site.see(1.0, {1: HERE}, rows).targets == {1: 1}


def test_a_row_that_belongs_to_no_target_gets_no_identity(site):
    assert site.see(0.0, {}, {"a": [(5, NO_ID, RED)]}).rows == {"a": [NO_ID]}


@pytest.mark.parametrize(
    ("rows", "expected"), [({}, {}), ({"a": []}, {"a": []})], ids=["no camera", "a camera that sees nobody"]
)
def test_nobody(site, rows, expected):
    assert site.see(0.0, {}, rows) == Answer(expected, {}, ())


@pytest.mark.parametrize("clothes", [RED, None], ids=["with looks", "by place alone"])
def test_who_comes_back_in_seconds_where_he_left_is_the_same(site, clothes):
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, clothes)]})
    site.see(5.5, {}, {"a": []})
    assert site.see(7.0, {2: NEAR_BY}, {"a": [(8, 2, clothes)]}).targets == {2: 1}


def test_nobody_comes_back_where_he_cannot_have_walked_to(site):
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)]})
    answer = site.watch(7.0, 11.0, {2: FAR}, {"b": [(8, 2, RED)]})
    assert answer.targets == {2: 2}
    assert answer.corrections == ()


@pytest.mark.parametrize("place", [HERE, FAR], ids=["where he left", "elsewhere"])
def test_who_comes_back_after_minutes_is_known_by_looks(site, place):
    site.watch(0.0, 5.0, {1: HERE, 2: NEAR_BY}, {"a": [(5, 1, RED), (6, 2, BLUE)]})
    answer = site.watch(300.0, 303.0, {3: place}, {"b": [(8, 3, RED)]})
    assert answer.targets == {3: 1}
    answer = site.watch(304.0, 309.0, {3: place, 4: NEAR_BY}, {"b": [(8, 3, RED), (9, 4, GREEN)]})
    assert answer.targets == {3: 1, 4: 3}


def test_without_looks_nobody_is_known_after_minutes(site):
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, None)]})
    assert site.watch(300.0, 305.0, {3: NEAR_BY}, {"a": [(8, 3, None)]}).targets == {3: 2}


AT_THE_EDGE, INSIDE = (190, 480), (640, 480)  # sizes of an image in which all boxes end at x = 180


@pytest.mark.parametrize("place", [HERE, None], ids=["with a floor", "without one"])
@pytest.mark.parametrize(
    ("size", "returning", "away_s", "expected"),
    [
        (AT_THE_EDGE, "auto", 4.0, 2),
        (AT_THE_EDGE, "auto", 300.0, 2),
        (AT_THE_EDGE, "auto", 0.9, 1),
        (AT_THE_EDGE, "same", 4.0, 1),
        (INSIDE, "auto", 4.0, 1),
        (INSIDE, "new", 300.0, 1),
    ],
)
def test_who_leaves_the_only_camera_by_the_edge_comes_back_as_somebody_new(size, returning, away_s, expected, place):
    site = Site(IdentityConfig(returning=returning), sizes={CameraId("a"): size})
    target = NO_CALIBRATION if place is None else 1
    floor = {} if place is None else {1: place}
    site.watch(0.0, 5.0, floor, {"a": [(5, target, RED)]}, 0.1)
    back = 5.0 + away_s
    answer = site.watch(back, back + 60.0, floor, {"a": [(5, target, RED)]}, 0.1)  # the same track, even
    assert answer.rows == {"a": [expected]}
    assert answer.corrections == ()


def test_with_several_cameras_who_comes_back_is_the_same():
    site = Site(sizes={CameraId("a"): AT_THE_EDGE, CameraId("b"): AT_THE_EDGE})
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)]})
    assert site.watch(300.0, 303.0, {3: HERE}, {"b": [(8, 3, RED)]}).targets == {3: 1}


def test_who_leaves_one_image_by_the_edge_and_stands_inside_another_has_not_left():
    sizes = {CameraId("a"): AT_THE_EDGE, CameraId("b"): INSIDE}
    site = Site(IdentityConfig(returning="new"), sizes=sizes)
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)], "b": [(7, 1, RED)]})
    assert site.watch(9.0, 12.0, {1: HERE}, {"a": [(6, 1, RED)], "b": []}).rows == {"a": [1], "b": []}


def test_two_people_dressed_alike_who_stand_apart_never_merge(site):
    floor = {1: HERE, 2: (4.0, 2.0), 3: FAR}
    site.see(0.0, {1: HERE}, {"a": [(5, 1, RED)]})
    answer = site.watch(0.5, 20.0, floor, {"a": [(5, 1, RED), (6, 2, RED)], "b": [(3, 3, RED)]})
    assert sorted(answer.targets.values()) == [1, 2, 3]
    assert answer.corrections == ()


def test_one_of_two_dressed_alike_comes_back_and_is_not_the_one_who_stayed(site):
    site.watch(0.0, 5.0, {1: HERE, 2: FAR}, {"a": [(5, 1, RED)], "b": [(3, 2, RED)]})
    site.watch(5.5, 60.0, {1: HERE}, {"a": [(5, 1, RED)], "b": []})
    answer = site.watch(60.5, 65.0, {1: HERE, 3: FAR}, {"a": [(5, 1, RED)], "b": [(4, 3, RED)]})
    assert answer.targets == {1: 1, 3: 2}


def test_two_newcomers_are_never_one_person(site):
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)]})
    answer = site.watch(60.0, 70.0, {2: HERE, 3: NEAR_BY}, {"a": [(8, 2, RED), (9, 3, RED)]})
    assert len(set(answer.targets.values())) == 2
    assert 1 in answer.targets.values()


def come_back_unseen_at_first(site: Site) -> list[Answer]:
    """Somebody leaves and comes back far off; the first look at him shows somebody else, later ones him."""
    site.watch(0.0, 5.0, {1: HERE, 2: NEAR_BY}, {"a": [(5, 1, RED), (6, 2, BLUE)]})
    answers = [site.see(60.0, {3: FAR}, {"b": [(8, 3, None)]})]
    answers += [site.see(60.5 + 0.5 * i, {3: FAR}, {"b": [(8, 3, RED)]}) for i in range(8)]
    return answers


def test_a_merge_is_reported_and_ids_follow(site):
    answers = come_back_unseen_at_first(site)
    assert answers[0].rows == {"b": [3]}
    (merged,) = [answer for answer in answers if answer.corrections]
    assert [(c.gone, c.kept) for c in merged.corrections] == [(3, 1)]
    for answer in answers[answers.index(merged) :]:
        assert answer.rows == {"b": [1]}
        assert answer.targets == {3: 1}


def test_who_was_merged_away_never_comes_back(site):
    come_back_unseen_at_first(site)
    answer = site.watch(66.0, 70.0, {3: FAR, 4: HERE, 5: NEAR_BY}, {"b": [(8, 3, RED), (9, 4, GREEN), (10, 5, BLUE)]})
    assert answer.targets[3] == 1
    assert answer.targets[5] == 2
    assert answer.targets[4] not in {1, 2, 3}


def mistaken_at_first(site: Site) -> list[Answer]:
    """1 leaves; somebody else comes, whose first crop shows 1, and later ones herself."""
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)]})
    answers = [site.see(60.0, {3: HERE}, {"b": [(8, 3, RED)]})]
    return answers + [site.see(60.5 + 0.5 * i, {3: HERE}, {"b": [(8, 3, GREEN)]}) for i in range(20)]


def test_who_was_taken_for_another_is_split_from_him(site):
    answers = mistaken_at_first(site)
    assert answers[0].targets == {3: 1}
    (corrected,) = [answer for answer in answers if answer.corrections]
    (split,) = corrected.corrections
    assert isinstance(split, Split)
    assert (split.mixed, split.apart, split.since) == (1, 2, 60.0)
    assert split.until == 60.5 + 0.5 * (answers.index(corrected) - 1)
    assert 0.5 < split.certainty <= 1.0
    for answer in answers[answers.index(corrected) :]:
        assert answer.targets == {3: 2}
        assert answer.rows == {"b": [2]}


def test_after_a_split_both_are_known_by_their_own_looks(site):
    mistaken_at_first(site)
    floor, rows = {4: HERE, 5: NEAR_BY}, {"a": [(9, 4, GREEN), (10, 5, RED)], "b": []}
    assert site.watch(300.0, 305.0, floor, rows).targets == {4: 2, 5: 1}


@pytest.mark.parametrize("near_by", [{2: NEAR_BY}, {}], ids=["somebody known", "a stranger"])
def test_a_target_that_takes_up_another_person_takes_that_identity(site, near_by):
    """1 (red) leaves unnoticed, and the target goes on with who stood near by (green), or has just come."""
    here, far = [(5, 1, RED), *((6, target, GREEN) for target in near_by)], {"b": [(7, 9, BLUE)]}
    known = site.watch(0.0, 60.0, {1: HERE, **near_by, 9: FAR}, {"a": here, "c": here, **far}).targets
    here = [(5, 1, GREEN)]
    answer = site.watch(60.5, 80.0, {1: HERE, 9: FAR}, {"a": here, "c": here, **far})
    expected = known.get(2, 1 + max(known.values()))
    assert answer.targets == {1: expected, 9: known[9]}
    (split,) = answer.corrections
    assert isinstance(split, Split)
    assert (split.mixed, split.apart) == (known[1], expected)
    assert 57.0 <= split.since <= 65.0
    assert split.certainty > 0.7
    back = site.watch(300.0, 303.0, {4: FAR, 5: HERE}, {"a": [(9, 5, GREEN)], "b": [(8, 4, RED)]})
    assert back.targets == {4: known[1], 5: expected}, "both are known by their own looks"


@pytest.mark.parametrize("clothes", [RED, BLUE], ids=["it looks like it", "the one who looks like that is elsewhere"])
def test_a_target_never_takes_up_somebody_where(site, clothes):
    others = {2: FAR}, {"b": [(6, 2, BLUE)]}
    site.watch(0.0, 60.0, {1: HERE, **others[0]}, {"a": [(5, 1, RED)], **others[1]})
    answer = site.watch(60.5, 120.0, {1: HERE, **others[0]}, {"a": [(5, 1, clothes)], **others[1]})
    assert answer.targets == {1: 1, 2: 2}
    assert answer.corrections == ()


def test_certainty_rises_with_evidence_and_falls_with_lookalikes(site):
    alone = site.see(0.0, {1: HERE}, {"a": [(5, 1, RED)]})
    assert alone.certainty == {1: 1.0}, "nobody else is known"
    site.watch(0.5, 5.0, {1: HERE, 2: FAR}, {"a": [(5, 1, RED)], "b": [(6, 2, BLUE)]})
    unseen = site.see(300.0, {3: HERE}, {"a": [(7, 3, None)]})
    seen = site.watch(300.5, 303.0, {3: HERE}, {"a": [(7, 3, RED)]})
    assert seen.targets == {3: 1}
    assert unseen.certainty[3] < 0.7 < 0.9 < seen.certainty[3]
    site.watch(303.5, 308.0, {3: HERE, 4: NEAR_BY}, {"a": [(7, 3, RED), (8, 4, RED)]})
    lookalike = site.watch(600.0, 603.0, {5: HERE}, {"a": [(9, 5, RED)]})
    assert lookalike.certainty[5] < 0.6, "two remembered people look like that"


def test_an_identity_that_stands_is_still_compared_with_those_whom_it_never_met():
    site = Site(IdentityConfig(young_s=2.0))
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)]})
    site.watch(60.0, 63.0, {3: FAR}, {"b": [(8, 3, None)]})
    answer = site.watch(63.5, 80.0, {3: FAR}, {"b": [(8, 3, RED)]})
    assert [(c.gone, c.kept) for c in answer.corrections] == [(2, 1)]
    assert answer.targets == {3: 1}


def test_lookalikes_who_met_long_ago_are_never_merged():
    site = Site(IdentityConfig(young_s=2.0))
    site.watch(0.0, 20.0, {1: HERE, 2: FAR}, {"a": [(5, 1, RED)], "b": [(6, 2, RED)]})
    answer = site.watch(20.5, 300.0, {1: HERE}, {"a": [(5, 1, RED)], "b": []})
    assert answer.corrections == ()


def forgetful(forget_s: float) -> Site:
    return Site(IdentityConfig(gallery=GalleryConfig(forget_s=forget_s)))


def test_who_is_forgotten_is_deleted_from_the_index_and_comes_back_as_somebody_else():
    site = forgetful(30.0)
    site.watch(0.0, 5.0, {1: HERE, 2: NEAR_BY}, {"a": [(5, 1, RED), (6, 2, BLUE)]})
    remembered = len(site.index.stored)
    site.watch(5.5, 30.0, {2: NEAR_BY}, {"a": [(6, 2, BLUE)]})
    assert len(site.index.stored) == remembered
    site.watch(30.5, 40.0, {2: NEAR_BY}, {"a": [(6, 2, BLUE)]})
    assert 0 < len(site.index.stored) < remembered
    assert site.watch(40.5, 46.0, {2: NEAR_BY, 3: HERE}, {"a": [(6, 2, BLUE), (7, 3, RED)]}).targets == {2: 2, 3: 3}
    site.see(200.0, {}, {"a": []})
    assert site.index.stored == {}


def test_who_comes_back_in_the_first_step_for_long_is_forgotten_too():
    """Recordings have gaps, and a quiet site may have no step for an hour."""
    site = forgetful(30.0)
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)]})
    assert site.see(1000.0, {2: HERE}, {"a": [(8, 2, RED)]}).targets == {2: 2}


@pytest.mark.parametrize(
    "forget_s",
    [
        pytest.param(1.0, id="sooner than the floor gives it up"),
        pytest.param(30.0, id="later"),
    ],
)
def test_a_target_whose_person_is_out_of_sight_for_longer_than_anybody_is_remembered(forget_s):
    """A target may coast, hidden, for longer than `forget_s`; it is still there when it is seen again."""
    site = forgetful(forget_s)
    site.watch(0.0, 2.0, {1: HERE}, {"a": [(5, 1, RED)]})
    site.watch(2.5, 5.0, {1: HERE}, {"a": []})
    answer = site.see(5.5, {1: HERE}, {"a": [(6, 1, RED)]})
    assert answer.targets[1] != NO_ID
    assert answer.rows == {"a": [answer.targets[1]]}


def test_a_new_target_takes_the_identity_of_the_camera_track_that_goes_on(site):
    site.watch(0.0, 3.0, {1: HERE}, {"a": [(5, 1, RED)], "b": [(7, 1, RED)]})
    answer = site.see(3.5, {1: HERE, 2: (2.2, 2.1)}, {"a": [(5, 2, None)], "b": []})
    assert answer.rows == {"a": [1], "b": []}
    assert answer.targets == {1: NO_ID, 2: 1}


def test_a_person_who_was_two_targets_for_a_moment_is_one_identity_again(site):
    """In a sharp turn the target overshoots: some cameras' points start a second one beside it, which wins.

    No camera ever sees both, the second has the tracks and the looks of the first, and the first is seen no more.
    """
    cameras = {"a": 3, "b": 1, "c": 2, "d": 10}
    site.watch(0.0, 4.0, {1: HERE}, {camera: [(track, 1, RED)] for camera, track in cameras.items()})
    beside = (2.5, 2.2)
    divided = {camera: [(track, 1 if camera in "ac" else 2, RED)] for camera, track in cameras.items()}
    site.see(4.2, {1: HERE, 2: beside}, divided)
    answer = site.watch(4.4, 8.0, {2: beside}, {camera: [(track, 2, RED)] for camera, track in cameras.items()}, 0.2)
    assert answer.targets == {2: 1}
    assert [(c.gone, c.kept) for c in answer.corrections] == [(2, 1)]


def test_a_box_without_feet_keeps_the_identity_of_its_track(site):
    site.watch(0.0, 3.0, {1: HERE}, {"a": [(5, 1, RED)]})
    for now in np.arange(3.1, 9.0, 0.1):
        assert site.see(float(now), {}, {"a": [(5, NO_FLOOR, None)]}).rows == {"a": [1]}


def test_a_track_without_feet_waits_for_them_and_then_gets_an_identity(site):
    rows = {"a": [(5, NO_FLOOR, RED)]}
    assert site.see(0.0, {}, rows).rows == {"a": [NO_ID]}
    assert site.watch(0.1, 0.5 * site.config.patience_s, {}, rows, step=0.1).rows == {"a": [NO_ID]}
    assert site.watch(0.6, 1.5 * site.config.patience_s, {}, rows, step=0.1).rows == {"a": [1]}


def test_a_tentative_track_without_feet_gets_none(site):
    rows = {"a": [(5, NO_FLOOR, RED)]}
    for now in np.arange(0.0, 3.0 * site.config.patience_s, 0.2):
        assert site.see(float(now), {}, rows, state=TrackState.TENTATIVE).rows == {"a": [NO_ID]}


def test_a_track_without_feet_is_known_by_looks_though_another_camera_sees_the_person(site):
    site.watch(0.0, 5.0, {1: HERE, 2: NEAR_BY}, {"a": [(5, 1, RED), (6, 2, BLUE)], "b": []})
    both = [(5, 1, None), (6, 2, None)]
    answer = site.watch(5.5, 8.0, {1: HERE, 2: NEAR_BY}, {"a": both, "b": [(1, NO_FLOOR, BLUE)]})
    assert answer.rows == {"a": [1, 2], "b": [2]}


@pytest.mark.parametrize(
    ("floor", "rows", "expected"),
    [
        ({1: HERE}, {"a": [(5, 1, RED)], "b": [(7, NO_FLOOR, RED)]}, [1]),
        ({1: HERE}, {"a": [(5, 1, RED)], "b": [(7, NO_FLOOR, RED), (8, 1, RED)]}, [2, 1]),
        ({1: HERE, 2: FAR}, {"a": [(5, 1, RED)], "b": [(7, 2, RED)]}, [2]),
    ],
    ids=["is the one on the floor", "is nobody who stands beside in one image", "is nobody who stands elsewhere"],
)
def test_a_track_that_was_named_before_its_feet_and_looks_were_seen(site, floor, rows, expected):
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)], "b": []})
    unseen = {"b": [(track, NO_FLOOR if track == 7 else 1, None) for track, _, _ in rows["b"]]}
    assert 2 in site.watch(5.5, 7.0, {1: HERE}, {"a": [(5, 1, RED)], **unseen}).rows["b"]
    answer = site.watch(7.5, 15.0, floor, rows)
    assert answer.rows["b"] == expected
    assert [c.gone for c in answer.corrections] == ([2] if expected == [1] else [])
    assert answer.targets[1] == 1


@pytest.mark.parametrize(
    ("place", "camera", "expected"),
    [(NEAR_BY, "b", {2: 1}), (NEAR_BY, "a", {2: 2}), (FAR, "b", {2: 2})],
    ids=["is that one", "is nobody who stands beside in one image", "is nobody who cannot have walked there"],
)
def test_a_newcomer_to_the_floor_while_a_box_without_feet_is_all_that_is_seen_of_somebody(
    site, place, camera, expected
):
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)]})
    site.watch(5.5, 6.5, {}, {"a": [(5, NO_FLOOR, RED)]})
    newcomer = (6, 2, RED)
    rows = {"a": [(5, NO_FLOOR, RED)]}
    rows[camera] = [*rows.get(camera, []), newcomer]
    answer = site.watch(7.0, 9.0, {2: place}, rows)
    assert answer.targets == expected
    assert answer.rows["a"][0] == 1
    assert answer.corrections == ()


def test_cameras_without_calibration_hand_people_over_by_looks(site):
    hall = [(1, NO_CALIBRATION, RED), (2, NO_CALIBRATION, BLUE)]
    assert site.watch(0.0, 5.0, {}, {"hall": hall}).rows == {"hall": [1, 2]}
    yard = [(1, NO_CALIBRATION, BLUE), (2, NO_CALIBRATION, GREEN), (3, NO_CALIBRATION, RED)]
    assert site.watch(60.0, 65.0, {}, {"hall": [], "yard": yard}).rows == {"hall": [], "yard": [2, 3, 1]}


def test_nobody_is_twice_in_one_camera_without_calibration(site):
    site.watch(0.0, 5.0, {}, {"hall": [(1, NO_CALIBRATION, RED)]})
    rows = [(2, NO_CALIBRATION, RED), (3, NO_CALIBRATION, RED), (4, NO_CALIBRATION, RED)]
    answer = site.watch(30.0, 40.0, {}, {"hall": rows})
    assert sorted(answer.rows["hall"]) == [1, 2, 3]


def test_a_newcomer_dressed_like_somebody_in_the_same_image_is_somebody_else_at_once(site):
    site.watch(0.0, 5.0, {}, {"hall": [(1, NO_CALIBRATION, RED)]})
    answer = site.watch(5.5, 8.0, {}, {"hall": [(1, NO_CALIBRATION, RED), (2, NO_CALIBRATION, RED)]})
    assert answer.rows == {"hall": [1, 2]}


def test_a_crossing_in_one_camera_swaps_no_identities_on_the_floor(site):
    """Targets go before tracks: where a camera's tracker has swapped two people, the floor knows better."""
    site.watch(0.0, 3.0, {1: HERE, 2: NEAR_BY}, {"a": [(5, 1, RED), (6, 2, BLUE)], "b": [(1, 1, RED), (2, 2, BLUE)]})
    answer = site.see(3.5, {1: HERE, 2: NEAR_BY}, {"a": [(5, 2, None), (6, 1, None)], "b": [(1, 1, None)]})
    assert answer.rows == {"a": [2, 1], "b": [1]}


def test_affinity_tells_who_looks_like_whom(site):
    site.watch(0.0, 5.0, {7: HERE, 9: NEAR_BY}, {"a": [(5, 7, RED), (6, 9, BLUE)]})
    tracks = [site.tracks("b", 5.5, [(1, 0, BLUE), (2, 0, None), (3, 0, RED)], TrackState.CONFIRMED)]
    affinity = site.resolver.affinity(tracks, np.array([7, 8, 9]))
    assert np.sign(affinity).tolist() == [[-1, 0, 1], [0, 0, 0], [1, 0, -1]]
    assert np.abs(affinity).max() <= site.config.max_affinity
    assert site.resolver.affinity(tracks, np.empty(0, np.int64)).shape == (3, 0)


def test_two_sites_never_affect_each_other(site):
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)]})
    other = Site()
    assert other.see(60.0, {1: HERE}, {"a": [(1, 1, RED)]}).targets == {1: 1}
    assert site.see(60.0, {2: FAR}, {"a": [(6, 2, BLUE)]}).targets == {2: 2}
