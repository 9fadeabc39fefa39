"""Both decoders of the frame message against the same bytes, and the encoder against them."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from app.api.frame_message import FrameMessage, decode, encode, frame_message
from app.domains.vocabulary import CameraId, FloorPoints, Frame, Sightings, Tracks

VECTORS = Path(__file__).parent / "vectors"
DECODER = Path(__file__).parents[2] / "app" / "web" / "frame_message.js"
READ = sorted(path.stem for path in VECTORS.glob("*.json") if not path.stem.startswith("refused_"))
REFUSED = sorted(path.stem for path in VECTORS.glob("refused_*.json"))
DECODE_ALL = """
const { decodeFrame } = await import("data:text/javascript;base64,DECODER");
const results = {};
for (const [name, text] of Object.entries(JSON.parse(require("fs").readFileSync(0, "utf8")))) {
  try {
    const bytes = Uint8Array.from(Buffer.from(text, "base64"));
    const message = decodeFrame(bytes.buffer);
    for (const [key, value] of Object.entries(message)) {
      if (ArrayBuffer.isView(value)) {
        if (value.length && value.buffer !== bytes.buffer) throw new Error(`${key} is a copy`);
        message[key] = Array.from(value, (number) => (Number.isNaN(number) ? null : number));
      }
    }
    results[name] = message;
  } catch (error) {
    results[name] = { error: error.message };
  }
}
console.log(JSON.stringify(results));
"""


def vector(name: str) -> tuple[bytes, dict]:
    return (VECTORS / f"{name}.bin").read_bytes(), json.loads((VECTORS / f"{name}.json").read_text())


def floats(column: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in column.ravel().tolist()]


def as_json(message: FrameMessage) -> dict:
    return {
        "cameraId": message.camera_id,
        "capturedAt": message.captured_at,
        "index": message.index,
        "width": message.size[0],
        "height": message.size[1],
        "globalId": message.global_id.tolist(),
        "trackId": message.track_id.tolist(),
        "box": floats(message.xyxy),
        "confidence": floats(message.confidence),
        "floor": floats(message.floor),
        "state": message.state.tolist(),
        "jpeg": list(message.jpeg),
    }


@pytest.fixture(scope="module")
def javascript() -> dict[str, dict]:
    """What the browser's decoder makes of every vector, in Node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine; install Node.js to run the JavaScript decoder")
    script = DECODE_ALL.replace("DECODER", base64.b64encode(DECODER.read_bytes()).decode())
    program = f"const require = (await import('module')).createRequire('/');{script}"
    given = {name: base64.b64encode(vector(name)[0]).decode() for name in READ + REFUSED}
    ran = subprocess.run(
        [node, "--input-type=module", "--eval", program], input=json.dumps(given), capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("name", READ)
def test_python_reads_every_vector(name):
    data, meaning = vector(name)
    assert as_json(decode(data)) == meaning


@pytest.mark.parametrize("name", READ)
def test_javascript_reads_every_vector_as_python_does(javascript, name):
    decoded = dict(javascript[name])
    assert decoded.pop("count", None) == len(vector(name)[1]["globalId"])
    assert decoded == vector(name)[1]


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse_what_is_no_whole_message_of_version_1(javascript, name):
    data, meaning = vector(name)
    with pytest.raises(ValueError, match=meaning["error"]) as refused:
        decode(data)
    assert javascript[name] == {"error": str(refused.value)}


@pytest.mark.parametrize("name", [name for name in READ if name != "longer_header"])
def test_what_was_read_is_written_as_the_same_bytes(name):
    data, _ = vector(name)
    assert encode(decode(data)) == data


@pytest.mark.parametrize("name", ["a", "ab", "abc", "abcd", "x" * 64])
def test_columns_are_aligned_whatever_the_cameras_name(name):
    data = encode(message_of(name))
    assert decode(data).camera_id == name
    assert int.from_bytes(data[6:8], "little") % 4 == 0


def test_a_frame_and_its_sightings_become_one_message():
    message = message_of("hall")
    assert message.size == (640, 360)
    assert message.global_id.tolist() == [4, -1]
    assert message.state.tolist() == [1, 0]
    assert message.floor[0].tolist() == [2.0, 3.0]
    assert np.isnan(message.floor[1]).all()
    assert message.jpeg == b"jpeg"


def message_of(camera: str) -> FrameMessage:
    name = CameraId(camera)
    tracks = Tracks(
        camera_id=name,
        captured_at=5.0,
        track_id=np.array([1, 2]),
        state=np.array([1, 0]),
        row=np.array([0, 1]),
        xyxy=np.array([[0, 0, 10, 20], [30, 30, 40, 60]], np.float32),
        confidence=np.array([0.9, 0.4], np.float32),
        appearance=np.zeros((2, 0), np.float32),
        certainty=np.ones(2),
    )
    # the second point is where the ray meets the floor, but its foot is cut off: it must not be shown
    floor = FloorPoints(name, np.array([[2.0, 3.0], [9.0, 9.0]]), np.zeros((2, 2, 2)), np.array([True, False]))
    frame = Frame(name, 5.0, 17, (640, 360), None)
    return frame_message(frame, Sightings(tracks, np.array([4, -1]), floor, np.array([0.9, 0.0])), b"jpeg")
