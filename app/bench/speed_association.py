"""How fast boxes find their tracks, and how well, beside other single-camera trackers on the same made-up boxes.

The time is what the tracker's `update` call takes of a core, boxes in and boxes with ids out; a peer has a tracker for
each camera, each called once. SpotOn's is called once for all; the compiled call inside it is timed alone as well.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from app.bench.peer_trackers import PEERS, Peer, PeerTracker, Tracked
from app.bench.speed import Say, Section, Table, timed
from app.bench.synthetic_boxes import FPS, SyntheticFrame, make_frames
from app.domains.detection.room import BEGIN, CAMERA_OF, CAPTURED_AT, END, enlarged, room_for
from app.domains.detection.step import Columns, follow
from app.domains.detection.tracker import CameraTrackers, TrackerConfig
from app.domains.vocabulary import CameraId, Detections
from app.evaluation.metrics import PairedFrames, identity_scores, iou

OURS = "SpotOn"
COMPILED = "SpotOn, the compiled call alone"
PEOPLE, CAMERAS = (10, 50, 200), (1, 8, 32)
RATIO_GOAL = 50.0  # times faster than the fastest peer
WARM_UP = 10  # steps: tracks begin
LEAST_STEPS = 5  # measured, however long they take
BUDGET_S = 2.0  # for the measured steps of one contender


@dataclass(frozen=True, slots=True)
class Association:
    """What one contender needed for one site.

    Attributes:
        ms: median of a step, all cameras.
        steps: that were measured.
        idf1: share, of the first camera; None where only time was measured.
    """

    people: int
    cameras: int
    contender: str
    ms: float
    steps: int
    idf1: float | None


Cameras = Sequence[Sequence[SyntheticFrame]]
Steps = Iterator[tuple[float, Tracked]]  # milliseconds of a step, and what was found in the first camera


def measure(quick: bool, say: Say) -> Section:
    """Measure all sites; `quick` measures two of them, shortly."""
    results: list[Association] = []
    people, cameras = ((10, 50), (1, 8)) if quick else (PEOPLE, CAMERAS)
    missing = {peer.name: why for peer in PEERS if (why := peer.missing()) is not None}
    peers = [peer for peer in PEERS if peer.name not in missing]
    for count in people:
        for hung in cameras:
            say(f"association: {count} people, {hung} {'camera' if hung == 1 else 'cameras'}")
            frames = (150 if quick else 500) if hung == 1 else 60
            seen = [make_frames(count, frames, seed) for seed in range(hung)]
            results += [_run(count, seen, name, steps) for name, steps in _contenders(seen, peers)]
    return _section(results, missing)


def _clock_ms() -> float:
    """Return the milliseconds that taking the time of a call takes."""
    return float(np.median([timed(int)[0] for _ in range(1000)]))


def _contenders(seen: Cameras, peers: Sequence[Peer]) -> list[tuple[str, Steps]]:
    ours = [(OURS, _our_steps(seen)), (COMPILED, _compiled_steps(seen))]
    return ours + [(peer.name, _peer_steps(peer, seen)) for peer in peers]


def _run(people: int, seen: Cameras, contender: str, steps: Steps) -> Association:
    """Time one contender; with one camera over all frames, for the score, else until the time is up."""
    alone, taken, found = len(seen) == 1, [], []
    begin = time.perf_counter()
    for milliseconds, tracked in steps:
        taken.append(milliseconds)
        found.append(tracked)
        enough = len(taken) >= WARM_UP + LEAST_STEPS and time.perf_counter() - begin > BUDGET_S
        if enough and not alone:
            break
    idf1 = _idf1(seen[0], found) if alone and contender != COMPILED else None
    measured = taken[WARM_UP:]
    return Association(people, len(seen), contender, float(np.median(measured)) - _clock_ms(), len(measured), idf1)


def _idf1(frames: Sequence[SyntheticFrame], found: Sequence[Tracked]) -> float:
    people = np.arange(len(frames[0].truth))
    similarity = [iou(frame.truth, boxes.astype(np.float64)) for frame, (_, boxes) in zip(frames, found, strict=True)]
    return identity_scores(PairedFrames([people] * len(frames), [ids for ids, _ in found], similarity)).idf1


def _our_steps(seen: Cameras) -> Steps:
    names = [CameraId(f"camera-{number:02d}") for number in range(len(seen))]
    trackers = CameraTrackers(names, TrackerConfig())
    for step, frames in enumerate(zip(*seen, strict=True)):
        boxes = [
            Detections(name, step / FPS, frame.xyxy, frame.confidence)
            for name, frame in zip(names, frames, strict=True)
        ]
        nothing = [np.zeros((len(frame.xyxy), 0), np.float32) for frame in frames]
        milliseconds, tracks = timed(trackers.update, boxes, nothing)
        yield milliseconds, (tracks[0].track_id, tracks[0].xyxy)


def _compiled_steps(seen: Cameras) -> Steps:
    cameras, people = len(seen), sum(len(camera[0].truth) for camera in seen)
    room = enlarged(room_for(4 * people, cameras, TrackerConfig().limits()), 0, 64 * people)
    room.whole[CAMERA_OF, :cameras] = np.arange(cameras)
    columns: Columns = np.empty((3, 4 * people), np.int64), np.empty(4 * people), np.empty(20 * people, np.float32)
    for step, frames in enumerate(zip(*seen, strict=True)):
        room.real[CAPTURED_AT, :cameras] = step / FPS
        room.whole[BEGIN, : cameras + 1] = np.cumsum([0, *(len(frame.xyxy) for frame in frames)])
        xyxy, confidence = (np.concatenate([getattr(f, name) for f in frames]) for name in ("xyxy", "confidence"))
        arguments: tuple[Any, ...] = *room, cameras, xyxy, confidence, *columns, 0
        milliseconds, _ = timed(follow, *arguments)
        first = room.whole[END, 0]
        yield milliseconds, (columns[0][1, :first].copy(), columns[2][: 4 * first].reshape(-1, 4).copy())


def _peer_steps(peer: Peer, seen: Cameras) -> Steps:
    trackers = [peer.build() for _ in seen]
    for frames in zip(*seen, strict=True):
        inputs = [tracker.prepare(f.xyxy, f.confidence) for tracker, f in zip(trackers, frames, strict=True)]
        milliseconds, found = timed(_update_each, trackers, inputs)
        yield milliseconds, trackers[0].read(found)


def _update_each(trackers: Sequence[PeerTracker], inputs: Sequence[Any]) -> Any:  # noqa: ANN401 - the peer's type
    """Update all cameras' trackers; returns what the first one gives."""
    first, *_ = [tracker.update(one) for tracker, one in zip(trackers, inputs, strict=True)]
    return first


