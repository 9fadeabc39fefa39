from dataclasses import replace

import numpy as np
import pytest

from app.bench import image_runs
from app.bench.floor_runs import track_site
from app.bench.image_peers import INSTALL, peers
from app.bench.image_runs import image_values, track_peers
from app.evaluation.truth import read_truth
from app.settings import load_site
from app.simulated import SiteConfig, write_site
from app.simulation.world import WorldConfig


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """One camera as a video, tracked with the detector that comes with the product."""
    folder = tmp_path_factory.mktemp("filmed")
    config = SiteConfig(scene="square", world=WorldConfig(people=8, seed=1), cameras=1, fps=5.0, duration_s=3.0)
    site = write_site(folder / "set", config, lambda _progress, _total: None)
    site_file = load_site(site, detector="simulated-people", embedder="none")
    tracked = track_site(site_file, folder / "run", None, lambda _progress, _total: None)
    return tracked, read_truth(folder / "set", list(tracked.run.clocks))


def test_peers_get_the_boxes_that_the_detector_found(filmed, monkeypatch):
    tracked, truth = filmed
    pictures = []

    def one_id_a_column(xyxy, score, picture):
        pictures.append(picture.shape)
        sure = xyxy[score >= 0.5]
        return np.arange(1, len(sure) + 1), sure[np.argsort(sure[:, 0])]

    def absent():
        raise ImportError

    monkeypatch.setattr(image_runs, "peers", lambda _fps: {"columns": lambda: one_id_a_column, "other": absent})
    runs, missing = track_peers(tracked, None)
    assert missing == {"other": INSTALL}
    assert pictures == [(360, 640, 3)] * 15
    ours, theirs = image_values(tracked.run, truth), image_values(runs["columns"], truth)
    assert theirs["mota"] > 40.0
    assert ours["mota"] > 60.0
    assert theirs["people"] == ours["people"]


def test_perfect_boxes_score_perfectly(filmed):
    tracked, truth = filmed
    boxes = {name: camera.boxes for name, camera in truth.cameras.items()}
    values = image_values(replace(tracked.run, boxes=boxes), truth)
    assert [values[name] for name in ("idf1", "mota", "missed", "false")] == pytest.approx([100.0, 100.0, 0.0, 0.0])


@pytest.mark.parametrize("name", list(peers(5.0)))
@pytest.mark.filterwarnings("ignore")  # of other libraries
def test_a_peer_that_is_installed_follows_two_people(name):
    try:
        update = peers(5.0)[name]()
    except ImportError:
        pytest.skip(INSTALL)
    seen = []
    for k in range(15):
        xyxy = np.array([[50.0 + 3 * k, 60.0, 90.0 + 3 * k, 160.0], [400.0 - 3 * k, 80.0, 440.0 - 3 * k, 180.0]])
        ids, places = update(xyxy, np.array([0.9, 0.9]), np.zeros((360, 640, 3), np.uint8))
        seen.append(ids)
        assert places.shape == (len(ids), 4)
    assert len(seen[-1]) == 2
    assert set(seen[-1].tolist()) == set(seen[-5].tolist())
    assert update(np.zeros((0, 4)), np.zeros(0), np.zeros((360, 640, 3), np.uint8))[1].shape[1] == 4
