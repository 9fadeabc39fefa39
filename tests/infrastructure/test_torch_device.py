import logging
import weakref
from collections import Counter

import pytest
import torch

from app.errors import DeviceError
from app.infrastructure.torch_device import Batches, open_accelerator, told_of_loss

pytestmark = pytest.mark.gpu_stack
CPU = torch.device("cpu")


def test_without_a_card_networks_run_on_the_cpu_in_fp32():
    if torch.cuda.is_available():
        pytest.skip("this machine has a card")
    accelerator = open_accelerator("auto", "auto", 8)
    assert (accelerator.devices, accelerator.dtype, accelerator.batch) == ((CPU,), torch.float32, 8)
    assert accelerator.describe() == "cpu in fp32"


@pytest.mark.parametrize(
    ("devices", "precision", "problem"),
    [
        (["cuda:99"], "auto", "device cuda:99: no such card; .*accelerator.devices: .cpu. runs without"),
        (["cpu"], "fp16", "device cpu: fp16 needs a card; set accelerator.precision"),
    ],
    ids=["a card that is not there", "half precision on the CPU"],
)
def test_what_a_machine_cannot_do_is_said_before_anything_runs(devices, precision, problem):
    with pytest.raises(DeviceError, match=problem):
        open_accelerator(devices, precision, 1)


def test_a_card_that_does_not_compute_is_told_with_its_reason(monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("this machine has a card")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # a card is listed, and no driver serves it
    with pytest.raises(DeviceError, match=r"device cuda:0: cannot be used \(.+\); accelerator\.devices: \[cpu\]"):
        open_accelerator("auto", "auto", 1)


def takes(most: int, seen: list[tuple[int, int]]):
    """Work that fits in memory up to `most` items a call."""

    def call(begin: int, end: int) -> list[int]:
        if end - begin > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        seen.append((begin, end))
        return list(range(begin, end))

    return call


def test_out_of_memory_halves_the_batch_for_good_and_says_so(caplog):
    faults = Counter()
    batches, seen = Batches(8, CPU, "picture", faults), []
    with caplog.at_level(logging.WARNING):
        assert [item for part in batches.run(10, takes(3, seen)) for item in part] == list(range(10))
    assert seen == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]
    assert batches.most == 2
    assert faults == {"cpu out of memory": 2}
    assert [r.getMessage() for r in caplog.records] == [
        "device cpu: out of memory with 8 pictures in a batch; going on with 4, which is slower",
        "device cpu: out of memory with 4 pictures in a batch; going on with 2, which is slower",
    ]


def test_memory_that_cudas_libraries_miss_halves_the_batch_too():
    def call(begin: int, end: int) -> int:
        if end - begin > 1:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
        return begin

    assert Batches(2, CPU, "picture", Counter()).run(3, call) == [0, 1, 2]


def test_large_items_go_in_smaller_batches_without_making_later_ones_smaller():
    batches, seen = Batches(8, CPU, "crop", Counter()), []
    batches.run(5, takes(8, seen), at_once=3)
    batches.run(5, takes(8, seen))
    assert seen == [(0, 3), (3, 5), (0, 5)]


def test_what_a_batch_that_does_not_fit_held_is_let_go_before_the_next():
    held: list[weakref.ref[Held]] = []

    def call(begin: int, end: int) -> bool:
        if held:
            return held[0]() is None
        kept = Held()
        held.append(weakref.ref(kept))
        raise torch.OutOfMemoryError(f"CUDA out of memory with {begin} to {end}")

    assert all(Batches(2, CPU, "picture", Counter()).run(2, call))


class Held:
    """Stands for memory of a device."""


def test_one_item_that_does_not_fit_stops_the_run():
    with pytest.raises(DeviceError, match="device cpu: its memory does not hold one crop"):
        Batches(4, CPU, "crop", Counter()).run(4, takes(0, []))


def test_nothing_is_no_call():
    assert Batches(4, CPU, "crop", Counter()).run(0, takes(0, [])) == []


@pytest.mark.parametrize(
    "fault",
    [
        RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported"),
        torch.AcceleratorError("CUDA error: the launch timed out and was terminated"),
    ],
)
def test_a_lost_card_stops_with_its_reason(fault):
    with pytest.raises(DeviceError, match=r"device cpu: lost \(CUDA error: .*\); look at nvidia-smi") as raised, \
         told_of_loss(CPU):  # fmt: skip
        raise fault
    assert "\n" not in str(raised.value)


def test_other_faults_are_not_taken_for_a_lost_card():
    with pytest.raises(RuntimeError, match="shapes"), told_of_loss(CPU):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
