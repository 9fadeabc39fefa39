"""Dots that are packed say what they said before, and each is told once, packed or not."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import partial

import numpy as np
import pytest
from sqlalchemy import delete, func, select, update
from written_history import EVER, HOUR, T0

from app.domains.analytics.figures import Period
from app.domains.vocabulary import GlobalId, Merge, Split
from app.infrastructure import sql_ways
from app.infrastructure.sql_batch import EMPTY, Batch
from app.infrastructure.sql_copy import insert_columns
from app.infrastructure.sql_database import open_database
from app.infrastructure.sql_retention import Retention, prune, tidy
from app.infrastructure.sql_schema import DOTS, RUNS, WAYS
from app.infrastructure.sql_ways import WAY_S, pack_ways, unpack_ways
from app.infrastructure.sql_write import write
from app.orchestration.archive import Dots

PEOPLE = (1, 2, 3)


def columns_of(rng, people, since, until, run_id=1):
    """Return dots of people who walk about, as they are written: rounded, and at uneven instants."""
    at = np.sort(rng.uniform(T0 + since, T0 + until, int(until - since))).round(6)
    n, m = len(at), len(people)
    walked = np.cumsum(rng.normal(0.0, 0.4, (n, m, 2)), axis=0)
    columns = {"at": np.repeat(at, m), "run_id": np.full(n * m, run_id, np.int32), "person": np.tile(people, n)}
    columns |= {"x": walked[:, :, 0].ravel() - 4.0, "y": walked[:, :, 1].ravel() + 5e6}
    columns |= {name: rng.random(n * m).astype(np.float32) for name in ("sigma", "certainty")}
    return {name: c.round(4) if name in {"x", "y", "sigma", "certainty"} else c for name, c in columns.items()}


def walk(history, seed=0, since=0.0, until=1500.0, run_id=1, people=PEOPLE):
    columns = columns_of(np.random.default_rng(seed), people, since, until, run_id)
    for person in people:
        history.seen(person, since, until, run_id)
    history.database.write(lambda c: insert_columns(c, DOTS, columns))


def told(history, person, period=EVER):
    """Return all that is told of a person's way."""
    parts = history.parts("dots", period, GlobalId(person))
    names = [field.name for field in fields(Dots)]
    return {name: np.concatenate([getattr(part, name) for part in parts]).tolist() for name in names} if parts else {}


def ways(history):
    return history.database.write(lambda c: c.execute(select(WAYS.c.run_id, WAYS.c.person, WAYS.c.at)).all())


def pack(history):
    return history.database.write(pack_ways)


def forget_packed_dots(history):
    """Remove the dots of which there are ways, so that only ways can tell of them."""
    until = select(RUNS.c.ways_until).where(RUNS.c.id == DOTS.c.run_id).scalar_subquery()
    history.database.write(lambda c: c.execute(delete(DOTS).where(DOTS.c.at < until)))


PERIODS = (
    EVER,
    Period(T0 + 10.25, T0 + 1320.5),
    Period(T0 + 301.0, T0 + 302.0),
    Period(T0 + 600.0, T0 + 900.0),
    Period(T0 + 1490.0, T0 + 1495.0),
    Period(T0 + 2000.0, T0 + 3000.0),
)


def test_packed_dots_say_the_same_to_the_last_bit(history):
    ended = update(RUNS).values(ended=T0 + 1400.0)  # four times five minutes are over
    history.database.write(lambda c: c.execute(ended))
    walk(history)
    before = [told(history, 2, period) for period in PERIODS]
    in_ways = history.database.write(
        lambda c: c.execute(select(func.count()).select_from(DOTS).where(DOTS.c.at < T0 + 1200.0)).scalar_one()
    )
    assert pack(history) == in_ways > 3000
    assert pack(history) == 0, "each is packed once"
    assert [told(history, 2, period) for period in PERIODS] == before
    forget_packed_dots(history)
    assert [told(history, 2, period) for period in PERIODS] == before
    assert len(before[0]["at"]) == 1500


