"""The memory of the trackers, and where everything lies in it.

Few arrays hold it all: each costs a compiled call 20 ns to take over, and a new one 50. What lies in them has names in
here, which cost nothing where the compiler sees through them. Knows nothing of what a step does.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.domains.assignment import Workspace, in_place
from app.domains.detection.association import Choice, Expected, Pairs, Search, pairs_of
from app.domains.detection.motion import Noise
from app.domains.detection.tracks import Boxes, TrackTable
from app.domains.vocabulary import BoxArray, FloatArray, IntArray

# rows of Room.whole: of each row of the table
ORDER, CAMERA, TRACK_ID, STATE = range(4)
# of each camera; how many tracks live and how many cameras there are
NEXT_ID, FRAME_OF, COUNTS = range(4, 7)
# of each frame: its camera, where its boxes begin, where in the results they end
CAMERA_OF, BEGIN, END = range(7, 10)
# of each box
FRAME, STRIPE, STRIPE_ORDER, STRIPE_BEGIN, NEAR, TRACK_OF, FRESH = range(10, 17)
OWNER, REACHED_FROM, SCANNED, TOUCHED = range(17, 21)
# of each live track, in the table's order
TRACK_FRAME, PAIRS_BEGIN, FIRST, LAST, STEADY, FREE, OFFERED, TAKEN, GONE = range(21, 30)
WHOLE_ROWS = 30
# rows of Room.real: the thresholds; of each row of the table; of each camera; of each frame
LIMITS, BORN, SEEN, STRENGTH, APPEARANCE_AT, LAST_AT, CAPTURED_AT, LEFT, DENSITY = range(9)
# of each box; of each live track
CERTAINTY, OF_BOX, BOX_PRICE, DISTANCE, AHEAD_S, OF_TRACK, TRACK_PRICE = range(9, 16)
REAL_ROWS = 16
# the two parts of Room.mean and Room.covariance, and of Room.four
TABLE, EXPECTED = range(2)
MEASURED, ALONG_X = range(2)


class Limits(NamedTuple):
    """Thresholds of a step, see TrackerConfig.

    Attributes:
        noise: of motion.
        high_score: from which on a box is confident.
        start_score: from which on a box may start a track.
        steady_score: of a track that doubtful boxes are good enough for.
        gate: squared distance beyond which a confident box is not the track's.
        low_score_gate: the same for doubtful ones.
        reach: squared distance within which pairs are looked at.
        accept: cost of a new track.
    """

    noise: Noise
    high_score: float
    start_score: float
    steady_score: float
    gate: float
    low_score_gate: float
    reach: float
    accept: float
    strength_s: float
    duplicate_iou: float
    confirm_s: float
    tentative_lost_s: float
    max_lost_s: float
    appearance_blend: float
    close_call: float
    appearance_max_age_s: float
    max_mixed: float

    def numbers(self) -> list[float]:
        """Return all of them, one behind the other."""
        return [*self.noise, *self[1:]]


class Room(NamedTuple):
    """Room for fewer than R tracks and boxes together, for fewer than R cameras, and for P pairs of a track and a box.

    Attributes:
        whole: (WHOLE_ROWS, R) int64.
        real: (REAL_ROWS, R).
        mean: (2, R, 8) of the table's tracks, see motion; of the live ones at their frames' times.
        covariance: (2, R, 4, 3) of the same.
        four: (2, R, 4) boxes as centre x, centre y, width, height; the same along x.
        pairs: (3, P) int64, see pairs_of.
        costs: (3, P).
    """

    whole: IntArray
    real: FloatArray
    mean: FloatArray
    covariance: FloatArray
    four: FloatArray
    pairs: IntArray
    costs: FloatArray


def room_for(least: int, cameras: int, limits: Limits) -> Room:
    """Return room for so many tracks and boxes together, without any."""
    numbers = limits.numbers()
    r = max(least, cameras, len(numbers)) + 1
    whole, real = np.zeros((WHOLE_ROWS, r), np.int64), np.zeros((REAL_ROWS, r))
    whole[ORDER], whole[NEXT_ID], whole[COUNTS, 1] = np.arange(r), 1, cameras
    real[LIMITS, : len(numbers)], real[LAST_AT] = numbers, -np.inf
    mean, covariance, four = np.zeros((2, r, 8)), np.zeros((2, r, 4, 3)), np.zeros((2, r, 4))
    return Room(whole, real, mean, covariance, four, np.zeros((3, 4 * r), np.int64), np.zeros((3, 4 * r)))


def enlarged(room: Room, tracks_and_boxes: int, pairs: int) -> Room:
    """Return room for at least so many, with the same tracks."""
    r = room.whole.shape[1]
    more, more_pairs = max(tracks_and_boxes + 1 - r, 0), max(pairs - room.pairs.shape[1], 0)
    grown = [_padded(array, more) for array in room[:5]] + [_padded(array, more_pairs) for array in room[5:]]
    grown[0][ORDER, r:] = np.arange(r, r + more)
    return Room(*grown)


def _padded(array: NDArray[Any], more: int) -> NDArray[Any]:
    """Return an array whose second axis goes on with zeros."""
    return np.pad(array, [(0, more if axis == 1 else 0) for axis in range(array.ndim)])


@in_place
def limits_of(room: Room) -> Limits:
    """Return the thresholds."""
    of = room.real[LIMITS]
    noise = of[0], of[1], of[2], of[3], of[4]
    return Limits(
        noise,
        of[5],
        of[6],
        of[7],
        of[8],
        of[9],
        of[10],
        of[11],
        of[12],
        of[13],
        of[14],
        of[15],
        of[16],
        of[17],
        of[18],
        of[19],
        of[20],
    )


@in_place
def table_of(room: Room) -> TrackTable:
    """Return the table of the tracks."""
    whole, real = room.whole, room.real
    return TrackTable(
        whole[ORDER],
        whole[CAMERA],
        whole[TRACK_ID],
        whole[STATE],
        real[BORN],
        real[SEEN],
        real[STRENGTH],
        real[APPEARANCE_AT],
        room.mean[TABLE],
        room.covariance[TABLE],
    )


@in_place
def boxes_of(room: Room, frames: int, xyxy: BoxArray, confidence: BoxArray) -> Boxes:
    """Return the boxes of the step."""
    return Boxes(
        room.whole[FRAME_OF, : room.whole[COUNTS, 1]],
        room.real[CAPTURED_AT, :frames],
        room.whole[BEGIN, : frames + 1],
        room.whole[FRAME, : len(xyxy)],
        xyxy,
        room.four[MEASURED, : len(xyxy)],
        confidence,
    )


@in_place
def expected_of(room: Room) -> Expected:
    """Return the live tracks at their frames' times."""
    count = room.whole[COUNTS, 0]
    mean, covariance = room.mean[EXPECTED, :count], room.covariance[EXPECTED, :count]
    return Expected(room.whole[TRACK_FRAME, :count], mean, covariance, room.whole[PAIRS_BEGIN, : count + 1])


