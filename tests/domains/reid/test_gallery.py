import numpy as np
import pytest
from fakes import FakeIndex
from world import DIMENSION, appearances

from app.domains.reid.gallery import Gallery, GalleryConfig
from app.domains.vocabulary import CameraId

FORGET_S = 100.0
CAMERAS = [CameraId("a"), CameraId("b")]


@pytest.fixture
def index():
    return FakeIndex()


@pytest.fixture
def gallery(index):
    return Gallery(index, GalleryConfig(forget_s=FORGET_S))


def looks(clothes: int, n: int, seed: int = 0) -> np.ndarray:
    return appearances([clothes] * n, np.random.default_rng((clothes, seed)))


def remember(gallery: Gallery, clothes: int, now: float = 0.0, n: int = 10) -> int:
    """Enrol somebody whom two cameras have seen."""
    identity = gallery.enrol(now)
    for i, vector in enumerate(looks(clothes, n)):
        gallery.refresh(identity, CAMERAS[i % 2], vector)
    return identity


def test_every_identity_is_minted_once(gallery):
    minted = [gallery.enrol(0.0) for _ in range(3)]
    gallery.merge(minted[2], minted[0])
    gallery.expire(FORGET_S + 1.0)
    minted += [gallery.enrol(200.0) for _ in range(3)]
    assert len(set(minted)) == 6
    assert min(minted) == 1


def test_two_galleries_count_for_themselves():
    one, other = (Gallery(FakeIndex(), GalleryConfig()) for _ in range(2))
    one.enrol(0.0)
    assert (one.enrol(0.0), other.enrol(0.0)) == (2, 1)


def test_ids_go_on_behind_those_of_earlier_runs():
    gallery = Gallery(FakeIndex(), GalleryConfig(), last_id=41)
    assert [gallery.enrol(0.0), gallery.enrol(0.0)] == [42, 43]


def test_people_are_known_by_looks_that_were_not_seen_before(gallery):
    identities = [remember(gallery, clothes) for clothes in range(1, 9)]
    queries = np.concatenate([looks(clothes, 3, seed=1) for clothes in range(1, 9)])
    wanted = [identity for identity in identities for _ in range(3)]
    assert [found[0] for found in gallery.nearest(queries, 4)] == wanted
    likeness = gallery.likeness(queries, identities)
    assert likeness.shape == (24, 8)
    assert [identities[m] for m in likeness.argmax(axis=1)] == wanted
    own = likeness[np.arange(24), np.repeat(np.arange(8), 3)]
    others = likeness[np.repeat(np.arange(8), 3)[:, None] != np.arange(8)[None]]
    assert own.min() > others.max() + 0.1
    assert own.max() <= 1.0 + 1e-6


def test_those_who_resemble_a_vector_come_best_first_and_only_with_looks(gallery):
    identities = [remember(gallery, clothes) for clothes in range(1, 6)]
    unseen = gallery.enrol(0.0)
    vector = gallery.prototype(identities[3])
    found = gallery.resembling(vector, 10)
    assert found[0] == (identities[3], pytest.approx(1.0, abs=1e-6))
    assert [cosine for _, cosine in found] == sorted((cosine for _, cosine in found), reverse=True)
    assert {who for who, _ in found} == set(identities) - {unseen}
    assert gallery.resembling(vector, 2) == found[:2]


def test_an_empty_memory_resembles_nothing(gallery):
    assert gallery.resembling(np.ones(4, np.float32), 5) == []


def test_the_nearest_come_best_first_and_each_once(gallery):
    identities = [remember(gallery, clothes) for clothes in range(1, 6)]
    query = looks(3, 1, seed=2)
    (found,) = gallery.nearest(query, 16)
    assert len(found) == len(set(found))
    assert found[0] == identities[2]
    ranked = gallery.likeness(query, found)[0]
    assert (np.diff(ranked) <= 1e-6).all()


def test_likeness_of_those_without_appearance_is_unknown(gallery):
    nobody, somebody = gallery.enrol(0.0), remember(gallery, 1)
    queries = np.concatenate([looks(1, 1), np.zeros((1, DIMENSION), np.float32)])
    likeness = gallery.likeness(queries, [nobody, somebody])
    assert np.isnan(likeness).tolist() == [[True, False], [True, True]]


def test_nothing_asked_and_nothing_remembered(gallery):
    assert gallery.nearest(looks(1, 2), 4) == [[], []]
    assert gallery.nearest(np.zeros((2, 0), np.float32), 4) == [[], []]
    assert gallery.nearest(np.zeros((0, DIMENSION), np.float32), 4) == []
    assert gallery.likeness(np.zeros((0, DIMENSION), np.float32), []).shape == (0, 0)
    assert gallery.likeness(looks(1, 2), []).shape == (2, 0)
    assert gallery.expire(1e9) == []


def test_memory_of_one_person_stays_bounded(gallery, index):
    identity = gallery.enrol(0.0)
    sizes = []
    for i in range(300):
        vector = appearances([1 + i % 40], np.random.default_rng(i))[0]
        gallery.refresh(identity, CAMERAS[i % 2], vector)
        assert gallery.nearest(vector[None], 1) == [[identity]]
        sizes.append(len(index.stored))
    assert 0 < max(sizes) < 20
    assert max(sizes) == max(sizes[:100])


