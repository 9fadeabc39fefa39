"""`spoton config` and `spoton calibrate`: settings and calibrations, checked before anything runs."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from app.cli.console import out, say
from app.cli.options import ModelsOption, SiteArgument

config = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check settings.")
calibrate = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check calibrations.")


@config.command("check")
def config_check_command(site: SiteArgument) -> None:
    """Check a site file and all that it names.

    Opens footage, detections and calibrations, down to each camera's first frame; loads no weights.
    """
    from app.recorded import check_files
    from app.settings import load_site

    site_file = load_site(site)
    check_files(site_file)
    cameras = site_file.site.cameras
    mapped = sum(camera.calibration is not None for camera in cameras)
    number = "1 camera" if len(cameras) == 1 else f"{len(cameras)} cameras"
    calibrated = {0: "none calibrated, so no floor", len(cameras): "calibrated"}.get(mapped, f"{mapped} calibrated")
    out().print(Text(f"{site}: valid; {number}, {calibrated}"), soft_wrap=True)


@calibrate.command("check")
def calibrate_check_command(
    site: SiteArgument,
    models: ModelsOption = None,
    batches: Annotated[
        int, typer.Option(min=0, help="Frames of each camera to track for the comparison; 0 for none.")
    ] = 200,
) -> None:
    """Tell how well each camera's calibration fits.

    Against itself, the points that it was fitted to, and the other cameras by the people that both see.
    """
    from app.calibration_check import check_site, render
    from app.settings import load_site

    out().print(render(check_site(load_site(site), models, batches, say)))
