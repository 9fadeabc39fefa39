"""OpenVINO without its telemetry, which tells Google Analytics of every import and keeps an id in the user's home.

OpenVINO falls back to a stub where its telemetry cannot be imported. Every other module takes OpenVINO from here.
"""

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None lets every import of it fail

import openvino as ov  # noqa: E402 - once its telemetry is out of the way
from openvino import opset13  # noqa: E402
from openvino.preprocess import ColorFormat, PrePostProcessor  # noqa: E402

__all__ = ["ColorFormat", "PrePostProcessor", "opset13", "ov"]
