"""A site of four cameras with recorded boxes, before which two people walk for six seconds. Needs no network."""

import cv2
import numpy as np
from world import FOCAL, SIZE, World, corner_cameras, person

FPS, FRAMES = 10.0, 60
WALKS = ([(0, 4, 4), (6, 8, 4)], [(0, 8, 2), (6, 4, 3)])
K = [[FOCAL, 0.0, SIZE[0] / 2], [0.0, FOCAL, SIZE[1] / 2], [0.0, 0.0, 1.0]]


def recorded_site(folder):
    """Write what the cameras see as MOTChallenge text to a folder; return the content of its site file."""
    world = World([person(i, walk) for i, walk in enumerate(WALKS, 1)], corner_cameras())
    cameras = [_recorded_camera(folder, world, camera) for camera in world.cameras]
    return {"site": "a shop", "floor": {"bounds": [0, 0, 12, 8]}, "cameras": cameras}


class WalksTruth:
    """Who really is where, as a FloorTruth."""

    def people_at(self, captured_at):
        walks = [np.array(walk, dtype=float).T for walk in WALKS]
        places = [[np.interp(captured_at, time_s, axis) for axis in (x, y)] for time_s, x, y in walks]
        return np.arange(1, len(walks) + 1), np.array(places)


def _recorded_camera(folder, world, camera):
    rows = []
    for i in range(FRAMES):
        seen = world.look(camera.name, i / FPS).detections
        for (left, top, right, bottom), score in zip(seen.xyxy, seen.confidence, strict=True):
            rows.append(f"{i + 1},-1,{left},{top},{right - left},{bottom - top},{score}")
    (folder / f"{camera.name}.txt").write_text("\n".join(rows))
    rvec = cv2.Rodrigues(camera.rotation)[0].ravel().tolist()
    return {
        "id": str(camera.name),
        "detections": f"{camera.name}.txt",
        "size": list(SIZE),
        "fps": FPS,
        "calibration": {"opencv": {"K": K, "rvec": rvec, "tvec": camera.translation.tolist()}},
    }
