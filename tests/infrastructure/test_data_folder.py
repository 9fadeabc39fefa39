import subprocess
import sys

import pytest

from app.errors import ConfigError
from app.infrastructure.data_folder import DataFolder

HOLD = "import sys, time; from pathlib import Path; from app.infrastructure.data_folder import DataFolder\n"


def test_a_folder_is_made_for_its_user_alone(tmp_path):
    with DataFolder(tmp_path / "new" / "data") as folder:
        assert folder.path.is_dir()
        assert folder.path.stat().st_mode & 0o077 == 0


def test_a_second_program_is_told_that_the_folder_is_held(tmp_path):
    program = HOLD + f"with DataFolder(Path({str(tmp_path)!r})): print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(ConfigError, match="another spoton keeps its history there; stop that one, or"),
            DataFolder(tmp_path),
        ):
            pass
        other.stdin.close()
        other.wait(10)
    with DataFolder(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match=r"file/data: history cannot be kept there: Not a directory"),
        DataFolder(tmp_path / "file" / "data"),
    ):
        pass


def test_sizes_of_cameras_are_remembered(tmp_path):
    with DataFolder(tmp_path) as folder:
        assert folder.sizes() == {}
        folder.remember_sizes({"door": (640, 360)})
    with DataFolder(tmp_path) as folder:
        assert folder.sizes() == {"door": (640, 360)}


@pytest.mark.parametrize("content", ["", "[]", '{"door": 5}', '{"door": ["a", 2]}', "\x00"])
def test_sizes_that_were_spoiled_are_named(tmp_path, content):
    (tmp_path / "cameras.json").write_text(content)
    with DataFolder(tmp_path) as folder, pytest.raises(ConfigError, match=r"cameras\.json: cannot be read"):
        folder.sizes()
