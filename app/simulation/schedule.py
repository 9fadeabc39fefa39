"""When a simulated camera's frames come, what instant each shows, and by what fault. Knows no pixels and no people."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from app.simulation.address import SimulationAddress


@dataclass(frozen=True, slots=True)
class Exposure:
    """One frame that comes.

    Attributes:
        index: its number, from 0; lost frames have numbers, too.
        shown_s: the instant that it shows, seconds since the start.
        stamp_s: what the camera's clock says of it.
        bumped: whether the camera has been knocked aside.
        gain: brightness of the light, 1 is usual.
    """

    index: int
    shown_s: float
    stamp_s: float
    bumped: bool
    gain: float

    @property
    def live(self) -> bool:
        """Whether it shows the instant that its time stamp says."""
        return self.shown_s == self.stamp_s


def count_frames(address: SimulationAddress) -> int | None:
    """Return how many frames an address has, the lost ones included; None for one that goes on for ever."""
    return None if address.duration_s is None else math.ceil(address.duration_s * address.fps - 1e-6)


def exposures(address: SimulationAddress, seed: int) -> Iterator[Exposure]:
    """Give the frames of a camera that come, in order.

    Args:
        address: of the camera.
        seed: of the losses.
    """
    faults, count, index = address.faults, count_frames(address), 0
    while count is None or index < count:
        time_s = index / address.fps
        if faults.comes(index, time_s, seed):
            shown_s = faults.shown_s(time_s)
            yield Exposure(index, shown_s, time_s + faults.skew_s, faults.bumped(shown_s), faults.gain(shown_s))
        index += 1
