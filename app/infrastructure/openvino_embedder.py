"""Describes how people look with a network that OpenVINO runs on the CPU. Knows nothing of identities.

Two families of networks, both [N,3,H,W] -> [N,D], are told apart by their file, because their shapes say nothing of it:

    IR (.xml)  OpenVINO's model zoo, such as person-reidentification-retail-0287: BGR, 0-255
    ONNX       exports of torchreid, such as OSNet: RGB, normalised with ImageNet's mean and deviation

Area under the ROC curve of same against different person, truth boxes: across multiviewx_mini's cameras, the same for
boxes that nobody covers, and across PETS09's time:

    person-reidentification-retail-0287   .826  .879  .980   1.2 ms a crop on 2 cores
    osnet_x0_25_msmt17                    .820  .901  .929   0.6 ms
"""

from pathlib import Path

import numpy as np

from app.domains.vocabulary import Crops, Embeddings, FrameBatch
from app.errors import ModelError
from app.infrastructure.crops import cut_out, has_pixels, unit_rows, visible_windows
from app.infrastructure.model_files import ModelFile
from app.infrastructure.openvino_network import OpenVINONetwork, describe, one_image, read_network, take_bgr_pixels
from app.infrastructure.openvino_quiet import ov

# torchreid data/transforms.py, times 255
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_DEVIATION = (58.395, 57.12, 57.375)

# Mean and deviation of the cosine of a crop and a mean of six or more: one person across cameras, two people;
# detected boxes of multiviewx_mini.
IR_COSINES = (0.72, 0.13, 0.2, 0.15)  # retail-0287; on PETS09 .74, .11, .15, .10
ONNX_COSINES = (0.85, 0.06, 0.55, 0.11)  # OSNet x0.25


class OpenVINOEmbedder:
    """Implements Embedder. A crop's vector does not depend on the crops beside it.

    Args:
        weights: a .xml or .onnx file of one of the families above.

    Attributes:
        name: name of the weights.
        path: their file.
        dimension: length D of the vectors.
        cosines: mean and deviation of the cosine of a crop and the mean of one person's others, and of a stranger's.

    Raises:
        ModelError: the file cannot be read, or does not turn an image into one vector.
    """

    def __init__(self, weights: ModelFile) -> None:
        self.name = weights.name
        self.path = path = weights.path
        model = read_network(path)
        self._size, self.dimension = _input_and_output(model, path)
        if path.suffix == ".onnx":
            self.cosines = ONNX_COSINES
            model = take_bgr_pixels(model, rgb=True, mean=IMAGENET_MEAN, scale=IMAGENET_DEVIATION)
        else:
            self.cosines = IR_COSINES
            model = take_bgr_pixels(model)
        self._network = OpenVINONetwork(model, path)

    def embed(self, batch: FrameBatch, crops: Crops) -> Embeddings:
        """Return one unit vector per crop, row for row; zeros where the crop shows no pixel."""
        windows = visible_windows(batch, crops)
        rows = has_pixels(windows)
        images = cut_out(batch, crops.frame[rows], windows[rows], self._size)
        (found,) = self._network.infer(images, len(rows))
        vectors = np.zeros((len(crops), self.dimension), np.float32)
        vectors[rows] = found.reshape(len(rows), self.dimension)
        return Embeddings(unit_rows(vectors))


def _input_and_output(model: ov.Model, path: Path) -> tuple[tuple[int, int], int]:
    """Return width and height of the input, and the length of the output vector, which may come as [1,D] or [1,D,1,1].

    Raises:
        ModelError: the network has other inputs or outputs.
    """
    size = one_image(model, path)
    shape = model.outputs[0].get_partial_shape()
    lengths = [length.get_length() for length in list(shape)[1:]] if shape.is_static else []
    if len(model.outputs) != 1 or len(shape) < 2 or not lengths or max(lengths) != np.prod(lengths) or max(lengths) < 2:
        raise ModelError(path, f"its shapes {describe(model)} fit no ReID network; expected [N,3,H,W] -> [N,D]")
    return size, max(lengths)
