"""Whether two detectors that run the same network found the same people."""

import numpy as np
import torch
from torchvision.ops import box_iou

Boxes = tuple[np.ndarray, np.ndarray]  # (N, 4) and (N,) confidence
LEAST_IOU, MOST_APART = 0.99, 1e-2


def assert_same_people(ours: Boxes, theirs: Boxes, score: float) -> None:
    """Each box has its like on the other side; within a hundredth of the threshold it may be missing there."""
    for boxes, others in ((ours, theirs), (theirs, ours)):
        sure = boxes[1] >= score + MOST_APART
        if not sure.any():
            continue
        alike = box_iou(torch.from_numpy(boxes[0][sure]), torch.from_numpy(others[0])).numpy() >= LEAST_IOU
        apart = np.abs(boxes[1][sure][:, None] - others[1])
        assert (alike & (apart <= MOST_APART)).any(axis=1).all()
