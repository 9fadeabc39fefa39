"""How a walking or standing body holds its bones at one instant. Knows no clothes and no camera.

Joint angles follow the usual course of a walking cycle (Winter, Biomechanics and Motor Control of Human Movement, 2009,
chapter 4) as sums of smooth bumps; the step is as long as the speed asks, so that feet do not slide. Compiled with
numba; compiled functions call none of another file.
"""

import math
from enum import IntEnum

import numpy as np
from numba import njit

from app.domains.vocabulary import FloatArray


class Bone(IntEnum):
    """A rigid part; its frame has x ahead, y left, z up when the body stands, and its origin at the upper joint."""

    PELVIS = 0
    CHEST = 1
    HEAD = 2
    UPPER_ARM_L = 3
    UPPER_ARM_R = 4
    FOREARM_L = 5
    FOREARM_R = 6
    THIGH_L = 7
    THIGH_R = 8
    SHIN_L = 9
    SHIN_R = 10
    FOOT_L = 11
    FOOT_R = 12


REFERENCE_M = 1.75  # the height that lengths in this file are for
PELVIS_Z, WAIST_Z, NECK_Z, SHOULDER_Z = 0.95, 1.08, 1.50, 1.43
HIP_Y, SHOULDER_Y = 0.092, 0.178
THIGH_M, SHIN_M, ANKLE_M = 0.44, 0.41, 0.085
UPPER_ARM_M = 0.29
HEEL_X, TOE_X = -0.055, 0.17
FOREARM_Z = SHOULDER_Z - UPPER_ARM_M
HIP_Z = PELVIS_Z - 0.03
KNEE_Z = HIP_Z - THIGH_M
# (B, 3) metres: the origin of each bone's frame while the body stands with hanging arms, above the middle of the feet.
REST = np.array(
    [
        (0.0, 0.0, PELVIS_Z),
        (0.0, 0.0, WAIST_Z),
        (0.0, 0.0, NECK_Z),
        (0.0, SHOULDER_Y, SHOULDER_Z),
        (0.0, -SHOULDER_Y, SHOULDER_Z),
        (0.0, SHOULDER_Y, FOREARM_Z),
        (0.0, -SHOULDER_Y, FOREARM_Z),
        (0.0, HIP_Y, HIP_Z),
        (0.0, -HIP_Y, HIP_Z),
        (0.0, HIP_Y, KNEE_Z),
        (0.0, -HIP_Y, KNEE_Z),
        (0.0, HIP_Y, KNEE_Z - SHIN_M),
        (0.0, -HIP_Y, KNEE_Z - SHIN_M),
    ]
)
STAND_MPS = 0.35  # slower than this the steps become shuffles


def stride_m(speed: FloatArray) -> FloatArray:
    """Return how far one cycle of two steps goes, metres, at speeds in metres per second.

    Grieve and Gear 1966: step length grows with the square root of speed; 1.3 m/s takes strides of 1.4 m.
    """
    return np.asarray(0.45 + 0.85 * np.sqrt(np.clip(speed, 0.05, 3.0)), dtype=np.float64)


@njit(cache=True, nogil=True)
def _pitch(angle: float, out: FloatArray) -> None:
    """Fill a rotation about the left axis: positive leans ahead what is above the joint."""
    c, s = math.cos(angle), math.sin(angle)
    out[0, 0], out[0, 1], out[0, 2] = c, 0.0, s
    out[1, 0], out[1, 1], out[1, 2] = 0.0, 1.0, 0.0
    out[2, 0], out[2, 1], out[2, 2] = -s, 0.0, c


@njit(cache=True, nogil=True)
def _attach(
    bones: FloatArray,
    parent: int,
    bone: int,
    offset: tuple[float, float, float],
    angles: tuple[float, float, float],
) -> None:
    """Place a bone in its parent's frame: at an offset, turned by pitch, then roll to the right, then yaw."""
    turn = np.empty((3, 3))
    pitch, roll, yaw = angles
    _pitch(pitch, turn)
    if roll != 0.0:
        c, s = math.cos(roll), math.sin(roll)
        turn = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]]) @ turn
    if yaw != 0.0:
        c, s = math.cos(yaw), math.sin(yaw)
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ turn
    for i in range(3):
        bones[bone, i, 3] = bones[parent, i, 3]
        for j in range(3):
            bones[bone, i, 3] += bones[parent, i, j] * offset[j]
            bones[bone, i, j] = 0.0
            for k in range(3):
                bones[bone, i, j] += bones[parent, i, k] * turn[k, j]


@njit(cache=True, nogil=True)
def _bump(phase: float, centre: float, width: float) -> float:
    """Return a smooth bump on the circle of phases, 1 at its centre."""
    away = math.sin(0.5 * (phase - centre)) * 2.0 / width
    return math.exp(-away * away)


