"""How a person looks: build, skin, hair, clothes, what they carry. Drawn from a seed, the same for the same person.

Knows nothing of how a figure is built from it or drawn.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from app.simulation.floor_plan import Colour


class Top(IntEnum):
    """What covers the upper body."""

    T_SHIRT = 0
    SHIRT = 1
    JACKET = 2
    COAT = 3
    HOODIE = 4


class Bottom(IntEnum):
    """What covers the legs."""

    TROUSERS = 0
    SHORTS = 1
    SKIRT = 2


class Hair(IntEnum):
    """How the hair is worn."""

    SHORT = 0
    LONG = 1
    BUN = 2
    BALD = 3
    CAP = 4


class Bag(IntEnum):
    """What is carried."""

    NOTHING = 0
    BACKPACK = 1
    SHOULDER_BAG = 2


@dataclass(frozen=True, slots=True)
class Outfit:
    """Clothes and hair; two people may wear the same.

    Attributes:
        stripes: whether the top has stripes of the second colour.
        inner: what shows under an open jacket or coat.
    """

    top: Top
    top_colour: Colour
    inner: Colour
    stripes: bool
    bottom: Bottom
    bottom_colour: Colour
    shoe_colour: Colour
    hair: Hair
    hair_colour: Colour
    skin: Colour
    bag: Bag
    bag_colour: Colour


@dataclass(frozen=True, slots=True)
class Build:
    """The body.

    Attributes:
        height_m: from the soles to the top of the head.
        breadth: of the body, as a share of the usual one.
        slender: shoulders narrower and hips wider, from 0 to 1.
    """

    height_m: float
    breadth: float
    slender: float


# Linear blue, green, red.
FABRICS: tuple[Colour, ...] = (
    (0.035, 0.035, 0.04),
    (0.20, 0.10, 0.05),
    (0.34, 0.16, 0.06),
    (0.10, 0.10, 0.42),
    (0.62, 0.62, 0.60),
    (0.20, 0.20, 0.21),
    (0.10, 0.24, 0.09),
    (0.12, 0.45, 0.62),
    (0.20, 0.08, 0.28),
    (0.42, 0.30, 0.14),
    (0.22, 0.32, 0.42),
    (0.09, 0.22, 0.52),
    (0.45, 0.38, 0.55),
    (0.05, 0.09, 0.16),
)
TROUSERS: tuple[Colour, ...] = (
    (0.17, 0.095, 0.055),
    (0.11, 0.065, 0.045),
    (0.035, 0.034, 0.036),
    (0.24, 0.33, 0.40),
    (0.13, 0.14, 0.14),
    (0.30, 0.20, 0.13),
    (0.08, 0.12, 0.12),
)
SKINS: tuple[Colour, ...] = (
    (0.36, 0.46, 0.72),
    (0.26, 0.36, 0.60),
    (0.15, 0.23, 0.42),
    (0.07, 0.11, 0.22),
    (0.31, 0.43, 0.68),
)
HAIRS: tuple[Colour, ...] = (
    (0.012, 0.014, 0.018),
    (0.02, 0.035, 0.06),
    (0.04, 0.08, 0.15),
    (0.12, 0.26, 0.42),
    (0.30, 0.31, 0.32),
    (0.03, 0.08, 0.22),
)


def _one_of(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    """Take a colour, a little lighter or darker than it stands in the table."""
    factor = rng.uniform(0.8, 1.25)
    blue, green, red = colours[int(rng.integers(len(colours)))]
    return blue * factor, green * factor, red * factor


def draw_outfit(rng: np.random.Generator) -> Outfit:
    """Draw clothes and hair."""
    bottom = Bottom(int(rng.choice(3, p=(0.74, 0.10, 0.16))))
    top = Top(int(rng.choice(5, p=(0.28, 0.24, 0.22, 0.12, 0.14))))
    return Outfit(
        top=top,
        top_colour=_one_of(rng, FABRICS),
        inner=_one_of(rng, FABRICS[4:8]),
        stripes=bool(top in {Top.T_SHIRT, Top.SHIRT} and rng.random() < 0.25),
        bottom=bottom,
        bottom_colour=_one_of(rng, FABRICS if bottom is Bottom.SKIRT else TROUSERS),
        shoe_colour=_one_of(rng, (FABRICS[0], FABRICS[4], FABRICS[13], FABRICS[5])),
        hair=Hair(int(rng.choice(5, p=(0.42, 0.30, 0.12, 0.06, 0.10)))),
        hair_colour=_one_of(rng, HAIRS),
        skin=_one_of(rng, SKINS),
        bag=Bag(int(rng.choice(3, p=(0.62, 0.2, 0.18)))),
        bag_colour=_one_of(rng, FABRICS),
    )


def draw_build(rng: np.random.Generator) -> Build:
    """Draw a body; heights of adults, Roser, Appel and Ritchie 2013: means 1.65 and 1.78 m, deviation 0.07."""
    slender = float(rng.random() < 0.5)
    height = float(np.clip(rng.normal(1.78 - 0.13 * slender, 0.065), 1.52, 1.96))
    return Build(height, float(np.clip(rng.normal(1.0, 0.08), 0.86, 1.22)), slender)
