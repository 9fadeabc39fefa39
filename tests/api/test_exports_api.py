"""Exports over REST: at once, and as jobs; their files as other programs read them."""

import csv
import io
import json
import threading
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from fake_archive import NOON, FakeArchive
from stage import Stage, served

from app.domains.analytics.figures import Event, EventKind
from app.domains.analytics.places import PlaceId
from app.evaluation.mot_text import read_results
from app.orchestration.exports import ExportLimits
from app.orchestration.job_queue import JobLimits

SITE = "/api/v1/sites/shop"
EXPORTS = f"{SITE}/exports"
HOURS = {"since": "2026-01-01T11:30:00Z", "until": "2026-01-01T13:30:00Z"}
DOTS = {"what": "dots", "format": "csv", **HOURS}


class SlowArchive(FakeArchive):
    """Waits at the second hour until it is let go on."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()

    async def dots(self, period, identity=None):
        if period.since >= NOON:
            import asyncio

            await asyncio.to_thread(self.go.wait, 5.0)
        async for part in super().dots(period, identity):
            yield part


@pytest.fixture
def stage(tmp_path):
    return Stage(folder=tmp_path / "exports")


@pytest.fixture
def client(stage):
    with served(stage.site()) as client:
        yield client


def finished(client, job):
    """Wait until a job is no longer under way."""
    for _ in range(300):
        item = client.get(f"{EXPORTS}/{job['id']}").json()
        if item["state"] not in {"waiting", "running"}:
            return item
        time.sleep(0.02)
    pytest.fail(f"still {item}")


def test_dots_at_once_are_csv_with_times_in_utc(client):
    answer = client.get(f"{SITE}/export?what=dots&format=csv&since={NOON}&until={NOON + 1}&identity=2")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="shop-dots.csv"'
    assert answer.text == (
        "at,identity,x_m,y_m,sigma_m,certainty\n"
        '"2026-01-01T12:00:00.000000Z",2,0,2,0.1,0.9\n'
        '"2026-01-01T12:00:00.500000Z",2,0.05,2,0.1,0.9\n'
    )


def test_parquet_which_is_packed_is_not_packed_again(client):
    path = f"{SITE}/export?what=dots&since={NOON}&until={NOON + 600}&format="
    packed = {kind: "content-encoding" in client.get(path + kind).headers for kind in ("csv", "parquet")}
    assert packed == {"csv": True, "parquet": False}


def test_an_export_of_nothing_has_a_header_and_no_rows(client):
    answer = client.get(f"{SITE}/export?what=dots&format=csv&since={NOON - 9}&until={NOON - 8}")
    assert answer.text == "at,identity,x_m,y_m,sigma_m,certainty\n"
    answer = client.get(f"{SITE}/export?what=stays&format=parquet&since={NOON - 9}&until={NOON - 8}&identity=77")
    assert pq.read_table(io.BytesIO(answer.content)).num_rows == 0


def test_what_is_unknown_is_null_in_json_and_parquet_and_empty_in_csv(client):
    query = f"what=boxes&since={NOON}&until={NOON + 0.1}"
    lines = client.get(f"{SITE}/export?{query}&format=jsonl").text.splitlines()
    assert json.loads(lines[0]) == {
        "at": "2026-01-01T12:00:00.000000Z",
        "camera": "east",
        "track": 0,
        "identity": 1,
        "left": 10.0,
        "top": 20.0,
        "right": 30.0,
        "bottom": 60.5,
        "confidence": 0.5,
        "x_m": 1.5,
        "y_m": 2.5,
    }
    assert json.loads(lines[1])["y_m"] is None
    table = pq.read_table(io.BytesIO(client.get(f"{SITE}/export?{query}&format=parquet").content))
    assert table["y_m"].to_pylist() == [2.5, None]
    assert str(table.schema.field("at").type) == "timestamp[us, tz=UTC]"
    rows = list(csv.DictReader(io.StringIO(client.get(f"{SITE}/export?{query}&format=csv").text)))
    assert rows[1]["y_m"] == ""


def test_mot_text_of_one_camera_reads_back_as_results(client, tmp_path):
    text = client.get(f"{SITE}/export?what=boxes&format=mot&camera=east&since={NOON}&until={NOON + 10}").text
    assert text.splitlines()[0] == "1,1,10.00,20.00,20.00,40.50,0.5000,1.500,2.500,0"
    path = tmp_path / "east.txt"
    path.write_text(text)
    table = read_results(path)
    assert table.frame.tolist() == [1, 2, 3, 4]
    assert np.isnan(table.floor[1]).all()


def test_aicity_text_numbers_cameras_and_frames(client):
    lines = client.get(f"{SITE}/export?what=boxes&format=aicity&since={NOON}&until={NOON + 10}").text.splitlines()
    assert lines[:3] == ["1 1 1 10 20 20 40 1.5 2.5", "2 1 1 10 20 20 40 1.5 -1", "1 1 2 10 20 20 40 1.5 -1"]


def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless(client, stage):
    place = PlaceId('=HYPERLINK("http://evil.example","x")')
    stage.archive.kept = [Event(1, NOON, place, 1, EventKind.ENTER)]
    path = f"{SITE}/export?what=events&since={NOON}&until={NOON + 9}"
    row = next(csv.DictReader(io.StringIO(client.get(f"{path}&format=csv").text)))
    assert row["place"] == f"'{place}"
    assert json.loads(client.get(f"{path}&format=jsonl").text)["place"] == place, "only spreadsheets run cells"


@pytest.mark.parametrize("what", ["events", "stays", "occupancy"])
def test_figures_are_exported_in_order_of_time(client, what):
    text = client.get(f"{SITE}/export?what={what}&format=csv&since={NOON}&until={NOON + 600}&bucket_s=300").text
    rows = list(csv.DictReader(io.StringIO(text)))
    times = [row["begun" if what == "stays" else "at"] for row in rows]
    assert times == sorted(times) or what == "stays"
    assert len(rows) == {"events": 7, "stays": 4, "occupancy": 2}[what]


@pytest.mark.parametrize("text", ["csv", "jsonl", "parquet"])
def test_a_job_writes_what_an_export_at_once_gives(client, text):
    answer = client.send("POST", EXPORTS, {**DOTS, "format": text})
    assert answer.status_code == 202
    job = client.get(answer.headers["location"]).json()
    done = finished(client, job)
    assert (done["state"], done["progress"], done["rows"], done["problem"]) == ("done", 1.0, 4800, None)
    file = client.get(done["file"])
    assert file.headers["content-disposition"] == f'attachment; filename="shop-dots.{text}"'
    assert len(file.content) == done["bytes"]
    at_once = client.get(f"{SITE}/export?what=dots&format={text}&since={HOURS['since']}&until={HOURS['until']}")
    if text == "parquet":
        assert pq.read_table(io.BytesIO(file.content)).equals(pq.read_table(io.BytesIO(at_once.content)))
    else:
        assert file.content == at_once.content


def test_a_job_that_is_stopped_goes_on_where_it_was(tmp_path):
    archive = SlowArchive()
    with served(Stage(folder=tmp_path, archive=archive).site()) as client:
        job = client.send("POST", EXPORTS, DOTS).json()
        assert client.get(f"{EXPORTS}/{job['id']}/file").status_code == 409
        while client.get(f"{EXPORTS}/{job['id']}").json()["progress"] == 0.0:
            time.sleep(0.01)
        assert client.send("DELETE", f"{EXPORTS}/{job['id']}").status_code == 204
        archive.go.set()
        stopped = finished(client, job)
        assert (stopped["state"], stopped["progress"]) == ("cancelled", 0.3333)
        archive.asked.clear()
        assert client.send("POST", f"{EXPORTS}/{job['id']}/resume").status_code == 202
        assert finished(client, job)["rows"] == 4800
        assert [question[1].since for question in archive.asked] == [NOON, NOON + 3600], "the first slice is kept"
        again = client.send("POST", f"{EXPORTS}/{job['id']}/resume")
        assert (again.status_code, again.json()["detail"]) == (409, "this export is done, and cannot be resumed")
        assert client.send("DELETE", f"{EXPORTS}/{job['id']}").status_code == 204
        assert client.get(f"{EXPORTS}/{job['id']}").status_code == 404
        assert list(tmp_path.iterdir()) == []


def test_a_job_outlives_the_program(tmp_path):
    archive = SlowArchive()
    with served(Stage(folder=tmp_path, archive=archive).site()) as client:
        job = client.send("POST", EXPORTS, DOTS).json()
        while client.get(f"{EXPORTS}/{job['id']}").json()["progress"] == 0.0:
            time.sleep(0.01)
        archive.go.set()
        threading.Timer(0.0, archive.go.set).start()
    for manifest in tmp_path.glob("*/manifest.json"):  # as a program that was killed leaves it
        plain = json.loads(manifest.read_text())
        manifest.write_text(json.dumps({**plain, "state": "running", "written": 1, "rows": 0, "size": 0}))
    with served(Stage(folder=tmp_path).site()) as client:
        (item,) = client.get(EXPORTS).json()["exports"]
        assert item["state"] == "interrupted"
        client.send("POST", f"{EXPORTS}/{job['id']}/resume")
        done = finished(client, job)
        assert done["state"] == "done"
        assert client.get(done["file"]).text.count("\n") == 4801


def test_a_manifest_cannot_lead_elsewhere(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    with served(Stage(folder=tmp_path / "exports").site()) as client:
        job = finished(client, client.send("POST", EXPORTS, DOTS).json())
    manifest = tmp_path / "exports" / job["id"] / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "job_id": "../other"}))
    (tmp_path / "exports" / "spoiled").mkdir()
    (tmp_path / "exports" / "spoiled" / "manifest.json").write_text("{")
    with served(Stage(folder=tmp_path / "exports").site()) as client:
        assert client.get(EXPORTS).json() == {"exports": []}
    assert other.is_dir()


@pytest.mark.parametrize(
    ("limits", "state", "problem"),
    [
        (ExportLimits(largest=1000), "failed", "larger than"),
        (ExportLimits(spare=10**18), "failed", "make room and resume"),
    ],
)
def test_exports_take_no_more_than_they_may(tmp_path, limits, state, problem):
    with served(Stage(folder=tmp_path, limits=limits).site()) as client:
        item = finished(client, client.send("POST", EXPORTS, DOTS).json())
        assert item["state"] == state
        assert problem in item["problem"]


def test_there_are_only_so_many_exports(tmp_path):
    with served(Stage(folder=tmp_path, limits=ExportLimits(JobLimits(jobs=2))).site()) as client:
        for _ in range(2):
            finished(client, client.send("POST", EXPORTS, DOTS).json())
        refused = client.send("POST", EXPORTS, DOTS)
        assert (refused.status_code, refused.json()["detail"]) == (409, "there are 2 exports already; remove one first")


def test_a_history_that_cannot_be_read_fails_the_job_and_it_can_be_resumed(client, stage):
    stage.archive.broken = True
    job = client.send("POST", EXPORTS, DOTS).json()
    failed = finished(client, job)
    assert (failed["state"], failed["problem"]) == ("failed", "the history cannot be read now")
    stage.archive.broken = False
    client.send("POST", f"{EXPORTS}/{job['id']}/resume")
    assert finished(client, job)["rows"] == 4800


@pytest.mark.parametrize("text", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("what", ["dots", "stays", "occupancy"])
def test_a_history_that_cannot_be_read_is_told_before_an_export_at_once_begins(client, stage, what, text):
    stage.archive.broken = True
    answer = client.get(f"{SITE}/export?what={what}&format={text}&since={NOON}&until={NOON + 600}")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("change", "status", "detail"),
    [
        ({"what": "passwords"}, 422, "what: Input should be"),
        ({"format": "xls"}, 422, "format: Input should be"),
        ({"since": "2026-01-02T00:00:00Z"}, 422, "since: is not before until"),
        ({"place": "nowhere"}, 422, "place: names no zone"),
        ({"camera": "../../etc"}, 422, "camera: names no camera"),
        ({"identity": -1}, 422, "identity: is no id"),
        ({"bucket_s": 61}, 422, "bucket_s: Input should be a multiple of 60"),
        ({"format": "mot"}, 409, "mot text holds boxes; take csv, jsonl or parquet for dots"),
        ({"what": "boxes", "format": "mot"}, 409, "mot text holds the boxes of one camera; name it"),
    ],
)
def test_what_cannot_be_exported_is_refused(client, change, status, detail):
    answer = client.send("POST", EXPORTS, {**DOTS, **change})
    assert answer.status_code == status
    assert detail in answer.json()["detail"]


def test_what_is_too_long_for_at_once_is_a_job(client):
    answer = client.get(f"{SITE}/export?what=boxes&format=csv&since={NOON}&until={NOON + 3601}")
    assert answer.status_code == 422
    assert "lies more than 1 hours before until; POST to exports" in answer.json()["detail"]
