"""How tall each target is, learnt while its feet and its head are seen. Compiled with numba; knows no identities.

A head tells where somebody stands only as well as it is known how tall that is: where the image's edge cuts a figure,
10 cm more or less are half a metre on the floor. Each target's height is a scalar Kalman filter that begins with the
height of people in general; every box that shows head and feet measures it, as far as its end is the feet.
"""

import numpy as np
from numba import njit

from app.domains.mapping.rig import Rig
from app.domains.mapping.sight import Sight, Trust, below_head, foot_of, hidden_posterior, hidden_prior, to_ideal
from app.domains.mapping.targets import Columns, PointArrays, Points, first_rows
from app.domains.vocabulary import BoxArray, FloatArray, IntArray


@njit(cache=True, error_model="numpy")
def statures(columns: Columns, count: int, frames: IntArray, track_id: IntArray) -> FloatArray:
    """Return (N, 2) the height and its variance of the target that each camera's track belonged to last.

    Metres and square metres; NaN for tracks that belong to nobody, and where the height is not known yet.
    """
    table = first_rows(columns, count)
    found = np.full((len(track_id), 2), np.nan)
    for f in range(len(frames)):
        camera, first, last = frames[f]
        for n in range(first, last):
            for m in range(count):
                if table.track_id[m, camera] == track_id[n]:
                    found[n] = table.stature[m]
    return found


@njit(cache=True, error_model="numpy")
def learn_statures(  # noqa: PLR0913 - compiled functions take plain arrays
    rig: Rig,
    habits: tuple[FloatArray, FloatArray],
    columns: Columns,
    count: int,
    now: float,
    points: PointArrays,
    target: IntArray,
    xyxy: BoxArray,
    learnt_at: FloatArray,
    rates: tuple[float, float],
) -> None:
    """Take in what boxes tell of their targets' heights, in place; each camera is asked every so often only.

    Args:
        rig: of C cameras.
        habits: (C, 3) and (C, GY, GX) of the cameras.
        columns: of the targets' table.
        count: of targets.
        now: seconds.
        points: N of them.
        target: (N,) index of the target that has each point, -1 for none.
        xyxy: (N, 4) pixels.
        learnt_at: (C,) seconds when each camera was asked last; changed.
        rates: seconds between two questions, and metres by which a height is doubted more after that time.
    """
    every_s, doubt_m = rates
    general, ends = habits
    table, frames = first_rows(columns, count), Points(*points).frames
    for f in np.argsort(frames[:, 0]):  # in whatever order frames came
        camera, first, last = frames[f]
        if now - learnt_at[camera] < every_s:
            continue
        learnt_at[camera] = now
        sight, trust, boxes = rig[camera].sight, rig[camera].trust, xyxy[first:last]
        for i in range(len(boxes)):
            m = target[first + i]
            if m < 0:
                continue
            usual, most = trust.person_height_m, trust.height_sigma_m**2
            mean, variance = table.stature[m]
            known = not np.isnan(mean)
            mean, variance = (mean, min(variance + doubt_m**2, most)) if known else (usual, most)
            told, noise = measure_height(sight, trust, general[camera], ends[camera], boxes, i, mean, variance)
            if not np.isnan(told):
                gain = variance / (variance + noise)
                table.stature[m, 0], table.stature[m, 1] = mean + gain * (told - mean), (1.0 - gain) * variance


@njit(cache=True, error_model="numpy")
def measure_height(  # noqa: PLR0913 - compiled functions take plain arrays
    sight: Sight,
    trust: Trust,
    habit: FloatArray,
    ends: FloatArray,
    xyxy: BoxArray,
    i: int,
    height_m: float,
    variance: float,
) -> tuple[float, float]:
    """Measure how tall somebody is by a box that shows head and feet.

    Args:
        sight: the camera.
        trust: how far.
        habit: (3,) of the camera.
        ends: (GY, GX) of the camera.
        xyxy: (N, 4) pixels, of everybody in the image.
        i: whose box.
        height_m: how tall the person is as far as is known.
        variance: of that.

    Returns:
        Metres and square metres; NaN for boxes cut above or below, for those that end far above the feet, and where
        heights are unknown.
    """
    left, top, right, bottom = xyxy[i]
    if not (top > trust.edge_px and bottom < sight.image[1] - trust.edge_px and trust.height_sigma_m > 0.0):
        return np.nan, np.nan
    u, v, _, sigma = foot_of(sight, trust, left, top, right, bottom)
    _, y = to_ideal(sight, u - habit[0], v - habit[1], np.empty((2, 2)))
    _, told_y, of_head, by_height = below_head(sight, trust, habit, left + right - u, top, bottom, height_m)
    below, per_metre = (told_y - y) * sight.focal[1], by_height * sight.focal[1]
    noise, most = sigma**2 + of_head, trust.most_hidden * (bottom - top)
    if not (below < most and per_metre > 0.0):
        return np.nan, np.nan
    hidden = hidden_posterior(hidden_prior(sight, habit, ends, xyxy, i), below, noise + per_metre**2 * variance, most)
    return height_m - below / per_metre, noise / (per_metre**2 * max(1.0 - hidden, 1e-3))
