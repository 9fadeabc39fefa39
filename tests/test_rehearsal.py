import os
import subprocess
import sys

import pytest
from world import World, camera, person

from app.rehearsal import rehearse
from app.settings import Site

MODULES = [
    "analytics.membership",
    "analytics.polygon",
    "assignment",
    "detection.association",
    "detection.motion",
    "detection.room",
    "detection.step",
    "detection.tracks",
    "mapping.births",
    "mapping.gaussian",
    "mapping.habits",
    "mapping.lens",
    "mapping.rig",
    "mapping.sight",
    "mapping.sweeps",
    "mapping.targets",
    "mapping.visibility",
    "mapping.walking",
]
FOLDERS = "tests/orchestration", "tests/domains/analytics", "tests", ""
# in a process of its own, where nothing else has compiled or loaded anything
LOADED_LATER = """
import importlib
from numba.core.dispatcher import Dispatcher
from frame_path import pipeline
import test_watch
from test_pipeline import strollers, track
from test_rehearsal import MODULES, site, world
from app.rehearsal import rehearse

def loaded():
    modules = [importlib.import_module(f"app.domains.{name}") for name in MODULES]
    compiled = {thing for module in modules for thing in vars(module).values() if isinstance(thing, Dispatcher)}
    return {(function.__name__, str(signature)) for function in compiled for signature in function.signatures}

rehearse(site(), world().views(), lambda _sizes: None)
before = loaded()
people = strollers()
track(people, people.batches(3.0, 5.0))
track(people, people.batches(3.0, 5.0), pipeline(people, appearance=False))
test_watch.test_bit_by_bit_is_all_at_once(0)
print(len(before) > 10, sorted(loaded() - before))
"""


def world() -> World:
    return World([person(1, [(0, 0, 0), (1, 0, 0)])], [camera("a", (0.0, -6.0, 3.0), (0.0, 0.0))])


def site() -> Site:
    return Site.model_validate({"site": "x", "cameras": [{"id": "a", "source": "a.mp4"}]})


def test_nothing_is_compiled_or_loaded_after_the_rehearsal(pytestconfig):
    path = os.pathsep.join(str(pytestconfig.rootpath / folder) for folder in FOLDERS)
    run = subprocess.run(
        [sys.executable, "-c", LOADED_LATER],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert run.stdout == "True []\n", run.stderr


@pytest.mark.parametrize("calibrated", [True, False], ids=["calibrated", "without calibration"])
def test_a_rehearsal_leaves_no_trace(calibrated):
    views = {c.name: c.view() if calibrated else c.view_without_floor() for c in world().cameras}
    before, prepared = dict(views), []
    rehearse(site(), views, prepared.append)
    assert views == before
    assert prepared == [{views["a"].size}]
