"""What a step does to the tracks of all cameras: each function is one compiled call on plain arrays.

A step looks ahead (where is every track by now, and which box might be whose) and settles (whose it is, who comes and
who goes); in between, the caller may weigh looks. `follow` does both where there are none. Knows no camera by name,
and not what a look is worth.

Plain arrays and tuples go in and out, and are named in here: numba types a named tuple in Python, 10 us a call, and a
new array that leaves costs 0.5 us; so results are written where the caller has room for them.
"""

from numba import njit

from app.domains.assignment import in_place
from app.domains.detection.association import (
    Pairs,
    associate,
    cosines,
    find_pairs,
    shows_one,
    weigh,
    worth_a_look,
)
from app.domains.detection.motion import predict, to_centre, to_corners
from app.domains.detection.room import (
    AHEAD_S,
    APPEARANCE_AT,
    BORN,
    CAMERA_OF,
    CAPTURED_AT,
    COUNTS,
    END,
    EXPECTED,
    FRAME,
    FRESH,
    GONE,
    LAST_AT,
    NEXT_ID,
    ORDER,
    PAIRS_BEGIN,
    SEEN,
    STATE,
    STEADY,
    TRACK_FRAME,
    TRACK_OF,
    Limits,
    Room,
    boxes_of,
    choice_of,
    expected_of,
    limits_of,
    pairs_in,
    search_of,
    table_of,
)
from app.domains.detection.tracks import LOST, TENTATIVE, Boxes, age, correct, remember, start, starting
from app.domains.vocabulary import BoolArray, BoxArray, FloatArray, IntArray, VectorArray

# the fields of Room
RoomArrays = tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray, IntArray, FloatArray]
# how many frames F, of which the room has camera, time and where their boxes begin; (N, 4) corners; (N,) confidence
Seen = tuple[int, BoxArray, BoxArray]
# results, row by row: (3, P) row in the frame, track id, state; (P,) certainty; (5 P) corners, then confidence
Columns = tuple[IntArray, FloatArray, BoxArray]
REFUSED = -1


@in_place
def follow(  # noqa: PLR0913 - arrays in a tuple cost a call twice as much
    whole: IntArray,
    real: FloatArray,
    mean: FloatArray,
    covariance: FloatArray,
    four: FloatArray,
    pairs: IntArray,
    costs: FloatArray,
    frames: int,
    xyxy: BoxArray,
    confidence: BoxArray,
    ids: IntArray,
    certainty: FloatArray,
    pixels: BoxArray,
    at: int,
) -> int:
    """Look ahead and settle, where looks are not weighed: see there.

    Returns:
        What `settle` does; below 0 what `look_ahead` does.
    """
    room = Room(whole, real, mean, covariance, four, pairs, costs)
    limits, boxes = limits_of(room), boxes_of(room, frames, xyxy, confidence)
    found = _look_ahead(room, boxes, limits)
    if found < 0:
        return found
    given = pairs_in(room, found)
    for k in range(found):
        given.cost[k] -= limits.accept
    _settle(room, boxes, given, limits)
    return _write(room, boxes, (ids, certainty, pixels), at)


@in_place
def look_ahead(room: RoomArrays, seen: Seen) -> int:
    """Predict all tracks to the frames of a step, and list the pairs of a track and a box within reach.

    Args:
        room: of the trackers, with what a step sees.
        seen: the rest of it.

    Returns:
        How many pairs; below 0 where nothing was done: REFUSED for a frame of no camera, of the same as another, or
        older than its camera's before; -P where there must be room for P pairs, 2 or more.
    """
    names = Room(*room)
    return _look_ahead(names, boxes_of(names, *seen), limits_of(names))


