"""The page in Chromium against a scene that is known exactly."""

import math

import numpy as np
import pytest
from fake_site import FakeSite, serve_fake
from waiting import wait_until

PEOPLE = "spoton.people()"
LIVE = "document.body.dataset.connection === 'live' && spoton.map().dots > 0"
INK = """(() => {
    const canvas = document.querySelectorAll("#map canvas")[2];
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, i) => i % 4 === 3 && value > 128).length;
})()"""
PICTURES = "spoton.tiles().every(tile => tile.capturedAt !== null)"


@pytest.fixture(scope="module")
def site() -> FakeSite:
    return FakeSite(people=12, cameras=6, rate=10, frame_rate=5)


@pytest.fixture
def merging():
    site = FakeSite(people=6, cameras=3, rate=10)
    with serve_fake(site) as running:
        yield site, running.address


@pytest.fixture(scope="module")
def shared_page(server, open_shared_page):
    return open_shared_page(server.address)


@pytest.fixture(autouse=True)
def mended(site):
    """Mend what a test before has broken."""
    site.hidden.clear()
    site.lost.clear()
    site.paused = False


@pytest.fixture
def page(shared_page):
    """A live page of all people and cameras with nobody selected."""
    shared_page.keyboard.press("Escape")
    wait_until(shared_page, f"{LIVE} && {PICTURES} && spoton.selected === null && spoton.people().length === 12")
    return shared_page


def box_on_screen(page, camera, person):
    """Return the middle of a person's box in a tile, in pixels of the page."""
    return page.evaluate(
        """([camera, person]) => {
            const tile = spoton.tiles().find((t) => t.camera === camera);
            const box = tile.boxes.find((b) => b.id === person).box;
            const element = document.querySelector(`.tile[data-camera="${camera}"]`);
            const place = element.getBoundingClientRect();
            return [place.x + ((box[0] + box[2]) / 2 / 640) * place.width,
                    place.y + ((box[1] + box[3]) / 2 / 360) * place.height];
        }""",
        [camera, person],
    )


def dot_on_screen(page, person):
    return page.evaluate(
        """(id) => {
            const person = spoton.people().find((p) => p.id === id);
            const [x, y] = spoton.screenOf(person.shownX, person.shownY);
            const place = document.getElementById("map").getBoundingClientRect();
            return [place.x + x, place.y + y];
        }""",
        person,
    )


class TestWhatIsShown:
    def test_names_the_site_and_says_that_it_is_simulated(self, page):
        assert page.title() == "fake \N{EN DASH} SpotOn"
        assert page.locator("#simulated").inner_text() == "Simulated scene"
        assert page.locator("#detector").inner_text() == "detector of a test"

    def test_writes_counts_scores_and_ages(self, page):
        wait_until(page, "document.querySelector('[data-readout=idf1]').textContent === '97.2'")
        wait_until(page, "document.querySelector('[data-readout=hour]').textContent === '58'")
        wait_until(page, "document.querySelector('[data-readout=age]').textContent.endsWith('ms')")
        figures = {
            name: page.locator(f"[data-readout={name}]").first.inner_text()
            for name in ("now", "minute", "moda", "error")
        }
        assert figures == {"now": "12", "minute": "12", "moda": "95.1", "error": "11"}

    def test_measured_places_are_the_servers(self, page, site):
        for person in page.evaluate(PEOPLE):
            ids, xy, _ = site.at(person["capturedAt"])
            expected = xy[ids.tolist().index(person["id"])]
            assert (person["x"], person["y"]) == pytest.approx(expected, abs=0.001)

    def test_dots_move_and_never_run_ahead_of_their_velocity(self, page, site):
        before = {p["id"]: [p["shownX"], p["shownY"]] for p in page.evaluate(PEOPLE)}
        away = f"({before})[p.id].map((v, i) => v - [p.shownX, p.shownY][i])"
        wait_until(page, f"{PEOPLE}.every((p) => Math.hypot(...{away}) > 0.02)")
        for person in page.evaluate(PEOPLE):
            _, _, velocity = site.at(person["capturedAt"])
            speed = float(np.linalg.norm(velocity[person["id"] - 1]))
            shown, measured = (person["shownX"], person["shownY"]), (person["x"], person["y"])
            assert math.dist(shown, measured) <= 0.35 * speed + 0.05

    def test_tile_and_map_agree_who_is_where(self, page, site):
        tiles, people = page.evaluate("[spoton.tiles(), spoton.people()]")
        on_map = {person["id"]: person for person in people}
        compared = 0
        for tile in tiles:
            ids, xy, velocity = site.at(tile["capturedAt"])
            for box in tile["boxes"]:
                nearest = int(np.argmin(np.linalg.norm(xy - box["floor"], axis=1)))
                assert box["id"] == ids[nearest]
                person = on_map[box["id"]]
                walked = np.linalg.norm(velocity[nearest]) * abs(person["capturedAt"] - tile["capturedAt"])
                assert math.dist((person["x"], person["y"]), box["floor"]) <= 1.5 * walked + 0.05
                compared += 1
        assert compared >= 12

    def test_ages_count_from_capture_to_screen(self, page):
        wait_until(page, "spoton.ages()?.count > 5")
        ages = page.evaluate("spoton.ages()")
        assert 0 <= ages["p50"] <= ages["p95"] < 5.0

    def test_true_places_are_drawn_when_asked_for(self, page):
        before = page.evaluate(INK)
        page.get_by_label("Truth").check()
        wait_until(page, f"{INK} > {before} + 400")
        page.get_by_label("Truth").uncheck()


