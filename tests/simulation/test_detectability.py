"""Detectors that were trained on real people find the simulated ones."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from app.domains.vocabulary import CameraId, FrameBatch
from app.evaluation.metrics import iou
from app.infrastructure.model_files import find_model
from app.infrastructure.openvino_detector import OpenVINODetector
from app.infrastructure.regions import DetectorConfig
from app.simulation.address import parse_address
from app.simulation.scenes.catalogue import build_scene
from app.simulation.source import SimulationSource
from app.simulation.world import World, WorldConfig

TALL_PX = 60.0  # smaller people need not be found


@pytest.fixture(scope="module")
def shots():
    """Twenty frames, two seconds apart, of one camera each in the shop and on the square."""
    shots = []
    for scene, camera in (("shop", "north-west"), ("square", "south-east")):
        world = World(build_scene(scene), WorldConfig(people=10, seed=1))
        address = parse_address(f"sim:{scene}/{camera}?people=10&seed=1&fps=0.5&duration=40")
        source = SimulationSource(CameraId(camera), address, world)
        shots += list(iter(source.read_with_truth, None))
    return shots


@pytest.mark.models
@pytest.mark.parametrize(
    ("network", "confidence", "visible", "least_f1"),
    [
        ("person-detection-retail-0013", 0.3, 0.5, 0.93),
        ("yolox_nano_416", 0.2, 0.5, 0.80),
        ("yolox_nano_416", 0.2, 0.8, 0.90),
    ],
    ids=["retail-0013, half visible", "YOLOX-Nano, half visible", "YOLOX-Nano, nearly whole"],
)
def test_detectors_of_real_people_find_the_figures(shots, models_dir, tmp_path, network, confidence, visible, least_f1):
    detector = OpenVINODetector(find_model(network, models_dir, tmp_path), DetectorConfig(score=confidence))
    found = missed = false = 0
    for shot in shots:
        boxes = shot.rendering.xyxy.astype(float)
        needed = (shot.rendering.visibility >= visible) & (boxes[:, 3] - boxes[:, 1] >= TALL_PX)
        detections = detector.detect(FrameBatch(0.0, (shot.frame,)))[0]
        overlap = iou(boxes, detections.xyxy.astype(float))
        rows, columns = linear_sum_assignment(-np.where(overlap >= 0.5, overlap + needed[:, None], 0.0))
        right = overlap[rows, columns] >= 0.5
        found += int(needed[rows[right]].sum())
        missed += int(needed.sum()) - int(needed[rows[right]].sum())
        on_others = np.where(needed[:, None], 0.0, overlap).max(axis=0, initial=0.0) >= 0.3
        on_others[columns[right]] = True
        false += int((~on_others).sum())  # a box of somebody who need not be found is not wrong
    assert 2 * found / (2 * found + missed + false) >= least_f1
