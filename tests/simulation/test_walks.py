import numpy as np
import pytest

from app.simulation.scenes.catalogue import build_scene
from app.simulation.walks import MARGIN_M, Walks
from app.simulation.world import World, WorldConfig


@pytest.fixture
def walks(tmp_path):
    """Person 7 walks 4 m east in 4 s; person 9 comes 2 s later and walks 2 m north in 2 s."""
    rows = [(100 + 6 * k, 7, 10.0 + 0.4 * k, 0, -3.0, 0, 0, 0) for k in range(11)]
    rows += [(130 + 6 * k, 9, 12.0, 0, -2.0 + 0.4 * k, 0, 0, 0) for k in range(6)]
    path = tmp_path / "obsmat.txt"
    np.savetxt(path, rows)
    return path


def test_people_are_where_they_were_recorded(walks):
    world = World(build_scene("square"), WorldConfig(walks=walks))
    people = world.people_at(3.0)
    assert people.ids.tolist() == [1, 2]
    assert people.xy == pytest.approx(
        np.array([[MARGIN_M + 3.0, MARGIN_M], [MARGIN_M + 2.0, MARGIN_M + 2.0]]), abs=0.01
    )
    assert people.speed == pytest.approx([1.0, 1.0], abs=0.01)
    assert people.heading[0] == pytest.approx(0.0, abs=0.01)
    assert np.cos(people.heading[1] - 0.5 * np.pi) == pytest.approx(1.0, abs=0.01)
    assert world.people_at(1.0).ids.tolist() == [1]


def test_the_recording_begins_again(walks):
    world = World(build_scene("square"), WorldConfig(walks=walks))
    first = world.people_at(1.0)
    assert world.people_at(5.4).xy[0] == pytest.approx(first.xy[0], abs=0.11)


def test_pace_shortens_the_walks(walks):
    people = World(build_scene("square"), WorldConfig(walks=walks, pace=2.0)).people_at(1.5)
    assert people.xy[0] == pytest.approx([MARGIN_M + 3.0, MARGIN_M], abs=0.01)
    assert people.speed[0] == pytest.approx(2.0, abs=0.02)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read"), ("a b c\n", "no table of numbers"), ("1 2 3\n", "has no walks")],
    ids=["no file", "words", "too few columns"],
)
def test_a_file_without_walks_is_refused(tmp_path, content, problem):
    path = tmp_path / "obsmat.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=problem):
        Walks(path)


def test_walks_are_refused_where_furniture_is_in_the_way(walks):
    with pytest.raises(ValueError, match="scene square, not shop"):
        World(build_scene("shop"), WorldConfig(walks=walks))


@pytest.mark.data
@pytest.mark.parametrize(("name", "people", "speed"), [("seq_eth", 360, 1.3), ("zara01", 148, 1.1)])
def test_recorded_walks_have_their_people_and_speeds(data_dir, name, people, speed):
    walks = Walks(data_dir / "walks" / name / "obsmat.txt")
    assert len(walks.present) == people
    speeds = []
    for _ in range(600):
        walks.step()
        speeds += walks.state[walks.present, 3].tolist()
    assert np.median([value for value in speeds if value > 0.3]) == pytest.approx(speed, abs=0.35)
