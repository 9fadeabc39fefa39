"""Made-up boxes of one camera: perspective, turning walks, noise, occlusion, misses, false boxes. The same every time.

The set on which single-camera trackers are compared, drawn number by number as where their published figures come
from. Knows no tracker. Nothing says how fast time goes; at 50 frames a second (FPS) the people, 1.75 m tall, stroll at
0.2 to 1.1 m/s.
"""

from dataclasses import dataclass

import numpy as np

from app.domains.vocabulary import BoxArray, FloatArray, IntArray
from app.evaluation.metrics import iou

WIDTH, HEIGHT = 1920, 1080
FPS = 50.0
CROWD = 50  # above so many people everybody is drawn smaller
MISSED = 0.04  # probability of a box
FALSE_SHARE = 0.02  # false boxes a person and frame
NOISE = 0.03  # of an edge, in widths and heights


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticFrame:
    """One frame.

    Attributes:
        truth: (P, 4) boxes of the people 0 to P - 1, seen or not.
        xyxy: (N, 4) float32 boxes found, in random order.
        confidence: (N,) float32.
        person: (N,) int64 whose box it is, -1 for nobody's.
    """

    truth: FloatArray
    xyxy: BoxArray
    confidence: BoxArray
    person: IntArray


def make_frames(people: int, frames: int, seed: int = 0) -> list[SyntheticFrame]:
    """Let people walk before a camera of 1920 x 1080 pixels."""
    rng = np.random.default_rng(seed + 1000 * people)
    x, y = rng.uniform(0, WIDTH, people), rng.uniform(0.35 * HEIGHT, HEIGHT, people)
    speed, heading = rng.uniform(1.0, 4.0, people), rng.uniform(0, 2 * np.pi, people)
    aspect, stature = rng.uniform(0.36, 0.46, people), rng.uniform(0.9, 1.1, people)
    scale = 1.0 if people <= CROWD else 0.6
    made = []
    for _ in range(frames):
        heading += rng.normal(0, 0.05, people)
        depth = np.clip(y / HEIGHT, 0.2, 1)
        x += speed * np.cos(heading) * depth
        y += 0.5 * speed * np.sin(heading) * depth
        heading = np.where((x < 20) | (x > WIDTH - 20), np.pi - heading, heading)
        x = np.clip(x, 20, WIDTH - 20)
        heading = np.where((y < 0.3 * HEIGHT) | (y > HEIGHT - 5), -heading, heading)
        y = np.clip(y, 0.3 * HEIGHT, HEIGHT - 5)
        height = scale * stature * (60 + 260 * (y / HEIGHT) ** 1.5)
        width = aspect * height
        made.append(_look(np.stack([x - width / 2, y - height, x + width / 2, y], 1), rng))
    return made


def _look(truth: FloatArray, rng: np.random.Generator) -> SyntheticFrame:
    """Find boxes: noisy ones of the people whom nobody nearer hides, and some of nobody."""
    people, bottom = len(truth), truth[:, 3]
    covered = np.where(bottom[None, :] > bottom[:, None], iou(truth, truth), 0.0).max(1)
    score = np.clip(0.85 - 0.7 * covered + rng.normal(0, 0.07, people), 0.05, 0.99)
    kept = rng.random(people) > MISSED
    kept &= rng.random(people) > np.clip((covered - 0.35) * 1.6, 0, 0.95)
    size = np.tile(truth[:, 2:] - truth[:, :2], 2)
    found = truth + rng.normal(0, NOISE, (people, 4)) * size
    wrong = rng.poisson(FALSE_SHARE * people)
    foot_x, foot_y = rng.uniform(0, WIDTH, wrong), rng.uniform(0.3 * HEIGHT, HEIGHT, wrong)
    tall = 60 + 200 * rng.random(wrong)
    false = np.stack([foot_x, foot_y - tall, foot_x + 0.4 * tall, foot_y], 1)
    doubtful = rng.uniform(0.1, 0.62, wrong)
    order = rng.permutation(int(kept.sum()) + wrong)
    return SyntheticFrame(
        truth=truth,
        xyxy=np.concatenate([found[kept], false]).astype(np.float32)[order],
        confidence=np.concatenate([score[kept], doubtful]).astype(np.float32)[order],
        person=np.concatenate([np.flatnonzero(kept), np.full(wrong, -1)])[order],
    )
