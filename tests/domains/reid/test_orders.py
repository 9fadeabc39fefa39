"""Operators' corrections, followed and taken back: who is who on the floor from the next step on, and what leaves."""

import numpy as np
import pytest
from named_people import BLUE, FAR, GREEN, HERE, NEAR_BY, RED, Site

from app.domains.reid.evidence import IdentityConfig
from app.domains.vocabulary import NO_CALIBRATION, NO_ID, Merge, Split


@pytest.fixture
def site() -> Site:
    return Site()


def stood_here(site, clothes=RED):
    """Let 1 leave, and 2, who is there now as target 3, be followed for two seconds until 62."""
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)]})
    assert site.watch(60.0, 62.0, {3: HERE}, {"b": [(8, 3, clothes)]}).targets == {3: 2 if clothes != RED else 1}


def there(site, at, clothes=GREEN, until=None):
    return site.watch(at, at if until is None else until, {3: HERE}, {"b": [(8, 3, clothes)]})


def test_an_operators_merge_is_followed_from_the_next_step_on_and_stands(site):
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)]})
    before = site.watch(60.0, 62.0, {3: HERE}, {"b": [(8, 3, GREEN)]})
    assert before.targets == {3: 2}
    assert site.resolver.correct(Merge(2, 1)) == Merge(2, 1, 1.0)
    answer = site.see(62.5, {3: HERE}, {"b": [(8, 3, GREEN)]})
    assert (answer.targets, answer.rows, answer.corrections) == ({3: 1}, {"b": [1]}, (Merge(2, 1, 1.0),))
    assert answer.certainty == {3: 1.0}
    later = [site.see(63.0 + i, {3: HERE}, {"b": [(8, 3, GREEN)]}) for i in range(20)]
    assert all(a.targets == {3: 1} and not a.corrections for a in later), "whom an operator names stays so"


def test_an_operators_split_makes_somebody_new_of_who_is_there(site):
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)]})
    assert site.watch(60.0, 62.0, {3: HERE}, {"b": [(8, 3, RED)]}).targets == {3: 1}
    split = site.resolver.correct(Split(1, NO_ID, 60.0, np.inf))
    assert (split.mixed, split.apart, split.since, split.certainty) == (1, 2, 60.0, 1.0)
    assert 62.0 < split.until < 62.01
    answer = site.see(62.5, {3: HERE}, {"b": [(8, 3, RED)]})
    assert (answer.targets, answer.rows, answer.corrections) == ({3: 2}, {"b": [2]}, (split,))
    later = [site.see(63.0 + i, {3: HERE}, {"b": [(8, 3, RED)]}) for i in range(20)]
    assert all(a.targets == {3: 2} and not a.corrections for a in later)


def test_a_split_may_name_who_it_really_is(site):
    site.watch(0.0, 5.0, {1: HERE, 2: NEAR_BY}, {"a": [(5, 1, RED), (6, 2, BLUE)]})
    assert site.watch(60.0, 62.0, {3: HERE}, {"b": [(8, 3, RED)]}).targets == {3: 1}
    site.resolver.correct(Split(1, 2, 60.0, np.inf))
    assert site.see(62.5, {3: HERE}, {"b": [(8, 3, RED)]}).targets == {3: 2}


@pytest.mark.parametrize(
    "ordered",
    [
        Merge(99, 1),
        Merge(1, 1),
        Split(99, NO_ID, 0.0, np.inf),
        Split(1, NO_ID, 0.0, 4.0),
        Split(1, NO_ID, 0.0, np.inf, (7,)),
    ],
)
def test_what_concerns_nobody_who_is_followed_is_left_to_the_history(site, ordered):
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)]})
    assert site.resolver.correct(ordered) is None
    answer = site.see(5.5, {1: HERE}, {"a": [(5, 1, RED)]})
    assert (answer.targets, answer.corrections) == ({1: 1}, ())


def test_two_people_in_sight_cannot_be_one(site):
    site.watch(0.0, 5.0, {1: HERE, 2: FAR}, {"a": [(5, 1, RED), (6, 2, RED)]})
    with pytest.raises(ValueError, match="1 and 2 are both in sight now"):
        site.resolver.correct(Merge(1, 2))


