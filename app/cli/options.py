"""Arguments that several commands share, and how they are read. Knows no command."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.errors import ConfigError

if TYPE_CHECKING:
    from app.settings import SiteFile

SiteArgument = Annotated[Path, typer.Argument(metavar="SITE.yaml", help="The site file.", show_default=False)]
ModelsOption = Annotated[
    Path | None,
    typer.Option("--models", metavar="DIR", help="Folder of named weights; else $SPOTON_MODELS_DIR, else ./models."),
]
DetectorOption = Annotated[
    str | None,
    typer.Option(metavar="NAME|PATH", help="Weights that find people, in place of the site file's choice."),
]
EmbedderOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|PATH|hsv|none",
        help="Weights that tell people apart, in place of the site file's choice; hsv needs none.",
    ),
]
DeviceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda:N",
        help="Where networks in torch run, in place of the site file's choice; may be given for several cards.",
    ),
]
JsonOption = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the scores here, too.")]


def check_writable(json_file: Path | None) -> None:
    """Refuse a --json that cannot be written before the work is done, not after it."""
    if json_file is not None and (json_file.is_dir() or not json_file.absolute().parent.is_dir()):
        raise ConfigError(json_file, "", "no file can be written there; give --json a file in a folder that exists")


def load(site: Path, detector: str | None, embedder: str | None, devices: list[str] | None = None) -> SiteFile:
    """Read the site file, with the command line's networks and devices in place of its own."""
    from app.settings import load_site

    chosen = "auto" if devices == ["auto"] else devices
    return load_site(site, detector=_from_here(detector), embedder=_from_here(embedder), devices=chosen)


def _from_here(weights: str | None) -> str | None:
    """Make a path on the command line absolute: it starts from here, not from the site file's folder."""
    from app.infrastructure.model_files import HUB

    if weights is None or weights.startswith(HUB) or (Path(weights).name == weights and not Path(weights).suffix):
        return weights
    return str(Path(weights).expanduser().absolute())


@contextmanager
def kept_or_temporary(out: Path | None) -> Iterator[Path]:
    """Give the folder that the user wants kept, or one that is removed at the end."""
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="spoton-") as temporary:
        yield Path(temporary) / "run"
