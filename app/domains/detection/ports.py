"""What the detection domain needs from outside: a network that finds people in images. Knows no network."""

from typing import Protocol

from app.domains.vocabulary import Detections, FrameBatch


class Detector(Protocol):
    """Finds people. One call takes the frames of all cameras."""

    def detect(self, batch: FrameBatch) -> list[Detections]:
        """Return one Detections per frame of the batch, in the batch's order."""
        ...
