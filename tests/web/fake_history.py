"""The history of a fake site: figures that follow from the time alone, places and people that operators may change.

Answers have the shapes of the product's REST. Nobody watched between 03:00 and 03:40 UTC, nor before the begin.
"""

import asyncio
import contextlib
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse

DAY_S, HOUR_S = 86_400.0, 3_600.0
AREA_M2 = 360.0
BEGIN_DAYS = 20
OUT_SINCE_S, OUT_UNTIL_S = 3 * HOUR_S, 3 * HOUR_S + 2400  # of each day, UTC


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wave(t: float, place: str) -> float:
    """Return how many people are expected at a place."""
    share = {"": 1.0, "till": 0.35, "door": 0.1}.get(place, 0.25)
    hour = (t % DAY_S) / HOUR_S
    weekend = 0.5 if datetime.fromtimestamp(t, UTC).weekday() >= 5 else 1.0
    day = math.exp(-(((hour - 12.5) / 3.2) ** 2)) + 0.7 * math.exp(-(((hour - 18) / 1.8) ** 2))
    return 24 * share * weekend * day


def jitter(t: float, seed: float = 0.0) -> float:
    """Return a number of [-1, 1] that follows from the time."""
    return math.sin(t * 0.00731 + seed) * math.cos(t * 0.0173 + 2 * seed)


