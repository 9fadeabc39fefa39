"""One camera's view of the floor: boxes to floor points with covariance, floor points to the boxes to be expected.

Knows nothing of who the people are, of other cameras, or of time.
"""

from dataclasses import asdict, dataclass, field
from typing import ClassVar

import numpy as np

from app.domains.mapping.camera_model import CameraModel
from app.domains.mapping.record import record
from app.domains.mapping.sight import TRUST, Sight, Trust, stand
from app.domains.mapping.visibility import expect
from app.domains.vocabulary import BoolArray, BoxArray, CameraId, FloatArray, FloorPoints

BORDER_STEPS = 24  # points along each image side when its outline is carried to the floor


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """How far a box's foot point is to be trusted.

    Residuals that chose the numbers, as robust standard deviation (1.4826 MAD) / plain one, in shares of the box
    height, sideways and upright: person-detection-retail-0013 on MultiviewX in 960 px tiles .021/.029 and .050/.092
    (n 757), on PETS09 .040/.043 and .038/.046 (n 384, against annotated boxes), WILDTRACK boxes with 4 % noise on each
    edge (2 % left and right) .014 and .040. The defaults give a squared Mahalanobis distance to the truth with median
    and 90th percentile (1.4 and 4.6 if all were Gaussian) of 1.0 and 10 on MultiviewX, 1.2 and 5.1 on PETS09, 0.6 and
    2.4 on WILDTRACK: detections in a crowd, whose feet are hidden, are a tail that no Gaussian covers.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    sigma_u: float = 0.02  # share of the box height: standard deviation of the foot point sideways; table above
    sigma_v: float = 0.045  # share of the box height: upright; table above
    min_sigma_px: float = (
        2.0  # pixels: neither falls below this; a network's input pixel is 1.8 to 3 image pixels there
    )
    floor_sigma_m: float = 0.08  # metres each way: posture, calibration; WILDTRACK's true boxes are .046 m off (median)
    edge_px: float = 2.0  # pixels: a box this close to the bottom edge is cut by it; 2 covers rounding and clipping
    max_range_m: float = 100.0  # metres along the floor from the camera; a person is 20 px tall there at f = 1200
    body_width_m: float = (
        0.5  # metres: width of an expected box beside the lean; retail-0013: MultiviewX .51, PETS09 .63
    )
    person_height_m: float = 1.75  # of the people whose boxes come
    height_sigma_m: float = 0.1  # metres: its standard deviation, shoes and posture included; 0 asks no head
    posture_sigma_m: float = 0.03  # metres: how far a head is from where its known height has it
    sigma_head: float = 0.05  # share of the box height: standard deviation of the box's top edge from the head
    hidden_share: float = 0.02  # of boxes that end above the feet, where no nearer box covers their end
    covered_hidden: float = 0.2  # and where one does; both are only the beginning, see habits
    most_hidden: float = 1.0  # share of the visible box that may be hidden below it, inside the image
    box_aspect: float = 0.36  # width / height of a whole person's box; retail-0013 on MultiviewX, median

    def __post_init__(self) -> None:
        for name in ("min_sigma_px", "max_range_m", "body_width_m", "box_aspect", "person_height_m"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        sigmas = "sigma_u", "sigma_v", "floor_sigma_m", "height_sigma_m", "posture_sigma_m", "sigma_head"
        for name in (*sigmas, "edge_px"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")


CELLS = 8, 12  # rows and columns into which an image is divided to learn where boxes end above the feet


@dataclass(frozen=True, slots=True, eq=False)
class Habit:
    """What a camera has been found to do, beside what its calibration says; changes while it is learnt.

    Attributes:
        general: (3,) how many pixels its image is shifted to the right, and down; and how often a box ends above the
            feet where a nearer box covers its end.
        ends: CELLS, how often it does elsewhere, by where in the image it ends.
    """

    general: FloatArray
    ends: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class CameraView:
    """A camera with its calibration, or without one: then no box has a floor point and no person is expected.

    Attributes:
        size: (width, height) pixels of the frames that the boxes refer to.
    """

    camera_id: CameraId
    size: tuple[int, int]
    model: CameraModel | None
    config: ViewConfig = ViewConfig()
    sight: Sight | None = field(init=False, repr=False)
    trust: Trust = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.model is not None and self.model.size != self.size:
            raise ValueError(
                f"camera {self.camera_id}: frames are {self.size[0]}x{self.size[1]}, "
                f"the calibration is for {self.model.size[0]}x{self.model.size[1]}"
            )
        object.__setattr__(self, "sight", None if self.model is None else self.model.sight())
        object.__setattr__(self, "trust", record(TRUST, **asdict(self.config)))

    @property
    def height_known(self) -> bool:
        """Whether people can be expected in the image."""
        return self.model is not None and self.model.height_known

    @property
    def usual(self) -> Habit:
        """What is taken for granted of a camera of which nothing has been found yet."""
        return Habit(np.array([0.0, 0.0, self.config.covered_hidden]), np.full(CELLS, self.config.hidden_share))

    def project(self, xyxy: BoxArray, habit: Habit | None = None) -> FloorPoints:
        """Find where boxes stand on the floor.

        The foot is on the box's bottom edge, in its middle but for the lean: the box of an upright person away from
        the image's centre is the bounding box of a slanted body, whose feet are half the slant to one side. With the
        lean the sideways residual of retail-0013 on MultiviewX falls from .045 to .021 of the box height.

        The head measures the foot a second time where heights are known: a person of usual height stands below it. Both
        are weighed by their variances; where they contradict because the box is too short, the feet are hidden or cut
        off, and the head alone tells. WILDTRACK, seed 0, 1 m: IDF1 89.5 -> 91.0, MODA 91.8 -> 92.7.

        Invalid are: feet above the horizon or beyond `max_range_m`, pixels that the lens model does not cover, boxes
        cut by the image's bottom edge whose head tells nothing, and every box of a camera without calibration. A box
        cut by the left or right edge stays, with the width that it lacks added to its sideways deviation.

        Args:
            xyxy: (N, 4) pixels.
            habit: what the camera has been found to do; None for the usual.

        Returns:
            N points, row for row; NaN and not valid where nothing is known.
        """
        n = len(xyxy)
        if self.sight is None or n == 0:
            return FloorPoints(self.camera_id, np.full((n, 2), np.nan), np.full((n, 2, 2), np.nan), np.zeros(n, bool))
        habit, unknown = self.usual if habit is None else habit, np.full((n, 2), np.nan)
        return FloorPoints(self.camera_id, *stand(self.sight, self.trust, habit.general, habit.ends, xyxy, unknown))

    def boxes(self, xy: FloatArray, height_m: float) -> tuple[BoxArray, BoolArray]:
        """Predict the boxes of upright people, as a detector would draw them if nothing stood before them.

        Args:
            xy: (N, 2) metres, site frame.
            height_m: how tall the people are.

        Returns:
            (N, 4) float32 pixels, not clipped to the image and NaN for people behind the camera; and (N,) bool,
            whether this camera can see them: foot in front of the camera and within range, and at least half of the
            box's upper half inside the image. Nobody is visible to a camera without calibration or whose heights are
            unknown.
        """
        n = len(xy)
        if self.sight is None or not self.height_known or n == 0:
            return np.full((n, 4), np.nan, dtype=np.float32), np.zeros(n, dtype=bool)
        return expect(self.sight, xy, height_m, self.config.body_width_m, self.config.max_range_m)

    def footprint(self, bounds: tuple[float, float, float, float] | None = None) -> FloatArray:
        """Outline the floor that the image shows, for drawing.

        Args:
            bounds: (x_min, y_min, x_max, y_max) metres to clip to; None clips at `max_range_m` alone.

        Returns:
            (P, 2) metres, corners of a polygon in order; P is 0 when the camera shows no floor or has no calibration.
        """
        if self.model is None:
            return np.empty((0, 2))
        outline = self.model.to_ideal(_image_border(self.size))
        outline = outline[np.isfinite(outline).all(axis=1)]
        # the weight of the plane-to-floor map is 1 / depth: cut the sky off at the farthest depth
        weight = self.model.plane_to_floor.matrix[2]
        outline = clip_polygon(outline, weight[:2], weight[2] - 1.0 / self.config.max_range_m)
        polygon = self.model.plane_to_floor.apply(outline)
        if bounds is not None:
            x_min, y_min, x_max, y_max = bounds
            for normal, offset in (((1, 0), -x_min), ((-1, 0), x_max), ((0, 1), -y_min), ((0, -1), y_max)):
                polygon = clip_polygon(polygon, np.array(normal, dtype=np.float64), offset)
        return polygon


def clip_polygon(polygon: FloatArray, normal: FloatArray, offset: float) -> FloatArray:
    """Cut a polygon, (P, 2), to the half plane normal . point + offset >= 0 (Sutherland and Hodgman 1974).

    Returns:
        (Q, 2) corners in the same order, Q may be 0.
    """
    if not len(polygon):
        return polygon
    side = polygon @ normal + offset
    following, following_side = np.roll(polygon, -1, axis=0), np.roll(side, -1)
    crosses = (side >= 0.0) != (following_side >= 0.0)
    share = side / np.where(crosses, side - following_side, 1.0)
    crossing = polygon + share[:, None] * (following - polygon)
    # each corner that stays, then the crossing on the edge behind it
    keep = np.stack([side >= 0.0, crosses], axis=1).ravel()
    corners: FloatArray = np.stack([polygon, crossing], axis=1).reshape(-1, 2)[keep]
    return corners


def _image_border(size: tuple[int, int]) -> FloatArray:
    """Return points along the image's border, clockwise from the top left."""
    share = np.linspace(0.0, 1.0, BORDER_STEPS, endpoint=False)
    zero, one = np.zeros_like(share), np.ones_like(share)
    u = np.concatenate([share, one, 1.0 - share, zero])
    v = np.concatenate([zero, share, one, 1.0 - share])
    return np.stack([u * size[0], v * size[1]], axis=1)
