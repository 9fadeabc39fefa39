"""Frames of a recorded video file, decoded with PyAV (FFmpeg).

Knows containers, time stamps and damaged packets. Knows nothing of other cameras, of the site, or of what a frame
shows.
"""

import heapq
import math
from collections import deque
from pathlib import Path

import av
from av.codec.context import Flags as CodecFlags
from av.container import InputContainer
from av.video.stream import VideoStream

from app.domains.vocabulary import CameraId, Frame
from app.errors import CameraUnavailable, FrameCorrupt
from app.infrastructure.pyav_decoding import HOST_DECODING, Decoding

FALLBACK_RATE = 25.0  # frames per second where neither container nor codec says; FFmpeg's own default for raw streams
RESTART_S = 1.0  # a step back by more is a restarted clock, by less a muxer's jitter; chosen by reason, not tuned
NUDGE_S = 0.001  # how far behind its forerunner a frame with a late or repeated time stamp is put


class PresentationClock:
    """Turns presentation time stamps (PTS) into capture times that always increase.

    The first stamp is `start_s`. A frame without a stamp follows the last one that had one at the nominal rate. A stamp
    that is not later than its forerunner's is put NUDGE_S behind it. After a step back of more than RESTART_S the frame
    is put one period behind its forerunner; where the next stamp goes on from there, the recorder's clock was restarted
    and time goes on from that frame; where it does not, one stamp was wrong and time goes on as before. Steps forward
    are believed: they are gaps in the recording.

    Args:
        start_s: capture time of the first stamp, seconds.
        time_base: seconds per unit of PTS.
        period_s: seconds between frames at the nominal rate.
    """

    def __init__(self, start_s: float, time_base: float, period_s: float) -> None:
        self._time_base, self._period_s = time_base, period_s
        self._origin: tuple[float, int] | None = None  # a capture time and the PTS that belongs to it
        self._stray: int | None = None  # PTS of the last frame, where it lay far back
        self._last: float | None = None
        self._unstamped = (start_s, 0)  # a capture time and how many frames without PTS have followed it

    def time_of(self, pts: int | None) -> float:
        """Return the capture time of the next frame in order of presentation, seconds."""
        time = self._next_unstamped() if pts is None else self._stamped(pts)
        if pts is not None:
            self._unstamped = (time, 1)
        self._last = time
        return time

    def _next_unstamped(self) -> float:
        time, count = self._unstamped
        self._unstamped = (time, count + 1)
        return time + count * self._period_s

    def _stamped(self, pts: int) -> float:
        if self._origin is None:
            self._origin = (self._next_unstamped(), pts)
        time = self._origin[0] + (pts - self._origin[1]) * self._time_base
        if self._last is None or time > self._last:
            self._stray = None
            return time
        if self._last - time <= RESTART_S:
            return self._last + NUDGE_S
        if self._stray is not None and pts > self._stray:
            self._origin = (self._last, self._stray)
            self._stray = None
            return self._last + (pts - self._origin[1]) * self._time_base
        self._stray = pts
        return self._last + self._period_s


class PacketLedger:
    """Knows which packets never became a picture, and between which pictures those are missing.

    Keeps the PTS of refused packets, and of those behind a refusal up to the next key frame, because a decoder may take
    them and give nothing for lack of what they refer to. Elsewhere a packet without a picture is the codec's way (VP8's
    hidden frames, MPEG-4's packed ones) and nothing is lost.
    """

    def __init__(self) -> None:
        self._awaited: list[int] = []  # heap
        self._refused: set[int] = set()
        self._sound_from: float | None = -math.inf  # packets shown from here on are sound; None: not until a key frame

    def refused(self, pts: int) -> None:
        """Enter a packet that the decoder refused."""
        heapq.heappush(self._awaited, pts)
        self._refused.add(pts)
        self._sound_from = None

    def taken(self, pts: int | None, is_keyframe: bool) -> None:
        """Enter a packet that the decoder took."""
        if pts is None:
            return
        if self._sound_from is None and is_keyframe:
            self._sound_from = pts
        elif self._sound_from is None or pts < self._sound_from:
            heapq.heappush(self._awaited, pts)

    def came(self, pts: int | None) -> bool:
        """Enter that the picture of a packet came; return whether its packet was refused nevertheless."""
        if pts is None or not self._awaited or self._awaited[0] != pts:
            return False
        heapq.heappop(self._awaited)
        was_refused = pts in self._refused
        self._refused.discard(pts)
        return was_refused

    def lost(self, upcoming: int | None, drained: bool) -> int | None:
        """Return the PTS of one picture that is missing before the `upcoming` one, and strike it off; None if none is.

        Args:
            upcoming: PTS of the next picture; None when it has none or is not decoded yet.
            drained: whether no more pictures will be decoded.
        """
        if not self._awaited or (self._awaited[0] >= upcoming if upcoming is not None else not drained):
            return None
        pts = heapq.heappop(self._awaited)
        self._refused.discard(pts)
        return pts