@dataclass
class FakeHistory:
    """What operators may change, and how the server behaves."""

    begin: float = field(default_factory=lambda: time.time() - BEGIN_DAYS * DAY_S)
    places: dict[str, dict] = field(default_factory=dict)
    tags: dict[int, list[str]] = field(default_factory=dict)
    corrections: list[dict] = field(default_factory=list)
    empty: bool = False
    away: bool = False
    out_since_s: float = OUT_SINCE_S
    out_until_s: float = OUT_UNTIL_S
    replays: int = 0

    def __post_init__(self) -> None:
        common = {"capacity": None, "max_dwell_s": None, "restricted": False, "queue": False}
        till = [[3.0, 3.0], [9.5, 3.0], [9.5, 7.5], [3.0, 7.5]]
        shelf = [[12.0, 8.0], [20.5, 7.2], [21.0, 12.5], [15.0, 13.2], [12.0, 11.0]]
        for place in (
            {"id": "till", "name": "Till", "kind": "zone", "polygon": till, **common, "capacity": 6, "queue": True},
            {"id": "shelves", "name": "Shelves", "kind": "zone", "polygon": shelf, **common, "max_dwell_s": 900.0},
            {"id": "door", "name": "Main door", "kind": "line", "ends": [[11.0, 1.2], [14.5, 1.2]]},
        ):
            self.places[place["id"]] = {**place, "version": 1, "since": stamp(self.begin)}

    def observed(self, t: float) -> float:
        if self.empty or t < self.begin or t > time.time():
            return 0.0
        return 0.0 if self.out_since_s <= t % DAY_S < self.out_until_s else 0.96

    def mean(self, t: float, place: str) -> float | None:
        return None if self.observed(t) == 0 else round(max(0.0, wave(t, place) * (1 + 0.2 * jitter(t))), 3)

    def buckets(self, since: float, until: float, bucket_s: float) -> list[float]:
        first = math.floor(since / bucket_s) * bucket_s
        return [first + i * bucket_s for i in range(math.ceil((until - first) / bucket_s))]

    def share_observed(self, since: float, until: float) -> float:
        times = [since + (until - since) * (i + 0.5) / 200 for i in range(200)]
        return round(sum(self.observed(t) for t in times) / len(times), 4)

    def quality(self, since: float, until: float) -> dict:
        observed = self.share_observed(since, until)
        out = [{"camera": "east", "seconds": 2400.0}, {"camera": "south", "seconds": 310.0}]
        if observed == 0:
            return {"observed": 0.0, "cameras_out": [], "sigma_m": None, "certainty": None}
        return {"observed": observed, "cameras_out": out, "sigma_m": 0.18, "certainty": 0.94}

    def occupancy(self, place: str, since: float, until: float, bucket_s: float) -> dict:
        at = self.buckets(since, until, bucket_s)
        mean = [self.mean(t, place) for t in at]
        flow = [
            None if m is None else round(m * bucket_s / 900 * (1.3 + 0.4 * jitter(t, 2)))
            for t, m in zip(at, mean, strict=True)
        ]
        columns = {
            "at": at,
            "mean": mean,
            "peak": [None if m is None else math.ceil(1.35 * m) for m in mean],
            "entered": flow,
            "left": [None if n is None else round(0.93 * n) for n in flow],
            "speed": [None if m is None else 0.9 for m in mean],
            "density": [None if m is None else round(m / AREA_M2, 4) for m in mean],
            "peak_density": [None if m is None else round(math.ceil(1.35 * m) / AREA_M2, 4) for m in mean],
            "observed": [self.observed(t) for t in at],
        }
        bounds = {"since": stamp(since), "until": stamp(until), "bucket_s": bucket_s}
        quality = self.quality(since, until)
        if until - since > DAY_S or quality["observed"] == 0:
            return {"place": place, **bounds, "columns": columns, "corrected": None, "quality": quality}
        entered, left = (sum(n or 0 for n in columns[name]) for name in ("entered", "left"))
        corrected = {"entered": entered - 3, "left": left - 3}
        return {"place": place, **bounds, "columns": columns, "corrected": corrected, "quality": quality}

    def figures(self, place: str, since: float, until: float, without: str) -> dict:
        series = self.occupancy(place, since, until, 900)["columns"]
        known = [i for i, m in enumerate(series["mean"]) if m is not None]
        quality = self.quality(since, until)
        if not known:
            return {
                "visitors": None,
                "entered": None,
                "left": None,
                "peak": None,
                "mean_dwell_s": None,
                "quality": quality,
            }
        entered = sum(series["entered"][i] for i in known)
        top = max(known, key=lambda i: series["peak"][i])
        return {
            "visitors": round(0.8 * entered) - (12 if without else 0),
            "entered": entered,
            "left": sum(series["left"][i] for i in known),
            "peak": {"people": series["peak"][top], "at": stamp(series["at"][top])},
            "mean_dwell_s": 412.0,
            "quality": quality,
        }

    def events(self, since: float, until: float) -> list[dict]:
        """Return events of a period, newest first."""
        kinds = itertools.cycle(
            [
                "enter",
                "cross",
                "exit",
                "enter",
                "exit",
                "over_capacity",
                "enter",
                "dwell_exceeded",
                "cross",
                "fall_silent",
            ]
        )
        found = []
        first = math.ceil(since / 540)
        for number, (at, kind) in enumerate(zip(range(first * 540, int(until), 540), kinds, strict=False)):
            if self.observed(at) == 0:
                continue
            place = {"cross": "door", "dwell_exceeded": "shelves"}.get(kind, "till")
            event = {"id": first + number, "at": stamp(at), "place": place, "version": 1, "kind": kind}
            event |= {"identity": None, "inwards": None, "dwell_s": None, "people": None, "camera": None}
            changes = {
                "over_capacity": {"people": 7},
                "fall_silent": {"camera": "east"},
                "cross": {"identity": 1 + number % 12, "inwards": number % 2 == 0},
                "exit": {"identity": 1 + number % 12, "dwell_s": 184.0},
                "dwell_exceeded": {"identity": 1 + number % 12, "dwell_s": 904.0},
            }
            found.append(event | changes.get(kind, {"identity": 1 + number % 12}))
        return found[::-1]

    def identity(self, person: int) -> dict:
        now = time.time()
        merged = [
            c["source"]
            for c in self.corrections
            if c["type"] == "merge" and c["target"] == person and not c["taken_back_at"]
        ]
        seen = {"first_seen": stamp(now - 1500), "last_seen": stamp(now - 2)}
        return {
            "id": person,
            **seen,
            "certainty": None,
            "reported": [person, *merged],
            "tags": self.tags.get(person, []),
        }

    def record(self, **correction: object) -> dict:
        recorded = {"id": len(self.corrections) + 1, "at": stamp(time.time()), "taken_back_at": None, "certainty": 1.0}
        recorded |= {"since": None, "until": None, "reported": []}
        self.corrections.insert(0, recorded | correction)
        return self.corrections[0]


