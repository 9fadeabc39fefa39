"""What can go wrong with a simulated camera, by time. Knows no pixels: it says what a frame shows and when it comes."""

from dataclasses import dataclass

import numpy as np

Span = tuple[float, float]  # seconds since the start: from, and for how long


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of one camera; the default is none.

    Attributes:
        freeze: the picture stands still for a while.
        gone: no frame comes for a while.
        loss: share of all frames that are lost on the way.
        skew_s: how far the camera's clock is ahead.
        bump: from when on the camera is turned, and by how many pixels.
        light: from when on the light has another brightness, and which; 1 is usual.
    """

    freeze: Span | None = None
    gone: Span | None = None
    loss: float = 0.0
    skew_s: float = 0.0
    bump: Span | None = None
    light: Span | None = None

    def comes(self, index: int, time_s: float, seed: int) -> bool:
        """Return whether frame number `index`, taken at `time_s`, comes at all."""
        if self.gone is not None and self.gone[0] <= time_s < self.gone[0] + self.gone[1]:
            return False
        return not (self.loss > 0.0 and np.random.default_rng([seed, 5, index]).random() < self.loss)

    def shown_s(self, time_s: float) -> float:
        """Return the instant that the frame of `time_s` shows."""
        if self.freeze is not None and self.freeze[0] <= time_s < self.freeze[0] + self.freeze[1]:
            return self.freeze[0]
        return time_s

    def gain(self, time_s: float) -> float:
        """Return how bright the light is."""
        return self.light[1] if self.light is not None and time_s >= self.light[0] else 1.0

    def bumped(self, time_s: float) -> bool:
        """Return whether the camera has been knocked aside."""
        return self.bump is not None and time_s >= self.bump[0]
