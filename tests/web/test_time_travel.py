"""Time travel in Chromium: the past is shown as it was, and never passes for what is live."""

import time

import pytest
from fake_site import FakeSite
from waiting import wait_until

LIVE = "document.body.dataset.connection === 'live' && spoton.map().dots > 0"


@pytest.fixture(scope="module")
def site() -> FakeSite:
    return FakeSite(people=12, cameras=2, rate=10, frame_rate=1)


@pytest.fixture(scope="module")
def shared_page(server, open_shared_page):
    return open_shared_page(server.address, 1440, 900)


@pytest.fixture
def page(shared_page, site):
    """A live page whose history has no gap."""
    site.history.out_since_s = site.history.out_until_s = 0.0
    shared_page.keyboard.press("l")
    wait_until(shared_page, f"spoton.past === null && {LIVE}")
    return shared_page


def text(page, selector):
    return page.locator(selector).inner_text()


def step_back(page, minutes=10):
    """Go to the past by keyboard: page keys move by ten minutes."""
    page.get_by_role("slider").focus()
    for _ in range(minutes // 10):
        page.keyboard.press("PageDown")
    wait_until(page, "spoton.past !== null && spoton.map().fresh === 'past' && spoton.people().length === 7")


class TestInstant:
    def test_shows_everybody_where_they_were(self, page, site):
        step_back(page)
        at, people = page.evaluate("[spoton.past, spoton.people()]")
        assert time.time() - at == pytest.approx(600, abs=5)
        ids, xy, _ = site.at(people[0]["capturedAt"])
        for person in people:
            expected = xy[ids.tolist().index(person["id"])]
            assert (person["x"], person["y"]) == pytest.approx(expected, abs=0.001)

    def test_map_list_header_and_cameras_say_that_it_is_the_past(self, page):
        step_back(page)
        wait_until(page, "document.querySelector('[data-readout=connection]').textContent === 'Past'")
        wait_until(page, "document.querySelector('[data-past=people]').textContent === '7'")
        assert text(page, "#people-title") == "People then"
        assert text(page, ".past-badge").startswith("Past")
        assert text(page, ".past-bar .label >> nth=0") == "You are looking at the past"
        assert "no pictures of the past" in text(page, ".wall-past")
        visible = page.evaluate("['.figures', '#wall'].map((s) => document.querySelector(s).checkVisibility())")
        assert visible == [False, False]

    def test_live_updates_do_not_reach_the_past(self, page):
        step_back(page)
        before = page.evaluate("spoton.people().map((p) => [p.id, p.x, p.y])")
        page.wait_for_timeout(400)
        assert page.evaluate("spoton.people().map((p) => [p.id, p.x, p.y])") == before

    def test_the_live_button_brings_the_present_back_at_once(self, page):
        step_back(page)
        page.locator("[data-time=live]").click()
        wait_until(page, f"spoton.people().length === 12 && {LIVE}")
        assert text(page, "#people-title") == "People"
        assert page.locator(".figures").is_visible()
        assert not page.locator(".past-bar").is_visible()

    def test_a_drag_on_the_strip_goes_to_that_instant(self, page):
        page.locator("[data-time=length]").select_option("3600")
        box = page.get_by_role("slider").bounding_box()
        page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 15)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.30 * box["width"], box["y"] + 15, steps=4)
        page.mouse.up()
        wait_until(page, "spoton.past !== null && spoton.people().length === 7")
        ago = time.time() - page.evaluate("spoton.past")
        page.locator("[data-time=length]").select_option("86400")
        assert ago == pytest.approx(0.6 * 3600, abs=90)  # a tenth of the strip is still to come

    def test_a_young_record_fills_the_strip(self, server, site, open_page):
        old, site.history.begin = site.history.begin, time.time() - 1200
        page = open_page(server.address)
        began_today = page.evaluate(f"new Date().setHours(0, 0, 0, 0) / 1000 < {site.history.begin}")
        wait_until(page, f"document.querySelector('[data-time=length]').value === '{3600 if began_today else 86400}'")
        site.history.begin = old

    def test_over_a_gap_it_says_that_nobody_watched(self, page, site):
        site.history.out_since_s, site.history.out_until_s = 0.0, 86_400.0
        page.get_by_role("slider").focus()
        page.locator("[data-time=length]").select_option("600")
        page.locator("[data-time=length]").select_option("86400")  # another span is asked for anew
        page.get_by_role("slider").focus()
        page.keyboard.press("PageDown")
        wait_until(
            page, "document.getElementById('map-empty').textContent === 'Nobody watched the floor at this time.'"
        )
        assert text(page, "[data-past=people]") == "\N{EN DASH}"


class TestPlaying:
    def test_plays_at_the_chosen_speed_and_stops(self, page):
        step_back(page, 30)
        page.locator("[data-time=speed]").select_option("10")
        page.locator("[data-time=play]").click()
        wait_until(page, "document.querySelector('[data-time=play]').dataset.playing === 'true'")
        begin = page.evaluate("spoton.past")
        wait_until(page, f"spoton.past > {begin} + 6")
        page.locator("[data-time=play]").click()
        wait_until(page, "document.querySelector('[data-time=play]').dataset.playing === 'false'")
        stopped = page.evaluate("spoton.past")
        page.wait_for_timeout(400)
        assert page.evaluate("spoton.past") == stopped
        page.locator("[data-time=speed]").select_option("1")

    def test_seeking_back_while_it_plays_goes_on_from_there(self, page, site):
        step_back(page)
        page.locator("[data-time=play]").click()
        begin = page.evaluate("spoton.past")
        wait_until(page, f"spoton.past > {begin}")
        replays = site.history.replays
        page.get_by_role("slider").focus()
        page.keyboard.press("PageDown")
        wait_until(page, f"spoton.past < {begin} - 500 && spoton.people().length === 7")
        now = page.evaluate("spoton.past")
        wait_until(page, f"spoton.past > {now} + 0.3 && spoton.past < {begin} - 500")
        assert site.history.replays == replays + 1

    def test_at_the_end_it_stops_and_says_no_fault(self, page):
        page.get_by_role("slider").focus()
        page.keyboard.press("ArrowLeft")
        wait_until(page, "spoton.past !== null")
        page.locator("[data-time=speed]").select_option("10")
        begin = page.evaluate("spoton.past")
        page.locator("[data-time=play]").click()
        stopped = "document.querySelector('[data-time=play]').dataset.playing === 'false'"
        wait_until(page, f"spoton.past > {begin} + 1 && {stopped} && document.querySelector('#map-empty').hidden")
        page.locator("[data-time=speed]").select_option("1")


def test_a_selected_person_is_followed_into_the_past(page):
    page.locator('[data-person="3"]').click()
    step_back(page)
    wait_until(page, "document.querySelector('#person [data-part=status]').textContent === 'On the floor then'")
    assert page.evaluate("spoton.selected") == 3
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