def instant(text: str | None, otherwise: float) -> float:
    if text is None:
        return otherwise
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).timestamp()


def problem(status: int, detail: str, **errors: str) -> JSONResponse:
    listed = [{"field": name, "detail": text} for name, text in errors.items()]
    return JSONResponse({"status": status, "detail": detail, "errors": listed}, status)


def history_routes(history: FakeHistory, floor_at: Callable[[float], dict]) -> APIRouter:
    """Return the routes below /sites/{site}/."""

    async def answer() -> None:
        if history.away:
            raise HTTPException(503, "the database is away")

    routes = APIRouter(dependencies=[Depends(answer)])
    for add in (add_figures, add_distributions, add_course, add_places, add_people, add_corrections):
        add(routes, history)
    add_replay(routes, history, floor_at)
    return routes


def period(since: str | None, until: str | None) -> tuple[float, float]:
    now = time.time()
    begin, end = instant(since, now - now % DAY_S), instant(until, now)
    if end <= begin:
        raise HTTPException(422, "until is before since")
    return begin, end


def add_figures(routes: APIRouter, history: FakeHistory) -> None:
    @routes.get("/dashboard")
    def dashboard(place: str = "", since: str | None = None, until: str | None = None, without: str = "") -> dict:
        begin, end = period(since, until)
        now = {"people": 12, "places": [{"id": "till", "people": 3}]}
        return {
            "since": stamp(begin),
            "until": stamp(end),
            "now": now,
            "age_s": 0.3,
            "recorded_since": stamp(history.begin),
            **history.figures(place, begin, end, without),
        }

    @routes.get("/occupancy")
    def occupancy(place: str = "", since: str | None = None, until: str | None = None, bucket_s: float = 300) -> dict:
        begin, end = period(since, until)
        if (end - begin) / bucket_s > 5000:
            raise HTTPException(422, "more than 5,000 buckets")
        return history.occupancy(place, begin, end, bucket_s)


def add_distributions(routes: APIRouter, history: FakeHistory) -> None:
    @routes.get("/dwell")
    def dwell(since: str | None = None, until: str | None = None) -> dict:
        quality = history.quality(*period(since, until))
        if quality["observed"] == 0:
            nothing = dict.fromkeys(("mean_s", "median_s", "p10_s", "p90_s", "p95_s"))
            return {
                "n": 0,
                **nothing,
                "cut_off": False,
                "open": 0,
                "lost": 0,
                "histogram": {"edges_s": [], "n": []},
                "quality": quality,
            }
        edges = [0, 30, 60, 120, 180, 300, 450, 600, 900, 1200, 1800, 2700]
        n = [9, 16, 38, 44, 71, 60, 35, 27, 12, 8, 3, 1]
        figures = {"mean_s": 412.0, "median_s": 288.0, "p10_s": 52.0, "p90_s": 870.0, "p95_s": 1130.0, "cut_off": False}
        histogram = {"edges_s": edges, "n": n}
        return {"n": sum(n), **figures, "open": 9, "lost": 14, "histogram": histogram, "quality": quality}

    @routes.get("/queue")
    def queue(since: str | None = None, until: str | None = None) -> dict:
        wait = {"median_s": 140.0, "p90_s": 410.0, "n": 120}
        return {"length": {"mean": 2.4, "peak": 7}, "wait": wait, "quality": history.quality(*period(since, until))}

    @routes.get("/heatmap")
    def heatmap(since: str | None = None, until: str | None = None, cell_m: float = 0.5) -> dict:
        quality = history.quality(*period(since, until))
        empty = quality["observed"] == 0
        rows, columns = (0, 0) if empty else (round(15 / cell_m), round(24 / cell_m))
        spots = [(6.2, 5.2, 2.0, 900), (16.5, 10.2, 3.0, 500), (12.6, 2.0, 1.3, 700), (12, 7, 6, 60)]
        seconds = [
            round(
                sum(
                    top * math.exp(-(((x + 0.5) * cell_m - cx) ** 2 + ((y + 0.5) * cell_m - cy) ** 2) / w**2)
                    for cx, cy, w, top in spots
                ),
                1,
            )
            for y in range(rows)
            for x in range(columns)
        ]
        shape = {"origin": [0.0, 0.0], "cell_m": cell_m, "rows": rows, "columns": columns}
        return {**shape, "seconds": [s if s > 1 else 0 for s in seconds], "quality": quality}

    @routes.get("/flows")
    def flows(since: str | None = None, until: str | None = None) -> dict:
        quality = history.quality(*period(since, until))
        if quality["observed"] == 0:
            return {
                "places": ["door", "shelves", "till"],
                "n": [[0] * 3] * 3,
                "median_s": [[None] * 3] * 3,
                "quality": quality,
            }
        n = [[0, 148, 61], [22, 0, 131], [117, 19, 0]]
        median = [[None, 24.0, 51.0], [66.0, None, 38.0], [19.0, 44.0, None]]
        return {"places": ["door", "shelves", "till"], "n": n, "median_s": median, "quality": quality}


