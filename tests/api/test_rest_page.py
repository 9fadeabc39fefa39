"""docs/rest.md has every route, and the OpenAPI description examples that hold."""

import re
from pathlib import Path

from stage import Stage

from app.api.application import build_api
from app.api.exports import Wanted
from app.api.figures import EventItem, OccupancyAnswer
from app.api.people import IdentityItem, MergeOrder, SplitOrder, Tags
from app.api.permissions import permissions_of
from app.api.places import Drawing

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rest.md"
SITE = "/api/v1/sites/{site}"
STAND_INS = {"{identity}": "7", "{place}": "till", "{correction}": "12", "{job}": "JOB"}


def test_every_route_is_shown_with_an_example():
    page = PAGE.read_text(encoding="utf-8")
    missing = []
    for path, _ in permissions_of(build_api(Stage().site()).routes):
        shown = path.replace(SITE, "BASE")
        for name, value in STAND_INS.items():
            shown = shown.replace(name, value)
        if not re.search(re.escape(shown) + r"(?![\w/-])", page):
            missing.append(path)
    assert missing == []


def test_the_examples_of_the_description_are_what_they_are_examples_of():
    checked = [
        model.model_validate(example)
        for model in (Drawing, Wanted, Tags, MergeOrder, SplitOrder, OccupancyAnswer, EventItem, IdentityItem)
        for example in model.model_json_schema()["examples"]
    ]
    assert len(checked) == 8
