"""Checks a site's calibrations: each against itself and its own points, and all against each other while tracking.

The comparison needs no truth: it takes people that the tracker has found in several cameras at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from app.calibration import fit_errors
from app.domains.mapping.disagreement import (
    CameraDisagreement,
    ModelCheck,
    PointPairErrors,
    check_model,
    cross_camera_disagreement,
    group_by_identity,
)
from app.domains.vocabulary import Sightings
from app.errors import ConfigError
from app.orchestration.jobs import StageClock
from app.recorded import check_files, has_floor, open_run
from app.settings import SiteFile

# A camera further from the others than this is worth a look: twice the median that WILDTRACK's own calibration
# reaches with noisy boxes (0.2 to 0.4 m), and about a step.
SUSPECT_M = 0.8
# The pairs that a fit leaves out: fit_homography's threshold.
SUSPECT_PAIR_M = 0.3

OWN = (
    "height\nm",
    "floor in\nview, %",
    "m/px\nsideways",
    "m/px\nin depth",
    "there and\nback, px",
    "points\npx",
    "points\nm",
)
OWN_CAPTION = (
    "m/px: at the image's centre. there and back: image to floor to image, at worst.\n"
    "points: RMS error of the point pairs that the calibration was fitted to."
)
COMPARED = ("median\npx", "median\nm", "p90\nm", "shift x\nm", "shift y\nm", "boxes")
COMPARED_CAPTION = (
    "distance between where this camera and where the others see the same people,\n"
    "in this camera's pixels and on the floor; shift: the direction of it."
)


@dataclass(frozen=True, slots=True)
class CameraCheck:
    """What is known of one camera's calibration; None where it has none, or nothing to compare with."""

    camera_id: str
    model: ModelCheck | None
    fit: PointPairErrors | None
    others: CameraDisagreement | None


def check_site(
    site_file: SiteFile, models_dir: Path | None, batches: int, say: Callable[[str], None]
) -> tuple[CameraCheck, ...]:
    """Check every camera; `batches` frames of each are tracked to compare cameras, 0 leaves that out.

    Raises:
        SpotOnError: a calibration that cannot work, or footage or weights that cannot be read.
    """
    if not has_floor(site_file):
        raise ConfigError(site_file.path, "cameras", "no camera has a calibration, so there is nothing to check")
    views = check_files(site_file)
    models = [view.model for view in views.values()]
    instants: list[Sequence[Sightings]] = []
    if batches and sum(model is not None for model in models) > 1:
        # cameras that correct their own shifts while running would hide what is asked for here
        with open_run(_as_calibrated(site_file), models_dir, StageClock(), say) as run:
            for _, batch in zip(range(batches), run.batcher, strict=False):
                instants.append(run.pipeline.step(batch).sightings)
    others = cross_camera_disagreement(models, group_by_identity(instants, tuple(views)))
    checks = []
    for camera, view, apart in zip(site_file.site.cameras, views.values(), others, strict=True):
        model = None if view.model is None else check_model(view.model)
        compared = apart if apart.count else None
        checks.append(CameraCheck(camera.id, model, fit_errors(site_file, camera, view), compared))
    return tuple(checks)


def _as_calibrated(site_file: SiteFile) -> SiteFile:
    """Return the site with cameras that learn no shift of their image."""
    fusion = site_file.site.fusion
    still = replace(fusion, habits=replace(fusion.habits, wander=0.0))
    return replace(site_file, site=site_file.site.model_copy(update={"fusion": still}))


def render(checks: Sequence[CameraCheck]) -> RenderableType:
    """Lay the checks out for a terminal of 80 columns."""
    own = _table("Each calibration by itself", OWN)
    compared = _table("Against the other cameras", COMPARED)
    notes: dict[str, list[str]] = {}
    for check in checks:
        own.add_row(check.camera_id, *_own(check))
        compared.add_row(check.camera_id, *_compared(check.others))
        for note in _findings(check):
            notes.setdefault(note, []).append(check.camera_id)
    parts: list[RenderableType] = [own, Text(OWN_CAPTION, style="dim")]
    if any(check.others is not None for check in checks):
        parts += [Text(), compared, Text(COMPARED_CAPTION, style="dim")]
    parts.append(Text())
    parts += [Text(f"{', '.join(cameras)}: {note}") for note, cameras in notes.items()]
    return Group(*parts) if notes else Group(*parts, Text("No camera stands out."))


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title_style="bold")
    table.show_edge, table.pad_edge = False, False
    table.add_column("camera", overflow="fold", vertical="bottom")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _own(check: CameraCheck) -> list[str]:
    model, fit = check.model, check.fit
    if model is None:
        return ["-"] * len(OWN)
    return [
        _number(model.height_m, 2),
        _number(100.0 * model.floor_share, 0),
        _number(model.sideways_m_per_px, 4),
        _number(model.depth_m_per_px, 4),
        _number(model.round_trip_px, 3),
        "-" if fit is None else _number(fit.rms_px, 2),
        "-" if fit is None else _number(fit.rms_m, 3),
    ]


def _compared(others: CameraDisagreement | None) -> list[str]:
    if others is None:
        return ["-"] * len(COMPARED)
    return [
        _number(others.median_px, 1),
        _number(others.median_m, 2),
        _number(others.p90_m, 2),
        f"{others.shift_m[0]:+.2f}",
        f"{others.shift_m[1]:+.2f}",
        str(others.count),
    ]


def _findings(check: CameraCheck) -> list[str]:
    if check.model is None:
        return ["has no calibration; its people have no place on the floor"]
    found = []
    if not check.model.bottom_is_floor:
        found.append("the middle of the image's bottom edge is not floor; is the calibration for this camera?")
    if check.model.mirrored:
        found.append("sees a mirrored floor: x to y turns clockwise; a plan with y up shows it as in a mirror")
    if check.model.round_trip_px > 1.0:
        found.append("image to floor and back is off by more than a pixel; is the distortion right?")
    for number, metres in enumerate([] if check.fit is None else check.fit.metres.tolist(), start=1):
        if np.isnan(metres):
            found.append(f"point pair {number} lies above the horizon; is it a slip?")
        elif metres > SUSPECT_PAIR_M:
            found.append(f"point pair {number} is {metres:.2f} m off; is it a slip?")
    if check.others is not None and check.others.median_m > SUSPECT_M:
        found.append(f"stands {check.others.median_m:.2f} m from what the others say; has it been moved?")
    return found


def _number(value: float, digits: int) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.{digits}f}" if abs(value) < 10_000 else f"{value:.0e}"  # at the horizon
