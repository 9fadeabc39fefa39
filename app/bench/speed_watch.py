"""How many dots a second FloorWatch follows through zones and past a line, beside OpenCV called for each dot and zone.

OpenCV only tells who is inside; it keeps no stays, and finds no events and no sums.
"""

import cv2
import numpy as np

from app.bench.made_site import FPS, walks
from app.bench.speed import Say, Section, Table, spread, timed, verdict
from app.domains.analytics.coverage import Coverage
from app.domains.analytics.places import Line, Place, PlaceId, PlaceVersion, Zone
from app.domains.analytics.watch import FloorWatch
from app.domains.analytics.watched import DotRows
from app.domains.vocabulary import CameraId, FloatArray

PEOPLE, ZONES, SIDE_M = 50, 10, 30.0
INSTANTS, QUICK_INSTANTS, PEER_DOTS = 18_000, 3_000, 20_000
SIGMA_M = 0.15
LIVE_S = 0.5  # so much is written at once
BEGUN = 1_700_000_000.0
GOAL_M_DOTS, GOAL_PERCENT = 1.0, 1.0
SEES_ALL = frozenset({CameraId("camera")})


def measure(quick: bool, say: Say) -> Section:
    """Let people walk about for half an hour, read again at once and as it would be live."""
    say("  walking about ...")
    rng = np.random.default_rng(0)
    way = walks(PEOPLE, QUICK_INSTANTS if quick else INSTANTS, (SIDE_M, SIDE_M), rng)
    way += rng.normal(0.0, 0.3 * SIGMA_M, way.shape)
    zones = [_zone(number, rng) for number in range(ZONES)]
    _follow(zones, way[:20], 5)  # compiles
    say("  watching ...")
    rounds = [_follow(zones, way, len(way)) for _ in range(1 if quick else 3)]  # the first asks for much new memory
    at_once, events = float(np.median([sum(ms) for ms, _ in rounds])), rounds[0][1]
    live, _ = _follow(zones, way[:QUICK_INSTANTS], int(LIVE_S * FPS))
    peer_ms = _ask_opencv(zones, way.reshape(-1, 2)[:PEER_DOTS])
    dots_s, peer_s = way[..., 0].size / at_once * 1e3, PEER_DOTS / peer_ms * 1e3
    times = spread(live)
    share = sum(live) / 1e3 / (QUICK_INSTANTS / FPS)
    rows = [
        ["SpotOn", f"{dots_s / 1e6:.2f}", f"{dots_s / peer_s:.1f}", verdict(dots_s / 1e6, GOAL_M_DOTS, at_most=False)],
        ["OpenCV", f"{peer_s / 1e6:.2f}", "1.0", ""],
    ]
    of_core = verdict(100.0 * share, GOAL_PERCENT)
    lively = [[f"{LIVE_S:g} s", f"{times['p50_ms']:.2f}", f"{times['p95_ms']:.2f}", f"{100.0 * share:.2f}", of_core]]
    return Section(
        [
            Table(
                f"Analytics: dots through {ZONES} zones and over a line",
                ["", "M dots/s", "ratio", "goal"],
                rows,
                frozenset({0}),
            ),
            Table(
                f"Analytics live: {PEOPLE} people at {FPS:g} Hz",
                ["at once", "p50 ms", "p95 ms", "% of a core", "goal"],
                lively,
            ),
        ],
        [
            "SpotOn: stays, events, sums by minute and heat, read again from a record. OpenCV: inside or not, only.",
            f"{PEOPLE} people, {len(way) / FPS / 60:.0f} minutes, {events:,} events.",
        ],
        {"dots_s": dots_s, "opencv_dots_s": peer_s, "live": {**times, "share_of_core": share}, "events": events},
    )


def _zone(number: int, rng: np.random.Generator) -> Zone:
    """Return a zone of eight corners, of 6 m across or less."""
    angle = np.linspace(0.0, 2.0 * np.pi, 8, endpoint=False)
    corners = rng.uniform(1.5, 3.0, (8, 1)) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Zone(PlaceId(f"zone-{number}"), f"Zone {number}", rng.uniform(3.0, SIDE_M - 3.0, 2) + corners)


def _follow(zones: list[Zone], way: FloatArray, step: int) -> tuple[list[float], int]:
    """Return the milliseconds of each update of so many instants, and the number of events."""
    line = Line(PlaceId("line"), "Line", np.array([[0.5 * SIDE_M, 0.0], [0.5 * SIDE_M, SIDE_M]]))
    everywhere = np.array([[0.0, 0.0], [SIDE_M, 0.0], [SIDE_M, SIDE_M], [0.0, SIDE_M]])
    places: list[Place] = [*zones, line]
    coverage = Coverage((), dict.fromkeys(SEES_ALL, everywhere), (0.0, 0.0, SIDE_M, SIDE_M))
    watch = FloorWatch([PlaceVersion(p.place_id, 1, 0.0, p) for p in places], coverage)
    times, events = [], 0
    for begin in range(0, len(way), step):
        part = way[begin : begin + step]
        at = BEGUN + np.arange(begin, begin + len(part)) / FPS
        n = part[..., 0].size
        person = np.tile(np.arange(1, PEOPLE + 1), len(part))
        x, y = part.reshape(-1, 2).T
        dots = DotRows(np.repeat(at, PEOPLE), person, x, y, np.full(n, SIGMA_M), np.full(n, 0.9))
        ms, watched = timed(watch.update, at, dots, [SEES_ALL] * len(part))
        times.append(ms)
        events += len(watched.events)
    return times, events


def _ask_opencv(zones: list[Zone], xy: FloatArray) -> float:
    """Return the milliseconds that OpenCV takes."""
    polygons, spots = [zone.polygon.astype(np.float32) for zone in zones], xy.tolist()
    return timed(lambda: [cv2.pointPolygonTest(p, spot, measureDist=True) for spot in spots for p in polygons])[0]
