"""Frames of a network or USB camera as they come, decoded with PyAV (FFmpeg).

Knows protocols, time-outs and how late a stream is. Knows nothing of other cameras, of the site, or of what a frame
shows. No message holds the camera's address: there may be a password in it.
"""

import re
import sys
import threading
from collections.abc import Iterator

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from app.domains.vocabulary import CameraId, Frame
from app.errors import CameraUnavailable, FrameCorrupt
from app.infrastructure.pyav_decoding import HOST_DECODING, Decoding
from app.orchestration.clock import SteadyClock

LIVE_ADDRESS = re.compile(r"(?i)(rtsps?|https?)://|usb:\d+$")
OPEN_S, READ_S = 8.0, 5.0  # patience for the first answer, and for each packet; cameras send some at least every second
FALLBACK_RATE = 25.0  # frames per second where the stream does not say
TOO_LATE_S = 4.0  # a stream that is so far behind is opened anew, which lets go of what the network holds back
RISE = 0.002  # seconds a second by which a stream's clock may be slower than ours; crystals are within 0.0001
RESTART_S = 10.0  # a stream clock that jumps by more has been set
# Found by FFmpeg's own defaults for RTSP over UDP: lost packets are grey pictures. TCP loses none.
STAMPLESS = frozenset({"mpjpeg", "mjpeg", "image2pipe"})  # FFmpeg counts 25 frames a second for them, whatever comes
OPTIONS = {"rtsp_transport": "tcp", "fflags": "nobuffer", "analyzeduration": "2000000", "fpsprobesize": "2"}


class ArrivalClock:
    """Says when a frame was captured, from when it arrived and what the stream's own clock says.

    A network delays some frames and hurries none, so the smallest delay seen so far is the best guess at the constant
    part of it: a frame's time is its stamp plus the smallest difference of arrival and stamp. Times are thus as even
    as the camera's clock and never later than the arrival. The guess rises by RISE, so that it follows a slow clock.
    """

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._arrived_at = 0.0

    def captured_at(self, stamp_s: float | None, arrived_at: float) -> float:
        """Return the capture time of a frame on the clock of `arrived_at`.

        Args:
            stamp_s: the stream's own time, seconds; None where it has none.
            arrived_at: when the frame was there, seconds since epoch; later than in the call before.
        """
        if stamp_s is None:
            return arrived_at
        offset_s = arrived_at - stamp_s
        if self._offset_s is None or abs(offset_s - self._offset_s) > RESTART_S:
            self._offset_s = offset_s
        else:
            risen_s = self._offset_s + RISE * (arrived_at - self._arrived_at)
            self._offset_s = min(offset_s, risen_s)
        self._arrived_at = arrived_at
        return stamp_s + self._offset_s


class LiveSource:
    """A FrameSource of a camera that is asked by `rtsp://`, `http://` (MJPEG and what else FFmpeg reads) or `usb:N`.

    Args:
        camera_id: whose frames these are.
        address: of the camera.
        fps: frames per second that are wanted; those between are decoded and left out. None takes all.
        clock: of capture times.
        stop: ends the reading between two packets.
        decoding: where pictures are decoded and pixels lie.

    Raises:
        CameraUnavailable: no answer in OPEN_S, refused, or no video in what it sends.
    """

    def __init__(
        self,
        camera_id: CameraId,
        address: str,
        fps: float | None,
        clock: SteadyClock,
        stop: threading.Event,
        decoding: Decoding = HOST_DECODING,
    ) -> None:
        self.camera_id = camera_id
        self._decoding = decoding
        self.frame_count: int | None = None
        self._clock, self._stop = clock, stop
        self._container = self._open(address)
        self._stream = self._video_stream()
        self.fps = fps or float(self._stream.average_rate or self._stream.guessed_rate or FALLBACK_RATE)
        self._period_s = 0.0 if fps is None else 1.0 / fps
        self._pictures = self._decoded()
        self._stamped = self._container.format.name not in STAMPLESS
        self._times = ArrivalClock()
        self._due_s = float("-inf")
        self._index = -1

    def read(self) -> Frame | None:
        """Return the next frame that is wanted; None once `stop` is set.

        Raises:
            FrameCorrupt: one frame does not decode.
            CameraUnavailable: the stream ended, broke off, or is too far behind.
        """
        while not self._stop.is_set():
            picture = self._next_picture()
            self._index += 1
            now = self._clock.now()
            captured_at = self._times.captured_at(picture.time if self._stamped else None, now)
            if now - captured_at > TOO_LATE_S:
                raise CameraUnavailable(self.camera_id, f"its frames come {now - captured_at:.0f} s late")
            if captured_at < self._due_s:
                continue
            self._due_s = max(self._due_s + self._period_s, captured_at + 0.5 * self._period_s)
            pixels = self._decoding.pixels(self.camera_id, picture)
            return Frame(self.camera_id, captured_at, self._index, (picture.width, picture.height), pixels)
        return None

    def close(self) -> None:
        """Hang up."""
        self._container.close()

    def _open(self, address: str) -> InputContainer:
        location, form = _location(self.camera_id, address)
        try:
            # `from None` below: FFmpeg's own messages hold the address
            hardware = self._decoding.hardware()
            return av.open(location, format=form, options=OPTIONS, timeout=(OPEN_S, READ_S), hwaccel=hardware)
        except (av.FFmpegError, OSError) as error:
            problem = f"no answer in {OPEN_S:g} s" if isinstance(error, av.ExitError) else _reason(error)
        raise CameraUnavailable(self.camera_id, f"cannot be opened: {problem}")

    def _video_stream(self) -> VideoStream:
        if not self._container.streams.video or self._container.streams.video[0].codec_context is None:
            self._container.close()
            raise CameraUnavailable(self.camera_id, "sends no video that this FFmpeg decodes")
        stream = self._container.streams.video[0]
        stream.codec_context.thread_count = 1  # more threads would hold frames back
        return stream

    def _decoded(self) -> Iterator[av.VideoFrame | av.FFmpegError]:
        """Decode packet by packet; what does not decode comes as its error."""
        for packet in self._container.demux(self._stream):
            try:
                yield from self._stream.codec_context.decode(packet)
            except av.FFmpegError as error:
                yield error

    def _next_picture(self) -> av.VideoFrame:
        try:
            picture = next(self._pictures, None)
        except (av.FFmpegError, OSError) as error:
            silent = isinstance(error, av.ExitError)
            problem = f"nothing came for {READ_S:g} s" if silent else f"the stream broke off: {_reason(error)}"
        else:
            if isinstance(picture, av.VideoFrame):
                return picture
            if picture is not None:
                raise FrameCorrupt(self.camera_id, f"frame does not decode: {_reason(picture)}")
            problem = "the stream has ended"
        raise CameraUnavailable(self.camera_id, problem)


def _location(camera_id: CameraId, address: str) -> tuple[str, str | None]:
    """Return what FFmpeg calls the camera, and the input format where that has to be said."""
    if not address.lower().startswith("usb:"):
        return address, None
    number = address.split(":", 1)[1]
    if sys.platform == "darwin":
        return number, "avfoundation"
    if sys.platform == "linux":
        return f"/dev/video{number}", "v4l2"
    raise CameraUnavailable(camera_id, "USB cameras are read on Linux and macOS alone")


def _reason(error: Exception) -> str:
    """Return the system's or FFmpeg's words for an error; the error's own text may name the address."""
    return getattr(error, "strerror", None) or type(error).__name__
