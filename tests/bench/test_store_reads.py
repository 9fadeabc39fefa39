import asyncio

import pytest

from app.bench import made_history
from app.bench.made_history import DAY_S, HOUR_S, OPENS, RATE, T0, Scale, fill
from app.bench.speed_report import render
from app.bench.store_reads import QUESTIONS, measure
from app.domains.analytics.figures import Period
from app.domains.analytics.places import FLOOR
from app.errors import ConfigError
from app.infrastructure.sql_archive import SQLArchive
from app.infrastructure.sql_database import open_database
from app.infrastructure.sql_revision import upgrade
from app.orchestration.archive import Page

HOURS, PEOPLE = 2, 3


@pytest.fixture(autouse=True)
def short_days(monkeypatch):
    monkeypatch.setattr(made_history, "CLOSES", OPENS + HOURS)
    monkeypatch.setattr("app.bench.store_reads.CLOSES", OPENS + HOURS)


def test_a_made_history_adds_up(tmp_path):
    """Everybody is always there, so that every figure of the floor is known beforehand."""
    database = open_database(f"sqlite:///{tmp_path / 'history.sqlite'}")
    database.write(upgrade)
    scale = Scale(2, people=PEOPLE, cameras=2)
    archive = SQLArchive(database, fill(database, scale, lambda _line: None))
    day = Period(T0, T0 + DAY_S)

    async def asked():
        dots = sum([len(part) async for part in archive.dots(Period(T0, T0 + 2 * DAY_S))])
        hours = await archive.occupancy(FLOOR, Period(T0 + OPENS * HOUR_S, T0 + (OPENS + HOURS) * HOUR_S), HOUR_S)
        return dots, hours, await archive.dashboard(FLOOR, day), await archive.heat(day, 0.5)

    dots, hours, board, heat = asyncio.run(asked())
    assert dots == scale.whole == 2 * HOURS * HOUR_S * RATE * PEOPLE
    assert hours.mean == pytest.approx(PEOPLE, rel=0.01)
    assert hours.peak.tolist() == [PEOPLE] * HOURS
    people = asyncio.run(archive.identities(day, Page(100)))
    assert board.visitors == len(people) >= 4 * PEOPLE / 2
    assert heat.seconds.sum() == pytest.approx(PEOPLE * HOURS * HOUR_S, rel=0.01)
    assert board.quality.cameras_out == (("camera-1", pytest.approx(600.0, abs=1.0)),)
    in_time = board.quality.observed * DAY_S / (HOURS * HOUR_S)
    assert in_time == pytest.approx(1 - 0.45 * 600.0 / (HOURS * HOUR_S), abs=0.005), "one camera saw 0.45 alone"
    database.close()


def test_a_limit_of_dots_leaves_the_newest(tmp_path):
    database = open_database(f"sqlite:///{tmp_path / 'history.sqlite'}")
    database.write(upgrade)
    scale = Scale(2, people=PEOPLE, cameras=2, dots=HOURS * 7200 * PEOPLE)
    archive = SQLArchive(database, fill(database, scale, lambda _line: None))

    async def first():
        return [part.at[0] async for part in archive.dots(Period(T0, T0 + 2 * DAY_S))]

    assert asyncio.run(first())[0] == T0 + DAY_S + OPENS * HOUR_S
    assert asyncio.run(archive.dashboard(FLOOR, Period(T0, T0 + DAY_S))).visitors > 0, "figures are kept longer"
    database.close()


def test_every_question_is_measured_on_both_databases_and_nothing_is_left(postgres):
    address = postgres.make("reads")
    scale = Scale(1, people=PEOPLE, cameras=2)
    section = measure({"SQLite": scale, "PostgreSQL": scale}, address, 1, lambda _line: None)
    for kind in ("SQLite", "PostgreSQL"):
        facts = section.facts[kind]
        assert facts["dots"] == scale.whole
        assert list(facts["questions"]) == list(QUESTIONS)
        assert min(took["p50_ms"] for took in facts["questions"].values()) > 0.0
    assert postgres.ask("reads", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "0"
    assert render(section).renderables


def test_a_database_that_holds_something_is_left_alone(postgres):
    address = postgres.make("in-use")
    database = open_database(address)
    database.write(upgrade)
    database.close()
    scale = Scale(1, people=1, cameras=1)
    with pytest.raises(ConfigError, match="is not empty"):
        measure({"SQLite": scale, "PostgreSQL": scale}, address, 1, lambda _line: None)