def test_a_merge_that_is_taken_back_gives_the_dot_its_own_id_again_and_what_it_was_since(site):
    stood_here(site, GREEN)
    merge = site.resolver.correct(Merge(2, 1))
    assert there(site, 62.5, until=66.0).targets == {3: 1}
    undone = site.resolver.take_back(merge)
    assert (undone.mixed, undone.apart, undone.reported, undone.certainty) == (1, 2, (1,), 1.0)
    assert 62.0 < undone.since < 62.01
    assert 66.0 < undone.until < 66.01
    answer = there(site, 66.5)
    assert (answer.targets, answer.rows, answer.corrections) == ({3: 2}, {"b": [2]}, (undone,))


def test_what_a_user_has_taken_back_is_not_merged_again_by_itself():
    """Two who look alike and never met are compared, and merged, in turn; after the user's word they stay two."""
    site = Site(IdentityConfig(young_s=2.0))
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)]})
    site.watch(60.0, 63.0, {3: FAR}, {"b": [(8, 3, None)]})
    found = site.watch(63.5, 80.0, {3: FAR}, {"b": [(8, 3, RED)]})
    (merge,) = found.corrections
    assert (merge.gone, merge.kept, found.targets) == (2, 1, {3: 1})
    undone = site.resolver.take_back(merge)
    later = site.watch(80.5, 160.0, {3: FAR}, {"b": [(8, 3, RED)]})
    assert (later.targets, later.corrections) == ({3: 2}, (undone,))


def test_nor_with_whom_one_of_the_two_has_turned_out_to_be_since():
    site = Site(IdentityConfig(young_s=2.0))
    site.watch(0.0, 5.0, {1: HERE}, {"a": [(5, 1, RED)]})
    site.watch(60.0, 66.0, {3: HERE}, {"a": [(8, 3, RED)]})
    assert site.resolver.correct(Split(1, NO_ID, 60.0, np.inf)).apart == 2
    assert site.watch(66.5, 68.0, {3: HERE}, {"a": [(8, 3, RED)]}).targets == {3: 2}
    site.see(69.0, {}, {"a": []})
    assert site.watch(200.0, 204.0, {4: FAR}, {"b": [(9, 4, None)]}).targets == {4: 3}
    assert site.resolver.correct(Merge(2, 3)) == Merge(2, 3)
    later = site.watch(204.5, 260.0, {4: FAR}, {"b": [(9, 4, None)]})
    assert (later.targets, later.corrections) == ({4: 3}, (Merge(2, 3),))


def test_the_review_does_not_split_whom_a_user_has_named_however_the_looks_change(site):
    others = {9: FAR}, {"b": [(7, 9, BLUE)]}
    both, red, green = [(5, 1, RED), (6, 2, None)], [(5, 1, RED)], [(5, 1, GREEN)]
    site.watch(0.0, 5.0, {1: HERE, 2: NEAR_BY, **others[0]}, {"a": both, "c": both, **others[1]})
    site.watch(5.5, 60.0, {1: HERE, **others[0]}, {"a": red, "c": red, **others[1]})
    merge = site.resolver.correct(Merge(2, 1))
    site.watch(60.5, 80.0, {1: HERE, **others[0]}, {"a": red, "c": red, **others[1]})
    answer = site.watch(80.5, 140.0, {1: HERE, **others[0]}, {"a": green, "c": green, **others[1]})
    assert (merge, answer.targets[1], answer.corrections) == (Merge(2, 1), 1, ())


def test_who_was_in_sight_as_the_kept_one_keeps_the_id_when_a_merge_is_taken_back(site):
    stood_here(site, GREEN)
    merge = site.resolver.correct(Merge(1, 2))
    assert there(site, 62.5, until=66.0).targets == {3: 2}
    assert site.resolver.take_back(merge) is None
    answer = there(site, 66.5)
    assert (answer.targets, answer.corrections) == ({3: 2}, ())


def test_looks_are_told_apart_again_when_a_merge_is_taken_back(site):
    stood_here(site, GREEN)
    site.resolver.take_back(site.resolver.correct(Merge(2, 1)))
    there(site, 62.5, until=64.0)
    site.see(65.0, {}, {"a": []})
    back = site.watch(200.0, 203.0, {7: HERE, 8: FAR}, {"a": [(11, 7, RED), (12, 8, GREEN)]})
    assert back.targets == {7: 1, 8: 2}


def test_who_came_back_long_after_a_merge_stays_who_he_is_when_it_is_taken_back(site):
    stood_here(site, GREEN)
    merge = site.resolver.correct(Merge(2, 1))
    there(site, 62.5, until=66.0)
    site.see(67.0, {}, {"b": []})
    assert site.watch(200.0, 203.0, {7: HERE}, {"a": [(11, 7, RED)]}).targets == {7: 1}
    undone = site.resolver.take_back(merge)
    assert 66.0 < undone.until < 66.01
    assert site.see(203.5, {7: HERE}, {"a": [(11, 7, RED)]}).targets == {7: 1}


