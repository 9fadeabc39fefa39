"""Zones and lines drawn on the map in Chromium, and operators' corrections of who is who."""

import pytest
from fake_history import FakeHistory
from fake_site import FakeSite, serve_fake
from waiting import wait_until


@pytest.fixture(scope="module")
def scene() -> FakeSite:
    return FakeSite(people=5, cameras=2, rate=5, frame_rate=1)


@pytest.fixture(scope="module")
def shared_page(scene, open_shared_page):
    with serve_fake(scene) as server:
        yield open_shared_page(server.address, 1440, 900)


@pytest.fixture(autouse=True)
def site(scene) -> FakeSite:
    """The scene with a history that nobody has changed yet."""
    fresh = FakeHistory()
    for name in ("places", "tags", "corrections"):
        held = getattr(scene.history, name)
        held.clear()
        (held.update if isinstance(held, dict) else held.extend)(getattr(fresh, name))
    return scene


@pytest.fixture
def page(shared_page):
    shared_page.reload()
    wait_until(shared_page, "window.spoton")
    wait_until(shared_page, "document.body.dataset.connection === 'live' && spoton.map().dots === 5")
    return shared_page


def click_floor(page, x, y):
    place = page.evaluate(
        """([x, y]) => {
            const [px, py] = spoton.screenOf(x, y);
            const box = document.getElementById("map").getBoundingClientRect();
            return [box.x + px, box.y + py];
        }""",
        [x, y],
    )
    page.mouse.click(*place)


def draw(page, kind, *corners):
    page.locator("#places-open").click()
    page.locator(f"[data-part=new-{kind}]").click()
    for x, y in corners:
        click_floor(page, x, y)


class TestDrawing:
    def test_a_zone_is_saved_in_metres_with_its_limits(self, page, site):
        draw(page, "zone", (2, 9), (6, 9), (6, 13), (2, 13))
        page.get_by_label("Name").fill("Café corner")
        page.get_by_label("Minutes at most").fill("2.5")
        page.get_by_label("Nobody may enter").check()
        page.locator("#places [data-part=save]").click()
        wait_until(page, "document.querySelector('[data-place=cafe-corner]')")
        saved = site.history.places["cafe-corner"]
        assert [tuple(corner) for corner in saved["polygon"]] == [
            pytest.approx(corner, abs=0.06) for corner in [(2, 9), (6, 9), (6, 13), (2, 13)]
        ]
        assert (saved["max_dwell_s"], saved["capacity"], saved["restricted"]) == (150.0, None, True)

    def test_a_new_zone_is_offered_its_past(self, page, site):
        draw(page, "zone", (2, 9), (6, 9), (6, 13), (2, 13))
        page.get_by_label("Name").fill("Corner")
        page.locator("[data-part=save]").click()
        wait_until(
            page, "document.querySelector('[data-part=offer]').innerText.startsWith('Corner has figures from now')"
        )
        page.locator("[data-part=offer-past]").click()
        wait_until(page, "document.querySelector('[data-part=rebuilds] li')?.dataset.state === 'done'")
        assert site.rebuilds.jobs[0]["place"] == "corner"
        assert page.locator("[data-part=rebuilds] li").inner_text().startswith("Past of Corner")
        assert page.locator("[data-part=offer]").is_hidden()

    def test_swapping_a_line_turns_its_ends(self, page, site):
        draw(page, "line", (5, 4), (9, 4))
        before = page.locator(".handles .in").bounding_box()
        page.locator("[data-part=reverse]").click()
        after = page.locator(".handles .in").bounding_box()
        assert after["y"] < before["y"] - 20  # from left to right, in is downwards; turned, upwards
        page.get_by_label("Name").fill("Gate")
        page.locator("#places [data-part=save]").click()
        wait_until(page, "document.querySelector('[data-place=gate]')")
        assert site.history.places["gate"]["ends"][0] == pytest.approx([9, 4], abs=0.06)

    def test_corners_move_by_drag_and_by_keys_and_undo_takes_back_one_step_each(self, page, site):
        page.locator("#places-open").click()
        page.locator("[data-place=till]").click()
        corner = page.locator("[data-corner='0']")
        box = corner.bounding_box()
        page.mouse.move(box["x"] + 7, box["y"] + 7)
        page.mouse.down()
        page.mouse.move(box["x"] + 47, box["y"] + 7, steps=6)
        page.mouse.up()
        wait_until(page, "!document.querySelector('#places [data-part=undo]').disabled")
        dragged = corner.bounding_box()["x"]
        assert dragged == pytest.approx(box["x"] + 40, abs=2)
        corner.focus()
        page.keyboard.press("Shift+ArrowUp")
        assert corner.bounding_box()["y"] < box["y"] - 10
        page.locator("#places [data-part=undo]").click()
        page.locator("#places [data-part=undo]").click()
        assert corner.bounding_box()["x"] == pytest.approx(box["x"], abs=1)
        assert page.locator("#places [data-part=undo]").is_disabled()
        assert site.history.places["till"]["version"] == 1

    def test_a_handle_between_corners_makes_one_and_delete_removes_it(self, page):
        page.locator("#places-open").click()
        page.locator("[data-place=till]").click()
        box = page.locator("[data-between='1']").bounding_box()
        page.mouse.move(box["x"] + 4, box["y"] + 4)
        page.mouse.down()
        page.mouse.move(box["x"] + 34, box["y"] + 4, steps=4)
        page.mouse.up()
        assert page.locator(".handles .corner").count() == 5
        page.locator("[data-corner='2']").focus()
        page.keyboard.press("Delete")
        assert page.locator(".handles .corner").count() == 4

    def test_what_the_server_refuses_is_said_at_the_field(self, page, site):
        draw(page, "zone", (2, 9), (6, 13), (6, 9), (2, 13))
        page.get_by_label("Name").fill("Bow tie")
        page.locator("#places [data-part=save]").click()
        wait_until(page, "document.querySelector('#places [data-error=polygon]').textContent.includes('edges cross')")
        assert "bow-tie" not in site.history.places
        assert page.locator(".handles .corner").count() == 4

    def test_a_place_is_removed_after_asking(self, page, site):
        page.locator("#places-open").click()
        page.locator("[data-place=shelves]").click()
        page.once("dialog", lambda dialog: dialog.dismiss())
        page.locator("#places [data-part=remove]").click()
        assert "shelves" in site.history.places
        page.once("dialog", lambda dialog: dialog.accept())
        page.locator("#places [data-part=remove]").click()
        wait_until(page, "!document.querySelector('[data-place=shelves]')")
        assert "shelves" not in site.history.places


