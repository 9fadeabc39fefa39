import json
import subprocess
import sys

PROGRAM = """
import logging, structlog
from app.infrastructure.logs import configure_logs
configure_logs()
log = structlog.get_logger("test")
log.warning("camera failed", camera="door", error="Connection refused: 'rtsp://admin:pa55word@10.0.0.4/stream?token=abc'")
logging.getLogger("uvicorn.error").error("bad request")
logging.getLogger("uvicorn.error").info("not worth a line")
try:
    raise ValueError("http://admin:pa55word@10.0.0.4/")
except ValueError:
    log.exception("unforeseen")
"""


def test_lines_are_json_on_standard_error_and_hold_no_address():
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert ran.stdout == ""
    camera, request, unforeseen = map(json.loads, ran.stderr.splitlines())
    assert (camera["event"], camera["camera"], camera["level"]) == ("camera failed", "door", "warning")
    assert camera["error"] == "Connection refused: 'rtsp://...'"
    assert camera["timestamp"].endswith("Z")
    assert request["event"] == "bad request"
    assert "Traceback" in unforeseen["exception"]
    assert "pa55word" not in ran.stderr