class TestSelection:
    def test_a_dot_selects_its_person_everywhere(self, page):
        page.mouse.click(*dot_on_screen(page, 3))
        wait_until(page, "spoton.selected === 3 && spoton.front !== null")
        assert page.locator("#person h2").inner_text() == "Person 3"
        front = page.evaluate("spoton.front")
        wait_until(page, "spoton.tiles().find((t) => t.camera === spoton.front).boxes.some((b) => b.id === 3)")
        assert "is-front" in page.locator(f'.tile[data-camera="{front}"]').get_attribute("class")

    def test_a_box_selects_its_person(self, page):
        tile = next(t for t in page.evaluate("spoton.tiles()") if t["boxes"])
        smallest = min(tile["boxes"], key=lambda b: (b["box"][2] - b["box"][0]) * (b["box"][3] - b["box"][1]))
        page.mouse.click(*box_on_screen(page, tile["camera"], smallest["id"]))
        wait_until(page, "spoton.selected !== null")
        assert page.evaluate("spoton.selected") in [box["id"] for box in tile["boxes"]]

    def test_enter_in_the_list_selects_and_escape_clears(self, page):
        page.locator('[data-person="7"]').focus()
        page.keyboard.press("Enter")
        wait_until(page, "spoton.selected === 7")
        page.keyboard.press("Escape")
        wait_until(page, "spoton.selected === null && spoton.front === null")
        assert not page.locator("#person").is_visible()

    def test_the_panel_tells_the_journey(self, page):
        page.keyboard.press("j")
        wait_until(page, "document.querySelectorAll('#person .visits li').length === 5")
        assert page.locator('[data-part="distance"]').inner_text() == "84 m"
        assert page.locator("#person .chart .bar").count() == 5

    def test_a_merge_takes_selection_and_trail_along(self, merging, open_page):
        site, address = merging
        page = open_page(address)
        wait_until(page, "document.querySelector('[data-person=\"5\"]')")
        page.locator('[data-person="5"]').click()
        wait_until(page, "spoton.selected === 5")
        site.hidden.add(2)
        site.merges.append((5, 2))
        wait_until(page, "spoton.selected === 2")
        wait_until(page, "!spoton.people().some((p) => p.id === 5)")
        wait_until(page, "document.getElementById('person').textContent.includes('Was also numbered 5')")
        assert page.locator("#person h2").inner_text() == "Person 2"
        wait_until(page, "spoton.tiles().every((t) => t.boxes.every((b) => b.id !== 5))")

    def test_a_split_takes_the_selection_along_and_doubt_is_shown(self, merging, open_page):
        site, address = merging
        page = open_page(address)
        wait_until(page, "document.querySelector('[data-person=\"5\"]')")
        page.locator('[data-person="5"]').click()
        wait_until(page, "document.querySelector('[data-part=certainty]').textContent === '97 %'")
        site.unsure.add(5)
        site.splits.append((5, 31))
        wait_until(page, "spoton.selected === 31")
        wait_until(page, "document.querySelector('[data-part=certainty]').textContent === '60 %'")
        assert page.locator("#person h2").inner_text() == "Person 31"
        page.keyboard.press("Escape")
        wait_until(page, "document.querySelectorAll('.is-unsure').length === 1")


