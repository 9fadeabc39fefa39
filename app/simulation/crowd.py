"""People with goals: they walk from place to place, stop, meet, leave and come back. Fixed steps, one random stream.

Each follows the shortest way to where they want to be; where two would come too near to each other both turn aside
early, as people do (Karamouzas, Skinner and Guy 2014: the time to a collision decides). Knows no camera and no pixels.
"""

import math
from dataclasses import dataclass

import numpy as np

from app.domains.vocabulary import FloatArray, IntArray
from app.simulation.floor_plan import Door, Scene
from app.simulation.gait import stride_m
from app.simulation.navigation import BODY_M, Ways

STEP_S = 0.1  # between two states
WALK_MPS = 1.15  # people in shops and corridors; 1.34 outdoors, Weidmann 1993
WALK_SIGMA = 0.14
RELAX_S = 0.35  # how soon a velocity becomes the wanted one; Helbing and Molnar 1995 have 0.5
PERSONAL_M = 0.75  # people who would come nearer than this turn aside
TOUCH_M = 0.50  # and nearer than this they push back
HORIZON_S = 2.5  # how far ahead they look
BODIES_M = 0.46  # and nearer than this they cannot come
TURN_RPS = 3.0  # radians a second
REACHED_M = 0.35  # from a corner of the way, the next one is taken
STAND_S = (4.0, 16.0)
AWAY_S = (8.0, 30.0)
LEAVE_SHARE = 0.16  # of the decisions where to go next


@dataclass(frozen=True, slots=True)
class Habits:
    """Factors on how fast people walk, and on how long those who leave stay away."""

    pace: float = 1.0
    away: float = 1.0


@dataclass
class _Errand:
    """What one person is doing.

    Attributes:
        path: (K, 2) metres still to walk; K is 0 while standing.
        spot: the place that is theirs; -1 for none.
        until_s: when they go on, for those who stand or are away.
        raises_hand: whether the hand is raised at the spot.
    """

    path: FloatArray
    spot: int
    until_s: float
    leaving: bool = False
    raises_hand: bool = False


