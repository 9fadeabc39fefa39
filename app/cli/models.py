"""`spoton models`: which weights there are, how to get them, and whether they are still what they were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from app.cli.console import out, say
from app.cli.options import ModelsOption
from app.errors import ModelError

if TYPE_CHECKING:
    from app.infrastructure.model_catalogue import PublishedModel
    from app.infrastructure.model_store import CheckedFile

models = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Get weights by name, and check them.")

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="As `spoton models list` has it.", show_default=False)
]


@models.command("list")
def list_command(models_dir: ModelsOption = None) -> None:
    """Show the weights that SpotOn knows by name, and which of them are here."""
    from app.infrastructure.model_catalogue import CATALOGUE
    from app.infrastructure.model_files import models_directory, present_models

    present = present_models(models_dir)
    table = Table("name", "task", "runs on", "licence", "checksum", "here")
    for model in CATALOGUE:
        sums = [file.sha256 is not None for file in model.files]
        pinned = "known" if all(sums) else "of the weights" if sums[-1] else "of the first pull"
        here = "yes" if model.name in present else ""
        table.add_row(model.name, model.task, model.runs_on, model.licence, pinned, here)
    out().print(table)
    known = {model.name for model in CATALOGUE}
    if others := [name for name in present if name not in known]:
        say(f"also here: {', '.join(others)}")
    say(f"models directory: {models_directory(models_dir)}")


@models.command("pull")
def pull_command(
    name: NameArgument,
    models_dir: ModelsOption = None,
    mirror: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", envvar="SPOTON_MODELS_MIRROR", help="Folder laid out like the models directory; comes first."
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", envvar="SPOTON_OFFLINE", help="Take files from the mirror and nowhere else.")
    ] = False,
) -> None:
    """Bring weights to the models directory: from a mirror if it has them, else from their maker."""
    from app.infrastructure.model_files import models_directory
    from app.infrastructure.model_store import download, pull

    model, directory = _known(name), models_directory(models_dir)
    say(f"{model.name}: {model.task}; licence {model.licence}, which you accept by using it")

    def fetch(url: str, path: Path) -> None:
        say(f"fetching {url}")
        download(url, path)

    _tell(pull(model, directory, mirror=mirror, fetch=None if offline else fetch))


@models.command("verify")
def verify_command(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One of them; else all that are here.")] = None,
    models_dir: ModelsOption = None,
) -> None:
    """Compare weights with their checksums; leaves with code 1 where one differs."""
    from app.infrastructure.model_catalogue import CATALOGUE
    from app.infrastructure.model_files import models_directory
    from app.infrastructure.model_store import FileState, verify

    directory = models_directory(models_dir)
    wanted = [_known(name)] if name is not None else [m for m in CATALOGUE if (directory / m.name).is_dir()]
    if not wanted:
        say(f"none of the weights that SpotOn knows is in {directory}; `spoton models list` shows them")
    checked = [file for model in wanted for file in verify(model, directory)]
    _tell(checked)
    if any(file.state in {FileState.CHANGED, FileState.MISSING} for file in checked):
        raise typer.Exit(1)


def _known(name: str) -> PublishedModel:
    from app.infrastructure.model_catalogue import CATALOGUE, published

    model = published(name)
    if model is None:
        raise ModelError(name, f"not known by name; known are {', '.join(model.name for model in CATALOGUE)}")
    return model


def _tell(checked: list[CheckedFile]) -> None:
    for file in checked:
        shown = "" if file.sha256 is None else f"  sha256 {file.sha256}"
        out().print(Text(f"{file.path}: {file.state}{shown}"), soft_wrap=True)