class PyAVSource:
    """Every frame of a video file as a FrameSource.

    Capture times are `start_s` plus the PTS relative to the first frame's, made to increase as PresentationClock says;
    with `fps` they are `start_s + index / fps`. Streams without PTS (raw H.264) are taken at the rate that the codec
    states, else at the container's.

    A packet that the decoder refuses, or takes after a refusal without ever giving a picture for it, and a picture that
    it marks as damaged are each one FrameCorrupt and take one index: in order of presentation where packets have PTS,
    otherwise when they are refused. What nobody can count does not count: chunks that the container lost, and, in
    codecs without checksums, pictures that the decoder patched up unmarked. A file that holds fewer packets than its
    header announces says so at its end.

    Decodes with one thread, so that a refused packet is known by its own number and the same input always gives the
    same frames; cameras run beside each other anyway.

    Args:
        camera_id: whose frames these are.
        path: the video file.
        fps: the recording's true rate, where the file's own time stamps are wrong.
        start_s: capture time of the first frame, seconds.
        decoding: where pictures are decoded and pixels lie.

    Raises:
        CameraUnavailable: no such file, no video in it, or a codec that this FFmpeg lacks.
    """

    def __init__(
        self,
        camera_id: CameraId,
        path: Path,
        fps: float | None = None,
        start_s: float = 0.0,
        decoding: Decoding = HOST_DECODING,
    ) -> None:
        self.camera_id = camera_id
        self._path = path
        self._decoding = decoding
        self._container = self._open()
        self._stream = self._video_stream()
        self._packets = self._container.demux(self._stream)
        self.frame_count: int | None = self._stream.frames or None
        self.fps: float = fps or self._nominal_rate()
        self._index_rate = fps  # None: the PTS rule
        self._start_s = start_s
        self._clock = PresentationClock(start_s, float(self._stream.time_base or 0), 1.0 / self.fps)
        self._pictures: deque[av.VideoFrame] = deque()  # decoded, not yet given
        self._ledger = PacketLedger()
        self._index = 0  # of the next frame
        self._given = 0
        self._packets_seen = 0
        self._size: tuple[int, int] | None = None
        self._drained = self._ended = False
        self._failure: str | None = None

    def read(self) -> Frame | None:
        """Return the next frame, or None at the end.

        Raises:
            FrameCorrupt: one frame does not decode, is damaged, or has another size than the first.
            CameraUnavailable: once, behind the last frame: the file cannot be read on, lacks frames, or held none.
        """
        while True:
            if (
                lost := self._ledger.lost(self._pictures[0].pts if self._pictures else None, self._drained)
            ) is not None:
                self._clock.time_of(lost)
                raise self._corrupt("does not decode")
            if self._pictures:
                return self._frame(self._pictures.popleft())
            if self._drained:
                self._check_end()
                return None
            self._decode_packet()

    def close(self) -> None:
        """Close the file."""
        self._drained = self._ended = True
        self._ledger = PacketLedger()
        self._pictures.clear()
        self._container.close()

    def _open(self) -> InputContainer:
        if not self._path.is_file():
            raise CameraUnavailable(self.camera_id, f"{self._path}: no such file")
        try:
            container = av.open(str(self._path), hwaccel=self._decoding.hardware())
        except av.FFmpegError as error:
            raise CameraUnavailable(self.camera_id, f"{self._path}: no video file: {_reason(error)}") from error
        if container.format.name == "tty":  # FFmpeg plays text files as terminals
            container.close()
            raise CameraUnavailable(self.camera_id, f"{self._path}: a text file, no video")
        return container

    def _video_stream(self) -> VideoStream:
        if not self._container.streams.video:
            self._container.close()
            raise CameraUnavailable(self.camera_id, f"{self._path}: holds no video stream")
        stream = self._container.streams.video[0]
        codec = stream.codec_context
        if codec is None:
            self._container.close()
            raise CameraUnavailable(self.camera_id, f"{self._path}: this FFmpeg has no decoder for its codec")
        codec.thread_count = 1
        codec.flags |= CodecFlags.output_corrupt  # damaged pictures come marked instead of vanishing uncounted
        return stream

    def _nominal_rate(self) -> float:
        stream, codec_rate = self._stream, self._stream.codec_context.framerate
        rates = [stream.average_rate, stream.guessed_rate, codec_rate]
        if stream.start_time is None:  # no PTS: then the container's rate is FFmpeg's guess and the codec's is stated
            rates = [codec_rate, stream.average_rate]
        return next((float(rate) for rate in rates if rate), FALLBACK_RATE)

    def _decode_packet(self) -> None:
        packet = self._next_packet()
        self._packets_seen += packet is not None
        self._drained = packet is None
        try:
            self._pictures.extend(self._stream.codec_context.decode(packet))
        except av.FFmpegError as error:
            self._refuse(packet, error)
        else:
            if packet is not None and not packet.is_discard:
                self._ledger.taken(packet.pts, packet.is_keyframe)

    def _next_packet(self) -> "av.Packet[VideoStream] | None":
        """Return None at the end, which makes the decoder give what it holds back."""
        try:
            packet = next(self._packets, None)
        except (av.FFmpegError, OSError) as error:
            self._failure = _reason(error)
            return None
        return packet if packet is not None and (packet.size or packet.pts is not None) else None

    def _refuse(self, packet: "av.Packet[VideoStream] | None", error: av.FFmpegError) -> None:
        if packet is None:
            self._failure = self._failure or _reason(error)
        elif packet.pts is not None:
            self._ledger.refused(packet.pts)
        else:
            self._clock.time_of(None)
            raise self._corrupt("does not decode") from error

    def _frame(self, picture: av.VideoFrame) -> Frame:
        captured_at = self._clock.time_of(picture.pts)
        if self._index_rate is not None:
            captured_at = self._start_s + self._index / self._index_rate
        if self._ledger.came(picture.pts) or picture.is_corrupt:
            raise self._corrupt("is damaged")
        size = (picture.width, picture.height)
        self._size = self._size or size
        if size != self._size:
            raise self._corrupt(f"is {size[0]}x{size[1]}, the first frame {self._size[0]}x{self._size[1]}")
        pixels = self._decoding.pixels(self.camera_id, picture)
        self._index += 1
        self._given += 1
        return Frame(self.camera_id, captured_at, self._index - 1, size, pixels)

    def _corrupt(self, problem: str) -> FrameCorrupt:
        self._index += 1
        return FrameCorrupt(self.camera_id, f"{self._path}: frame {self._index - 1} {problem}")

    def _check_end(self) -> None:
        """Raise CameraUnavailable, the first time only, where the file ended before its time."""
        if self._ended:
            return
        self._ended = True
        announced = self.frame_count or 0
        problem = ""
        if self._failure is not None:
            problem = f"cannot be read behind frame {self._index}: {self._failure}"
        elif not self._given:
            problem = "holds no frame that decodes"
        elif self._packets_seen < announced:
            problem = f"ends after {self._packets_seen} of the {announced} frames that its header announces"
        if problem:
            raise CameraUnavailable(self.camera_id, f"{self._path}: {problem}")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
