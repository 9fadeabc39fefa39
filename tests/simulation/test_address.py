import re
from pathlib import Path

import pytest

from app.simulation.address import SimulationAddress, parse_address
from app.simulation.faults import Faults
from app.simulation.world import WorldConfig


def test_an_address_without_query_means_the_defaults():
    assert parse_address("sim:shop/north") == SimulationAddress("shop", "north")


@pytest.mark.parametrize(
    "address",
    [
        SimulationAddress("shop", "north"),
        SimulationAddress("offices", "kitchen", WorldConfig(people=50, seed=3, pace=0.8, outfits=4), fps=12.5),
        SimulationAddress("square", "south-west", WorldConfig(walks=Path("/data/a b/obsmat.txt")), duration_s=60.0),
        SimulationAddress("shop", "south", size=(320, 180), faults=Faults(freeze=(20.0, 5.0), gone=(1.5, 2.0))),
        SimulationAddress("shop", "south", faults=Faults(loss=0.1, skew_s=-0.3, bump=(9.0, 12.0), light=(4.0, 0.5))),
    ],
    ids=["defaults", "people", "recorded walks", "size and spans", "other faults"],
)
def test_an_address_is_read_back_as_it_was_written(address):
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sim:shop", "expected sim:SCENE/CAMERA"),
        ("rtsp://user:secret@10.0.0.4/north", "expected sim:SCENE/CAMERA"),
        ("sim:shop/north?peple=3", "unknown key 'peple' in the address; known are people, seed"),
        ("sim:shop/north?people=3&people=4", "people is given twice"),
        ("sim:shop/north?people=many", "people=many in the address: expected a number from 0 to 200"),
        ("sim:shop/north?people=2.5", "expected a whole number"),
        ("sim:shop/north?fps=nan", "expected a number from 0.1 to 60"),
        ("sim:shop/north?size=3x4", "expected WIDTHxHEIGHT from 160x90 to 1920x1080"),
        ("sim:shop/north?freeze=20", "expected AT:VALUE"),
        ("sim:shop/north?gone=20:301", "expected a number from 0 to 300"),
    ],
    ids=[
        "no camera",
        "another kind of address",
        "unknown key",
        "key twice",
        "no number",
        "no whole number",
        "not a number",
        "tiny frames",
        "no span",
        "gap longer than the world remembers",
    ],
)
def test_a_wrong_address_is_refused_with_its_key(text, problem):
    with pytest.raises(ValueError, match=re.escape(problem)) as raised:
        parse_address(text)
    assert "secret" not in str(raised.value)
