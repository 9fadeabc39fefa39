"""Operators' corrections, made and taken back while people walk: the live floor and the history tell the same."""

import asyncio
import time

import numpy as np
import pytest
from named_people import FAR, GREEN, HERE, RED, Site

from app.domains.analytics.figures import Period
from app.domains.reid.evidence import IdentityConfig
from app.domains.vocabulary import NO_ID, FloorTracks, GlobalId, Merge, Split, TrackingUpdate
from app.infrastructure.sql_archive import SQLArchive
from app.infrastructure.sql_database import open_database
from app.infrastructure.sql_revision import check
from app.infrastructure.sql_store import SQLStore, StoreConfig
from app.infrastructure.sql_write import Start
from app.orchestration.archive import Page

T0 = 1_767_261_600.0
EVER = Period(T0 - 1000.0, T0 + 1000.0)


class Followed:
    """A floor of which every dot goes to a history, with an operator before it."""

    def __init__(self, address, folder):
        database = open_database(address)
        check(database, "", make=True)
        self.archive = SQLArchive(database, "shop")
        self.store = SQLStore(database, folder / "spool", Start("shop", T0, {}), config=StoreConfig(flush_s=0.01))
        self.site = Site(IdentityConfig(young_s=2.0))
        self.live = {}  # ids of the targets that have dots

    def watch(self, since, until, floor, rows):
        """Let the same be seen from one instant to another, and recorded."""
        for now in np.arange(since, until + 1e-9, 0.5):
            answer = self.site.see(T0 + float(now), floor, rows)
            self.live = {target: one for target, one in answer.targets.items() if one != NO_ID}
            n = len(self.live)
            xy = np.array([floor[target] for target in self.live]).reshape(n, 2)
            order = np.argsort(list(self.live.values()), kind="stable")
            ids = np.array(list(self.live.values()), np.int64).reshape(n)
            dots = FloorTracks(
                ids[order], xy[order], np.zeros((n, 2)), np.tile(0.01 * np.eye(2), (n, 1, 1)), ((),) * n, np.ones(n)
            )
            self.store.append(TrackingUpdate(T0 + float(now), (), dots, answer.corrections))
        end = time.monotonic() + 20.0
        while self.store.waiting():
            assert time.monotonic() < end
            time.sleep(0.01)

    def take_back_newest(self):
        """Take the newest correction back as a user does: in the history, and then on the floor."""
        newest, *_ = asyncio.run(self.archive.corrections(Page(1), standing=True))
        asyncio.run(self.archive.take_back(newest.correction_id, T0 + 500.0))
        self.site.resolver.take_back(newest.correction)

    def told(self, x, since=-np.inf, until=np.inf):
        """Return who the history says was at a place between two instants."""

        async def parts():
            return [part async for part in self.archive.dots(EVER)]

        found = set()
        for part in asyncio.run(parts()):
            rows = (part.xy[:, 0] == x) & (part.at >= T0 + since) & (part.at < T0 + until)
            found |= set(part.identity[rows].tolist())
        return found


@pytest.fixture
def followed(address, tmp_path):
    made = Followed(address, tmp_path)
    yield made
    made.store.close(5.0)


def one_left_another_is_here(followed, clothes):
    followed.watch(0.0, 5.0, {1: FAR}, {"a": [(5, 1, RED)]})
    followed.watch(60.0, 63.0, {3: HERE}, {"b": [(8, 3, clothes)]})


def go_on(followed, since, until, clothes=GREEN):
    followed.watch(since, until, {3: HERE}, {"b": [(8, 3, clothes)]})


def test_a_merge_and_its_end(followed):
    one_left_another_is_here(followed, GREEN)
    followed.site.resolver.correct(Merge(GlobalId(2), GlobalId(1)))
    go_on(followed, 63.5, 70.0)
    assert (followed.live, followed.told(HERE[0]), followed.told(FAR[0])) == ({3: 1}, {1}, {1})
    followed.take_back_newest()
    go_on(followed, 70.5, 75.0)
    assert (followed.live, followed.told(HERE[0]), followed.told(FAR[0])) == ({3: 2}, {2}, {1})


