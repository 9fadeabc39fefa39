"""A person's body as tubes of rings on bones, dressed: what the rasteriser skins and fills. Knows no pose."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import FloatArray
from app.simulation.floor_plan import Colour
from app.simulation.gait import PELVIS_Z, REST, WAIST_Z, Bone
from app.simulation.outfit import Bag, Bottom, Build, Hair, Outfit, Top
from app.simulation.rasteriser import COSINES, SEGMENTS, SINES

CLOSED = 0.002  # metres, the radius that closes the end of a tube
BONES = len(Bone)


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A dressed body of the reference height; R rings.

    Attributes:
        height_m: how tall the person is; the bones carry the scale.
        weights: (R, B) share of each bone.
        rings: (R, 9) centre, half axis at angle 0, half axis at 90 degrees.
        tube: (R,) int32.
        colours: (R, SEGMENTS, 3) linear reflectance, with the shade of folds and hollows.
    """

    height_m: float
    weights: FloatArray
    rings: FloatArray
    tube: NDArray[np.int32]
    colours: FloatArray


class _Tailor:
    """Collects rings; each `ring` continues the tube that `tube` began."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._weights: list[FloatArray] = []
        self._rings: list[tuple[float, ...]] = []
        self._tube: list[int] = []
        self._colours: list[FloatArray] = []
        self._count = 0

    def tube(self) -> None:
        self._count += 1

    def ring(
        self,
        bones: dict[Bone, float],
        centre: tuple[float, float, float],
        radii: tuple[float, float],
        colour: Colour | FloatArray,
        shade: float = 1.0,
    ) -> None:
        """Add a level ring: centre in the frame of the first of its bones, radii ahead and to the left."""
        x, y, z = centre + REST[next(iter(bones))]
        self._add(bones, (x, y, z, radii[0], 0.0, 0.0, 0.0, radii[1], 0.0), colour, shade)

    def upright(
        self,
        bone: Bone,
        centre: tuple[float, float, float],
        radii: tuple[float, float],
        colour: Colour,
        shade: float = 1.0,
    ) -> None:
        """Add a ring that stands across the way ahead: radii to the left and up. For shoes."""
        x, y, z = centre + REST[bone]
        self._add({bone: 1.0}, (x, y, z, 0.0, radii[0], 0.0, 0.0, 0.0, radii[1]), colour, shade)

    def finish(self, height_m: float) -> Figure:
        return Figure(
            height_m,
            np.array(self._weights),
            np.array(self._rings, dtype=np.float64),
            np.array(self._tube, dtype=np.int32),
            np.ascontiguousarray(self._colours),
        )

    def _add(
        self, bones: dict[Bone, float], ring: tuple[float, ...], colour: Colour | FloatArray, shade: float
    ) -> None:
        weights = np.zeros(BONES)
        for bone, share in bones.items():
            weights[bone] = share
        self._weights.append(weights)
        self._rings.append(ring)
        self._tube.append(self._count)
        folds = shade * self._rng.uniform(0.78, 1.13, (SEGMENTS, 1))
        self._colours.append(np.broadcast_to(np.array(colour), (SEGMENTS, 3)) * folds)


def make_figure(build: Build, outfit: Outfit, seed: int) -> Figure:
    """Build a dressed body; `seed` draws the folds of the cloth."""
    tailor = _Tailor(np.random.default_rng(seed))
    _legs(tailor, build, outfit)
    _torso(tailor, build, outfit)
    _arms(tailor, build, outfit)
    _head(tailor, outfit)
    _bag(tailor, build, outfit)
    return tailor.finish(build.height_m)


def _legs(tailor: _Tailor, build: Build, outfit: Outfit) -> None:
    cloth, skin = outfit.bottom_colour, outfit.skin
    b = 0.5 + 0.5 * build.breadth
    for thigh, shin, foot, side in (
        (Bone.THIGH_L, Bone.SHIN_L, Bone.FOOT_L, 1.0),
        (Bone.THIGH_R, Bone.SHIN_R, Bone.FOOT_R, -1.0),
    ):
        bare_shin = outfit.bottom is not Bottom.TROUSERS
        lower = skin if bare_shin else cloth
        loose, full = (1.0, 1.0) if bare_shin else (1.28, 1.1)
        tailor.tube()
        tailor.ring({shin: 1.0}, (0.0, 0.0, -0.385), (CLOSED, CLOSED), lower, 0.7)
        tailor.ring({shin: 1.0}, (0.0, 0.0, -0.385), (0.043 * loose, 0.037 * loose), lower, 0.75)
        tailor.ring({shin: 1.0}, (-0.008, 0.0, -0.27), (0.050 * b * loose, 0.046 * b * loose), lower, 0.92)
        tailor.ring({shin: 1.0}, (-0.014, 0.0, -0.13), (0.060 * b * loose, 0.055 * b * loose), lower)
        tailor.ring({shin: 0.5, thigh: 0.5}, (0.004, 0.0, 0.0), (0.064 * b * full, 0.060 * b * full), lower)
        bare_thigh = outfit.bottom is Bottom.SKIRT
        upper = skin if bare_thigh else cloth
        if lower is not upper:
            tailor.ring({thigh: 1.0}, (0.0, 0.0, -0.375), (0.068 * b, 0.066 * b), lower, 0.8)
            tailor.ring({thigh: 1.0}, (0.0, 0.0, -0.370), (0.078 * b, 0.075 * b), upper, 0.8)
        tailor.ring({thigh: 1.0}, (0.0, 0.0, -0.27), (0.080 * b, 0.076 * b), upper)
        tailor.ring({thigh: 1.0}, (-0.004, -0.004 * side, -0.12), (0.092 * b, 0.083 * b), upper, 0.95)
        tailor.ring({thigh: 0.5, Bone.PELVIS: 0.5}, (-0.005, -0.006 * side, 0.0), (0.094 * b, 0.076 * b), upper, 0.9)
        tailor.ring({Bone.PELVIS: 1.0}, (0.0, 0.06 * side, 0.03), (CLOSED, CLOSED), upper, 0.8)
        _shoe(tailor, foot, outfit.shoe_colour)
    if outfit.bottom is Bottom.SKIRT:
        _skirt(tailor, build, cloth)


def _shoe(tailor: _Tailor, foot: Bone, colour: Colour) -> None:
    tailor.tube()
    tailor.upright(foot, (-0.065, 0.0, -0.055), (CLOSED, CLOSED), colour)
    tailor.upright(foot, (-0.062, 0.0, -0.050), (0.034, 0.034), colour)
    tailor.upright(foot, (-0.02, 0.0, -0.038), (0.040, 0.047), colour)
    tailor.upright(foot, (0.05, 0.0, -0.050), (0.044, 0.036), colour)
    tailor.upright(foot, (0.12, 0.0, -0.058), (0.048, 0.027), colour)
    tailor.upright(foot, (0.175, 0.0, -0.063), (0.034, 0.020), colour)
    tailor.upright(foot, (0.195, 0.0, -0.066), (CLOSED, CLOSED), colour)


def _skirt(tailor: _Tailor, build: Build, cloth: Colour) -> None:
    b = build.breadth
    legs = {Bone.PELVIS: 0.34, Bone.THIGH_L: 0.33, Bone.THIGH_R: 0.33}
    tailor.tube()
    tailor.ring(legs, (0.0, 0.0, -0.30), (CLOSED, CLOSED), cloth, 0.3)
    tailor.ring(legs, (0.0, 0.0, -0.42), (0.225 * b, 0.225 * b), cloth, 0.85)
    tailor.ring({**legs, Bone.PELVIS: 0.34}, (0.0, 0.0, -0.25), (0.185 * b, 0.205 * b), cloth)
    tailor.ring({Bone.PELVIS: 1.0}, (0.0, 0.0, -0.05), (0.135 * b, 0.185 * b), cloth)
    tailor.ring({Bone.PELVIS: 1.0}, (0.0, 0.0, 0.06), (0.115 * b, 0.160 * b), cloth)
    tailor.ring({Bone.PELVIS: 0.5, Bone.CHEST: 0.5}, (0.0, 0.0, 0.12), (0.09 * b, 0.12 * b), cloth)


def _front(colour: Colour, inner: Colour, half_width: float) -> FloatArray:
    """Return a ring's colours, open at the front."""
    columns = np.broadcast_to(np.array(colour), (SEGMENTS, 3)).copy()
    columns[math.cos(half_width) < COSINES] = inner
    return columns


