"""`spoton simulate`: makes a synthetic site with truth, as videos or as addresses of simulated cameras."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.console import progress, say

if TYPE_CHECKING:
    from app.simulation.faults import Faults

FAULTS = ("freeze", "gone", "loss", "skew", "bump", "light")  # keys of an address


def simulate_command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the site; it must not exist yet, or be empty.")],
    scene: Annotated[
        str, typer.Option(help="shop and square: cameras overlap; offices: people are out of sight in between.")
    ] = "shop",
    people: Annotated[int, typer.Option(min=0, max=200, help="How many people there are.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random: the same seed, the same pixels.")] = 0,
    pace: Annotated[float, typer.Option(min=0.2, max=2.0, help="Factor on walking speeds.")] = 1.0,
    outfits: Annotated[int, typer.Option(min=0, help="How many different outfits; 0 gives each person their own.")] = 0,
    away: Annotated[
        float, typer.Option(min=0.1, max=100.0, help="Factor on how long people who leave stay away, 8 to 30 s.")
    ] = 1.0,
    walks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Play these recorded walks (obsmat.txt of ETH or UCY).")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long the cameras run.")] = 60.0,
    fps: Annotated[float, typer.Option(min=0.1, max=60.0, help="Frames a second.")] = 5.0,
    size: Annotated[str, typer.Option(metavar="WxH", help="Pixels of a frame.")] = "640x360",
    cameras: Annotated[int | None, typer.Option(min=1, help="Only the first so many cameras.")] = None,
    perturb: Annotated[
        float, typer.Option(metavar="PX", min=0.0, max=200.0, help="Calibrations are off by so many pixels.")
    ] = 0.0,
    freeze: Annotated[
        list[str] | None, typer.Option(metavar="CAMERA:AT:SECONDS", help="The picture stands still for a while.")
    ] = None,
    gone: Annotated[
        list[str] | None, typer.Option(metavar="CAMERA:AT:SECONDS", help="No frame comes for a while.")
    ] = None,
    loss: Annotated[
        list[str] | None, typer.Option(metavar="CAMERA:SHARE", help="This share of frames is lost.")
    ] = None,
    skew: Annotated[
        list[str] | None, typer.Option(metavar="CAMERA:SECONDS", help="The camera's clock is ahead.")
    ] = None,
    bump: Annotated[
        list[str] | None, typer.Option(metavar="CAMERA:AT:PX", help="The camera is knocked aside by so many pixels.")
    ] = None,
    light: Annotated[
        list[str] | None, typer.Option(metavar="CAMERA:AT:GAIN", help="The light gets so many times as bright.")
    ] = None,
    addresses: Annotated[
        bool, typer.Option("--addresses", help="Write no videos: site.yaml names simulated cameras that run live.")
    ] = False,
    boxes: Annotated[
        bool, typer.Option("--boxes", help="Write no videos, but boxes as a detector would find: 15 times as fast.")
    ] = False,
) -> None:
    """Make a synthetic site: videos, calibrations and truth.

    Writes site.yaml, plan.png, a video per camera and <camera>/gt/gt.txt, as `spoton track` and `spoton eval set` read
    them. CAMERA may be `all`; flags with CAMERA can be given several times.
    """
    from app.evaluation.seen_noise import SeenNoise
    from app.simulated import SiteConfig, camera_names, demo_site_file, write_site
    from app.simulated_boxes import write_boxes
    from app.simulation.address import parse_address

    if addresses and boxes:
        raise typer.BadParameter("--addresses and --boxes: give one of them")
    query = f"people={people}&seed={seed}&pace={pace}&outfits={outfits}&away={away}"
    query += f"&fps={fps}&duration={seconds}&size={size}"
    begun = time.monotonic()
    try:
        usual = parse_address(f"sim:{scene}/any?{query}")
        config = SiteConfig(
            scene=scene,
            world=replace(usual.world, walks=None if walks is None else walks.absolute()),
            cameras=cameras,
            fps=usual.fps,
            size=usual.size,
            duration_s=usual.duration_s,
            perturb_px=perturb,
        )
        given = zip(FAULTS, (freeze, gone, loss, skew, bump, light), strict=True)
        config = replace(config, faults=_faults(camera_names(config), dict(given)))
        if addresses:
            path = demo_site_file(config, out)
        elif boxes:
            with progress(scene) as report:
                path = write_boxes(out, config, SeenNoise(), report)
        else:
            with progress(scene) as report:
                path = write_site(out, config, report)
    except ValueError as error:
        raise typer.BadParameter(str(error).replace(" in the address", "")) from error
    names = camera_names(config)
    say(f"{path}: {len(names)} cameras, {seconds:g} s; took {time.monotonic() - begun:.1f} s")
    if not addresses:
        say(f"next: spoton eval set {out}")


def _faults(names: Sequence[str], given: Mapping[str, Sequence[str] | None]) -> dict[str, Faults]:
    """Read flags of the form CAMERA:VALUE; CAMERA may be `all`.

    Raises:
        ValueError: another form, a camera that is not there, or a value out of range.
    """
    from app.simulation.address import parse_address

    queries: dict[str, list[str]] = {}
    for key, texts in given.items():
        for text in texts or ():
            camera, colon, value = text.partition(":")
            if not colon or (camera != "all" and camera not in names):
                raise ValueError(f"--{key} {text}: begin with one of {', '.join(names)}, or all, and a colon")
            for name in names if camera == "all" else (camera,):
                queries.setdefault(name, []).append(f"{key}={value}")
    return {name: parse_address(f"sim:any/{name}?{'&'.join(query)}").faults for name, query in queries.items()}
