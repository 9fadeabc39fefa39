import numpy as np
import pytest

from app.domains.mapping.view import CameraView
from app.domains.vocabulary import CameraId
from app.simulation.drawing import PIXELS_PER_METRE, draw_plan
from app.simulation.floor_plan import wall_pieces
from app.simulation.lens import calibrate
from app.simulation.navigation import HEAD_M, Ways
from app.simulation.scenes.catalogue import SCENES, build_scene
from app.simulation.source import bumped

SIZE = (640, 360)


def seen_by(scene):
    """Return (cameras, points) bool: who sees which point of a grid on the floor, walls considered, furniture not."""
    x0, y0, x1, y1 = scene.bounds
    grid = np.stack(np.meshgrid(np.arange(x0 + 0.5, x1, 1.0), np.arange(y0 + 0.5, y1, 1.0)), -1).reshape(-1, 2)
    walls = [solid for solid in scene.solids if solid.low[2] == 0.0 and solid.high[2] > 2.5]
    for wall in walls:
        grid = grid[~((grid >= wall.low[:2]) & (grid <= wall.high[:2])).all(axis=1)]
    rows = []
    for mount in scene.mounts:
        view = CameraView(CameraId(mount.name), SIZE, calibrate(mount, SIZE).model())
        _, visible = view.boxes(grid, 1.75)
        start, step = np.array(mount.at[:2]), grid - mount.at[:2] + 1e-9
        for wall in walls:
            low, high = (np.array(corner[:2]) for corner in (wall.low, wall.high))
            ends = np.stack([(low - start) / step, (high - start) / step])
            near, far = ends.min(axis=0).max(axis=1), ends.max(axis=0).min(axis=1)
            visible &= ~((near < far) & (near < 0.98) & (far > 0.02))
        rows.append(visible)
    return np.array(rows)


@pytest.mark.parametrize("name", ["shop", "square"])
def test_cameras_overlap(name):
    count = seen_by(build_scene(name)).sum(axis=0)
    assert (count >= 2).mean() > 0.85


def test_cameras_of_the_offices_do_not_overlap():
    count = seen_by(build_scene("offices")).sum(axis=0)
    assert count.max() == 1
    assert 0.1 < (count == 0).mean() < 0.5


@pytest.mark.parametrize("name", SCENES)
def test_every_place_can_be_reached(name):
    scene = build_scene(name)
    ways = Ways(scene, [spot.at for spot in scene.spots] + [door.inside for door in scene.doors])
    straight = np.linalg.norm(np.subtract(scene.spots[0].at, [spot.at for spot in scene.spots]), axis=1)
    assert (ways.metres[0, : len(scene.spots)] >= straight - 1e-6).all()


def test_a_way_leads_around_what_stands_in_it():
    scene = build_scene("shop")
    table = next(solid for solid in scene.solids if solid.blocks and solid.low[:2] == (8.5, 3.4))
    ways = Ways(scene, [(9.2, 2.7), (9.2, 5.0)])
    way = ways.between(0, 1)
    assert len(way) == 4
    assert not ((way > table.low[:2]) & (way < table.high[:2])).all(axis=1).any()
    assert ways.metres[0, 1] == pytest.approx(np.linalg.norm(np.diff(way, axis=0), axis=1).sum(), abs=1e-3)


def test_a_place_inside_of_furniture_is_refused():
    with pytest.raises(ValueError, match="inside a solid"):
        Ways(build_scene("shop"), [(9.2, 3.9)])


def test_walls_leave_openings():
    assert wall_pieces(0.0, 10.0, [(2.0, 3.0)], 2.2) == [((0.0, 2.0), 0.0), ((2.0, 3.0), 2.2), ((3.0, 10.0), 0.0)]


def test_an_unknown_scene_is_refused():
    with pytest.raises(ValueError, match="no scene 'moon'; choose shop, offices, square"):
        build_scene("moon")


@pytest.mark.parametrize("name", SCENES)
def test_the_plan_fits_its_scale(name):
    scene = build_scene(name)
    plan, origin = draw_plan(scene)
    x0, _, x1, _ = scene.bounds
    assert plan.shape[1] == pytest.approx((x1 - x0 + 1.0) * PIXELS_PER_METRE, abs=1)
    solid = next(s for s in scene.solids if s.blocks and 0.3 < s.high[2] < HEAD_M and s.low[0] > x0)
    u = origin[0] + PIXELS_PER_METRE * 0.5 * (solid.low[0] + solid.high[0])
    v = origin[1] - PIXELS_PER_METRE * 0.5 * (solid.low[1] + solid.high[1])
    assert tuple(plan[round(v), round(u)]) != (252, 250, 248)


@pytest.mark.parametrize("pixels", [2.0, 15.0])
def test_a_knock_moves_the_picture_by_so_many_pixels(pixels):
    calibration = calibrate(build_scene("shop").mounts[0], SIZE)
    knocked = bumped(calibration, pixels)
    middle = calibration.model().to_floor(np.array([[320.0, 180.0]]))
    moved = knocked.model().to_image(middle)[0] - (320.0, 180.0)
    assert np.linalg.norm(moved) == pytest.approx(pixels, rel=0.05)
    assert knocked.model().position == pytest.approx(calibration.model().position, abs=1e-9)