@njit(cache=True, error_model="numpy")
def due(room: RoomArrays, seen: Seen, pairs: int) -> BoolArray:
    """Say which boxes' looks would tell something, and show one person alone, (N,).

    Args:
        room: of the trackers.
        seen: what they see.
        pairs: from `look_ahead`.
    """
    whole, real, mean = room[0], room[1], room[2]
    limits, count, boxes = limits_of(Room(*room)), whole[COUNTS, 0], len(seen[1])
    live, frame = whole[ORDER, :count], whole[TRACK_FRAME, :count]
    old = real[CAPTURED_AT][frame] - real[APPEARANCE_AT][live] > limits.appearance_max_age_s
    wanted = worth_a_look(_counted_pairs(room, pairs), old, boxes, limits.close_call)
    wanted &= seen[2] >= limits.high_score
    hidden = whole[STATE][live] == LOST
    corners = to_corners(mean[EXPECTED, :count][hidden])
    return shows_one(wanted, whole[FRAME, :boxes], seen[1], frame[hidden], corners, limits.max_mixed)


@njit(cache=True, error_model="numpy")
def compare(room: RoomArrays, pairs: int, appearance: VectorArray, looks: VectorArray) -> FloatArray:
    """Return (K,) how alike the track and the box of each pair look; NaN where either was never looked at.

    Args:
        room: of the trackers.
        pairs: from `look_ahead`.
        appearance: (R, D) of the tracks.
        looks: (N, D) of the boxes; zeros where none was taken.
    """
    whole, real = room[0], room[1]
    return cosines(_counted_pairs(room, pairs), whole[ORDER], appearance, real[APPEARANCE_AT], looks)


@njit(cache=True, error_model="numpy")
def settle(  # noqa: PLR0913 - compiled functions take plain arrays
    room: RoomArrays,
    seen: Seen,
    pairs: int,
    alike: FloatArray,
    appearance: VectorArray,
    looks: VectorArray,
    columns: Columns,
    at: int,
) -> int:
    """Give boxes to tracks, end tracks and start new ones, in place.

    Args:
        room: of the trackers.
        seen: what they see.
        pairs: from `look_ahead`; their costs are used up.
        alike: (K,) squared distance that the looks of each pair speak for it.
        appearance: (R, D) of the tracks.
        looks: (N, D) appearance of the boxes; zeros where none was taken.
        columns: where the boxes that have a track are written, frame by frame.
        at: from which row on.

    Returns:
        The row behind them; `room` has where each frame's end.
    """
    whole, real, boxes = room[0], room[1], len(seen[1])
    _settle_weighed(room, seen, pairs, alike)
    times = real[BORN], real[SEEN], real[APPEARANCE_AT]
    remember(times, appearance, looks, whole[TRACK_OF, :boxes], limits_of(Room(*room)).appearance_blend)
    return _write_all(room, seen, columns, at)


@njit(cache=True, error_model="numpy")
def _counted_pairs(room: RoomArrays, count: int) -> Pairs:
    """Do as pairs_in, for what is compiled with numba's runtime."""
    begin, pairs, costs = room[0][PAIRS_BEGIN, : room[0][COUNTS, 0] + 1], room[5], room[6]
    return Pairs(
        begin,
        pairs[0, :count],
        pairs[1, :count],
        costs[0, :count],
        costs[1, :count],
        pairs[2, :count],
        costs[2, :count],
    )


@in_place
def _settle_weighed(room: RoomArrays, seen: Seen, pairs: int, alike: FloatArray) -> None:
    """Settle, where looks are weighed."""
    names = Room(*room)
    limits, given = limits_of(names), pairs_in(names, pairs)
    for k in range(pairs):
        given.cost[k] = given.cost[k] - alike[k] - limits.accept
    _settle(names, boxes_of(names, *seen), given, limits)


@in_place
def _write_all(room: RoomArrays, seen: Seen, columns: Columns, at: int) -> int:
    names = Room(*room)
    return _write(names, boxes_of(names, *seen), columns, at)