@in_place
def search_of(room: Room) -> Search:
    """Return room for the search for pairs."""
    whole, real = room.whole, room.real
    return Search(
        whole[STRIPE],
        whole[STRIPE_ORDER],
        room.four[ALONG_X],
        whole[STRIPE_BEGIN],
        real[LEFT],
        real[DENSITY],
        whole[FIRST],
        whole[LAST],
        whole[NEAR],
        room.pairs,
        room.costs,
    )


@in_place
def choice_of(room: Room, boxes: int) -> Choice:
    """Return room for the decision whose each box is."""
    whole, real, count = room.whole, room.real, room.whole[COUNTS, 0]
    workspace = Workspace(
        whole[TAKEN, :count],
        whole[OWNER, :boxes],
        real[TRACK_PRICE],
        real[BOX_PRICE],
        real[DISTANCE],
        whole[REACHED_FROM],
        whole[SCANNED],
        whole[TOUCHED],
    )
    return Choice(
        whole[TRACK_OF, :boxes],
        real[CERTAINTY, :boxes],
        whole[OFFERED, : count + 1],
        whole[FREE, :count],
        real[OF_BOX, :boxes],
        real[OF_TRACK, :count],
        workspace,
    )


@in_place
def pairs_in(room: Room, count: int) -> Pairs:
    """Return the pairs that were found; so many."""
    return pairs_of(room.whole[PAIRS_BEGIN], count, room.pairs, room.costs)
