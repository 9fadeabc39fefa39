// @ts-check
/**
 * Reads the binary frame message, version 1: one camera's frame with the boxes of that very frame.
 * docs/frame-message.md describes the bytes. Knows no socket and no canvas.
 */

const MAGIC = 0x544f5053; // "SPOT", little-endian
const VERSION = 1;
const HEADER_BYTES = 36;
const ROW_BYTES = 37;

/**
 * @typedef {object} FrameMessage
 * @property {string} cameraId
 * @property {number} capturedAt seconds since epoch
 * @property {number} index number of the frame in its source
 * @property {number} width pixels of the original frame, which the boxes refer to; the JPEG may be smaller
 * @property {number} height
 * @property {number} count how many boxes, N
 * @property {Int32Array} globalId N; -1 where nobody is sure who it is
 * @property {Int32Array} trackId N; unique within the camera
 * @property {Float32Array} box 4 N; left, top, right, bottom of each box
 * @property {Float32Array} confidence N; in [0, 1]
 * @property {Float32Array} floor 2 N; metres, NaN where the box has no place on the floor
 * @property {Uint8Array} state N; 0 tentative, 1 confirmed
 * @property {Uint8Array} jpeg empty where the camera has boxes and no pixels
 */

/**
 * Decode a message without copying: the arrays are views of `buffer`.
 *
 * @param {ArrayBuffer} buffer
 * @returns {FrameMessage}
 */
export function decodeFrame(buffer) {
  if (buffer.byteLength < HEADER_BYTES) {
    throw new Error(`frame message: ${buffer.byteLength} bytes are fewer than its header has`);
  }
  const header = new DataView(buffer);
  if (header.getUint32(0, true) !== MAGIC) throw new Error("frame message: does not begin with SPOT");
  const version = header.getUint8(4);
  if (version !== VERSION) {
    throw new Error(`frame message: version ${version}; this decoder reads version ${VERSION}`);
  }
  const nameBytes = header.getUint8(5);
  const headerBytes = header.getUint16(6, true);
  if (headerBytes < HEADER_BYTES + nameBytes || headerBytes % 4 !== 0) {
    throw new Error(`frame message: a header of ${headerBytes} bytes cannot hold its fields`);
  }
  const count = header.getUint32(28, true);
  const jpegBytes = header.getUint32(32, true);
  const expected = headerBytes + ROW_BYTES * count + jpegBytes;
  if (buffer.byteLength !== expected) {
    throw new Error(`frame message: ${buffer.byteLength} bytes, expected ${expected}`);
  }
  const floats = headerBytes + 8 * count;
  return {
    cameraId: new TextDecoder().decode(new Uint8Array(buffer, HEADER_BYTES, nameBytes)),
    capturedAt: header.getFloat64(8, true),
    index: header.getUint32(16, true),
    width: header.getUint32(20, true),
    height: header.getUint32(24, true),
    count,
    globalId: new Int32Array(buffer, headerBytes, count),
    trackId: new Int32Array(buffer, headerBytes + 4 * count, count),
    box: new Float32Array(buffer, floats, 4 * count),
    confidence: new Float32Array(buffer, floats + 16 * count, count),
    floor: new Float32Array(buffer, floats + 20 * count, 2 * count),
    state: new Uint8Array(buffer, floats + 28 * count, count),
    jpeg: new Uint8Array(buffer, floats + 29 * count, jpegBytes),
  };
}
