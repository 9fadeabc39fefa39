"""Shows what `spoton bench speed` has measured, for terminals of 120 columns. Measures nothing."""

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from app.bench.speed import Section, Table


def render(section: Section) -> Group:
    """Return the tables of a topic, and the notes below them."""
    parts: list[RichTable | Text] = []
    for table in section.tables:
        parts += [Text(table.title, style="bold"), _render(table), Text()]
    return Group(*parts, *(Text(note, style="dim") for note in section.notes), Text())


def _render(table: Table) -> RichTable:
    shown = RichTable(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for number, heading in enumerate(table.headings):
        width = 16 if number else 32
        shown.add_column(heading, justify="right" if number else "left", overflow="fold", max_width=width)
    for row in table.rows:
        shown.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    return shown


def _style(cell: str) -> str:
    for word, style in (("met", "green"), ("missed", "red")):
        if cell.endswith(word):
            return style
    return ""
