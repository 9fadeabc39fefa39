import hashlib

import pytest

from app.cli.main import main
from app.errors import ModelError
from app.infrastructure.model_catalogue import CATALOGUE, PublishedFile, PublishedModel, published
from app.infrastructure.model_store import RECORD, FileState, download, pull, verify

CONTENT = {"https://maker/a.bin": b"weights", "https://maker/a.json": b"{}"}
SHA = hashlib.sha256(b"weights").hexdigest()


def model(sha256: str | None = SHA) -> PublishedModel:
    files = (PublishedFile("a.bin", "https://maker/a.bin", sha256), PublishedFile("a.json", "https://maker/a.json"))
    return PublishedModel("net", "detector", "MIT", "openvino", files)


def maker(content=CONTENT):
    """Fetches as a maker's server answers, and counts."""

    def fetch(url, path):
        fetch.asked.append(url)
        path.write_bytes(content[url])

    fetch.asked = []
    return fetch


def test_what_is_pulled_is_checked_and_what_is_not_known_is_recorded(tmp_path):
    checked = pull(model(), tmp_path, fetch=maker())
    assert [(file.path.name, file.state) for file in checked] == [
        ("a.bin", FileState.PINNED),
        ("a.json", FileState.RECORDED),
    ]
    assert (tmp_path / "net" / "a.bin").read_bytes() == b"weights"
    assert (tmp_path / "net" / RECORD).read_text() == f"{hashlib.sha256(b'{}').hexdigest()}  a.json\n"


def test_what_is_there_and_right_is_not_fetched_again(tmp_path):
    pull(model(), tmp_path, fetch=maker())
    again = maker()
    pull(model(), tmp_path, fetch=again)
    assert again.asked == []


@pytest.mark.parametrize("url", list(CONTENT), ids=["of a known checksum", "of a recorded checksum"])
def test_other_bytes_than_expected_are_thrown_away(tmp_path, url):
    pull(model(), tmp_path, fetch=maker())
    name = url.rpartition("/")[2]
    (tmp_path / "net" / name).unlink()
    with pytest.raises(ModelError, match=rf"{name}: not kept: its SHA-256 is [0-9a-f]{{64}}, expected [0-9a-f]{{64}}"):
        pull(model(), tmp_path, fetch=maker(CONTENT | {url: b"something else"}))
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == sorted({"a.bin", "a.json", RECORD} - {name})


def test_a_mirror_comes_before_the_maker(tmp_path):
    (tmp_path / "mirror" / "net").mkdir(parents=True)
    (tmp_path / "mirror" / "net" / "a.bin").write_bytes(b"weights")
    asked = maker()
    pull(model(), tmp_path / "models", mirror=tmp_path / "mirror", fetch=asked)
    assert asked.asked == ["https://maker/a.json"]


def test_offline_nothing_but_the_mirror_is_asked(tmp_path):
    with pytest.raises(ModelError, match=r"a\.bin: is not there, and the network is off limits .*https://maker/a\.bin"):
        pull(model(), tmp_path)


def test_a_download_that_breaks_off_leaves_nothing(tmp_path):
    def broken(_url, path):
        path.write_bytes(b"wei")
        raise ModelError("a.bin", "cannot be fetched")

    with pytest.raises(ModelError):
        pull(model(), tmp_path, fetch=broken)
    assert list((tmp_path / "net").iterdir()) == []


def test_a_check_tells_what_has_become_of_each_file(tmp_path):
    pull(model(), tmp_path, fetch=maker())
    (tmp_path / "net" / "a.bin").write_bytes(b"tampered")
    (tmp_path / "net" / "a.json").unlink()
    assert [file.state for file in verify(model(), tmp_path)] == [FileState.CHANGED, FileState.MISSING]
    (tmp_path / "net" / RECORD).unlink()
    (tmp_path / "net" / "a.json").write_bytes(b"{}")
    assert verify(model(), tmp_path)[1].state is FileState.UNRECORDED


@pytest.mark.parametrize("url", ["http://maker/a.bin", "file:///etc/passwd", "ftp://maker/a.bin"])
def test_nothing_is_fetched_but_by_https(tmp_path, url):
    with pytest.raises(ModelError, match="https:// alone"):
        download(url, tmp_path / "a.bin")


def test_the_catalogue_is_in_order():
    names = [entry.name for entry in CATALOGUE]
    assert len(set(names)) == len(names)
    for entry in CATALOGUE:
        assert entry.licence
        for file in entry.files:
            assert file.url.startswith("https://")
            assert file.name == file.url.rpartition("/")[2]
            assert file.sha256 is None or len(file.sha256) == 64


@pytest.mark.models
@pytest.mark.parametrize(
    "name", ["person-detection-retail-0013", "yolox_nano_416", "person-reidentification-retail-0287"]
)
def test_the_checksums_are_those_of_weights_that_work(models_dir, name):
    assert {file.state for file in verify(published(name), models_dir)} == {FileState.PINNED}


def test_the_command_line_pulls_from_a_mirror_and_verifies(tmp_path, capsys):
    mirror = tmp_path / "mirror" / "yolov8s"
    mirror.mkdir(parents=True)
    (mirror / "yolov8s.pt").write_bytes(b"weights")
    with pytest.raises(SystemExit) as left:
        main(
            ["models", "pull", "yolov8s", "--models", str(tmp_path / "m"), "--mirror", str(mirror.parent), "--offline"]
        )
    printed = capsys.readouterr()
    assert left.value.code == 0
    assert "licence AGPL-3.0" in printed.err
    assert f"yolov8s.pt: matches the checksum of its first pull  sha256 {SHA}" in printed.out
    (tmp_path / "m" / "yolov8s" / "yolov8s.pt").write_bytes(b"tampered")
    with pytest.raises(SystemExit) as left:
        main(["models", "verify", "--models", str(tmp_path / "m")])
    assert left.value.code == 1
    assert "yolov8s.pt: differs from its checksum" in capsys.readouterr().out


def test_what_is_not_the_pinned_file_is_not_kept(tmp_path, capsys):
    (tmp_path / "mirror" / "yolo11n").mkdir(parents=True)
    (tmp_path / "mirror" / "yolo11n" / "yolo11n.pt").write_bytes(b"other weights")
    with pytest.raises(SystemExit) as left:
        main(["models", "pull", "yolo11n", "--models", str(tmp_path / "m"), "--mirror", str(tmp_path / "mirror")])
    assert left.value.code == 2
    assert "not kept: its SHA-256 is" in capsys.readouterr().err
    assert list((tmp_path / "m" / "yolo11n").iterdir()) == []


def test_an_unknown_name_lists_the_known_ones(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["models", "pull", "yolo99", "--models", str(tmp_path)])
    assert left.value.code == 2
    assert "yolo99: not known by name; known are person-detection-retail-0013, " in capsys.readouterr().err
