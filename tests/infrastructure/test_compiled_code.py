import subprocess
import sys

from app.infrastructure.compiled_code import forget_outdated

CALLEE = "import numba\n\n\n@numba.njit(cache=True)\ndef step():\n    return {}\n"
CALLER = """import numba
from walk.callee import step


@numba.njit(cache=True)
def walk():
    return 10 * step()
"""


def walked(folder):
    command = [sys.executable, "-B", "-c", "from walk.caller import walk; print(walk())"]
    return int(subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout)


def test_code_that_calls_what_has_changed_is_compiled_anew(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    package = tmp_path / "walk"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "caller.py").write_text(CALLER)
    (package / "callee.py").write_text(CALLEE.format(1))
    assert not forget_outdated(package), "nothing has been compiled"
    assert walked(tmp_path) == 10
    assert not forget_outdated(package), "what was compiled from these sources is kept"
    (package / "callee.py").write_text(CALLEE.format(2))
    assert walked(tmp_path) == 10, "this is what numba does, and why the module exists"
    assert forget_outdated(package)
    assert walked(tmp_path) == 20


def test_compiled_code_elsewhere_is_thrown_away_too(tmp_path, monkeypatch):
    elsewhere = tmp_path / "cache" / "walk_1"
    elsewhere.mkdir(parents=True)
    (elsewhere / "walk.nbi").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "walk").mkdir()
    assert forget_outdated(tmp_path / "walk")
    assert list(elsewhere.iterdir()) == []
