"""Ask a running server for its dashboard as fast as it answers, from its cache and past it, and print both rates.

    uv run python scripts/bench_dashboard.py http://127.0.0.1:8000 --seconds 5

Client and server share the machine, so what is printed is a lower bound. Past the cache means that each question has
an end of its own, so that the history is read for every one.
"""

import argparse
import asyncio
import json
import time
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np

CONNECTIONS = 16


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, path: str
) -> tuple[int, bytes]:
    """Return status and body of one request."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    return int(head.split(maxsplit=2)[1]), await reader.readexactly(length)


async def hammer(host: str, port: int, path: str, seconds: float, fresh: bool) -> list[float]:
    """Ask on CONNECTIONS at once for so long; returns how long each answer took."""
    took: list[float] = []
    end = time.monotonic() + seconds
    now = time.time()

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        asked = 0
        while time.monotonic() < end:
            begin = time.perf_counter()
            asked += 1
            own = f"?until={now - number - CONNECTIONS * asked:.3f}" if fresh else ""
            status, body = await exchange(reader, writer, host, path + own)
            if status != 200:
                raise SystemExit(f"the server answered {status}: {body[:200]!r}")
            took.append(time.perf_counter() - begin)
        writer.close()

    await asyncio.gather(*(one(number) for number in range(CONNECTIONS)))
    return took


def main() -> None:
    """Print requests a second and latencies."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("address", help="of the server, such as http://127.0.0.1:8000")
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    parts = urlsplit(arguments.address)
    with urlopen(f"{arguments.address}/api/v1/sites") as answer:
        site = json.load(answer)["sites"][0]["site"]
    path = f"/api/v1/sites/{site}/dashboard"
    for name, fresh in (("from the cache", False), ("past the cache", True)):
        took = asyncio.run(hammer(parts.hostname or "", parts.port or 80, path, arguments.seconds, fresh))
        p50, p95 = np.quantile(took, (0.5, 0.95)) * 1000.0
        rate = len(took) / arguments.seconds
        print(f"{name}: {rate:8,.0f} requests/s, median {p50:6.1f} ms, 95th percentile {p95:6.1f} ms")


if __name__ == "__main__":
    main()
