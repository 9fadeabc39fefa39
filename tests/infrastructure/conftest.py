"""Fixtures of the history's tests."""

from written_history import history, in_sqlite, made  # noqa: F401 - fixtures