@in_place
def _take_in(room: Room, boxes: Boxes) -> bool:
    """Fill in what follows from the frames, unless one is refused; says whether none is."""
    cameras, last_at = room.whole[CAMERA_OF], room.real[LAST_AT]
    for camera in range(len(boxes.frame_of)):
        boxes.frame_of[camera] = -1
    for frame in range(len(boxes.captured_at)):
        camera = cameras[frame]
        if camera < 0 or boxes.frame_of[camera] >= 0 or boxes.captured_at[frame] < last_at[camera]:
            return False
        boxes.frame_of[camera] = frame
        for row in range(boxes.begin[frame], boxes.begin[frame + 1]):
            boxes.frame[row] = frame
    to_centre(boxes.xyxy, boxes.measured)
    return True


@in_place
def _look_ahead(room: Room, boxes: Boxes, limits: Limits) -> int:
    """Do as look_ahead."""
    if not _take_in(room, boxes):
        return REFUSED
    table, expected = table_of(room), expected_of(room)
    ahead_s, last_at = room.real[AHEAD_S], room.real[LAST_AT]
    live = table.order[: len(expected.frame)]
    for track, row in enumerate(live):
        camera = table.camera[row]
        frame = boxes.frame_of[camera]
        expected.frame[track] = frame
        ahead_s[track] = boxes.captured_at[frame] - last_at[camera] if frame >= 0 else 0.0
    predict(table.mean, table.covariance, live, ahead_s, limits.noise, (expected.mean, expected.covariance))
    return find_pairs(expected, boxes.begin, boxes.measured, search_of(room), limits.noise, limits.reach)


@in_place
def _settle(room: Room, boxes: Boxes, pairs: Pairs, limits: Limits) -> None:
    table, expected, choice = table_of(room), expected_of(room), choice_of(room, len(boxes.xyxy))
    steady, fresh, last_at, cameras = (
        room.whole[STEADY, : len(expected.frame)],
        room.whole[FRESH],
        room.real[LAST_AT],
        room.whole[CAMERA_OF],
    )
    count = len(expected.frame)
    for track in range(count):
        row = table.order[track]
        for i in range(8):
            table.mean[row, i] = expected.mean[track, i]
        for i in range(4):
            for j in range(3):
                table.covariance[row, i, j] = expected.covariance[track, i, j]
        steady[track] = table.state[row] != TENTATIVE and table.strength[row] >= limits.steady_score
    gates = limits.gate, limits.low_score_gate
    associate(pairs, boxes.confidence, limits.high_score, steady, gates, choice)
    weigh(pairs, limits.gate, choice)
    track_of = choice.track_of
    for box, track in enumerate(track_of):
        track_of[box] = table.order[track] if track >= 0 else -1  # its row in the table, from here on
    correct(table, boxes, track_of, limits.noise, limits.strength_s)
    born = starting(boxes, track_of, limits.start_score, limits.duplicate_iou, fresh)
    lasting = limits.confirm_s, limits.tentative_lost_s, limits.max_lost_s
    count = age(table, count, boxes, lasting, room.whole[GONE])
    next_id = room.whole[NEXT_ID, : len(boxes.frame_of)]
    start(table, count, boxes, fresh, born, track_of, next_id, room.whole[GONE], limits.noise)
    room.whole[COUNTS, 0] = count + born
    for frame in range(len(boxes.captured_at)):
        last_at[cameras[frame]] = boxes.captured_at[frame]


@in_place
def _write(room: Room, boxes: Boxes, columns: Columns, at: int) -> int:
    """Write the boxes that have a track."""
    choice, table, end = choice_of(room, len(boxes.xyxy)), table_of(room), room.whole[END]
    ids, certainty, pixels = columns
    scores = 4 * len(certainty)
    for frame in range(len(boxes.captured_at)):
        for row in range(boxes.begin[frame], boxes.begin[frame + 1]):
            track = choice.track_of[row]
            if track < 0:
                continue
            ids[0, at], ids[1, at], ids[2, at] = row - boxes.begin[frame], table.track_id[track], table.state[track]
            certainty[at], pixels[scores + at] = choice.certainty[row], boxes.confidence[row]
            for side in range(4):
                pixels[4 * at + side] = boxes.xyxy[row, side]
            at += 1
        end[frame] = at
    return at
