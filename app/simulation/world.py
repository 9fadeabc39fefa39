"""Who is where at any instant: the people of a scene, and how each of them looks. Thread-safe and deterministic.

The same configuration gives the same people at the same instants, in whatever order and by however many threads they
are asked for. Knows no camera and no pixels.
"""

import threading
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from app.domains.vocabulary import FloatArray, IntArray
from app.simulation.crowd import STEP_S, Crowd, Habits
from app.simulation.figure import Figure, make_figure
from app.simulation.floor_plan import Bounds, Scene
from app.simulation.outfit import Build, Outfit, draw_build, draw_outfit
from app.simulation.people import People
from app.simulation.scenes.square import square
from app.simulation.walks import Walks

State = tuple[IntArray, FloatArray]  # (N,) ids of those who are there, and (N, 6) of the crowd's state
MEMORY_S = 600.0  # how far back the world is remembered
WARM_UP_S = 40.0  # walked before the first instant, so that nobody stands where they were put


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """The people of a world."""

    people: int = 12  # how many there are, those included who have left for a while
    seed: int = 0  # of everything random
    pace: float = 1.0  # factor on walking speeds
    outfits: int = 0  # how many different outfits there are; 0 for as many as people
    away: float = 1.0  # factor on how long people who leave stay away; 1 is 8 to 30 s
    walks: Path | None = None  # recorded walks to play, in place of people with goals; `people` counts no more


class World:
    """The people of one scene through time.

    Args:
        scene: where they walk; recorded walks make it fit.
        config: how many, and how.

    Raises:
        ValueError: walks that cannot be read, or in a scene that is not open.
    """

    def __init__(self, scene: Scene, config: WorldConfig = WorldConfig()) -> None:
        self.scene, self.config = scene, config
        self._crowd: Crowd | Walks
        if config.walks is None:
            self._crowd = Crowd(scene, config.people, config.seed, Habits(config.pace, config.away))
        else:
            self._crowd = Walks(config.walks, config.pace)
            self.scene = fit_scene(scene, self._crowd.bounds)
        self._lock = threading.Lock()
        self._states: deque[State] = deque(maxlen=int(MEMORY_S / STEP_S))
        self._first = 0  # number of the oldest state that is remembered
        for _ in range(int(WARM_UP_S / STEP_S) if config.walks is None else 0):
            self._crowd.step()
        self._remember()

    @cached_property
    def looks(self) -> dict[int, tuple[Build, Outfit]]:
        """Body and clothes of each person, by id."""
        seed = self.config.seed
        people = np.arange(1, len(self._crowd.present) + 1)
        looks = {}
        for person, number in zip(people.tolist(), self.outfit_of(people).tolist(), strict=True):
            outfit = draw_outfit(np.random.default_rng([seed, 2, number]))
            looks[person] = (draw_build(np.random.default_rng([seed, 3, person])), outfit)
        return looks

    def outfit_of(self, ids: IntArray) -> IntArray:
        """Return the (N,) numbers of the outfits of people; those with equal numbers are dressed alike."""
        return (ids - 1) % (self.config.outfits or max(len(self._crowd.present), 1))

    @cached_property
    def figures(self) -> dict[int, Figure]:
        """The body that is drawn of each person, by id."""
        return {person: make_figure(*look, seed=person) for person, look in self.looks.items()}

    def bodies_at(self, time_s: float) -> People:
        """Return everybody who may be seen at an instant, also on their way through a door outside the bounds.

        Args:
            time_s: seconds since the start of the simulation.

        Raises:
            ValueError: a time before the start, or longer than MEMORY_S before the latest one asked for.
        """
        (earlier, before), (later, after) = self._around(time_s)
        share = time_s / STEP_S - int(time_s / STEP_S)
        person, i, j = np.intersect1d(earlier, later, assume_unique=True, return_indices=True)
        state = before[i] + share * (after[j] - before[i])
        sway = np.sin(0.55 * time_s + 2.4 * person)
        return People(person, state[:, :2], state[:, 2], state[:, 3], state[:, 4], state[:, 5], sway)

    def people_at(self, time_s: float) -> People:
        """Return everybody on the watched floor at an instant; arguments and errors as of `bodies_at`."""
        bodies = self.bodies_at(time_s)
        x0, y0, x1, y1 = self.scene.bounds
        x, y = bodies.xy.T
        return bodies[(x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)]

    def _around(self, time_s: float) -> tuple[State, State]:
        """Return the states before and after an instant."""
        if time_s < 0.0:
            raise ValueError(f"the simulation begins at 0 s, {time_s:g} s is before it")
        number = int(time_s / STEP_S)
        with self._lock:
            while self._first + len(self._states) < number + 2:
                self._crowd.step()
                self._remember()
            if number < self._first:
                raise ValueError(f"the simulation remembers {MEMORY_S:g} s, {time_s:g} s is before that")
            return self._states[number - self._first], self._states[number - self._first + 1]

    def _remember(self) -> None:
        self._first += len(self._states) == self._states.maxlen
        here = np.flatnonzero(self._crowd.present)
        self._states.append((here + 1, self._crowd.state[here]))


def fit_scene(scene: Scene, bounds: Bounds) -> Scene:
    """Return the open square with the floor that recorded walks need.

    Raises:
        ValueError: a scene that has walls and furniture in the way.
    """
    if scene.name != "square":
        raise ValueError(f"walks are played on the scene square, not {scene.name}, where furniture is in the way")
    return square(bounds)