def test_a_merge_that_was_found_and_its_end(followed):
    followed.watch(0.0, 5.0, {1: FAR}, {"a": [(5, 1, RED)]})
    followed.watch(60.0, 63.0, {3: HERE}, {"b": [(8, 3, None)]})
    go_on(followed, 63.5, 80.0, RED)
    assert (followed.live, followed.told(HERE[0])) == ({3: 1}, {1})
    followed.take_back_newest()
    go_on(followed, 80.5, 110.0, RED)
    assert (followed.live, followed.told(HERE[0]), followed.told(FAR[0])) == ({3: 2}, {2}, {1})


def test_a_split_and_its_end(followed):
    one_left_another_is_here(followed, RED)
    assert followed.live == {3: 1}
    followed.site.resolver.correct(Split(GlobalId(1), GlobalId(NO_ID), T0 + 30.0, np.inf))
    go_on(followed, 63.5, 70.0, RED)
    assert (followed.live, followed.told(HERE[0]), followed.told(FAR[0])) == ({3: 2}, {2}, {1})
    followed.take_back_newest()
    go_on(followed, 70.5, 75.0, RED)
    assert (followed.live, followed.told(HERE[0]), followed.told(FAR[0])) == ({3: 1}, {1}, {1})


def test_a_split_of_half_a_way_and_its_end(followed):
    one_left_another_is_here(followed, RED)
    followed.site.resolver.correct(Split(GlobalId(1), GlobalId(NO_ID), T0 + 62.0, np.inf))
    go_on(followed, 63.5, 70.0, RED)
    assert (followed.told(HERE[0], until=62.0), followed.told(HERE[0], since=62.0)) == ({1}, {2})
    followed.take_back_newest()
    go_on(followed, 70.5, 75.0, RED)
    assert (followed.live, followed.told(HERE[0])) == ({3: 1}, {1})


def test_a_split_into_somebody_known_and_its_end(followed):
    followed.watch(0.0, 5.0, {1: FAR, 2: (9.0, 9.0)}, {"a": [(5, 1, RED), (6, 2, GREEN)]})
    followed.watch(60.0, 63.0, {3: HERE}, {"b": [(8, 3, RED)]})
    followed.site.resolver.correct(Split(GlobalId(1), GlobalId(2), T0 + 30.0, np.inf))
    go_on(followed, 63.5, 70.0, RED)
    assert (followed.live, followed.told(HERE[0])) == ({3: 2}, {2})
    followed.take_back_newest()
    go_on(followed, 70.5, 75.0, RED)
    assert (followed.live, followed.told(HERE[0]), followed.told(9.0)) == ({3: 1}, {1}, {2})


def test_who_is_there_turns_out_to_be_somebody_of_an_earlier_start(followed):
    one_left_another_is_here(followed, GREEN)
    followed.site = Site(IdentityConfig(young_s=2.0), first_id=3)
    followed.watch(100.0, 104.0, {7: (5.0, 5.0)}, {"a": [(5, 7, RED)]})
    assert followed.live == {7: 3}
    followed.site.resolver.correct(Merge(GlobalId(3), GlobalId(1)))
    followed.watch(104.5, 108.0, {7: (5.0, 5.0)}, {"a": [(5, 7, RED)]})
    assert (followed.live, followed.told(5.0), followed.told(FAR[0])) == ({7: 3}, {3}, {3})
    followed.take_back_newest()
    followed.watch(108.5, 112.0, {7: (5.0, 5.0)}, {"a": [(5, 7, RED)]})
    assert (followed.live, followed.told(5.0), followed.told(FAR[0])) == ({7: 3}, {3}, {1})


def test_who_is_there_is_split_off_as_somebody_of_an_earlier_start(followed):
    one_left_another_is_here(followed, GREEN)
    followed.site = Site(IdentityConfig(young_s=2.0), first_id=3)
    followed.watch(100.0, 104.0, {7: (5.0, 5.0)}, {"a": [(5, 7, RED)]})
    followed.watch(200.0, 204.0, {8: (7.0, 7.0)}, {"a": [(6, 8, RED)]})
    assert followed.live == {8: 3}
    followed.site.resolver.correct(Split(GlobalId(3), GlobalId(1), T0 + 150.0, np.inf))
    followed.watch(204.5, 208.0, {8: (7.0, 7.0)}, {"a": [(6, 8, RED)]})
    assert (followed.live, followed.told(7.0), followed.told(FAR[0]), followed.told(5.0)) == ({8: 4}, {4}, {4}, {3})