class Crowd:
    """The people of a scene and how they move on by one step.

    Attributes:
        state: (N, 6) x, y, heading, speed, phase, gesture of everybody.
        present: (N,) who is there.

    Args:
        scene: where they are.
        count: how many there are, those who are away for a while included.
        seed: of everything that is random.
        habits: how they behave.
    """

    def __init__(self, scene: Scene, count: int, seed: int, habits: Habits = Habits()) -> None:
        self._scene = scene
        self._rng = np.random.default_rng([seed, 1])
        self._doors: tuple[Door, ...] = scene.doors
        self._ways = Ways(scene, [spot.at for spot in scene.spots] + [door.inside for door in scene.doors])
        self._kept = self._ways.footprints + 0.85 * BODY_M * np.array([-1.0, -1.0, 1.0, 1.0])
        self._wanted = np.maximum(self._rng.normal(WALK_MPS, WALK_SIGMA, count), 0.6) * habits.pace
        self._taken = np.full(len(scene.spots), -1)
        self._errands = [_Errand(np.empty((0, 2)), -1, 0.0) for _ in range(count)]
        self._velocity = np.zeros((count, 2))
        self.state = np.zeros((count, 6))
        self.present = np.zeros(count, dtype=bool)
        self._away = habits.away
        self._now = 0.0
        for i in range(count):
            self._settle(i)

    def step(self) -> None:
        """Move everybody on by STEP_S."""
        self._now += STEP_S
        for i, errand in enumerate(self._errands):
            if not len(errand.path) and self._now >= errand.until_s:
                self._decide(i, errand)
        here = np.flatnonzero(self.present)
        goal = self._goals(here)
        velocity = self._velocity[here] + (goal - self._velocity[here]) * (STEP_S / RELAX_S)
        velocity += self._turn_aside(here, velocity) * STEP_S
        speed = np.linalg.norm(velocity, axis=1)
        limit = 1.35 * self._wanted[here]
        velocity *= np.minimum(1.0, limit / np.maximum(speed, 1e-9))[:, None]
        place = self._out_of_solids(_apart(self.state[here, :2] + velocity * STEP_S))
        moved = (place - self.state[here, :2]) / STEP_S
        self._velocity[here] = moved
        self.state[here, :2] = place
        self._turn(here, np.linalg.norm(moved, axis=1))

    def _settle(self, i: int) -> None:
        """Put a person at a free spot, at the start."""
        free = np.flatnonzero(self._taken < 0)
        if not len(free) or self._rng.random() < 0.1:
            self._errands[i].until_s = float(self._rng.uniform(0.0, 20.0))
            return
        spot = int(self._rng.choice(free))
        self._taken[spot] = i
        self._errands[i] = _Errand(np.empty((0, 2)), spot, float(self._rng.uniform(0.0, STAND_S[1])))
        self.state[i, :2] = self._scene.spots[spot].at
        self.state[i, 2] = self._scene.spots[spot].facing
        self.present[i] = True

    def _decide(self, i: int, errand: _Errand) -> None:
        """Choose where a person who has stood or been away for long enough goes next."""
        if not self.present[i]:
            self._come_in(i, errand)
            return
        if self._doors and self._rng.random() < LEAVE_SHARE:
            door = int(self._rng.integers(len(self._doors)))
            way = self._ways.between(errand.spot, len(self._scene.spots) + door)
            self._start(i, np.concatenate([way, self._doors[door].way_out]), -1)
            self._errands[i].leaving = True
            return
        spot = self._free_spot(errand.spot)
        if spot < 0:
            errand.until_s = self._now + 3.0
            return
        self._start(i, self._ways.between(errand.spot, spot), spot)

    def _come_in(self, i: int, errand: _Errand) -> None:
        door = int(self._rng.integers(len(self._doors)))
        start = np.array(self._doors[door].way_out[-1])
        spot = self._free_spot(-1)
        near = self.present & (np.linalg.norm(self.state[:, :2] - start, axis=1) < 1.2)
        if spot < 0 or near.any():
            errand.until_s = self._now + 2.0
            return
        way = self._ways.between(len(self._scene.spots) + door, spot)
        self.state[i, :2] = start
        ahead = np.array(self._doors[door].way_out[-2]) - start
        self.state[i, 2] = math.atan2(ahead[1], ahead[0])
        self.present[i] = True
        self._velocity[i] = 0.0
        self._start(i, np.concatenate([self._doors[door].way_out[::-1], way]), spot)

    def _start(self, i: int, path: FloatArray, spot: int) -> None:
        errand = self._errands[i]
        if errand.spot >= 0:
            self._taken[errand.spot] = -1
        if spot >= 0:
            self._taken[spot] = i
        self._errands[i] = _Errand(path[1:], spot, math.inf, raises_hand=bool(self._rng.random() < 0.4))

    def _free_spot(self, here: int) -> int:
        """Draw a spot that nobody has; meeting places where somebody waits are wanted most. -1 when all are taken."""
        spots = self._scene.spots
        met = {spots[k].group for k in np.flatnonzero(self._taken >= 0) if spots[k].group is not None}
        weight = np.array([0.5 if s.group is None else 2.0 if s.group in met else 0.15 for s in spots])
        weight[self._taken >= 0] = 0.0
        if here >= 0:
            weight[here] = 0.0
        if weight.sum() == 0.0:
            return -1
        return int(self._rng.choice(len(spots), p=weight / weight.sum()))

    def _goals(self, here: IntArray) -> FloatArray:
        """Return the (N, 2) velocities that those who are here want."""
        goal = np.zeros((len(here), 2))
        for row, i in enumerate(here.tolist()):
            errand = self._errands[i]
            place = self.state[i, :2]
            if not len(errand.path):
                if errand.spot >= 0:  # pushed aside while standing: step back
                    goal[row] = 0.8 * (np.array(self._scene.spots[errand.spot].at) - place)
                continue
            ahead = errand.path[0] - place
            far = math.hypot(ahead[0], ahead[1])
            if far < (REACHED_M if len(errand.path) > 1 else 0.12):
                errand.path = errand.path[1:]
                if not len(errand.path):
                    self._arrive(i, errand)
                    continue
                ahead = errand.path[0] - place
                far = math.hypot(ahead[0], ahead[1])
            pace = self._wanted[i]
            if len(errand.path) == 1 and not errand.leaving:
                pace = min(pace, 0.25 + 1.3 * far)
            goal[row] = ahead * (pace / max(far, 1e-6))
        return goal

    def _arrive(self, i: int, errand: _Errand) -> None:
        if errand.leaving:
            self.present[i] = False
            errand.until_s = self._now + self._away * float(self._rng.uniform(*AWAY_S))
            errand.leaving, errand.spot = False, -1
            return
        errand.until_s = self._now + float(self._rng.uniform(*STAND_S))

    def _turn_aside(self, here: IntArray, velocity: FloatArray) -> FloatArray:
        """Return the (N, 2) accelerations by which people avoid each other."""
        place = self.state[here, :2]
        apart = place[:, None] - place[None]
        closing = velocity[:, None] - velocity[None]
        square = np.einsum("ijk,ijk->ij", closing, closing)
        when = np.clip(-np.einsum("ijk,ijk->ij", apart, closing) / np.maximum(square, 1e-6), 0.0, HORIZON_S)
        nearest = apart + closing * when[..., None]
        least = np.linalg.norm(nearest, axis=2)
        now = np.linalg.norm(apart, axis=2)
        np.fill_diagonal(least, np.inf)
        np.fill_diagonal(now, np.inf)
        # two who head straight for each other both keep to their right
        right = np.stack([closing[..., 1], -closing[..., 0]], axis=2) / np.sqrt(np.maximum(square, 1e-6))[..., None]
        aside = nearest / np.maximum(least, 0.05)[..., None] + 0.5 * right
        urge = np.where(least < PERSONAL_M, 2.4 * (PERSONAL_M - least) / (when + 0.35), 0.0)
        push = np.where(now < TOUCH_M, 14.0 * (TOUCH_M - now), 0.0)
        force = np.einsum("ij,ijk->ik", urge, aside)
        force += np.einsum("ij,ijk->ik", push, apart / np.maximum(now, 0.05)[..., None])
        size = np.linalg.norm(force, axis=1, keepdims=True)
        result: FloatArray = force * np.minimum(1.0, 5.0 / np.maximum(size, 1e-9))
        return result

    def _out_of_solids(self, place: FloatArray) -> FloatArray:
        """Push (N, 2) places that are inside a solid out of it, over its nearest side."""
        x, y = place[:, :1], place[:, 1:]
        low_x, low_y, high_x, high_y = self._kept.T
        if not ((x > low_x) & (y > low_y) & (x < high_x) & (y < high_y)).any():
            return place
        for box in self._kept:
            inside = (place > box[:2]).all(axis=1) & (place < box[2:]).all(axis=1)
            for row in np.flatnonzero(inside):
                gaps = np.concatenate([place[row] - box[:2], box[2:] - place[row]])
                side = int(gaps.argmin())
                place[row, side % 2] = box[side]
        return place

    def _turn(self, here: IntArray, speed: FloatArray) -> None:
        """Turn everybody to where they walk, or to what they look at; advance the steps; raise or lower hands."""
        state = self.state
        towards = np.arctan2(self._velocity[here, 1], self._velocity[here, 0])
        raised = np.zeros(len(here))
        for row, i in enumerate(here.tolist()):
            errand = self._errands[i]
            if len(errand.path) == 0 and errand.spot >= 0:
                towards[row] = self._scene.spots[errand.spot].facing
                raised[row] = float(errand.raises_hand)
            elif speed[row] < 0.15:
                towards[row] = state[i, 2]
        turn = (towards - state[here, 2] + math.pi) % (2.0 * math.pi) - math.pi
        state[here, 2] += np.clip(turn, -TURN_RPS * STEP_S, TURN_RPS * STEP_S)
        state[here, 3] += 0.4 * (speed - state[here, 3])
        state[here, 4] += 2.0 * math.pi * speed * STEP_S / stride_m(speed)
        state[here, 5] += 0.25 * (raised - state[here, 5])


def _apart(place: FloatArray) -> FloatArray:
    """Move (N, 2) places that bodies cannot share away from each other, each by half of what is missing."""
    offset = place[:, None] - place[None]
    distance = np.linalg.norm(offset, axis=2)
    np.fill_diagonal(distance, np.inf)
    missing = np.maximum(BODIES_M - distance, 0.0)
    if not missing.any():
        return place
    unit = offset / np.maximum(distance, 1e-6)[..., None]
    result: FloatArray = place + 0.5 * np.einsum("ij,ijk->ik", missing, unit)
    return result