class TestCorrections:
    @pytest.fixture
    def person(self, page):
        page.locator('[data-person="3"]').click()
        wait_until(page, "document.querySelectorAll('#person .hops li').length === 2")
        page.once("dialog", lambda dialog: dialog.accept())
        return page

    def test_the_journey_names_zones_and_leads_to_them(self, person):
        hops = person.locator("#person .hops li").all_inner_texts()
        assert hops[0].startswith("Shelves")
        assert "1 min 35 s" in hops[0]
        assert hops[1].endswith("still there")
        person.locator("#person .hops .link").first.click()
        wait_until(person, "spoton.past !== null")

    def test_a_tag_is_added_and_taken_off(self, person, site):
        person.locator("#tag-input").fill("staff")
        person.keyboard.press("Enter")
        wait_until(person, "document.querySelector('.tag-chip')?.textContent === 'staff'")
        assert site.history.tags[3] == ["staff"]
        person.get_by_label("Remove the tag staff").click()
        wait_until(person, "!document.querySelector('.tag-chip')")
        assert site.history.tags[3] == []

    def test_a_merge_is_confirmed_and_can_be_undone(self, person, site):
        person.locator("[data-part=correct] summary").click()
        person.locator("#merge-into").fill("4")
        person.locator("[data-part=merge-form] button").click()
        wait_until(person, "spoton.selected === 4")
        assert (site.history.corrections[0]["source"], site.history.corrections[0]["target"]) == (3, 4)
        person.locator("[data-part=correct] summary").click()
        person.once("dialog", lambda dialog: dialog.accept())
        person.get_by_label("Undo: 3 is 4").click()
        wait_until(person, "document.querySelector('.corrections .is-undone')")
        assert site.history.corrections[0]["taken_back_at"] is not None

    def test_a_split_takes_its_span_from_the_instant_that_is_shown(self, person, site):
        person.locator("[data-part=correct] summary").click()
        person.locator("[data-part=split-form] button").click()
        wait_until(person, "document.querySelectorAll('.corrections li').length === 1")
        assert site.history.corrections[0]["type"] == "split"
        assert site.history.corrections[0]["reported"] == []

    def test_a_refused_merge_says_why(self, person, site):
        person.locator("[data-part=correct] summary").click()
        person.locator("#merge-into").fill("99")
        person.locator("[data-part=merge-form] button").click()
        wait_until(person, "document.querySelector('[data-part=action-fault]').textContent === 'Nobody was person 99.'")
        assert site.history.corrections == []
