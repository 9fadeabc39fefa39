import numpy as np
import pytest
import torch

from app.domains.vocabulary import CameraId, Frame, FrameBatch
from app.errors import DeviceError
from app.infrastructure.torch_decoding import DevicePixels
from app.infrastructure.torch_frames import DeviceFrames, _taken, rows_of

pytestmark = pytest.mark.gpu_stack
CPU = torch.device("cpu")


def frame(camera: str, size: tuple[int, int], *, pixels: bool = True) -> Frame:
    made = np.random.default_rng(ord(camera)).integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)
    return Frame(CameraId(camera), 0.0, 0, size, made if pixels else None)


def test_frames_of_one_size_lie_in_one_tensor():
    batch = FrameBatch(
        0.0, (frame("a", (8, 6)), frame("b", (4, 4)), frame("c", (8, 6)), frame("d", (8, 6), pixels=False))
    )
    large, small = DeviceFrames((CPU,)).stacks(batch)
    assert (large.frames, small.frames) == ((0, 2), (1,))
    assert large.pixels.shape == (2, 6, 8, 3)
    large.upload([1])
    np.testing.assert_array_equal(large.pixels[1].numpy(), batch.frames[2].pixels)


def test_what_lies_there_already_is_not_copied_again():
    batch = FrameBatch(0.0, (frame("a", (8, 6)),))
    frames = DeviceFrames((CPU,))
    (stack,) = frames.stacks(batch)
    stack.upload([0, 0])
    stack.pixels[0, 0, 0] = 77  # would be overwritten by another copy
    (again,) = frames.stacks(batch)
    again.upload([0])
    assert again is stack
    assert (again.pixels[0, 0, 0] == 77).all()


def test_another_batch_is_another_step():
    frames = DeviceFrames((CPU,))
    (first,) = frames.stacks(FrameBatch(0.0, (frame("a", (8, 6)),)))
    (second,) = frames.stacks(FrameBatch(0.0, (frame("a", (8, 6)),)))
    assert second is not first


@pytest.mark.parametrize("view", [np.s_[::-1], np.s_[:, ::-1], np.s_[:, :, ::-1]])
def test_any_view_of_pixels_may_come(view):
    pixels = frame("a", (8, 6)).pixels[view]
    pixels.flags.writeable = False
    (stack,) = DeviceFrames((CPU,)).stacks(FrameBatch(0.0, (Frame(CameraId("a"), 0.0, 0, (8, 6), pixels),)))
    stack.upload([0])
    np.testing.assert_array_equal(stack.pixels[0].numpy(), pixels)


def test_what_lies_on_a_device_goes_there_beside_what_comes_from_the_host():
    made = [frame(camera, (8, 6)) for camera in "abc"]
    made[1] = Frame(CameraId("b"), 0.0, 0, (8, 6), DevicePixels(torch.from_numpy(made[1].pixels)))
    batch = FrameBatch(0.0, tuple(made))
    (stack,) = DeviceFrames((CPU,)).stacks(batch)
    stack.upload([2, 1, 0])
    np.testing.assert_array_equal(stack.pixels.numpy(), [np.asarray(f.pixels) for f in batch.frames])


def test_memory_is_used_again_by_steps_of_all_sizes():
    frames, places = DeviceFrames((CPU,)), []
    for count in (3, 1, 2, 3):
        batch = FrameBatch(float(count), tuple(frame(camera, (8, 6)) for camera in "abc"[:count]))
        (stack,) = frames.stacks(batch)
        stack.upload(range(count))
        np.testing.assert_array_equal(stack.pixels.numpy(), [f.pixels for f in batch.frames])
        places.append(stack.pixels.data_ptr())
    assert len(set(places)) == 1


def test_frames_that_a_card_does_not_hold_are_told_in_numbers(monkeypatch):
    def full(*_shape, **_kind):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "empty", full)
    with pytest.raises(DeviceError, match="device cuda:0: its memory does not hold 200 frames of 1920 x 1080 at once"):
        _taken((200, 1080, 1920, 3), torch.device("cuda:0"))


def test_what_belongs_to_a_stack_is_found_by_its_frame():
    batch = FrameBatch(0.0, (frame("a", (8, 6)), frame("b", (4, 4)), frame("c", (8, 6))))
    large, small = DeviceFrames((CPU,)).stacks(batch)
    entries, rows = rows_of(large, np.array([2, 1, 0, 2]))
    assert (entries.tolist(), rows.tolist()) == ([0, 2, 3], [1, 0, 1])
    assert [part.tolist() for part in rows_of(small, np.array([2, 0]))] == [[], []]
