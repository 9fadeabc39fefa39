"""Fixtures shared by all tests: where the test footage and the test weights are."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from databases import address, postgres  # noqa: F401 - fixtures

from app.infrastructure.compiled_code import forget_outdated

ROOT = Path(__file__).resolve().parent.parent
forget_outdated(ROOT / "app")  # before any test imports what is compiled
GPU_STACK = all(
    find_spec(name) for name in ("torch", "torchcodec", "torchvision", "ultralytics", "transformers", "open_clip")
)
# These import torch at their top; ./scripts/test --gpu installs it.
TORCH_TESTS = ("torch", "ultralytics", "huggingface", "clip", "osnet")
collect_ignore_glob = [f"{folder}test_{name}_*.py" for folder in ("", "*/") for name in TORCH_TESTS if not GPU_STACK]
# These run against the clock, with servers and browsers beside them; ./scripts/check lets nothing run beside them.
CLOCKED = [ROOT / "tests" / folder for folder in ("orchestration", "web")]
CLOCKED += [ROOT / "tests" / f"test_{name}.py" for name in ("cli", "main", "rehearsal", "serving")]
CLOCKED += [ROOT / "tests" / "api" / f"test_{name}.py" for name in ("hubs", "looks", "rebuilds_api")]
CLOCKED += [
    ROOT / "tests" / "infrastructure" / f"test_{name}.py"
    for name in ("live_source", "paced_source", "sql_full", "sql_spool", "sql_store")
]


def pytest_report_header() -> str:
    return f"gpu_stack: {'installed' if GPU_STACK else 'not installed; its tests run by ./scripts/test --gpu'}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.path.is_relative_to(place) for place in CLOCKED):
            item.add_marker(pytest.mark.clocked)
        if not GPU_STACK and item.get_closest_marker("gpu_stack"):
            item.add_marker(pytest.mark.skip(reason="needs the extra gpu; ./scripts/test --gpu installs it"))


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
