import os

import numpy as np
import pytest

from app.domains.analytics.figures import Event, EventKind
from app.domains.analytics.places import PlaceId
from app.domains.vocabulary import GlobalId, Merge, Split
from app.infrastructure import sql_spool
from app.infrastructure.sql_batch import EMPTY, Batch, StateChange, unpack
from app.infrastructure.sql_spool import Spool


def batch(number, rows=2):
    tables = {
        table: {name: (np.arange(rows) + number).astype(column.dtype.type) for name, column in columns.items()}
        for table, columns in EMPTY.items()
    }
    split = Split(GlobalId(1), GlobalId(2), -np.inf, 5.5, (GlobalId(3),), 0.9)
    corrections = ((1.0, Merge(GlobalId(4), GlobalId(1), 0.8)), (2.0, split))
    states = (StateChange(1, 3.0, "lost", None),)
    events = (Event(0, 4.0, PlaceId("till"), 2, EventKind.CROSS, GlobalId(3), inwards=True),)
    return Batch(1, number, float(number), 3, **tables, corrections=corrections, states=states, events=events)


def drain(spool):
    numbers = []
    while (found := spool.first(0.0)) is not None:
        numbers.append(found.number)
        spool.done(found)
    return numbers


def test_a_batch_survives_being_packed():
    before = batch(7)
    after = unpack(before.pack())
    assert (after.run_id, after.number, after.until, after.updates) == (1, 7, 7.0, 3)
    assert (after.corrections, after.states, after.events) == (before.corrections, before.states, before.events)
    for table in EMPTY:
        for name, column in getattr(before, table).items():
            kept = getattr(after, table)[name]
            assert kept.dtype == column.dtype
            assert kept.tolist() == column.tolist()


def test_young_batches_never_touch_the_disk(tmp_path):
    spool = Spool(tmp_path / "spool", spill_s=60.0)
    for number in (1, 2, 3):
        spool.put(batch(number))
    assert (spool.updates(), spool.empty()) == (9, False)
    assert drain(spool) == [1, 2, 3]
    assert (spool.updates(), spool.empty()) == (0, True)
    assert not (tmp_path / "spool").exists()


def test_batches_that_wait_go_to_disk_and_come_in_order(tmp_path):
    spool = Spool(tmp_path, spill_s=0.0)
    for number in range(1, 6):
        spool.put(batch(number))
    assert len(list(tmp_path.glob("*.spool"))) == 1
    assert drain(spool) == [1, 2, 3, 4, 5]
    assert list(tmp_path.iterdir()) == []
    spool.put(batch(6))
    assert drain(spool) == [6]


def test_the_next_start_goes_on_where_the_last_one_was_stopped(tmp_path):
    first = Spool(tmp_path, spill_s=0.0)
    for number in (1, 2, 3):
        first.put(batch(number))
    first.done(first.first(0.0))
    second = Spool(tmp_path, spill_s=60.0)
    assert second.updates() == 9
    second.put(batch(4))
    assert drain(second) == [1, 2, 3, 4], "what was written already is told by its number"


def test_a_batch_that_went_to_disk_while_it_was_written_comes_again(tmp_path):
    spool = Spool(tmp_path, spill_s=60.0)
    spool.put(batch(1))
    taken = spool.first(0.0)
    assert spool.keep()
    spool.done(taken)
    assert (spool.updates(), drain(spool)) == (3, [1])


@pytest.mark.parametrize("cut", [1, 8, 16, 100])
def test_a_record_that_a_crash_cut_off_ends_its_file(tmp_path, cut):
    first = Spool(tmp_path, spill_s=0.0)
    first.put(batch(1))
    whole = os.path.getsize(next(tmp_path.glob("*.spool")))
    first.put(batch(2))
    path = next(tmp_path.glob("*.spool"))
    os.truncate(path, whole + cut)
    second = Spool(tmp_path, spill_s=0.0)
    second.put(batch(3))
    assert drain(second) == [1, 3]
    assert [file.suffix for file in tmp_path.iterdir()] == [".damaged"], "what cannot be read is not removed"


def test_long_waits_fill_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr(sql_spool, "SEGMENT", 10_000)
    spool = Spool(tmp_path, spill_s=0.0)
    for number in range(1, 12):
        spool.put(batch(number))
    assert len(list(tmp_path.glob("*.spool"))) > 2
    assert drain(spool) == list(range(1, 12))


def test_a_full_disk_leaves_batches_in_memory_and_gives_up_the_oldest(tmp_path, monkeypatch):
    monkeypatch.setattr(sql_spool, "MEMORY", 12)
    (tmp_path / "spool").write_text("no folder can be here")
    spool = Spool(tmp_path / "spool", spill_s=0.0)
    for number in range(1, 6):
        spool.put(batch(number))
    assert (spool.lost, spool.updates()) == (6, 9)
    assert drain(spool) == [3, 4, 5]
