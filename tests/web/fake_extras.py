"""What a fake site tells beside its history: groups, predicted ways, one person's heat, and jobs that get on."""

import itertools
import time
from dataclasses import dataclass, field

from fake_history import FakeHistory, instant, period, problem, stamp
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

HORIZONS_S = (1.0, 2.0, 3.0)


@dataclass
class FakeJobs:
    """Jobs that are a step farther whenever somebody asks; those that are held stay where they are."""

    jobs: list[dict] = field(default_factory=list)
    held: bool = False
    full: bool = False
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    def step(self) -> None:
        for job in self.jobs:
            if job["state"] in {"waiting", "running"} and not self.held:
                job["progress"] = min(1.0, job["progress"] + 0.5)
                job["state"] = "done" if job["progress"] == 1 else "running"

    def job(self, name: str) -> dict:
        for job in self.jobs:
            if job["id"] == name:
                return job
        raise HTTPException(404, "there is no such job")

    def begin(self, **order: object) -> dict:
        started = {"state": "waiting", "progress": 0.0, "problem": None, "made_at": stamp(time.time())}
        self.jobs.insert(0, {"id": f"job{next(self.numbers)}", **order, **started})
        return self.jobs[0]


def extra_routes(history: FakeHistory, exports: FakeJobs, rebuilds: FakeJobs, floor_message) -> APIRouter:
    """Return the routes below /sites/{site}/."""
    routes = APIRouter()
    add_company(routes, history)
    add_foresight(routes, floor_message)
    add_exports(routes, exports)
    add_rebuilds(routes, rebuilds, history)
    add_jobs(routes, "exports", exports)
    add_jobs(routes, "rebuilds", rebuilds)
    return routes


def add_company(routes: APIRouter, history: FakeHistory) -> None:
    @routes.get("/groups")
    def groups(since: str | None = None, until: str | None = None, without: str = "") -> Response:
        begin, end = period(since, until)
        if end - begin > 86_400:
            return problem(422, "too long", since="lies more than a day before until")
        if history.empty:
            return JSONResponse({"groups": []})
        found = [([3, 4], 310.0, 0.2), ([1, 2, 7], 754.0, 0.4), (list(range(20, 31)), 95.0, 0.7)]
        told = [
            {
                "identities": people,
                "together_s": together_s,
                "since": stamp(begin + share * (end - begin)),
                "until": stamp(begin + share * (end - begin) + together_s),
            }
            for people, together_s, share in (found[:2] if without else found)
        ]
        return JSONResponse({"groups": told})

    @routes.get("/looks")
    def looks(looks: str, limit: int = 10) -> Response:
        if looks == "wordless":
            return problem(409, "the embedder in use knows no words")
        people = [history.identity(person) | {"likeness": 0.3 - 0.01 * i} for i, person in enumerate((4, 2, 9))]
        return JSONResponse({"looks": looks, "people": people[:limit]})

    @routes.get("/identities/{person}/heatmap")
    def heat(person: int, since: str | None = None, until: str | None = None, cell_m: float = 0.25) -> dict:
        period(since, until)
        shape = {"origin": [4.0, 4.0], "cell_m": cell_m, "rows": 6, "columns": 10}
        seconds = [float((i * (person + 3)) % 17) for i in range(60)]
        return {**shape, "seconds": seconds, "quality": history.quality(*period(since, until))}


def add_foresight(routes: APIRouter, floor_message) -> None:
    @routes.get("/forecast")
    def forecast() -> dict:
        now = time.time()
        people = [
            {
                "id": p["id"],
                "path": [[now + s, p["x"] + s * p["vx"], p["y"] + s * p["vy"], 0.25 * s] for s in HORIZONS_S],
            }
            for p in floor_message(now)["people"]
        ]
        error = {"horizon_s": HORIZONS_S, "error_m": [0.22, 0.51, 0.87], "n": [812, 790, 771]}
        error |= {"p90_m": [0.5, 1.2, 2.0], "standing_m": [0.9, 1.7, 2.4]}
        return {"at": stamp(now), "people": people, "error": error}


def add_exports(routes: APIRouter, exports: FakeJobs) -> None:
    @routes.post("/exports", status_code=202)
    async def begin(request: Request) -> Response:
        order = await request.json()
        if exports.full:
            return problem(409, "there are 20 exports already; remove one first")
        if order["format"] == "mot" and not order.get("camera"):
            return problem(409, "mot text holds the boxes of one camera; name it")
        order |= {"since": stamp(instant(str(order["since"]), 0)), "until": stamp(instant(str(order["until"]), 0))}
        return JSONResponse(exports.begin(**order, rows=1200, bytes=34_000, file="of the job"), 202)

    @routes.get("/exports/{name}/file")
    def file(name: str) -> Response:
        attached = {"content-disposition": f'attachment; filename="fake-{name}.csv"'}
        return PlainTextResponse(f"rows\n{exports.job(name)['rows']}\n", headers=attached)


def add_rebuilds(routes: APIRouter, rebuilds: FakeJobs, history: FakeHistory) -> None:
    @routes.post("/rebuilds", status_code=202)
    async def begin(request: Request) -> Response:
        place = (await request.json())["place"]
        if place not in history.places:
            return problem(422, f"there is no place {place}", place="names no place")
        now = time.time()
        return JSONResponse(rebuilds.begin(place=place, since=stamp(history.begin), until=stamp(now)), 202)


def add_jobs(routes: APIRouter, kind: str, jobs: FakeJobs) -> None:
    @routes.get(f"/{kind}")
    def listed() -> dict:
        jobs.step()
        return {kind: [{**job, "file": None} if job["state"] != "done" else job for job in jobs.jobs]}

    @routes.post(f"/{kind}/{{name}}/resume", status_code=202)
    def resume(name: str) -> dict:
        job = jobs.job(name)
        job["state"] = "waiting"
        return job

    @routes.delete(f"/{kind}/{{name}}", status_code=204)
    def stop(name: str) -> None:
        job = jobs.job(name)
        if job["state"] in {"waiting", "running"}:
            job["state"] = "cancelled"
        else:
            jobs.jobs.remove(job)
