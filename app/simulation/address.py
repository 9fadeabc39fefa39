"""The address of a simulated camera: `sim:SCENE/CAMERA?people=12&seed=0&...`, read and written. Opens nothing."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from app.simulation.faults import Faults, Span
from app.simulation.world import WorldConfig

DEFAULT_SIZE = (640, 360)
DEFAULT_FPS = 5.0
MOST_PEOPLE = 200
LONGEST_GAP_S = 300.0  # worlds remember twice as long, so that the other cameras can still ask


@dataclass(frozen=True, slots=True)
class SimulationAddress:
    """One simulated camera.

    Attributes:
        scene: its name.
        camera: the mount's name in the scene.
        world: the people; cameras with equal scene and world see the same ones.
        fps: frames a second.
        duration_s: None goes on for ever.
        size: (width, height) pixels.
        faults: what goes wrong.
    """

    scene: str
    camera: str
    world: WorldConfig = field(default_factory=WorldConfig)
    fps: float = DEFAULT_FPS
    duration_s: float | None = None
    size: tuple[int, int] = DEFAULT_SIZE
    faults: Faults = field(default_factory=Faults)

    def __str__(self) -> str:
        """Return the address as text; `parse_address` reads it back."""
        plain = SimulationAddress(self.scene, self.camera)
        query = [
            f"{key}={_shown(value)}"
            for part, usual in ((self.world, plain.world), (self, plain), (self.faults, plain.faults))
            for key, name in KEYS_OF.items()
            if name[0] == type(part).__name__ and (value := getattr(part, name[1])) != getattr(usual, name[1])
        ]
        return f"sim:{self.scene}/{self.camera}" + ("?" + "&".join(query) if query else "")


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        joint = "x" if all(isinstance(part, int) for part in value) else ":"
        return joint.join(f"{part:g}" for part in value)
    return f"{value:g}" if isinstance(value, int | float) else quote(str(value), safe="/~")


# Key of the query, the class that has it, and its name there.
KEYS_OF = {
    "people": ("WorldConfig", "people"),
    "seed": ("WorldConfig", "seed"),
    "pace": ("WorldConfig", "pace"),
    "outfits": ("WorldConfig", "outfits"),
    "away": ("WorldConfig", "away"),
    "walks": ("WorldConfig", "walks"),
    "fps": ("SimulationAddress", "fps"),
    "duration": ("SimulationAddress", "duration_s"),
    "size": ("SimulationAddress", "size"),
    "freeze": ("Faults", "freeze"),
    "gone": ("Faults", "gone"),
    "loss": ("Faults", "loss"),
    "skew": ("Faults", "skew_s"),
    "bump": ("Faults", "bump"),
    "light": ("Faults", "light"),
}


def parse_address(text: str) -> SimulationAddress:
    """Read an address.

    Raises:
        ValueError: not of the form `sim:SCENE/CAMERA?key=value&...`, an unknown key, one given twice, or a value out
            of range; names the key.
    """
    parts = urlsplit(text)
    place = re.fullmatch(r"([A-Za-z0-9_-]+)/([A-Za-z0-9_.-]+)", parts.path)
    if parts.scheme != "sim" or place is None or parts.fragment:
        raise ValueError("is no simulated camera; expected sim:SCENE/CAMERA?people=12&seed=0, such as sim:shop/north")
    given: dict[str, dict[str, Any]] = {"WorldConfig": {}, "SimulationAddress": {}, "Faults": {}}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key not in KEYS_OF:
            raise ValueError(f"unknown key {key!r} in the address; known are {', '.join(KEYS_OF)}")
        owner, name = KEYS_OF[key]
        if name in given[owner]:
            raise ValueError(f"{key} is given twice in the address")
        given[owner][name] = READ[key](key, value)
    world = WorldConfig(**given["WorldConfig"])
    faults = Faults(**given["Faults"])
    return SimulationAddress(place[1], place[2], world, faults=faults, **given["SimulationAddress"])


def _number(key: str, text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ValueError(f"{key}={text[:40]} in the address: expected a number from {low:g} to {high:g}")
    return value


def _real(low: float, high: float) -> Callable[[str, str], float]:
    return lambda key, text: _number(key, text, low, high)


def _whole(low: int, high: int) -> Callable[[str, str], int]:
    def read(key: str, text: str) -> int:
        value = _number(key, text, low, high)
        if value != int(value):
            raise ValueError(f"{key}={text[:40]} in the address: expected a whole number")
        return int(value)

    return read


def _span(low: float, high: float) -> Callable[[str, str], Span]:
    """Read `AT:VALUE`, a time in seconds and a number."""

    def read(key: str, text: str) -> Span:
        first, colon, second = text.partition(":")
        if not colon:
            raise ValueError(f"{key}={text[:40]} in the address: expected AT:VALUE, such as 20:5")
        return _number(key, first, 0.0, 1e7), _number(key, second, low, high)

    return read


def _size(key: str, text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if found is None or not (160 <= int(found[1]) <= 1920 and 90 <= int(found[2]) <= 1080):
        raise ValueError(f"{key}={text[:40]} in the address: expected WIDTHxHEIGHT from 160x90 to 1920x1080")
    return int(found[1]), int(found[2])


READ: dict[str, Callable[[str, str], object]] = {
    "people": _whole(0, MOST_PEOPLE),
    "seed": _whole(0, 2**31 - 1),
    "pace": _real(0.2, 2.0),
    "outfits": _whole(0, MOST_PEOPLE),
    "away": _real(0.1, 100.0),
    "walks": lambda _key, text: Path(text),
    "fps": _real(0.1, 60.0),
    "duration": _real(0.1, 1e7),
    "size": _size,
    "freeze": _span(0.0, 1e7),
    "gone": _span(0.0, LONGEST_GAP_S),
    "loss": _real(0.0, 0.95),
    "skew": _real(-60.0, 60.0),
    "bump": _span(0.0, 200.0),
    "light": _span(0.05, 3.0),
}
