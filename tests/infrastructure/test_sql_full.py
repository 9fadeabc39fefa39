"""A database that runs out of disk: what comes meanwhile waits in files, and is written once there is room again."""

import os
import pwd
import subprocess
import time
from contextlib import contextmanager

import pytest
from postgres import USER
from test_sql_floor import _compiled, agrees, floored, update, watched_again  # noqa: F401 - a fixture
from test_sql_store import T0, rows, written

from app.infrastructure.sql_database import open_database

SIZE = 24_000_000  # bytes; an empty database takes 8 MB


@contextmanager
def small_disk(folder):
    """Mount a file system of SIZE bytes."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        user = pwd.getpwnam(USER)
        os.chown(folder, user.pw_uid, user.pw_gid)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder):
    """Leave no byte free; returns what takes them."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(1 << 14))
            except OSError:
                return ballast


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")
def test_a_full_server_gets_every_row_once_when_it_has_room_again(postgres, tmp_path):
    with small_disk(postgres.folder / "disk") as disk:
        postgres.ask("postgres", f"CREATE TABLESPACE small LOCATION '{disk}'")
        postgres.ask("postgres", "CREATE DATABASE small TABLESPACE small")
        address = postgres.url("small")
        store = floored(address, tmp_path)
        try:
            lived(store, 0, 100)
            written(store, 20.0)
            ballast = fill(disk)
            lived(store, 100, 2000)
            end = time.monotonic() + 20.0
            while not list(tmp_path.glob("spool/*/*.spool")):
                assert time.monotonic() < end, "what the server has no room for goes to disk"
                time.sleep(0.05)
            time.sleep(1.0)
            assert store.waiting() > 0
            assert store.lost == 0
            ballast.unlink()
            written(store, 60.0)
            assert store.close(10.0)
            assert rows(address, "SELECT count(*), count(DISTINCT at) FROM dots") == [(8000, 2000)]
            assert not list(tmp_path.glob("spool/*/*"))
            database = open_database(address)
            agrees(database.write, *database.write(watched_again).values())
            database.close()
        finally:
            postgres.ask("postgres", "DROP DATABASE small WITH (FORCE)")
            postgres.ask("postgres", "DROP TABLESPACE small")


def lived(store, begin, end):
    """Let four people walk to and fro."""
    for i in range(begin, end):
        x = abs((i / 10) % 18 - 9) + 0.5
        store.append(update(T0 + i / 10, {person: (x, person) for person in (1, 2, 3, 4)}))
