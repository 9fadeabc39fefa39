"""Measures the page's frame time in Chromium: a floor with many dots, and a wall of many cameras.

    uv run python scripts/bench_page.py                      # 500 dots at 30 updates/s; 20 tiles at 10 frames/s
    uv run python scripts/bench_page.py --seconds 20 --json bench.json

A server on this machine speaks the page's interface with a scene of its own (tests/web/fake_site.py). Chromium runs
headless and draws in software, on the same cores as the server, so intervals between frames say what this machine can
do; the page's own work per frame (script) is what the page is responsible for.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "web"))

from fake_site import FakeSite, serve_fake

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
GOAL_MS = 16.7  # p95 of the page's own work per frame: 60 frames a second
WARM_UP_S = 4.0


@dataclass(frozen=True)
class Result:
    """What one scene took, milliseconds."""

    scene: str
    frames_per_s: float
    script_p50: float
    script_p95: float
    interval_p50: float
    interval_p95: float
    main_thread_busy: float  # share of the time, painting included
    age_p50: float | None
    tile_rate: float  # pictures drawn a second, all tiles together


def measure(browser: Browser, scene: str, site: FakeSite, keys: str, seconds: float) -> Result:
    """Watch a site for some seconds and read what the page says about its own frames."""
    with serve_fake(site) as server:
        context = browser.new_context(viewport={"width": 1600, "height": 900})
        page = context.new_page()
        page.goto(server.address)
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_timeout(1000 * WARM_UP_S)
        session = context.new_cdp_session(page)
        session.send("Performance.enable")
        before, begin = _metrics(session), time.monotonic()
        drawn_before = page.evaluate("spoton.drawn()")
        page.wait_for_timeout(1000 * seconds)
        after, took = _metrics(session), time.monotonic() - begin
        frames, ages, drawn = page.evaluate("[spoton.frames(), spoton.ages(), spoton.drawn()]")
        context.close()
    return Result(
        scene=scene,
        frames_per_s=round(frames["count"] / 10.0, 1),
        script_p50=round(frames["script"]["p50"], 2),
        script_p95=round(frames["script"]["p95"], 2),
        interval_p50=round(frames["interval"]["p50"], 1),
        interval_p95=round(frames["interval"]["p95"], 1),
        main_thread_busy=round((after["TaskDuration"] - before["TaskDuration"]) / took, 3),
        age_p50=None if ages is None else round(1000.0 * ages["p50"], 1),
        tile_rate=round((drawn - drawn_before) / took, 1),
    )


def _metrics(session) -> dict[str, float]:  # noqa: ANN001 - playwright's CDPSession
    return {row["name"]: row["value"] for row in session.send("Performance.getMetrics")["metrics"]}


def show(results: list[Result]) -> None:
    """Print a table."""
    table = Table(
        "scene", "frames/s", "script p50/p95 ms", "interval p50/p95 ms", "main thread", "age p50 ms", "tiles/s"
    )
    for r in results:
        table.add_row(
            r.scene,
            f"{r.frames_per_s:g}",
            f"{r.script_p50:g} / {r.script_p95:g}",
            f"{r.interval_p50:g} / {r.interval_p95:g}",
            f"{100 * r.main_thread_busy:.0f} %",
            "-" if r.age_p50 is None else f"{r.age_p50:g}",
            f"{r.tile_rate:g}",
        )
    Console().print(table)


def main() -> int:
    """Measure all scenes; 1 when the page's own work per frame misses the goal."""
    parser = argparse.ArgumentParser(description="Measures the page's frame time in Chromium.")
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    scenes = [
        ("12 dots, 6 tiles, 5/s", FakeSite(people=12, cameras=6, still_pictures=True), ""),
        ("500 dots, 30 updates/s", FakeSite(people=500, cameras=9, rate=30, frame_rate=0.1, demo=False), ""),
        ("20 tiles, 10 frames/s", FakeSite(people=12, cameras=20, frame_rate=10, still_pictures=True), "c"),
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        results = [measure(browser, name, site, keys, arguments.seconds) for name, site, keys in scenes]
        browser.close()
    show(results)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(r) for r in results], indent=2) + "\n", encoding="utf-8")
    return int(any(r.script_p95 > GOAL_MS for r in results))


if __name__ == "__main__":
    raise SystemExit(main())
