"""docs/rest.md has every route."""

import re
from pathlib import Path

from stage import Stage

from app.api.application import build_api
from app.api.permissions import permissions_of

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
