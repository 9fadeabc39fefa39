"""Where a simulated camera hangs and looks, as OpenCV's parameters. Knows no pixels."""

from dataclasses import dataclass

import cv2
import numpy as np

from app.domains.mapping.camera_model import CameraModel
from app.domains.vocabulary import FloatArray
from app.simulation.floor_plan import Mount


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A camera as cv2.calibrateCamera and cv2.solvePnP would give it.

    Attributes:
        size: (width, height) pixels.
        matrix: (3, 3) pixels.
        distortion: (5,) k1, k2, p1, p2, k3.
        rotation: (3, 3) site frame to camera.
        tvec: (3,) metres.
    """

    size: tuple[int, int]
    matrix: FloatArray
    distortion: FloatArray
    rotation: FloatArray
    tvec: FloatArray

    @property
    def pose(self) -> FloatArray:
        """(3, 4) site frame to camera."""
        return np.column_stack([self.rotation, self.tvec])

    @property
    def rvec(self) -> FloatArray:
        """(3,) Rodrigues vector of the rotation."""
        return np.asarray(cv2.Rodrigues(self.rotation)[0], dtype=np.float64).ravel()

    def model(self) -> CameraModel:
        """Return the camera as the frame path knows it."""
        return CameraModel.from_opencv(self.size, self.matrix, self.distortion, self.rvec, self.tvec)

    def turned(self, pixels: float, angle: float) -> "Calibration":
        """Return the camera turned in its place, so that the image's middle moves by `pixels` in direction `angle`.

        A quarter of the movement is a roll about the axis, as a knock against a camera gives it.
        """
        pan, tilt = pixels * np.cos(angle) / self.matrix[0, 0], pixels * np.sin(angle) / self.matrix[1, 1]
        roll = 0.25 * pixels / (0.5 * self.size[0])
        knock = np.asarray(cv2.Rodrigues(np.array([tilt, -pan, roll]))[0], dtype=np.float64)
        position = -self.rotation.T @ self.tvec
        rotation = knock @ self.rotation
        return Calibration(self.size, self.matrix, self.distortion, rotation, -rotation @ position)


def calibrate(mount: Mount, size: tuple[int, int]) -> Calibration:
    """Return the calibration of a mounted camera whose frames have `size` (width, height)."""
    position, target = np.array(mount.at), np.array(mount.look_at)
    ahead = (target - position) / np.linalg.norm(target - position)
    right = np.cross(ahead, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(ahead, right), ahead])
    focal = mount.focal * size[0]
    matrix = np.array([[focal, 0.0, 0.5 * size[0]], [0.0, focal, 0.5 * size[1]], [0.0, 0.0, 1.0]])
    return Calibration(size, matrix, np.array(mount.lens), rotation, -rotation @ position)