@njit(cache=True, nogil=True)
def _leg(bones: FloatArray, side: int, phase: float, swing: float, gait: float) -> float:
    """Pose one leg; phase 0 is when its heel strikes. Returns how far below the pelvis its lowest point is, metres."""
    thigh, shin, foot = 7 + side, 9 + side, 11 + side
    lateral = HIP_Y if side == 0 else -HIP_Y
    hip = swing * math.cos(phase) + 0.12 * gait * _bump(phase, 1.75 * math.pi, 0.9)
    knee = gait * (0.06 + 0.20 * _bump(phase, 0.25 * math.pi, 0.7) + 1.0 * _bump(phase, 1.42 * math.pi, 0.85))
    heel_up = gait * 0.62 * _bump(phase, 1.08 * math.pi, 0.65)
    toe_up = gait * 0.30 * _bump(phase, 1.95 * math.pi, 0.5)
    _attach(bones, 0, thigh, (0.0, lateral, -0.03), (-hip, 0.0, 0.0))
    _attach(bones, thigh, shin, (0.0, 0.0, -THIGH_M), (knee, 0.0, 0.0))
    # the foot is turned against the leg so that its sole keeps its own angle to the floor
    outwards = 0.06 if side == 0 else -0.06
    _attach(bones, shin, foot, (0.0, 0.0, -SHIN_M), (hip - knee + heel_up - toe_up, 0.0, outwards))
    lowest = 10.0
    for x in (HEEL_X, TOE_X):
        z = bones[foot, 2, 3] + bones[foot, 2, 0] * x - bones[foot, 2, 2] * ANKLE_M
        lowest = min(lowest, z)
    return lowest


@njit(cache=True, nogil=True)
def _upper_body(bones: FloatArray, swing: float, gait: float, phase: float, gesture: float, sway: float) -> None:
    """Pose chest, head and arms."""
    still = 1.0 - gait
    lean = 0.05 * gait + 0.02
    twist = -0.14 * gait * math.cos(phase)
    _attach(bones, 0, 1, (0.0, 0.0, WAIST_Z - PELVIS_Z), (lean, 0.03 * still * sway, twist))
    look_down = 0.1 + 0.25 * gesture * still
    _attach(bones, 1, 2, (0.0, 0.0, NECK_Z - WAIST_Z), (look_down - lean, 0.0, 0.35 * still * sway - twist))
    for side in range(2):
        sign = 1.0 if side == 0 else -1.0
        arm = -0.85 * swing * math.cos(phase + math.pi * side) + 0.05 * still * sway
        elbow = 0.18 + 0.30 * gait + 0.25 * gait * _bump(phase + math.pi * side, math.pi, 1.2)
        if side == 1:
            arm = arm * (1.0 - gesture) - 0.5 * gesture
            elbow = elbow * (1.0 - gesture) + 1.5 * gesture
        _attach(bones, 1, 3 + side, (0.0, sign * SHOULDER_Y, SHOULDER_Z - WAIST_Z), (arm, sign * 0.09, 0.0))
        _attach(bones, 3 + side, 5 + side, (0.0, 0.0, -UPPER_ARM_M), (-elbow, 0.0, 0.0))


@njit(cache=True, nogil=True)
def pose_bones(stance: FloatArray, height_m: float) -> FloatArray:
    """Return the (13, 3, 4) maps by which each bone carries points of the body at rest into the site frame.

    Args:
        stance: (7,) x and y in metres of the point between the feet; heading in radians, counter-clockwise from the x
            axis; speed in metres per second; phase of the walking cycle in radians, at 0 the left heel strikes;
            gesture, 0 with hanging arms, 1 with the right hand raised as if it took something; sway, -1 to 1, how a
            standing body shifts its weight.
        height_m: of the person.
    """
    x, y, heading, speed, phase, gesture, sway = stance
    gait = min(speed / STAND_MPS, 1.0)
    stride = 0.45 + 0.85 * math.sqrt(min(max(speed, 0.05), 3.0))
    leg = height_m / REFERENCE_M * (THIGH_M + SHIN_M)
    swing = gait * math.asin(min(stride / (4.0 * leg), 0.7))
    bones = np.zeros((13, 3, 4))
    turn = heading + 0.07 * gait * math.cos(phase)
    c, s = math.cos(turn), math.sin(turn)
    bones[0, 0, 0], bones[0, 0, 1], bones[0, 1, 0], bones[0, 1, 1], bones[0, 2, 2] = c, -s, s, c, 1.0
    lowest = min(_leg(bones, 0, phase, swing, gait), _leg(bones, 1, phase + math.pi, swing, gait))
    _upper_body(bones, swing, gait, phase, gesture, sway)
    scale = height_m / REFERENCE_M
    for b in range(13):
        for i in range(3):
            for j in range(4):
                bones[b, i, j] *= scale
        bones[b, 0, 3] += x
        bones[b, 1, 3] += y
        bones[b, 2, 3] -= lowest * scale
        for i in range(3):
            for j in range(3):
                bones[b, i, 3] -= bones[b, i, j] * REST[b, j]
    return bones
