"""Who is where at one instant of the simulation, as parallel arrays. Knows nothing of how they got there."""

from dataclasses import dataclass

from app.domains.vocabulary import BoolArray, FloatArray, IntArray, check_shape


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Everybody on the floor at one instant, as parallel arrays of length N, ordered by id.

    Attributes:
        ids: (N,) int64, from 1; a person who comes back has the same.
        xy: (N, 2) metres, site frame: the point between the feet.
        heading: (N,) radians, counter-clockwise from the x axis.
        speed: (N,) metres per second.
        phase: (N,) radians of the walking cycle.
        gesture: (N,) 0 to 1, how far the right hand is raised.
        sway: (N,) -1 to 1, how a standing body shifts its weight.
    """

    ids: IntArray
    xy: FloatArray
    heading: FloatArray
    speed: FloatArray
    phase: FloatArray
    gesture: FloatArray
    sway: FloatArray

    def __post_init__(self) -> None:
        n = len(self.ids)
        check_shape("xy", self.xy, (n, 2))
        for name in ("heading", "speed", "phase", "gesture", "sway"):
            check_shape(name, getattr(self, name), (n,))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: BoolArray | IntArray) -> "People":
        return People(
            self.ids[rows],
            self.xy[rows],
            self.heading[rows],
            self.speed[rows],
            self.phase[rows],
            self.gesture[rows],
            self.sway[rows],
        )