def test_a_split_into_somebody_new_that_is_taken_back_is_a_merge(site):
    stood_here(site)
    split = site.resolver.correct(Split(1, NO_ID, 60.0, np.inf))
    assert there(site, 62.5, RED, until=66.0).targets == {3: 2}
    assert site.resolver.take_back(split) == Merge(2, 1)
    answer = there(site, 66.5, RED)
    assert (answer.targets, answer.corrections) == ({3: 1}, (Merge(2, 1),))


def test_a_split_into_somebody_known_that_is_taken_back_leaves_the_other_his_past(site):
    site.watch(0.0, 5.0, {1: HERE, 2: NEAR_BY}, {"a": [(5, 1, RED), (6, 2, BLUE)]})
    assert site.watch(60.0, 62.0, {3: HERE}, {"b": [(8, 3, RED)]}).targets == {3: 1}
    split = site.resolver.correct(Split(1, 2, 60.0, np.inf))
    assert there(site, 62.5, RED, until=66.0).targets == {3: 2}
    undone = site.resolver.take_back(split)
    assert (undone.mixed, undone.apart, undone.reported) == (2, 1, (2,))
    assert 62.0 < undone.since < 62.01 < 66.0 < undone.until
    assert there(site, 66.5, RED).targets == {3: 1}


def test_taking_back_is_followed_once(site):
    stood_here(site, GREEN)
    merge = site.resolver.correct(Merge(2, 1))
    there(site, 62.5, until=64.0)
    assert site.resolver.take_back(merge) is not None
    assert site.resolver.take_back(merge) is None
    assert there(site, 64.5).targets == {3: 2}


def test_a_merge_can_be_made_again_after_it_was_taken_back(site):
    stood_here(site, GREEN)
    site.resolver.take_back(site.resolver.correct(Merge(2, 1)))
    there(site, 62.5, until=64.0)
    assert site.resolver.correct(Merge(2, 1)) == Merge(2, 1)
    assert there(site, 64.5).targets == {3: 1}


@pytest.mark.parametrize("undone", [Merge(5, 1), Merge(1, 2), Split(1, 2, 0.0, 3.0)])
def test_what_nobody_remembers_is_taken_back_in_the_history_alone(site, undone):
    stood_here(site, GREEN)
    assert site.resolver.take_back(undone) is None
    assert there(site, 62.5).targets == {3: 2}


def test_who_is_there_keeps_the_id_where_the_other_is_of_an_earlier_start(site):
    stood_here(site, GREEN)
    assert site.resolver.correct(Merge(2, 99)) == Merge(99, 2)
    answer = there(site, 62.5)
    assert (answer.targets, answer.corrections) == ({3: 2}, (Merge(99, 2),))


def test_who_is_split_off_as_somebody_of_an_earlier_start_gets_that_ones_past(site):
    stood_here(site)
    split = site.resolver.correct(Split(1, 99, 60.0, np.inf))
    answer = there(site, 62.5, RED)
    assert (answer.targets, answer.corrections) == ({3: 2}, (split, Merge(99, 2)))
    assert (split.mixed, split.apart, split.since) == (1, 2, 60.0)


def test_what_is_reported_now_can_be_split_off_by_its_id(site):
    stood_here(site, GREEN)
    split = site.resolver.correct(Split(2, NO_ID, -np.inf, np.inf, (2,)))
    assert (split.apart, split.reported) == (3, (2,))
    assert there(site, 62.5).targets == {3: 3}


def test_an_id_that_was_merged_a_moment_ago_means_who_it_is_now(site):
    stood_here(site, GREEN)
    site.resolver.correct(Merge(2, 1))
    site.watch(63.0, 64.0, {3: HERE}, {"b": [(8, 3, GREEN)]})
    split = site.resolver.correct(Split(2, NO_ID, 63.0, np.inf))
    assert (split.mixed, split.apart) == (1, 3)


def test_two_in_one_image_are_not_merged_where_no_camera_has_a_floor(site):
    site.watch(0.0, 5.0, {}, {"hall": [(1, NO_CALIBRATION, RED), (2, NO_CALIBRATION, BLUE)]})
    with pytest.raises(ValueError, match="both in sight"):
        site.resolver.correct(Merge(2, 1))
