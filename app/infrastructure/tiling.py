"""Cuts a large frame into overlapping tiles and joins the boxes found in them. Knows no network and no pixels."""

from dataclasses import dataclass

import numpy as np

from app.domains.vocabulary import BoolArray, BoxArray, IntArray

# Both numbers: person-detection-retail-0013 on multiviewx_mini in tiles of shrink 1.5.
# A box that ends this near to the border of its tile, as a share of the tile's side, may be cut by it. F1 at 0.005,
# 0.01, 0.02 and 0.03: .801, .810, .809, .809.
SEAM_MARGIN = 0.01
# A cut box is dropped when a larger box of another region covers this share of it. F1 at 0.4, 0.6, 0.7, 0.8 and without
# the rule: .810, .810, .807, .801, .749.
SEAM_COVER = 0.6


@dataclass(frozen=True, slots=True)
class Tiles:
    """How large frames are cut."""

    size: int  # pixels of the original frame, the longer side; the shorter follows from the network's input
    overlap: float = (
        0.2  # least share of a side that neighbours have in common: people smaller than it are whole in one
    )

    def __post_init__(self) -> None:
        if self.size < 1 or not 0.0 <= self.overlap < 1.0:
            raise ValueError(
                f"tiles of {self.size} px with overlap {self.overlap}: size must be positive, overlap in [0, 1)"
            )


def lay_tiles(frame: tuple[int, int], tile: tuple[int, int], overlap: float) -> IntArray:
    """Cover a frame with as few evenly spaced tiles as the overlap allows.

    Args:
        frame: width and height in pixels.
        tile: width and height in pixels; a tile larger than the frame is cut down to it.
        overlap: least share of a side that neighbours have in common.

    Returns:
        (T, 4) int64: left, top, right, bottom in pixels of the frame, row by row from the top.
    """
    left, right = _spans(frame[0], tile[0], overlap)
    top, bottom = _spans(frame[1], tile[1], overlap)
    columns, rows = len(left), len(top)
    return np.column_stack(
        (np.tile(left, rows), np.repeat(top, columns), np.tile(right, rows), np.repeat(bottom, columns))
    )


def _spans(length: int, tile: int, overlap: float) -> tuple[IntArray, IntArray]:
    """Return where the tiles along one side begin and end."""
    tile = min(tile, length)
    count = 1 + int(np.ceil((length - tile) / (tile * (1.0 - overlap))))
    begin = np.linspace(0, length - tile, count).round().astype(np.int64)
    return begin, begin + tile


def cut_at_seams(xyxy: BoxArray, region: IntArray, frame: IntArray) -> BoolArray:
    """Tell which boxes end at a border of their region that is not a border of the frame, and may go on beyond it.

    Args:
        xyxy: (N, 4) pixels of the frame.
        region: (N, 4) the tile that each box was found in.
        frame: (N, 2) width and height of the frame.
    """
    near = np.abs(xyxy - region) <= SEAM_MARGIN * np.tile(region[:, 2:] - region[:, :2], 2)
    inner = np.column_stack((region[:, :2] > 0, region[:, 2:] < frame))
    return np.asarray((near & inner).any(axis=1))


def remains_at_seams(xyxy: BoxArray, cut: BoolArray, found_in: IntArray) -> BoolArray:
    """Tell which boxes are the cut-off rest of a person of whom another region shows more.

    Args:
        xyxy: (N, 4) pixels, boxes of one frame.
        cut: (N,) the box ends at a seam.
        found_in: (N,) number of the region that the box was found in.
    """
    rows = np.flatnonzero(cut)
    left, top, right, bottom = xyxy.T
    part_left, part_top, part_right, part_bottom = xyxy[rows].T[..., None]
    shared = (np.minimum(part_right, right) - np.maximum(part_left, left)).clip(min=0)
    shared *= (np.minimum(part_bottom, bottom) - np.maximum(part_top, top)).clip(min=0)
    area = (right - left) * (bottom - top)
    covered = shared >= SEAM_COVER * area[rows, None]
    covered &= (area > area[rows, None]) & (found_in != found_in[rows, None])
    remains = np.zeros(len(xyxy), np.bool_)
    remains[rows] = covered.any(axis=1)
    return remains