class TestLayers:
    """What may be laid over the map."""

    TRAILS = INK.replace("[2]", "[1]")

    def test_predicted_ways_are_drawn_with_their_measured_error(self, page):
        page.get_by_label("Trails").uncheck()
        wait_until(page, f"{self.TRAILS} === 0")
        page.get_by_label("Forecast").check()
        wait_until(page, f"{self.TRAILS} > 100")
        note = page.locator("#foresight").inner_text()
        assert note == "Predicted ways, lately off by 0.22 m in 1 s, 0.51 m in 2 s, 0.87 m in 3 s (median of 812)"
        page.get_by_label("Forecast").uncheck()
        wait_until(page, f"{self.TRAILS} === 0 && document.querySelector('#foresight').textContent === ''")
        page.get_by_label("Trails").check()

    def test_one_persons_heat_is_laid_on_the_floor_and_taken_off(self, page):
        cell = """(() => {
            const [x, y] = spoton.screenOf(4.75, 4.25); // of the second column and the lowest row
            const canvas = document.querySelector("#map canvas");
            const ratio = canvas.width / canvas.clientWidth;
            return [...canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data].join();
        })()"""
        page.locator('[data-person="3"]').click()
        wait_until(page, "spoton.selected === 3 && spoton.front !== null")
        bare = page.evaluate(cell)
        page.get_by_role("checkbox", name="Heat map").check()
        wait_until(page, f"{cell} !== '{bare}'")
        note = page.locator("[data-part=heat-note]").inner_text()
        assert note == "Heat map: 16 s or longer where it is strongest, in cells of 0.5 m."
        page.get_by_role("checkbox", name="Heat map").uncheck()
        wait_until(page, "document.querySelector('[data-part=heat-note]').textContent === ''")


class TestSearch:
    LOOKS = "[...document.querySelectorAll('#looks button')].map((button) => Number(button.dataset.person))"

    def test_words_find_who_looks_like_them_and_digits_find_ids(self, page):
        page.locator("#search").fill("a red jacket")
        assert page.locator("#looks-note").inner_text() == "Press Enter to find who looks like this."
        page.locator("#search").press("Enter")
        wait_until(page, f"{self.LOOKS}.join() === '4,2,9'")
        page.locator("#search").fill("12")
        wait_until(page, "document.querySelectorAll('#list li').length === 1")
        assert page.locator("#looks").is_hidden()
        page.locator("#search").fill("wordless")
        page.locator("#search").press("Enter")
        wait_until(page, "document.querySelector('#looks-note').textContent.endsWith('knows no words')")
        page.locator("#search").fill("")
        wait_until(page, "document.querySelectorAll('#list li').length === 12")


