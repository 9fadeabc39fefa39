"""Draws the floor of one instant of a recorded site to a PNG: the picture of the README.

    uv run python scripts/draw_floor.py SITE.yaml 60 docs/floor.png

SITE.yaml may be the set that `spoton eval wildtrack DIR --out OUT` leaves in OUT/seed-0/set. No camera's pixels are in
the picture.
"""

import argparse
import sys
from pathlib import Path

from app.infrastructure.drawing_ink import write_png
from app.infrastructure.floor_drawing import FloorDrawing
from app.orchestration.jobs import StageClock
from app.recorded import build_plan, open_run
from app.settings import load_site


def main() -> None:
    """Track `steps` batches and draw the last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path)
    parser.add_argument("steps", type=int, help="batches to track; the last one is drawn")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--size", type=int, nargs=2, default=(1200, 800), metavar=("WIDTH", "HEIGHT"))
    chosen = parser.parse_args()
    site_file = load_site(chosen.site)
    with open_run(site_file, None, StageClock(), lambda line: print(line, file=sys.stderr)) as run:
        drawing = FloorDrawing(build_plan(site_file, run.views), tuple(chosen.size))
        for _, batch in zip(range(chosen.steps), run.batcher, strict=False):
            update = run.pipeline.step(batch)
            picture = drawing.draw(update.captured_at, update.floor)
    write_png(chosen.picture, picture)


if __name__ == "__main__":
    main()
