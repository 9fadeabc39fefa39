"""`spoton serve`: a live site in the browser."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.console import say
from app.cli.keep import (
    KeepBoxesOption,
    KeepDotsOption,
    KeepEventsOption,
    KeepHoursOption,
    KeepMinutesOption,
    retention,
)
from app.cli.options import DetectorOption, DeviceOption, EmbedderOption, ModelsOption, load
from app.errors import ConfigError

if TYPE_CHECKING:
    from app.serving import ServeOptions

LOCAL = ("127.0.0.1", "localhost", "::1")

PortOption = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any free one.")]
HostOption = Annotated[
    str,
    typer.Option(metavar="ADDRESS", help="Address to listen on; others than this machine's need --without-accounts."),
]
UnprotectedOption = Annotated[
    bool,
    typer.Option(
        "--without-accounts",
        help="Let whoever reaches --host see everything: there are no accounts yet, and no encryption.",
    ),
]
DataOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder of the history, and of what waits for another --database.")
]


def _filled(address: str | None) -> str | None:
    """Return the address with {NAME} replaced, so that no password need stand in an argument or in the environment."""
    if address is None or "{" not in address:
        return address
    from app.settings import fill_address

    return fill_address(address)


DatabaseOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="SPOTON_DATABASE",
        callback=_filled,
        help="Keep the history there: postgresql://USER@HOST/NAME or sqlite:///PATH; else in a file in --data. {NAME}"
        " stands for what the environment holds under NAME, or the file under NAME_FILE.",
    ),
]


def serve_command(
    site: Annotated[Path, typer.Option(metavar="SITE.yaml", help="The site file.", show_default=False)],
    port: PortOption = 8000,
    host: HostOption = "127.0.0.1",
    without_accounts: UnprotectedOption = False,
    data: DataOption = Path("spoton-data"),
    database: DatabaseOption = None,
    keep_boxes: KeepBoxesOption = None,
    keep_dots: KeepDotsOption = None,
    keep_events: KeepEventsOption = None,
    keep_minutes: KeepMinutesOption = None,
    keep_hours: KeepHoursOption = None,
    detector: DetectorOption = None,
    embedder: EmbedderOption = None,
    models: ModelsOption = None,
    device: DeviceOption = None,
) -> None:
    """Serve a live site: the floor with everybody on it, and what each camera sees, in the browser.

    Cameras are network and USB cameras, simulated ones, or recordings, which play again and again.
    """
    site_file = load(site, detector, embedder, device)
    keep = retention(site_file.site.keep, keep_boxes, keep_dots, keep_events, keep_minutes, keep_hours)
    options = options_of(host, port, data, models, without_accounts=without_accounts)
    options = replace(options, database=database, keep=keep)

    def ready(address: str) -> None:
        say(f"{address} shows {site_file.site.site}; Ctrl-C stops")

    from app.serving import serve

    serve(site_file, options, say=say, ready=ready)
    leave()


def leave() -> None:
    """End the process now: all is stopped and written, and taking the networks' libraries apart costs a second more."""
    say("spoton: stopped")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def options_of(host: str, port: int, data: Path, models: Path | None, *, without_accounts: bool) -> ServeOptions:
    """Put together where and for whom a site is served.

    Raises:
        ConfigError: a host that others can reach, without the flag that says that there are no accounts.
    """
    from app.api.application import Access
    from app.api.security import THIS_MACHINE
    from app.serving import ServeOptions

    if host in LOCAL:
        return ServeOptions(host, port, data, models)
    if not without_accounts:
        problem = (
            "others may reach this address, and there are no accounts yet: add --without-accounts if that is meant"
        )
        raise ConfigError("--host", host, problem)
    hosts = THIS_MACHINE | {host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}
    return ServeOptions(host, port, data, models, Access(hosts, any_address=True))