def _torso(tailor: _Tailor, build: Build, outfit: Outfit) -> None:
    """Build the torso: z in this table is above the floor for the reference height."""
    b, slender = build.breadth, build.slender
    shoulders, hips, waist = 1.0 - 0.07 * slender, 1.0 + 0.05 * slender, 1.0 - 0.10 * slender
    thick = {Top.T_SHIRT: 1.0, Top.SHIRT: 1.02, Top.HOODIE: 1.10, Top.JACKET: 1.12, Top.COAT: 1.14}[outfit.top]
    table = [
        (0.86, 0.108, 0.160 * hips),
        (0.93, 0.122, 0.178 * hips),
        (1.00, 0.116, 0.170 * hips),
        (1.08, 0.102, 0.148 * waist),
        (1.15, 0.106, 0.150 * waist),
        (1.23, 0.116, 0.162),
        (1.31, 0.122, 0.176 * shoulders),
        (1.38, 0.116, 0.184 * shoulders),
        (1.43, 0.098, 0.170 * shoulders),
        (1.465, 0.074, 0.115 * shoulders),
        (1.49, 0.055, 0.062),
    ]
    low = 0.90 if outfit.top in {Top.T_SHIRT, Top.HOODIE} else 0.86
    if outfit.bottom is Bottom.SKIRT:
        low = 1.0
    opened = outfit.top in {Top.JACKET, Top.COAT}
    tailor.tube()
    tailor.ring({Bone.PELVIS: 1.0}, (0.0, 0.0, 0.84 - PELVIS_Z), (CLOSED, CLOSED), outfit.bottom_colour, 0.5)
    for i, (z, deep, wide) in enumerate(table):
        covered = z >= low
        cloth = outfit.top_colour
        if outfit.stripes and i % 2:
            cloth = outfit.inner
        colour: Colour | FloatArray = outfit.bottom_colour
        size = b * (thick if covered else 1.03)
        if covered:
            colour = _front(cloth, outfit.inner, 0.42) if opened else cloth
        chest = min(max((z - 1.0) / 0.16, 0.0), 1.0)
        bones = {Bone.PELVIS: 1.0 - chest, Bone.CHEST: chest}
        shade = 0.9 if z < 1.0 else 1.0
        tailor.ring(bones, (0.0, 0.0, z - PELVIS_Z), (deep * size, wide * size), colour, shade)
    tailor.ring({Bone.CHEST: 1.0}, (0.0, 0.0, 1.50 - WAIST_Z), (CLOSED, CLOSED), outfit.top_colour)
    if outfit.top is Top.COAT:
        _coat_tails(tailor, build, outfit)