def add_course(routes: APIRouter, history: FakeHistory) -> None:
    @routes.get("/rhythm")
    def rhythm(place: str = "", since: str | None = None, until: str | None = None) -> dict:
        begin, end = period(since, until)
        at = history.buckets(begin, end, HOUR_S)
        mean = [history.mean(t + 1800, place) for t in at]
        odd = {i for i, t in enumerate(at) if mean[i] is not None and (t // HOUR_S) % 53 == 0 and wave(t, place) > 2}
        mean = [round(m * 1.9, 2) if i in odd else m for i, m in enumerate(mean)]
        expected = [None if history.empty else round(wave(t + 1800, place), 3) for t in at]
        low = [None if e is None else round(0.7 * e, 3) for e in expected]
        high = [None if e is None else round(1.3 * e + 0.6, 3) for e in expected]
        found = [{"at": at[i], "mean": mean[i], "low": low[i], "high": high[i], "side": "above"} for i in sorted(odd)]
        columns = {"at": at, "mean": mean, "low": low, "expected": expected, "high": high}
        columns["observed"] = [history.observed(t + 1800) for t in at]
        learnt = {
            "since": stamp(history.begin),
            "until": stamp(end),
            "weeks": 3 if time.time() - history.begin > 10 * DAY_S else 0,
        }
        return {"columns": columns, "anomalies": found, "learnt_from": learnt}

    @routes.get("/events")
    def events(
        since: str | None = None,
        until: str | None = None,
        place: str = "",
        limit: int = 50,
        cursor: int = 0,
        kind: Annotated[tuple[str, ...], Query()] = (),
    ) -> dict:
        found = history.events(*period(since, until))
        found = [e for e in found if (not place or e["place"] == place) and (not kind or e["kind"] in kind)]
        rest = len(found) > cursor + limit
        return {"events": found[cursor : cursor + limit], "next": str(cursor + limit) if rest else None}

    @routes.get("/cameras/uptime")
    def uptime(since: str | None = None, until: str | None = None) -> dict:
        begin, end = period(since, until)
        if history.empty:
            return {"cameras": []}
        begin = max(begin, history.begin)
        out = begin + 0.4 * (end - begin)
        back = out + 0.12 * (end - begin)
        steady = {"camera": "north", "states": [{"at": stamp(begin), "state": "live", "reason": None}]}
        broken = [("live", begin, None), ("lost", out, "no picture for 5 s"), ("live", back, None)]
        states = [{"at": stamp(t), "state": state, "reason": reason} for state, t, reason in broken]
        length = end - begin
        return {
            "cameras": [
                {**steady, "running_s": length, "out_s": 0.0, "uptime": 1.0},
                {
                    "camera": "east",
                    "states": states,
                    "running_s": 0.88 * length,
                    "out_s": 0.12 * length,
                    "uptime": 0.88,
                },
            ]
        }


def add_places(routes: APIRouter, history: FakeHistory) -> None:
    @routes.get("/zones")
    def places() -> dict:
        return {"places": list(history.places.values())}

    @routes.put("/zones/{place}")
    async def draw(place: str, request: Request) -> Response:
        body = await request.json()
        if not str(body.get("name", "")).strip():
            return problem(422, "The place has no name.", name="give it a name")
        if body["kind"] == "zone" and crosses_itself(body["polygon"]):
            return problem(422, "The polygon is wrong.", polygon="its edges cross; move a corner")
        version = history.places.get(place, {}).get("version", 0) + 1
        history.places[place] = {"id": place, **body, "version": version, "since": stamp(time.time())}
        return JSONResponse(history.places[place])

    @routes.delete("/zones/{place}", status_code=204)
    def erase(place: str) -> None:
        if history.places.pop(place, None) is None:
            raise HTTPException(404, f"there is no place {place}")


def crosses_itself(polygon: list[list[float]]) -> bool:
    edges = list(itertools.pairwise([*polygon, polygon[0]]))

    def side(a: list[float], b: list[float], c: list[float]) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    return any(
        side(*e, f[0]) * side(*e, f[1]) < 0 and side(*f, e[0]) * side(*f, e[1]) < 0
        for e, f in itertools.combinations(edges, 2)
    )


def add_people(routes: APIRouter, history: FakeHistory) -> None:
    @routes.get("/identities/{person}")
    def identity(person: int) -> dict:
        if person > 90:
            raise HTTPException(404, f"nobody was person {person}")
        return history.identity(person)

    @routes.put("/identities/{person}/tags")
    async def tag(person: int, request: Request) -> dict:
        history.tags[person] = (await request.json())["tags"]
        return history.identity(person)

    @routes.post("/identities/{person}/merge")
    async def merge(person: int, request: Request) -> Response:
        into = (await request.json())["into"]
        if into > 90:
            return problem(422, f"Nobody was person {into}.", into=f"nobody was person {into}")
        return JSONResponse(history.record(type="merge", source=person, target=into), 201)

    @routes.post("/identities/{person}/split")
    async def split(person: int, request: Request) -> Response:
        body = await request.json()
        since, until = stamp(instant(str(body["since"]), 0)), stamp(instant(str(body["until"]), 0))
        recorded = history.record(
            type="split", source=person, target=91, since=since, until=until, reported=body["reported"]
        )
        return JSONResponse(recorded, 201)


def add_corrections(routes: APIRouter, history: FakeHistory) -> None:
    @routes.get("/corrections")
    def corrections() -> dict:
        return {"corrections": history.corrections, "next": None}

    @routes.delete("/corrections/{correction}", status_code=204)
    def take_back(correction: int) -> None:
        for recorded in history.corrections:
            if recorded["id"] == correction:
                recorded["taken_back_at"] = stamp(time.time())


def add_replay(routes: APIRouter, history: FakeHistory, floor_at: Callable[[float], dict]) -> None:
    def past_floor(at: float) -> dict:
        message = floor_at(at)
        return message | {"replay": True, "people": message["people"] if history.observed(at) else []}

    @routes.get("/replay")
    def replay_at(at: str) -> dict:
        return past_floor(instant(at, 0.0))

    @routes.websocket("/replay")
    async def replay(websocket: WebSocket, since: float, until: float, speed: float) -> None:
        await websocket.accept()
        history.replays += 1
        playing = {"at": since, "speed": speed}

        async def hear() -> None:
            while True:
                order = await websocket.receive_json()
                playing.update({"at": order["at"]} if order["type"] == "seek" else {"speed": order["x"]})

        async def tell() -> None:
            while playing["at"] < until:
                await websocket.send_json(past_floor(playing["at"]))
                await asyncio.sleep(0.2)
                playing["at"] += 0.2 * playing["speed"]
            await websocket.close(1000)

        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await asyncio.gather(hear(), tell())