def test_corrections_reach_what_is_packed_and_are_taken_back(history):
    history.run(2, 1600.0, 4000.0)
    walk(history)
    walk(history, seed=1, since=1700.0, until=3200.0, run_id=2, people=(7, 8))
    orders = (
        Merge(GlobalId(7), GlobalId(2)),
        Split(GlobalId(2), GlobalId(8), T0 + 400.0, T0 + 700.0, (GlobalId(2),)),
        Merge(GlobalId(1), GlobalId(2)),
    )
    made = [history.ask("correct", order, T0 + 5000.0).correction_id for order in orders]
    corrected = {person: told(history, person) for person in (2, 3, 8)}
    assert len(corrected[2]["at"]) > 2999
    pack(history)
    assert {person: told(history, person) for person in (2, 3, 8)} == corrected
    for one in made:
        assert history.ask("take_back", one, T0 + 6000.0) is not None
    forget_packed_dots(history)
    assert [len(told(history, person)["at"]) for person in (1, 2, 3, 7, 8)] == [1500] * 5


def test_a_history_that_was_never_packed_is_packed_part_by_part(history, monkeypatch):
    monkeypatch.setattr(sql_ways, "MOST", 1000)
    history.run(2, 100 * HOUR, 101 * HOUR)
    walk(history)
    walk(history, seed=1, since=100 * HOUR, until=100 * HOUR + 700.0, run_id=2, people=(9,))
    before = told(history, 1), told(history, 9)
    parts = []
    while packed := pack(history):
        parts.append(packed)
        assert (told(history, 1), told(history, 9)) == before
    assert len(parts) > 3, "the writer goes on in between"
    assert sum(parts) == 3 * 1500 + 700
    assert len(ways(history)) == 3 * 5 + 3


def test_dots_that_come_after_their_time_was_packed_are_told_once(history):
    walk(history, people=(1,))
    pack(history)
    late = columns_of(np.random.default_rng(5), (1,), 700.0, 710.0)
    tables = {
        **EMPTY,
        "dots": late,
        "seen": {"person": np.array([1]), "first_seen": late["at"][:1], "last_seen": late["at"][-1:]},
    }
    batch = Batch(run_id=1, number=2, until=T0 + 2 * HOUR, updates=1, corrections=(), states=(), events=(), **tables)
    assert history.database.write(lambda c: write(c, batch))
    for _ in range(2):
        at = told(history, 1)["at"]
        assert len(at) == len(set(at)) == 1510
        pack(history)
    forget_packed_dots(history)
    assert told(history, 1)["at"] == at


def test_a_site_where_nobody_is_has_no_ways(history):
    assert pack(history) == 0
    assert ways(history) == []
    history.seen(1, 0.0, 5.0)  # by a camera that does not see the floor
    assert pack(history) == 0
    assert told(history, 1) == {}


def test_ways_are_kept_as_long_as_dots(history):
    walk(history)
    history.database.write(lambda c: tidy(c, T0 + 2 * HOUR, Retention()))
    assert len(ways(history)) == 15
    old = Retention(dots_s=T0 + 2 * WAY_S + 100.0, points_s=0, events_s=0, minutes_s=0, hours_s=0)
    removed = history.database.write(lambda c: prune(c, old))
    assert removed["ways"] == 6, "of five minutes that are cut, all is kept"
    assert min(told(history, 1)["at"]) < T0 + 2 * WAY_S + 100.0


@pytest.mark.parametrize("at", [0.0, 650.0], ids=["all", "some"])
def test_what_is_unpacked_is_packed_again(history, at):
    walk(history, people=(1, 2))
    before = told(history, 1)
    pack(history)
    whole = len(ways(history))
    history.database.write(lambda c: unpack_ways(c, 1, T0 + at))
    assert len(ways(history)) == 2 * (at // WAY_S)
    assert told(history, 1) == before
    pack(history)
    assert len(ways(history)) == whole
    assert told(history, 1) == before


@pytest.mark.parametrize("made", ["postgresql"], indirect=True)
def test_what_another_program_writes_or_tidies_is_left_to_it(history):
    walk(history)
    other = open_database(history.address)
    tidied = partial(tidy, now=T0 + 3 * HOUR, keep=Retention())
    history.add("heat_cells", {"site_id": 1, "at": T0, "cell": 7, "seconds": 1.0})

    def meanwhile(connection):
        tidied(connection)
        thread.submit(history.database.write, tidied).result(10.0)
        return thread.submit(ways, history).result(10.0)

    with ThreadPoolExecutor(1) as thread:
        assert other.write(meanwhile) == []
    other.close()
    assert len(ways(history)) == 15
    assert history.ask("heat", Period(T0, T0 + HOUR), 0.25).seconds.sum() == 1.0
