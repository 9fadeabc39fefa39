"""Dots over REST, a page at a time."""

import pytest
from fake_archive import NOON
from stage import Stage, served

TRACKS = "/api/v1/sites/shop/tracks"
HOUR = f"since={NOON}&until={NOON + 3600}"


@pytest.fixture(scope="module")
def client():
    with served(Stage().site()) as client:
        yield client


def pages(client, query):
    cursor = ""
    while True:
        page = client.get(f"{TRACKS}?{query}{cursor}").json()
        yield page["columns"]
        if page["next"] is None:
            return
        cursor = f"&cursor={page['next']}"


def test_all_pages_have_every_dot_once_in_order_of_time(client):
    dots = [dot for page in pages(client, f"{HOUR}&limit=999") for dot in zip(page["at"], page["id"], strict=True)]
    assert dots == sorted(set(dots))
    assert len(dots) == 4800


def test_the_dots_of_one_person_are_asked_by_any_id(client):
    (page,) = pages(client, f"since={NOON}&until={NOON + 1}&identity=9")
    assert page == {
        "at": [NOON, NOON + 0.5],
        "id": [2, 2],
        "x": [0.0, 0.05],
        "y": [2.0, 2.0],
        "sigma": [0.1, 0.1],
        "certainty": [0.9, 0.9],
    }


def test_where_nobody_was_there_are_no_dots(client):
    (page,) = pages(client, f"since={NOON - 100}&until={NOON - 50}")
    assert page["at"] == []