def _coat_tails(tailor: _Tailor, build: Build, outfit: Outfit) -> None:
    b = build.breadth
    legs = {Bone.PELVIS: 0.5, Bone.THIGH_L: 0.25, Bone.THIGH_R: 0.25}
    cloth = _front(outfit.top_colour, outfit.bottom_colour, 0.3)
    tailor.tube()
    tailor.ring(legs, (-0.01, 0.0, -0.25), (CLOSED, CLOSED), outfit.top_colour, 0.3)
    tailor.ring(legs, (-0.01, 0.0, -0.33), (0.205 * b, 0.215 * b), cloth, 0.85)
    tailor.ring(legs, (-0.005, 0.0, -0.18), (0.172 * b, 0.205 * b), cloth)
    tailor.ring({Bone.PELVIS: 1.0}, (0.0, 0.0, 0.0), (0.132 * b, 0.188 * b), cloth)
    tailor.ring({Bone.PELVIS: 0.7, Bone.CHEST: 0.3}, (0.0, 0.0, 0.10), (0.120 * b, 0.172 * b), cloth)


def _arms(tailor: _Tailor, build: Build, outfit: Outfit) -> None:
    b = 0.4 + 0.6 * build.breadth
    thick = {Top.T_SHIRT: 1.0, Top.SHIRT: 1.1, Top.HOODIE: 1.25, Top.JACKET: 1.28, Top.COAT: 1.3}[outfit.top]
    long = outfit.top is not Top.T_SHIRT
    skin, cloth = outfit.skin, outfit.top_colour
    for upper, fore in ((Bone.UPPER_ARM_L, Bone.FOREARM_L), (Bone.UPPER_ARM_R, Bone.FOREARM_R)):
        tailor.tube()  # the hand
        tailor.ring({fore: 1.0}, (0.012, 0.0, -0.42), (CLOSED, CLOSED), skin)
        tailor.ring({fore: 1.0}, (0.010, 0.0, -0.40), (0.026, 0.016), skin)
        tailor.ring({fore: 1.0}, (0.008, 0.0, -0.34), (0.041, 0.020), skin)
        tailor.ring({fore: 1.0}, (0.004, 0.0, -0.28), (0.032, 0.021), skin)
        tailor.ring({fore: 1.0}, (0.0, 0.0, -0.24), (0.026, 0.022), skin)
        tailor.ring({fore: 1.0}, (0.0, 0.0, -0.22), (CLOSED, CLOSED), skin)
        sleeve, width = (cloth, thick) if long else (skin, 1.0)
        tailor.tube()
        tailor.ring({fore: 1.0}, (0.0, 0.0, -0.255), (CLOSED, CLOSED), sleeve, 0.8)
        tailor.ring({fore: 1.0}, (0.0, 0.0, -0.255), (0.030 * b * width, 0.027 * b * width), sleeve, 0.85)
        tailor.ring({fore: 1.0}, (0.0, 0.0, -0.12), (0.041 * b * width, 0.038 * b * width), sleeve)
        tailor.ring({fore: 0.5, upper: 0.5}, (0.0, 0.0, 0.0), (0.044 * b * width, 0.041 * b * width), sleeve, 0.95)
        if not long:
            tailor.ring({upper: 1.0}, (0.0, 0.0, -0.205), (0.047 * b, 0.044 * b), sleeve, 0.8)
            tailor.ring({upper: 1.0}, (0.0, 0.0, -0.200), (0.058 * b, 0.054 * b), cloth, 0.8)
        tailor.ring({upper: 1.0}, (0.0, 0.0, -0.12), (0.054 * b * thick, 0.050 * b * thick), cloth)
        tailor.ring({upper: 1.0}, (0.0, 0.0, -0.04), (0.060 * b * thick, 0.055 * b * thick), cloth)
        tailor.ring({upper: 0.5, Bone.CHEST: 0.5}, (0.0, 0.0, 0.015), (0.050 * b * thick, 0.046 * b * thick), cloth)
        tailor.ring({upper: 0.3, Bone.CHEST: 0.7}, (0.0, 0.0, 0.045), (CLOSED, CLOSED), cloth)


