"""Fixtures shared by all tests: where the test footage and the test weights are."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _folder(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable, ROOT.parent / "shared" / default))
    if not path.is_dir():
        pytest.skip(f"no folder {path}; set {variable} to run this test")
    return path


@pytest.fixture(scope="session")
def data_dir() -> Path:
    return _folder("SPOTON_DATA_DIR", "data")


@pytest.fixture(scope="session")
def models_dir() -> Path:
    return _folder("SPOTON_MODELS_DIR", "models")
