"""A database of each kind for tests of the history."""

import uuid

import pytest
from postgres import server

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres():
    with server() as running:
        yield running


@pytest.fixture(params=KINDS)
def address(request, tmp_path):
    """An empty database's address."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'history.sqlite'}"
    return request.getfixturevalue("postgres").make(f"t{uuid.uuid4().hex[:12]}")