def _head(tailor: _Tailor, outfit: Outfit) -> None:
    """Build neck, head and hair; z is above the neck's joint at 1.50 m, the crown at 1.75 m."""
    skin, hair = outfit.skin, outfit.hair_colour
    head = {Bone.HEAD: 1.0}
    tailor.tube()
    tailor.ring({Bone.CHEST: 1.0}, (-0.005, 0.0, 0.36), (0.05, 0.05), skin, 0.7)
    tailor.ring({Bone.CHEST: 0.5, Bone.HEAD: 0.5}, (0.0, 0.0, 0.42), (0.050, 0.050), skin, 0.7)
    tailor.ring(head, (0.005, 0.0, 0.06), (0.048, 0.048), skin, 0.75)
    tailor.tube()
    table = [
        (0.015, 0.030, CLOSED, CLOSED),
        (0.020, 0.030, 0.045, 0.038),
        (0.045, 0.018, 0.078, 0.057),
        (0.080, 0.010, 0.092, 0.069),
        (0.115, 0.005, 0.097, 0.075),
        (0.150, 0.000, 0.099, 0.077),
        (0.185, -0.004, 0.096, 0.075),
        (0.215, -0.006, 0.082, 0.064),
        (0.238, -0.007, 0.055, 0.043),
        (0.249, -0.007, CLOSED, CLOSED),
    ]
    bald = outfit.hair is Hair.BALD
    for i, (z, x, deep, wide) in enumerate(table):
        tailor.ring(head, (x, 0.0, z), (deep, wide), _scalp(outfit, i, z) if not bald else np.array([skin] * SEGMENTS))
    if outfit.hair is Hair.LONG:
        tailor.tube()
        tailor.ring(head, (-0.075, 0.0, -0.12), (CLOSED, CLOSED), hair)
        tailor.ring(head, (-0.075, 0.0, -0.11), (0.035, 0.075), hair, 0.9)
        tailor.ring(head, (-0.060, 0.0, 0.02), (0.055, 0.090), hair)
        tailor.ring(head, (-0.035, 0.0, 0.13), (0.080, 0.092), hair)
        tailor.ring(head, (-0.018, 0.0, 0.21), (0.088, 0.078), hair, 1.2)
        tailor.ring(head, (-0.012, 0.0, 0.25), (0.050, 0.045), hair, 1.3)
        tailor.ring(head, (-0.010, 0.0, 0.258), (CLOSED, CLOSED), hair, 1.3)
    if outfit.hair is Hair.BUN:
        tailor.tube()
        for z, radius in ((0.155, CLOSED), (0.165, 0.03), (0.195, 0.045), (0.225, 0.03), (0.235, CLOSED)):
            tailor.ring(head, (-0.105, 0.0, z), (radius, radius), hair)
    if outfit.hair is Hair.CAP:
        tailor.tube()
        for z, x, deep, wide in (
            (0.165, 0.055, CLOSED, CLOSED),
            (0.165, 0.055, 0.125, 0.075),
            (0.178, 0.050, 0.118, 0.075),
            (0.185, 0.000, 0.104, 0.083),
            (0.225, -0.004, 0.090, 0.072),
            (0.252, -0.006, 0.050, 0.042),
            (0.260, -0.006, CLOSED, CLOSED),
        ):
            tailor.ring(head, (x, 0.0, z), (deep, wide), outfit.bag_colour)