class TestFaults:
    def test_a_dropped_connection_comes_back_by_itself(self, page, site):
        page.evaluate("""() => {
            window.seen = [];
            const note = () => seen.push(document.body.dataset.connection);
            new MutationObserver(note).observe(document.body, { attributes: true });
        }""")
        site.drop_connections()
        wait_until(page, "seen.includes('lost')")
        wait_until(page, "document.body.dataset.connection === 'live'")
        at = page.evaluate("spoton.people()[0].capturedAt")
        wait_until(page, f"spoton.people()[0].capturedAt > {at} + 0.3")
        wait_until(page, f"spoton.tiles().every((t) => t.capturedAt > {at})")

    def test_without_a_server_no_dot_stays_and_it_comes_back(self, page, server):
        server.stop()
        wait_until(page, "spoton.map().fresh === 'stale'")
        wait_until(page, "spoton.map().dots === 0")
        assert "No connection to the server" in page.locator("[data-readout=notice]").inner_text()
        assert page.locator("[data-readout=now]").inner_text() == "\N{EN DASH}"
        server.start()
        page.locator("#retry").click()
        wait_until(page, LIVE)

    def test_silence_over_an_open_connection_is_not_called_live(self, page, site):
        site.paused = True
        wait_until(page, "document.body.dataset.connection === 'stale'")
        wait_until(page, "spoton.tiles().every((t) => t.state === 'old')")
        site.paused = False
        wait_until(page, LIVE)

    def test_a_lost_camera_says_why(self, page, site):
        site.lost["east"] = "no picture for 5 s"
        wait_until(page, "document.querySelector('.tile[data-camera=east]').dataset.state === 'lost'")
        assert "Camera lost: no picture for 5 s" in page.locator('.tile[data-camera="east"] p').inner_text()
        assert page.locator("[data-readout=cameras]").inner_text() == "5 of 6 cameras live"
        del site.lost["east"]
        wait_until(page, "document.querySelector('.tile[data-camera=east]').dataset.state === 'live'")

    def test_nobody_is_said_in_words(self, page, site):
        site.hidden.update(range(1, 13))
        wait_until(page, "document.getElementById('map-empty').textContent === 'Nobody is on the floor.'")
        wait_until(page, "document.getElementById('list-empty').textContent === 'Nobody is on the floor.'")
        wait_until(page, "spoton.people().length === 0")


class TestLayoutAndAccess:
    def test_a_site_without_floor_shows_cameras_and_says_why(self, open_page):
        site = FakeSite(floor=False, demo=False)
        with serve_fake(site) as server:
            page = open_page(server.address)
            wait_until(page, PICTURES)
            assert page.locator("#no-floor h3").inner_text() == "This site has no floor map"
            assert not page.locator("#map").is_visible()
            wait_until(page, "document.querySelector('[data-readout=now]').textContent === '12'")

    def test_fits_390_pixels_with_the_map_first(self, server, open_page):
        page = open_page(server.address, 390, 844, has_touch=True)
        wait_until(page, LIVE)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        box, wall = page.locator("#map").bounding_box(), page.locator("#wall").bounding_box()
        assert box["width"] > 340
        assert box["height"] >= 250
        assert wall["y"] > box["y"] + box["height"]

    def test_the_chosen_theme_outlives_a_reload(self, server, open_page):
        page = open_page(server.address, color_scheme="light")
        assert page.evaluate("document.documentElement.dataset.theme") == "light"
        page.locator("#theme-switch").click()
        page.reload()
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"

    def test_reduced_motion_sets_dots_where_they_were_measured(self, server, open_page):
        page = open_page(server.address, reduced_motion="reduce")
        wait_until(page, LIVE)
        # between a message and the next picture they differ; dots that glide would hardly ever all agree
        wait_until(page, f"{PEOPLE}.length > 0 && {PEOPLE}.every((p) => p.shownX === p.x && p.shownY === p.y)")

    def test_the_map_moves_by_keyboard_and_wheel_and_fits_again(self, page):
        fitted = page.evaluate("spoton.map().scale")
        page.locator("#map").focus()
        page.keyboard.press("+")
        page.keyboard.press("ArrowLeft")
        assert page.evaluate("spoton.map().scale") == pytest.approx(1.35 * fitted)
        page.mouse.move(300, 400)
        page.mouse.wheel(0, -200)
        wait_until(page, f"spoton.map().scale > 1.5 * {fitted}")
        page.keyboard.press("0")
        assert page.evaluate("spoton.map().scale") == fitted

    def test_the_keyboard_reaches_every_control_with_a_name(self, page):
        names = page.evaluate("""() => [...document.querySelectorAll('button, input, [tabindex="0"]')]
            .filter((e) => e.checkVisibility())
            .map((e) => e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.[0]?.textContent || '')""")
        assert len(names) >= 20
        assert all(names)