def test_what_is_stored_has_length_one(gallery, index):
    remember(gallery, 1)
    remember(gallery, 2)
    gallery.nearest(looks(1, 1), 1)
    assert len(index.stored) >= 2
    norms = [np.linalg.norm(vector) for vector in index.stored.values()]
    np.testing.assert_allclose(norms, 1.0, atol=1e-5)


def test_new_clothes_are_learnt(gallery):
    """And however long the old ones were worn, they fade."""
    identity, other = remember(gallery, 1, n=600), remember(gallery, 5)
    for i, vector in enumerate(looks(2, 250)):
        gallery.refresh(identity, CAMERAS[i % 2], vector)
    assert gallery.nearest(looks(2, 1, seed=1), 1) == [[identity]]
    old, new = gallery.likeness(np.concatenate([looks(1, 20, seed=1), looks(2, 20, seed=1)]), [identity]).reshape(2, 20)
    assert new.mean() > old.mean() + 0.1
    assert other in gallery


def test_those_who_were_not_seen_for_long_are_really_deleted(gallery, index):
    old, new = remember(gallery, 1, now=0.0), remember(gallery, 2, now=0.0)
    gallery.see(new, 50.0)
    assert gallery.nearest(looks(1, 1, seed=1), 1) == [[old]]
    assert gallery.expire(FORGET_S - 1.0) == []
    gallery.nearest(looks(1, 1, seed=1), 10)  # a search brings the index up to date
    before = len(index.stored)
    assert gallery.expire(FORGET_S + 1.0) == [old]
    assert old not in gallery
    assert new in gallery
    assert len(gallery) == 1
    assert 0 < len(index.stored) < before
    assert gallery.nearest(looks(1, 1, seed=1), 10) == [[new]]
    assert gallery.expire(FORGET_S + 51.0) == [new]
    assert index.stored == {}


def test_who_is_seen_again_and_again_is_never_forgotten(gallery):
    identity = remember(gallery, 1)
    for now in np.arange(0.0, 20 * FORGET_S, FORGET_S / 2):
        gallery.see(identity, float(now))
        assert gallery.expire(float(now)) == []


def test_a_merge_keeps_the_looks_of_both_and_deletes_one(gallery, index):
    kept, gone, other = remember(gallery, 1, now=10.0), remember(gallery, 2, now=50.0), remember(gallery, 3, now=50.0)
    gallery.nearest(looks(1, 1, seed=1), 10)  # a search brings the index up to date
    assert gallery.nearest(looks(2, 1, seed=1), 1) == [[gone]]
    before = len(index.stored)
    gallery.merge(gone, kept)
    assert gone not in gallery
    assert {kept, other} == set(gallery.nearest(looks(1, 1, seed=1), 10)[0])
    assert [found[0] for found in gallery.nearest(np.concatenate([looks(c, 1, seed=1) for c in (1, 2, 3)]), 1)] == [
        kept,
        kept,
        other,
    ]
    assert len(index.stored) <= before
    assert gallery.expire(FORGET_S + 20.0) == [], "the merged identity was seen when either was"
    gallery.merge(other, kept)
    gallery.expire(1e9)
    assert index.stored == {}


def test_a_merge_with_somebody_without_appearance(gallery):
    seen, unseen, third = remember(gallery, 1), gallery.enrol(0.0), gallery.enrol(0.0)
    gallery.merge(unseen, seen)
    assert gallery.nearest(looks(1, 1, seed=1), 3) == [[seen]]
    gallery.merge(seen, third)
    assert gallery.nearest(looks(1, 1, seed=1), 3) == [[third]]
    assert len(gallery) == 1


def test_what_was_added_in_doubt_can_be_given_to_another(gallery):
    person, apart = remember(gallery, 1), gallery.enrol(20.0)
    own = gallery.prototype(person)
    gallery.doubt(person)
    for vector in looks(2, 6):
        gallery.refresh(person, CAMERAS[0], vector)
    direction, crops = gallery.looks_since_doubt(person)
    assert crops == 6
    np.testing.assert_allclose(gallery.looks_before_doubt(person), own, atol=1e-6)
    gallery.split(person, apart)
    np.testing.assert_allclose(gallery.prototype(person), own, atol=1e-6)
    np.testing.assert_allclose(gallery.prototype(apart), direction, atol=1e-6)
    assert [found[0] for found in gallery.nearest(np.concatenate([looks(c, 1, 3) for c in (1, 2)]), 1)] == [
        person,
        apart,
    ]
    assert (gallery.in_doubt(person), gallery.in_doubt(apart)) == (False, True)


def test_a_new_identity_in_doubt_counts_each_look_once(gallery):
    plain, doubted = gallery.enrol(0.0), gallery.enrol(0.0)
    gallery.doubt(doubted)
    for vector in looks(1, 5):
        gallery.refresh(plain, CAMERAS[0], vector)
        gallery.refresh(doubted, CAMERAS[0], vector)
    np.testing.assert_allclose(gallery.prototype(doubted), gallery.prototype(plain), atol=1e-6)
    assert gallery.crops(doubted) == gallery.looks_since_doubt(doubted)[1] == 5
    gallery.settle(doubted)
    assert gallery.looks_since_doubt(doubted) == (None, 0)
