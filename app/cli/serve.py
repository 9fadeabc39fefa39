"""`spoton serve` and `spoton demo`: a live site in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.console import say
from app.cli.options import DetectorOption, EmbedderOption, ModelsOption, load

PortOption = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any free one.")]
DataOption = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder of the history.")]


def serve_command(
    site: Annotated[Path, typer.Option(metavar="SITE.yaml", help="The site file.", show_default=False)],
    port: PortOption = 8000,
    data: DataOption = Path("spoton-data"),
    detector: DetectorOption = None,
    embedder: EmbedderOption = None,
    models: ModelsOption = None,
) -> None:
    """Serve a live site: the floor with everybody on it, and what each camera sees, in the browser."""
    from app.serving import ServeOptions, serve

    def ready(address: str) -> None:
        say(f"{address} shows {site_file.site.site}; Ctrl-C stops")

    site_file = load(site, detector, embedder)
    serve(site_file, ServeOptions("127.0.0.1", port, data, models), say=say, ready=ready)
    say("spoton: stopped")