def _section(results: Sequence[Association], missing: Mapping[str, str]) -> Section:
    contenders = list(dict.fromkeys(result.contender for result in results))
    peers = [name for name in contenders if name not in (OURS, COMPILED)]
    sites = list(dict.fromkeys((result.people, result.cameras) for result in results))
    of = {(result.people, result.cameras, result.contender): result for result in results}
    times, scores = [], []
    for people, cameras in sites:
        ms = {name: of[people, cameras, name].ms for name in contenders}
        fastest = min((ms[name] for name in peers), default=None)
        faster = [] if fastest is None else [f"{fastest / ms[name]:.0f}" for name in (OURS, COMPILED)]
        times.append([f"{people} x {cameras}", *(f"{ms[name]:.3g}" for name in contenders), *faster])
        if cameras == 1:
            scored = [of[people, 1, name].idf1 for name in (OURS, *peers)]
            scores.append([f"{people}", *(f"{100 * score:.1f}" for score in scored if score is not None)])
    faster = ["times faster", "compiled"] if peers else []
    tables = [
        Table("One step, ms of a core (median)", ["people x cameras", *contenders, *faster], times),
        Table("IDF1 of one camera, %", ["people", OURS, *peers], scores),
    ]
    notes = [
        f"times faster: than the fastest peer, by the whole of update and by the compiled call; goal {RATIO_GOAL:g}.",
        "Peers run with their defaults, a tracker a camera; making their input and reading their output is not timed.",
        "The time that the clock itself takes, about 1 us a step, is taken off.",
        f"SpotOn thinks in seconds: the made-up people stroll at 0.2 to 1.1 m/s when a second has {FPS:g} frames.",
        *(f"{name}: {why}" for name, why in missing.items()),
    ]
    return Section(tables, notes, {"association": [asdict(result) for result in results], "missing": dict(missing)})
