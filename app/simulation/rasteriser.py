"""Turns posed figures into samples: skinning, light, projection through the lens, z-buffer.

Compiled with numba; compiled functions call none of another file.

A figure is a set of tubes; each tube is a row of elliptic rings, skinned to bones. Samples lie SAMPLES to a pixel each
way; inverse depth decides who is in front. Knows nothing of who the figure is, how it walks, or what stands around.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from app.domains.vocabulary import FloatArray, IntArray
from app.simulation.exposure import Paint

SAMPLES = 2  # samples a pixel, each way
SEGMENTS = 14  # corners of a ring
NEAR_M = 0.3  # nearer than this nothing is drawn
LENS_LIMIT = 4.0  # squared radius in the ideal plane beyond which the lens bends no more; nothing there is in view
_ANGLES = 2.0 * np.pi * np.arange(SEGMENTS) / SEGMENTS
COSINES, SINES = np.cos(_ANGLES), np.sin(_ANGLES)

Depth = NDArray[np.float32]


class Sprite(NamedTuple):
    """The samples of one figure: (h, w) inverse depth, 0 where nothing is; (h, w, 3) colour; place of its corner."""

    depth: Depth
    paint: Paint
    left: int
    top: int


class Samples(NamedTuple):
    """The samples of a whole picture: (H, W) inverse depth, (H, W) who is in front (0: nobody), (H, W, 3) colour."""

    depth: Depth
    number: NDArray[np.int16]
    paint: Paint


class Light(NamedTuple):
    """(L, 4) place and power of lamps, and the light that comes from everywhere."""

    lamps: FloatArray
    daylight: float


class Optics(NamedTuple):
    """(3, 4) site frame to camera; (9,) focal lengths and centre in samples, k1, k2, p1, p2, k3."""

    pose: FloatArray
    lens: FloatArray


@njit(cache=True, nogil=True, fastmath=True)
def skin(
    bones: FloatArray, weights: FloatArray, rings: FloatArray, tube: NDArray[np.int32], vertices: FloatArray
) -> None:
    """Put the rings where the bones are: linear blend skinning.

    Args:
        bones: (B, 3, 4) where each bone carries the points of the body at rest, site frame.
        weights: (R, B) share of each bone in each ring.
        rings: (R, 9) centre and the two half axes of each ring of the body at rest, metres.
        tube: (R,) the tube that each ring belongs to.
        vertices: (R, SEGMENTS, 6) gets place and unit normal of each vertex.
    """
    place = np.empty((3, 4))
    for r in range(len(rings)):
        place[:] = 0.0
        for b in range(len(bones)):
            if weights[r, b] > 0.0:
                for i in range(3):
                    for j in range(4):
                        place[i, j] += weights[r, b] * bones[b, i, j]
        for i in range(3):
            centre = place[i, 3]
            u, w = 0.0, 0.0
            for j in range(3):
                centre += place[i, j] * rings[r, j]
                u += place[i, j] * rings[r, 3 + j]
                w += place[i, j] * rings[r, 6 + j]
            for s in range(SEGMENTS):
                vertices[r, s, i] = centre + u * COSINES[s] + w * SINES[s]
    _find_normals(tube, vertices)


@njit(cache=True, nogil=True, fastmath=True)
def _find_normals(tube: NDArray[np.int32], vertices: FloatArray) -> None:
    """Fill columns 3 to 5 of the vertices: across the ring and along the tube."""
    for r in range(len(vertices)):
        before = r - 1 if r > 0 and tube[r - 1] == tube[r] else r
        behind = r + 1 if r + 1 < len(vertices) and tube[r + 1] == tube[r] else r
        for s in range(SEGMENTS):
            left, right = (s + SEGMENTS - 1) % SEGMENTS, (s + 1) % SEGMENTS
            ax = vertices[r, right, 0] - vertices[r, left, 0]
            ay = vertices[r, right, 1] - vertices[r, left, 1]
            az = vertices[r, right, 2] - vertices[r, left, 2]
            bx = vertices[behind, s, 0] - vertices[before, s, 0]
            by = vertices[behind, s, 1] - vertices[before, s, 1]
            bz = vertices[behind, s, 2] - vertices[before, s, 2]
            nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
            norm = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-24)
            vertices[r, s, 3] = nx * norm
            vertices[r, s, 4] = ny * norm
            vertices[r, s, 5] = nz * norm


@njit(cache=True, nogil=True, fastmath=True)
def _light_on(vertex: FloatArray, light: Light) -> float:
    """Return the light on a surface; the vertex is its place and normal."""
    total: float = light.daylight * (0.62 + 0.38 * vertex[5])
    lamps = light.lamps
    for lamp in range(len(lamps)):
        dx, dy, dz = lamps[lamp, 0] - vertex[0], lamps[lamp, 1] - vertex[1], lamps[lamp, 2] - vertex[2]
        square = dx * dx + dy * dy + dz * dz + 0.3
        facing = vertex[3] * dx + vertex[4] * dy + vertex[5] * dz
        # wrapped a little around the body: light from walls and floor reaches what faces away
        facing = 1.15 * facing / math.sqrt(square) + 0.05
        if facing > 0.0 and dz > 0.0:
            total += lamps[lamp, 3] * facing * dz / (square * math.sqrt(square))
    return total


@njit(cache=True, nogil=True, fastmath=True)
def project(vertices: FloatArray, optics: Optics, colours: FloatArray, light: Light, corners: FloatArray) -> bool:
    """Light the vertices and carry them into the image.

    Args:
        vertices: (R, SEGMENTS, 6) from `skin`.
        optics: of the camera.
        colours: (R, SEGMENTS, 3) linear reflectance.
        light: of the scene.
        corners: (R, SEGMENTS, 6) gets sample x, y, inverse depth, and brightness of blue, green, red.

    Returns:
        Whether all of the figure is in front of the camera.
    """
    pose = optics.pose
    fx, fy, cx, cy, k1, k2, p1, p2, k3 = optics.lens
    for r in range(len(vertices)):
        for s in range(vertices.shape[1]):
            x, y, z = vertices[r, s, :3]
            depth = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2] * z + pose[2, 3]
            if depth < NEAR_M:
                return False
            u = (pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z + pose[0, 3]) / depth
            v = (pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z + pose[1, 3]) / depth
            rr = min(u * u + v * v, LENS_LIMIT)
            radial = 1.0 + rr * (k1 + rr * (k2 + rr * k3))
            corners[r, s, 0] = fx * (u * radial + 2.0 * p1 * u * v + p2 * (rr + 2.0 * u * u)) + cx
            corners[r, s, 1] = fy * (v * radial + p1 * (rr + 2.0 * v * v) + 2.0 * p2 * u * v) + cy
            corners[r, s, 2] = 1.0 / depth
            total = _light_on(vertices[r, s], light)
            for c in range(3):
                corners[r, s, 3 + c] = total * colours[r, s, c]
    return True


@njit(cache=True, nogil=True, fastmath=True)
def extent_of(corners: FloatArray) -> tuple[float, float, float, float]:
    """Return the least x and y and the greatest x and y of (R, SEGMENTS, 6) corners, samples."""
    left, top = corners[0, 0, 0], corners[0, 0, 1]
    right, bottom = left, top
    for r in range(len(corners)):
        for s in range(corners.shape[1]):
            x, y = corners[r, s, 0], corners[r, s, 1]
            left, right = min(left, x), max(right, x)
            top, bottom = min(top, y), max(bottom, y)
    return left, top, right, bottom


@njit(cache=True, nogil=True, fastmath=True)
def fill(corners: FloatArray, tube: NDArray[np.int32], sprite: Sprite) -> None:
    """Fill the triangles between the rings of each tube.

    Args:
        corners: (R, S, 6) from `project`, with pixel values in place of brightness; S may be less than SEGMENTS.
        tube: (R,) the tube that each ring belongs to.
        sprite: gets the samples.
    """
    segments = corners.shape[1]
    for r in range(len(corners) - 1):
        if tube[r] != tube[r + 1]:
            continue
        for s in range(segments):
            following = (s + 1) % segments
            _fill_triangle(corners[r, s], corners[r, following], corners[r + 1, s], sprite)
            _fill_triangle(corners[r, following], corners[r + 1, following], corners[r + 1, s], sprite)


@njit(cache=True, nogil=True, fastmath=True)
def _fill_triangle(a: FloatArray, b: FloatArray, c: FloatArray, sprite: Sprite) -> None:
    """Fill one triangle where it faces the camera and is nearer than what is there."""
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    if area >= -1e-9:  # seen from outside its corners run counter-clockwise, which the image's downward y turns round
        return
    depth, paint, left, top = sprite
    height, width = depth.shape
    x_low = max(math.ceil(min(a[0], b[0], c[0]) - 0.5) - left, 0)
    x_high = min(math.floor(max(a[0], b[0], c[0]) - 0.5) - left, width - 1)
    y_low = max(math.ceil(min(a[1], b[1], c[1]) - 0.5) - top, 0)
    y_high = min(math.floor(max(a[1], b[1], c[1]) - 0.5) - top, height - 1)
    scale = 1.0 / area
    # barycentric shares of b and c, and how they change by a sample to the right
    b_right, c_right = (c[1] - a[1]) * scale, (a[1] - b[1]) * scale
    x0 = x_low + left + 0.5 - a[0]
    for y in range(y_low, y_high + 1):
        dy = y + top + 0.5 - a[1]
        share_b = (x0 * (c[1] - a[1]) - dy * (c[0] - a[0])) * scale
        share_c = (dy * (b[0] - a[0]) - x0 * (b[1] - a[1])) * scale
        for x in range(x_low, x_high + 1):
            share_a = 1.0 - share_b - share_c
            if min(share_a, share_b, share_c) >= 0.0:
                inverse = share_a * a[2] + share_b * b[2] + share_c * c[2]
                if inverse > depth[y, x]:
                    depth[y, x] = inverse
                    for i in range(3):
                        paint[y, x, i] = np.uint8(share_a * a[3 + i] + share_b * b[3 + i] + share_c * c[3 + i])
            share_b += b_right
            share_c += c_right


@njit(cache=True, nogil=True, fastmath=True)
def merge(sprite: Sprite, number: int, samples: Samples, extent: IntArray) -> None:
    """Put one figure's samples into the picture's, where they are nearer, and clear its depth.

    Args:
        sprite: the figure.
        number: of the figure, above 0.
        samples: of all that is drawn so far.
        extent: (5,) gets how many samples the figure has, and the first column and row and the last column and row of
            those inside the image; the last before the first where none is.
    """
    rows, columns = samples.depth.shape
    extent[0], extent[1], extent[2], extent[3], extent[4] = 0, columns, rows, -1, -1
    for i in range(sprite.depth.shape[0]):
        y = i + sprite.top
        for j in range(sprite.depth.shape[1]):
            inverse = sprite.depth[i, j]
            if inverse == 0.0:
                continue
            sprite.depth[i, j] = 0.0
            extent[0] += 1
            x = j + sprite.left
            if y < 0 or y >= rows or x < 0 or x >= columns:
                continue
            extent[1], extent[2] = min(extent[1], x), min(extent[2], y)
            extent[3], extent[4] = max(extent[3], x), max(extent[4], y)
            if inverse > samples.depth[y, x]:
                samples.depth[y, x] = inverse
                samples.number[y, x] = number
                for c in range(3):
                    samples.paint[y, x, c] = sprite.paint[i, j, c]


@njit(cache=True, nogil=True, fastmath=True)
def resolve(extent: IntArray, samples: Samples, still_depth: Depth, picture: Paint, seen: IntArray) -> None:
    """Average the samples of people into the picture over one figure's extent, count who is seen, clear the samples.

    Args:
        extent: (5,) from `merge`.
        samples: of the picture; what belongs to people is cleared.
        still_depth: (H, W) inverse depth of what stands still.
        picture: (H / SAMPLES, W / SAMPLES, 3), the background; gets the people.
        seen: (N + 1,) samples of each figure that are in front of everything; added to.
    """
    share = 1.0 / (SAMPLES * SAMPLES)
    total = np.zeros(3)
    for py in range(extent[2] // SAMPLES, extent[4] // SAMPLES + 1):
        for px in range(extent[1] // SAMPLES, extent[3] // SAMPLES + 1):
            count = 0
            total[:] = 0.0
            for y in range(SAMPLES * py, SAMPLES * py + SAMPLES):
                for x in range(SAMPLES * px, SAMPLES * px + SAMPLES):
                    number = samples.number[y, x]
                    if number == 0:
                        continue
                    count += 1
                    seen[number] += 1
                    for c in range(3):
                        total[c] += samples.paint[y, x, c]
                    samples.number[y, x] = 0
                    samples.depth[y, x] = still_depth[y, x]
            if count > 0:
                for c in range(3):
                    picture[py, px, c] = np.uint8(total[c] * share + picture[py, px, c] * (1.0 - count * share))


@njit(cache=True, nogil=True, fastmath=True)
def frame_figures(vertices: FloatArray, starts: IntArray, optics: Optics, corners: FloatArray) -> FloatArray:
    """Carry several figures into the image, without light.

    Args:
        vertices: (R, S, 6) from `skin`, all or some of a ring's, of all figures one after the other.
        starts: (N + 1,) where the rings of each figure begin.
        optics: of the camera, in samples.
        corners: (R, S, 6) gets sample x, y and inverse depth.

    Returns:
        (N, 6) left, top, right and bottom edge in samples, least and greatest inverse depth; NaN where a figure is not
        all in front of the camera.
    """
    frames = np.full((len(starts) - 1, 6), np.nan)
    dark, unlit = np.zeros((vertices.shape[0], vertices.shape[1], 3)), Light(np.zeros((0, 4)), 0.0)
    for i in range(len(starts) - 1):
        mine = corners[starts[i] : starts[i + 1]]
        if project(vertices[starts[i] : starts[i + 1]], optics, dark[: len(mine)], unlit, mine):
            frames[i, 0], frames[i, 1], frames[i, 2], frames[i, 3] = extent_of(mine)
            frames[i, 4], frames[i, 5] = mine[:, :, 2].min(), mine[:, :, 2].max()
    return frames


@njit(cache=True, nogil=True, fastmath=True)
def outline(
    corners: FloatArray, tube: NDArray[np.int32], starts: IntArray, rows: IntArray, samples: Samples
) -> FloatArray:
    """Count what is seen of each figure, without painting any.

    Args:
        corners: (R, S, 6) from `frame_figures`.
        tube: (R,) the tube that each ring belongs to.
        starts: (N + 1,) where the rings of each figure begin.
        rows: (K,) which of the figures.
        samples: with the inverse depth of what stands still; gets the figures.

    Returns:
        (K, 10) per figure, in samples: the left, top, right and bottom edge of what is inside the image; how many
        samples the figure has, inside the image and around it; how many of them are in front of everything; and the
        left, top, right and bottom edge of those. Counts are 0 where nothing is inside the image.
    """
    height, width = samples.depth.shape
    seen = np.zeros((len(rows), 10))
    seen[:, 6], seen[:, 7] = width, height
    extent = np.zeros(5, np.int64)
    for k in range(len(rows)):
        mine = slice(starts[rows[k]], starts[rows[k] + 1])
        left, top, right, bottom = extent_of(corners[mine])
        if right < 0.0 or bottom < 0.0 or left >= width or top >= height:
            continue
        low_x, low_y = math.floor(max(left, -width)), math.floor(max(top, -height))
        shape = (math.ceil(min(bottom, 2.0 * height)) + 1 - low_y, math.ceil(min(right, 2.0 * width)) + 1 - low_x)
        sprite = Sprite(np.zeros(shape, np.float32), np.zeros((shape[0], shape[1], 3), np.uint8), low_x, low_y)
        fill(corners[mine], tube[mine], sprite)
        merge(sprite, k + 1, samples, extent)
        if extent[3] >= 0:
            seen[k, 4] = extent[0]
            seen[k, 0], seen[k, 1], seen[k, 2], seen[k, 3] = extent[1], extent[2], extent[3] + 1, extent[4] + 1
    for y in range(height):
        for x in range(width):
            k = samples.number[y, x] - 1
            if k >= 0:
                seen[k, 5] += 1.0
                seen[k, 6], seen[k, 7] = min(seen[k, 6], x), min(seen[k, 7], y)
                seen[k, 8], seen[k, 9] = max(seen[k, 8], x + 1.0), max(seen[k, 9], y + 1.0)
    return seen
