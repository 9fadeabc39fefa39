"""Calls of networks that are recorded (CUDA graphs) or compiled (inductor) for batches of a few sizes, before they run.

A batch is padded to the next size that was prepared; what was not prepared runs as the network is, so nothing is ever
compiled while cameras wait. Knows no network and no frame.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar, cast

import torch

from app.errors import DeviceError
from app.infrastructure.huggingface_folder import first_line
from app.infrastructure.torch_device import Accelerator

Output = TypeVar("Output")  # a tensor, or several
Call = Callable[[torch.Tensor], Output]


class Record(Protocol):
    """Prepares calls."""

    def __call__(self, call: Call[Output], images: torch.Tensor) -> Callable[[], Output]:
        """Return what makes the call anew with whatever these images hold then."""
        ...


WARM_UP = 3  # calls before a graph is recorded, as torch's documentation of CUDA graphs has it
SHAPES = 256  # of one network that may be compiled, instead of 8; torch's accumulated_recompile_limit is the same
_log = logging.getLogger(__name__)


def sizes_up_to(most: int) -> list[int]:
    """Return the sizes of batches that calls are prepared for: powers of two, and the largest."""
    return [*(2**i for i in range(most.bit_length()) if 2**i < most), most]


class PreparedCall(Generic[Output]):
    """One network's call on one device. Its outputs are good until the next call.

    Args:
        call: takes (N, 3, height, width) and gives tensors with N rows, each of one picture alone.
        record: what prepares it; None leaves it as it is.
        most: pictures in a batch.
        what: the network, for the log.
    """

    def __init__(self, call: Call[Output], record: Record | None, most: int, what: str) -> None:
        self._call, self._record, self._what = call, record, what
        self._sizes = sizes_up_to(most)
        self._inputs: dict[tuple[int, ...], torch.Tensor] = {}  # by the shape of a picture
        self._runs: dict[tuple[int, ...], Callable[[], Output]] = {}  # by the shape of a batch

    def prepare(self, shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device) -> None:
        """Get ready for batches of pictures of this shape. What cannot be prepared is named once and runs as it is."""
        if self._record is None or shape in self._inputs:
            return
        self._inputs[shape] = torch.zeros((self._sizes[-1], *shape), dtype=dtype, device=device)
        for size in reversed(self._sizes):  # the largest first: smaller ones fit into the memory that it takes
            batch = self._inputs[shape][:size]
            try:
                self._runs[tuple(batch.shape)] = self._record(self._call, batch)
            except RuntimeError as error:  # of all compilers' faults, and of a full memory
                _log.warning("%s runs as it is, not compiled: %s", self._what, first_line(error))
                self._record = None
                self._inputs.clear()
                self._runs.clear()
                return

    def __call__(self, images: torch.Tensor) -> Output:
        """Call the network."""
        held = self._inputs.get(tuple(images.shape[1:]))
        if held is None or len(images) > len(held) or held.dtype != images.dtype:
            return self._call(images)
        size = next(size for size in self._sizes if size >= len(images))
        held[: len(images)].copy_(images)
        return _first(self._runs[(size, *images.shape[1:])](), len(images))


def _first(output: Output, count: int) -> Output:
    """Return the first rows of a tensor, or of each of several."""
    whole: Any = output
    rows: Any = tuple(part[:count] for part in whole) if isinstance(whole, tuple) else whole[:count]
    return cast("Output", rows)


class GraphRecorder:
    """Records CUDA graphs, all in one pool of memory: they run one after the other.

    Args:
        device: a card.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, call: Call[Output], images: torch.Tensor) -> Callable[[], Output]:
        """Record a call.

        Raises:
            RuntimeError: the call waits for the card, which a graph cannot hold, or does not fit into its memory.
            DeviceError: it was begun and cannot be recorded, after which torch lets go of no memory any more.
        """
        graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream(self._device)
        with torch.cuda.device(self._device):
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UP):
                    call(images)
                with _no_waiting():
                    call(images)
            torch.cuda.current_stream().wait_stream(side)
            try:
                # thread_local: cameras' threads may take memory meanwhile
                with torch.cuda.graph(graph, pool=self._pool, stream=side, capture_error_mode="thread_local"):
                    output = call(images)
            except RuntimeError as error:
                problem = f"a CUDA graph could not be recorded ({first_line(error)}); set accelerator.compile to off"
                raise DeviceError(str(self._device), problem) from error

        def run() -> Output:
            graph.replay()
            return output

        return run


@contextmanager
def _no_waiting() -> Iterator[None]:
    """Have torch raise RuntimeError where the program would wait for the card, in all threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch says that it does not notice all of them
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


class InductorRecorder:
    """Compiles with torch.compile, for the very shape of the input.

    Args:
        backend: of torch.compile.
    """

    def __init__(self, backend: str = "inductor") -> None:
        self._backend = backend

    def __call__(self, call: Call[Output], images: torch.Tensor) -> Callable[[], Output]:
        """Compile a call, and make it once."""
        call(images)  # what a network makes in its first call and keeps is not compiled into all later ones
        compiled = torch.compile(call, dynamic=False, backend=self._backend)
        with torch._dynamo.config.patch(recompile_limit=SHAPES):
            compiled(images)

        def run() -> Output:
            with torch.compiler.set_stance("eager_on_recompile"):
                return cast("Output", compiled(images))

        return run


def prepared_calls(calls: Sequence[Call[Output]], accelerator: Accelerator, what: str) -> list[PreparedCall[Output]]:
    """Return the calls of a network's copies, one for each device, prepared as the accelerator says.

    Args:
        calls: in the accelerator's order.
        accelerator: how and for which batches.
        what: the network, for the log.
    """
    record = InductorRecorder() if accelerator.compile == "inductor" else None
    prepared = []
    for call, device in zip(calls, accelerator.devices, strict=True):
        graphs = GraphRecorder(device) if accelerator.compile == "graphs" else None
        prepared.append(PreparedCall(call, record or graphs, accelerator.batch, f"{what} on {device}"))
    return prepared
