"""Who belongs together."""

import numpy as np
import pytest

from app.domains.analytics.groups import Company, GroupConfig

DOTS = tuple[np.ndarray, np.ndarray, np.ndarray]


def walk(identity: int, begin: float, end: float, xy: tuple[float, float], speed: float = 1.0) -> DOTS:
    """Return dots of somebody who goes along x, twice a second."""
    at = np.arange(begin, end, 0.5)
    return at, np.full(len(at), identity), np.stack([xy[0] + speed * at, np.full(len(at), xy[1])], axis=1)


def together(*walks: DOTS) -> DOTS:
    at, identity, xy = (np.concatenate(columns) for columns in zip(*walks, strict=True))
    order = np.argsort(at, kind="stable")
    return at[order], identity[order], xy[order]


COUPLE_AND_THIRD = together(
    walk(7, 1000.0, 1200.0, (0.0, 0.0)), walk(3, 1005.0, 1200.0, (0.0, 1.0)), walk(5, 1000.0, 1200.0, (0.0, 3.0))
)


@pytest.mark.parametrize("parts", [1, 7, 100])
def test_a_couple_is_a_group_and_who_walks_apart_is_not(parts: int) -> None:
    company = Company()
    for rows in np.array_split(np.arange(len(COUPLE_AND_THIRD[0])), parts):
        company.add(*(column[rows] for column in COUPLE_AND_THIRD))
    (group,) = company.groups()
    assert group.identities == (3, 7)
    assert group.together_s == pytest.approx(195.0, abs=3.0 if parts > 1 else 0.0)
    assert (group.since, group.until) == (1005.0, 1200.0)


def test_a_family_is_one_group() -> None:
    company = Company()
    company.add(*together(*(walk(i, 0.0, 100.0, (0.0, 1.0 * i)) for i in (1, 2, 3))))
    (group,) = company.groups()
    assert group.identities == (1, 2, 3)  # 1 and 3 are near 2


def test_passing_by_and_serving_make_no_group() -> None:
    company = Company()
    crowd = together(
        walk(1, 0.0, 1000.0, (0.0, 0.0), speed=0.0),
        walk(2, 100.0, 200.0, (0.5, 0.0), speed=0.0),  # a customer of 1
        walk(3, 0.0, 1000.0, (-500.0, 0.0), speed=1.0),
    )
    company.add(*crowd)
    assert company.groups() == ()
    lenient = Company(GroupConfig(share=0.05))
    lenient.add(*crowd)
    assert [group.identities for group in lenient.groups()] == [(1, 2)]


def test_nobody_is_no_group() -> None:
    company = Company()
    company.add(np.zeros(0), np.zeros(0, np.int64), np.zeros((0, 2)))
    assert company.groups() == ()
    company.add(*walk(1, 0.0, 500.0, (0.0, 0.0)))
    assert company.groups() == ()


@pytest.mark.parametrize("seed", range(3))
def test_the_same_as_looking_at_every_pair(seed: int) -> None:
    rng = np.random.default_rng(seed)
    seconds, people = 300, 30
    xy = rng.uniform(0, 12, (1, people, 2)) + np.cumsum(rng.normal(0, 0.05, (seconds, people, 2)), axis=0)
    company = Company(GroupConfig(share=0.8))
    company.add(np.repeat(np.arange(300.0), people), np.tile(np.arange(people), seconds), xy.reshape(-1, 2))
    near = (np.linalg.norm(xy[:, :, None] - xy[:, None], axis=-1) <= 1.5).sum(axis=0)
    linked = {frozenset((a, b)) for a in range(people) for b in range(a) if near[a, b] >= 240}
    found = [set(group.identities) for group in company.groups()]
    assert linked
    assert all(any(pair <= group for group in found) for pair in linked)
    assert set().union(*found) == set().union(*linked)
    assert max(group.together_s for group in company.groups()) == max(near[a, b] for a, b in map(tuple, linked))