def _scalp(outfit: Outfit, row: int, z: float) -> FloatArray:
    """Return a ring of the head: hair behind and above, the face in front with darker eyes and mouth."""
    ring = np.array([outfit.skin] * SEGMENTS)
    line = -0.35 if z < 0.10 else 0.1 if z < 0.2 else 1.1
    if z >= 0.05 or outfit.hair is not Hair.SHORT:
        ring[line > COSINES] = outfit.hair_colour
    front = COSINES > 0.55
    if row == 5:
        ring[front & (np.abs(SINES) > 0.2)] *= 0.45
    if row == 3:
        ring[COSINES > 0.85] *= (0.75, 0.7, 0.85)
    return ring


def _bag(tailor: _Tailor, build: Build, outfit: Outfit) -> None:
    colour = outfit.bag_colour
    if outfit.bag is Bag.BACKPACK:
        chest, x = {Bone.CHEST: 1.0}, -0.19 * (0.4 + 0.6 * build.breadth)
        tailor.tube()
        for z, deep, wide in (
            (0.00, CLOSED, CLOSED),
            (0.01, 0.075, 0.13),
            (0.06, 0.095, 0.15),
            (0.20, 0.095, 0.15),
            (0.32, 0.085, 0.13),
            (0.38, 0.045, 0.08),
            (0.39, CLOSED, CLOSED),
        ):
            tailor.ring(chest, (x, 0.0, z), (deep, wide), colour)
    if outfit.bag is Bag.SHOULDER_BAG:
        pelvis, y = {Bone.PELVIS: 1.0}, -0.24 * (0.4 + 0.6 * build.breadth)
        tailor.tube()
        for z, deep, wide in (
            (-0.20, CLOSED, CLOSED),
            (-0.19, 0.14, 0.045),
            (-0.08, 0.15, 0.055),
            (0.03, 0.13, 0.045),
            (0.05, CLOSED, CLOSED),
        ):
            tailor.ring(pelvis, (-0.02, y, z), (deep, wide), colour)
        tailor.tube()  # its strap
        tailor.ring(pelvis, (-0.02, y, 0.0), (0.02, 0.008), colour)
        tailor.ring({Bone.CHEST: 1.0}, (-0.01, -0.165, 0.32), (0.02, 0.012), colour)
        tailor.ring({Bone.CHEST: 1.0}, (-0.01, -0.13, 0.385), (0.02, 0.012), colour)
