"""The file formats of exports: CSV, JSON Lines, Parquet, MOTChallenge and AI City text. Knows no job and no history."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from app.domains.vocabulary import CameraId
from app.infrastructure.result_files import mot_lines
from app.orchestration.exports import Encoding
from app.orchestration.job_queue import JobRefused
from app.orchestration.tables import Format, Order, Table, What

_TIME, _ID, _NUMBER, _TEXT = pa.timestamp("us", tz="UTC"), pa.int64(), pa.float64(), pa.string()
_WHERE = {"x_m": _NUMBER, "y_m": _NUMBER}
SCHEMAS: Mapping[What, Any] = {
    What.DOTS: pa.schema(
        {"at": _TIME, "identity": _ID, **_WHERE, "sigma_m": _NUMBER, "certainty": _NUMBER},
    ),
    What.BOXES: pa.schema(
        {
            "at": _TIME,
            "camera": _TEXT,
            "track": _ID,
            "identity": _ID,
            **dict.fromkeys(("left", "top", "right", "bottom", "confidence"), pa.float32()),
            **_WHERE,
        }
    ),
    What.EVENTS: pa.schema(
        {
            "id": _ID,
            "at": _TIME,
            "place": _TEXT,
            "place_version": _ID,
            "kind": _TEXT,
            "identity": _ID,
            "inwards": pa.bool_(),
            "dwell_s": _NUMBER,
            "people": _ID,
            "camera": _TEXT,
        }
    ),
    What.STAYS: pa.schema(
        {"place": _TEXT, "identity": _ID, "begun": _TIME, "ended": _TIME, "dwell_s": _NUMBER, "ending": _TEXT}
    ),
    What.OCCUPANCY: pa.schema(
        {
            "at": _TIME,
            "place": _TEXT,
            **dict.fromkeys(
                ("bucket_s", "mean", "peak", "entered", "left", "speed_m_s", "observed"),
                _NUMBER,
            ),
        }
    ),
}
SUFFIXES = {
    Format.CSV: "csv",
    Format.JSONL: "jsonl",
    Format.PARQUET: "parquet",
    Format.MOT: "txt",
    Format.AICITY: "txt",
}
FORMULA = r"^[=+\-@\t\r]"  # what a spreadsheet takes for one, where it begins a cell: OWASP, CSV injection
TIME_TEXT = "%Y-%m-%dT%H:%M:%SZ"


def encoding_of(order: Order, cameras: Mapping[CameraId, float | None]) -> Encoding:
    """Return how an order's rows are written.

    Args:
        order: the order.
        cameras: frames a second of the site's cameras, in the order in which AI City text numbers them.

    Raises:
        JobRefused: those rows cannot be written in that format.
    """
    match order.format:
        case Format.CSV:
            return CSVText(SCHEMAS[order.what])
        case Format.JSONL:
            return JSONLines(SCHEMAS[order.what])
        case Format.PARQUET:
            return ParquetBytes(SCHEMAS[order.what])
        case Format.MOT | Format.AICITY:
            return _boxes_text(order, cameras)


def _boxes_text(order: Order, cameras: Mapping[CameraId, float | None]) -> Encoding:
    if order.what is not What.BOXES:
        raise JobRefused(f"{order.format.value} text holds boxes; take csv, jsonl or parquet for {order.what.value}")
    named = list(cameras) if order.camera is None else [order.camera]
    if order.format is Format.MOT and len(named) != 1:
        raise JobRefused("mot text holds the boxes of one camera; name it")
    rates = {name: cameras.get(name) for name in named}
    if unknown := [name for name, fps in rates.items() if not fps]:
        raise JobRefused(f"nobody knows how many frames a second camera {unknown[0]} gives, so they have no numbers")
    numbers = {name: number for number, name in enumerate(cameras, start=1)}
    known = {name: fps for name, fps in rates.items() if fps}
    return (MOTText if order.format is Format.MOT else AICityText)(order.period.since, known, numbers)


class CSVText:
    """CSV with a header. Cells of text that a spreadsheet would take for a formula have a ' before them."""

    def __init__(self, schema: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        self._schema = schema

    def begin(self) -> bytes:
        """Return the header."""
        return (",".join(self._schema.names) + "\n").encode()

    def rows(self, table: Table) -> bytes:
        """Return rows; what is not known is an empty cell."""
        known = _with_times_as_text(arrow_of(table, self._schema))
        safe = [_without_formulas(column) if column.type == _TEXT else column for column in known.columns]
        written = io.BytesIO()
        options = csv.WriteOptions(include_header=False, quoting_style="needed")
        csv.write_csv(pa.table(safe, names=known.column_names), written, options)
        return written.getvalue()

    def end(self) -> bytes:
        """Return nothing."""
        return b""


class JSONLines:
    """One JSON object a line; what is not known is null."""

    def __init__(self, schema: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        self._schema = schema

    def begin(self) -> bytes:
        """Return nothing."""
        return b""

    def rows(self, table: Table) -> bytes:
        """Return rows."""
        records = _with_times_as_text(arrow_of(table, self._schema)).to_pylist()
        return "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records).encode()

    def end(self) -> bytes:
        """Return nothing."""
        return b""


class ParquetBytes:
    """A Parquet file, packed by zstd; a row group for each table."""

    def __init__(self, schema: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        self._schema, self._written = schema, io.BytesIO()
        self._taken = 0
        self._writer = parquet.ParquetWriter(self._written, schema, compression="zstd")

    def begin(self) -> bytes:
        """Return the file's first bytes."""
        return self._take()

    def rows(self, table: Table) -> bytes:
        """Return a row group; nothing for no rows."""
        rows = arrow_of(table, self._schema)
        if rows.num_rows:
            self._writer.write_table(rows)
        return self._take()

    def end(self) -> bytes:
        """Return the footer."""
        self._writer.close()
        return self._take()

    def _take(self) -> bytes:
        """Return what was written since the last time."""
        fresh = self._written.getvalue()
        self._written.seek(0)
        self._written.truncate()
        return fresh


class MOTText:
    """MOTChallenge text of one camera: `frame,id,left,top,width,height,conf,x,y,z`; frames count from 1 at the begin.

    Boxes of nobody who has an identity are left out, as they are no result.

    Args:
        since: capture time of frame 1.
        rates: frames a second by camera.
        numbers: of the cameras.
    """

    def __init__(self, since: float, rates: Mapping[CameraId, float], numbers: Mapping[CameraId, int]) -> None:
        self._since, self._rates, self._numbers = since, rates, numbers

    def begin(self) -> bytes:
        """Return nothing."""
        return b""

    def rows(self, table: Table) -> bytes:
        """Return rows."""
        columns = _named_boxes(table)
        lines = mot_lines(
            self.frames(columns), columns["identity"], columns["xyxy"], columns["confidence"], columns["xy"]
        )
        return lines.encode()

    def end(self) -> bytes:
        """Return nothing."""
        return b""

    def frames(self, columns: Mapping[str, Any]) -> Any:  # noqa: ANN401 - numpy's arrays by name
        """Return the (N,) numbers of the frames of boxes."""
        rates = np.array([self._rates[camera] for camera in columns["camera"]], np.float64)
        passed_s = columns["at"].astype(np.int64) / 1e6 - self._since
        return np.round(passed_s * rates).astype(np.int64) + 1


class AICityText(MOTText):
    """AI City Challenge text of all cameras: `camera id frame left top width height x y`, separated by blanks.

    Cameras are numbered from 1 in the site's order; x and y are -1 where the floor is not known.
    """

    def rows(self, table: Table) -> bytes:
        """Return rows."""
        columns = _named_boxes(table)
        numbers = [self._numbers[camera] for camera in columns["camera"]]
        left, top, right, bottom = columns["xyxy"].round().astype(np.int64).T
        places = np.where(np.isfinite(columns["xy"]), columns["xy"], -1.0).round(3).T.tolist()
        cells = (
            numbers,
            columns["identity"].tolist(),
            self.frames(columns).tolist(),
            *(edge.tolist() for edge in (left, top, right - left, bottom - top)),
            *places,
        )
        line = "%d %d %d %d %d %d %d %.7g %.7g\n"
        return "".join(map(line.__mod__, zip(*cells, strict=True))).encode()


def join(order: Order, parts: list[Path], whole: BinaryIO) -> None:
    """Write slices, in order, as one file; they were written one by one, the first of them with what begins a file."""
    if order.format is Format.PARQUET:
        _join_parquet(order, parts, whole)
        return
    for part in parts:
        with part.open("rb") as piece:
            while block := piece.read(1 << 20):
                whole.write(block)


def _join_parquet(order: Order, parts: list[Path], whole: BinaryIO) -> None:
    with parquet.ParquetWriter(whole, SCHEMAS[order.what], compression="zstd") as writer:
        for part in parts:
            with parquet.ParquetFile(part) as piece:
                for group in range(piece.num_row_groups):
                    writer.write_table(piece.read_row_group(group))


def arrow_of(table: Table, schema: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return the table in the types of a schema; NaN and None are null."""
    arrays = [pa.array(table[name], from_pandas=True) for name in schema.names]
    typed = [array.cast(field.type) for array, field in zip(arrays, schema, strict=True)]
    return pa.Table.from_arrays(typed, schema=schema)


def _with_times_as_text(table: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    columns = [pc.strftime(column, TIME_TEXT) if column.type == _TIME else column for column in table.columns]
    return pa.table(columns, names=table.column_names)


def _without_formulas(column: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    return pc.if_else(pc.match_substring_regex(column, FORMULA), pc.binary_join_element_wise("'", column, ""), column)


def _named_boxes(table: Table) -> dict[str, Any]:
    """Return the boxes of people with an identity: at, camera, identity, xyxy (N, 4), confidence, xy (N, 2)."""
    identity = list(table["identity"])
    rows = np.array([row for row, who in enumerate(identity) if who is not None], np.int64)
    sides = [np.asarray(table[name])[rows] for name in ("left", "top", "right", "bottom")]
    return {
        "at": np.asarray(table["at"])[rows],
        "camera": [table["camera"][row] for row in rows.tolist()],
        "identity": np.array([identity[row] for row in rows.tolist()], np.int64),
        "xyxy": np.stack(sides, axis=1).astype(np.float64),
        "confidence": np.asarray(table["confidence"])[rows],
        "xy": np.stack([np.asarray(table["x_m"])[rows], np.asarray(table["y_m"])[rows]], axis=1),
    }
