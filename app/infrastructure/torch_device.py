"""Which devices networks in torch run on, in which precision, and what becomes of their faults. Knows no network."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import torch
from numpy.typing import NDArray

from app.errors import DeviceError
from app.infrastructure.huggingface_folder import first_line

Precision = Literal["auto", "fp32", "fp16", "bf16"]
Compile = Literal["off", "graphs", "inductor"]
Part = TypeVar("Part")
COMPILED: dict[Compile, str] = {"off": "", "graphs": ", in CUDA graphs", "inductor": ", compiled by inductor"}
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
# how cuBLAS, cuDNN and the driver say what torch's own memory says with OutOfMemoryError; none of them harms the card
NO_MEMORY = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "CUDA error: out of memory")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Accelerator:
    """Where networks run.

    Attributes:
        devices: at least one; cameras are spread over them.
        dtype: of the networks' weights and inputs.
        batch: images in one call of a network, at most.
        compile: graphs records the networks' calls on cards, inductor compiles them.
        faults: how often something was wrong with a device that the run got over, by what it was.
    """

    devices: tuple[torch.device, ...]
    dtype: torch.dtype
    batch: int
    compile: Compile = "off"
    faults: Counter[str] = field(default_factory=Counter, compare=False)

    def on_cards(self) -> bool:
        """Say whether the devices are cards."""
        return bool(self.devices[0].type == "cuda")

    def describe(self) -> str:
        """Return devices and precision in a few words."""
        names = [f"{device} ({torch.cuda.get_device_name(device)})" for device in self.devices if device.type == "cuda"]
        precision = next(name for name, dtype in DTYPES.items() if dtype == self.dtype)
        return f"{', '.join(names) or 'cpu'} in {precision}{COMPILED[self.compile]}"


def open_accelerator(
    devices: Sequence[str] | Literal["auto"], precision: Precision, batch: int, compile_as: Compile = "off"
) -> Accelerator:
    """Check devices and settle the precision.

    Args:
        devices: "cpu", "cuda" or "cuda:1"; "auto" takes every card that CUDA shows, or the CPU where it shows none.
        precision: "auto" is fp16 on cards and fp32 on the CPU.
        batch: images in one call of a network, at most.
        compile_as: what becomes of the networks' calls.

    Raises:
        DeviceError: a card that is not there or does not compute, cards and the CPU together, or a precision or CUDA
            graphs where a device has none.
    """
    cards = torch.cuda.device_count()
    if devices == "auto":
        devices = [f"cuda:{i}" for i in range(cards)] or ["cpu"]
    chosen = tuple(torch.device("cuda:0" if name == "cuda" else name) for name in devices)
    for device in chosen:
        if device.type == "cuda" and (device.index or 0) >= cards:
            there = (
                f"there are {cards}" if cards else "there is none (does nvidia-smi show one, in this container, too?)"
            )
            raise DeviceError(str(device), f"no such card; {there}; accelerator.devices: [cpu] runs without")
    if len({device.type for device in chosen}) > 1:
        raise DeviceError(", ".join(map(str, chosen)), "cards and the CPU share no work; name one kind")
    for device in chosen:
        _refuse_unusable(device)
    on_card = chosen[0].type == "cuda"
    if precision == "fp16" and not on_card:
        raise DeviceError("cpu", "fp16 needs a card; set accelerator.precision to fp32, bf16 or auto")
    if precision == "bf16" and on_card and not all(_has_bf16(device) for device in chosen):
        raise DeviceError(", ".join(map(str, chosen)), "bf16 needs an Ampere card or later; set fp16")
    if precision == "auto":
        precision = "fp16" if on_card else "fp32"
    if compile_as == "graphs" and not on_card:
        raise DeviceError("cpu", "CUDA graphs need a card; set accelerator.compile to off or inductor")
    return Accelerator(chosen, DTYPES[precision], batch, compile_as)


def _refuse_unusable(device: torch.device) -> None:
    """Have the device compute something: a driver too old, or a card that torch was not built for, shows only then."""
    try:
        torch.zeros(1, device=device).add_(1.0).item()
    except RuntimeError as error:
        problem = f"cannot be used ({first_line(error)}); accelerator.devices: [cpu] runs without"
        raise DeviceError(str(device), problem) from error


def _has_bf16(device: torch.device) -> bool:
    return bool(torch.cuda.get_device_capability(device) >= (8, 0))


def to_device(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Copy a small array to a device without waiting for what is queued there, as a copy from pageable memory may."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def await_results(device: torch.device) -> None:
    """Sleep until all that is queued on a device is done; CUDA's own waits keep a core of the host busy instead."""
    if device.type == "cuda":
        done = torch.cuda.Event(blocking=True)
        done.record(torch.cuda.current_stream(device))
        done.synchronize()


class Batches:
    """Cuts work into batches that fit a device's memory. A batch that does not fit is halved, for good, and said so.

    Args:
        most: items in one batch.
        device: whose memory it is.
        what: one item, for the log.
        faults: of the accelerator; a batch that does not fit is counted there.
    """

    def __init__(self, most: int, device: torch.device, what: str, faults: Counter[str]) -> None:
        self.most = most
        self._faults = faults
        self._device = device
        self._what = what

    def run(self, count: int, call: Callable[[int, int], Part], at_once: int | None = None) -> list[Part]:
        """Call `call(begin, end)` for all of `count` items in order, and return what it returned.

        Args:
            count: how many items.
            call: does the work of some of them.
            at_once: items in one batch where these are larger than usual; None for the usual number.

        Raises:
            DeviceError: one item alone does not fit, or the device is lost.
        """
        parts: list[Part] = []
        begin = 0
        while begin < count:
            end = min(count, begin + min(self.most, at_once or self.most))
            full = False
            try:
                with told_of_loss(self._device):
                    parts.append(call(begin, end))
            except torch.OutOfMemoryError as error:
                if end - begin == 1:
                    problem = f"its memory does not hold one {self._what}; take a smaller network or a larger card"
                    raise DeviceError(str(self._device), problem) from error
                full = True
            if full:  # only now has the fault let go of the memory that the call held
                self._shrink(end - begin)
            else:
                begin = end
        return parts

    def _shrink(self, tried: int) -> None:
        self.most = tried // 2
        self._faults[f"{self._device} out of memory"] += 1
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        _log.warning(
            "device %s: out of memory with %d %ss in a batch; going on with %d, which is slower",
            self._device,
            tried,
            self._what,
            self.most,
        )


@contextmanager
def told_of_loss(device: torch.device) -> Iterator[None]:
    """Turn what CUDA says of a card that has stopped to answer into a DeviceError; the process cannot use it again.

    Raises:
        torch.OutOfMemoryError: also where CUDA's libraries, and not torch, found no memory.
        DeviceError: the card is lost.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = first_line(error)
        if any(sign in reason for sign in NO_MEMORY):
            raise torch.OutOfMemoryError(reason) from error
        if not isinstance(error, torch.AcceleratorError) and "CUDA error" not in reason:
            raise
        problem = f"lost ({reason}); look at nvidia-smi and the system's log, then start SpotOn again"
        raise DeviceError(str(device), problem) from error
