"""Finds a scene by its name. Knows no address and no site file."""

from collections.abc import Callable, Mapping

from app.simulation.floor_plan import Scene
from app.simulation.scenes.offices import offices
from app.simulation.scenes.shop import shop
from app.simulation.scenes.square import square

SCENES: Mapping[str, Callable[[], Scene]] = {"shop": shop, "offices": offices, "square": square}


def build_scene(name: str) -> Scene:
    """Build the scene of a name.

    Raises:
        ValueError: no scene has that name.
    """
    if name not in SCENES:
        raise ValueError(f"there is no scene {name!r}; choose {', '.join(SCENES)}")
    return SCENES[name]()
