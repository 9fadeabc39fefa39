"""The analytics view in Chromium: every figure as the history told it, and nothing where it told nothing."""

import time

import pytest
from fake_site import FakeSite
from waiting import wait_until

READY = "document.querySelectorAll('#analytics [aria-busy]').length === 0"
EVENTS = "[...document.querySelectorAll('#analytics .events li')]"
WEEK = "#analytics?period=week"


@pytest.fixture(scope="module")
def site() -> FakeSite:
    return FakeSite(people=4, cameras=2, rate=2, frame_rate=1)


@pytest.fixture(scope="module")
def shared_page(server, open_shared_page):
    return open_shared_page(server.address + WEEK, 1440, 900)


@pytest.fixture
def page(shared_page, site):
    site.history.empty = site.history.away = False
    shared_page.get_by_label("7 days").check(force=True)
    shared_page.locator("#analytics [data-part=place]").select_option("")
    wait_until(shared_page, f"{READY} && document.querySelector('[data-figure=visitors] strong').textContent")
    return shared_page


def figure(page, name):
    return page.locator(f"[data-figure={name}] strong").inner_text()


def ink(page, part, token):
    """Count the pixels of a chart that have a colour of the theme."""
    return page.evaluate(
        """([part, token]) => {
            const found = document.querySelector(`[data-part="${part}"]`);
            const canvas = found.querySelector("canvas") ?? found;
            const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
            probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(token);
            probe.fillRect(0, 0, 1, 1);
            const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let i = 0; i < data.length; i += 4) {
                const off = Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b);
                if (off < 24 && data[i + 3] > 200) count += 1;
            }
            return count;
        }""",
        [part, token],
    )


class TestFigures:
    def test_writes_what_the_dashboard_says_with_its_quality(self, page, site):
        since, until = page.evaluate(
            """() => {
                const now = new Date();
                return [new Date(now.getFullYear(), now.getMonth(), now.getDate() - 6) / 1000, now / 1000];
            }"""
        )
        told = site.history.figures("", since, until, "")
        assert figure(page, "visitors") == f"{told['visitors']:,}"
        assert figure(page, "peak") == str(told["peak"]["people"])
        assert figure(page, "dwell") == "6 min 52 s"
        assert page.locator("[data-figure=left] .trust").inner_text().startswith("observed 9")
        assert "east for 40 min" in page.locator("[data-part=quality]").inner_text()

    def test_staff_are_left_out_when_asked(self, page):
        before = int(figure(page, "visitors").replace(",", ""))
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.get_by_label("without staff").check()
        wait_until(
            page,
            f"document.querySelector('[data-figure=visitors] strong').textContent.replace(',', '') === '{before - 12}'",
        )
        assert "without=staff" in page.evaluate("location.hash")
        wait_until(page, "document.querySelectorAll('[data-part=groups] li').length === 2")
        wait_until(page, READY)
        told = {url.split("/")[-1].split("?")[0] for url in asked if "without=staff" in url}
        assert told == {"dashboard", "dwell", "flows", "occupancy", "heatmap", "groups"}
        page.get_by_label("without staff").uncheck()

    def test_without_data_no_figure_is_zero(self, page, site):
        site.history.empty = True
        page.get_by_label("Yesterday").check(force=True)
        wait_until(page, "document.querySelector('[data-figure=visitors] strong').textContent === 'no data'")
        wait_until(page, READY)
        figures = [figure(page, name) for name in ("visitors", "peak", "dwell", "entered", "left")]
        assert figures == ["no data"] * 5
        for panel in ("occupancy", "passages", "dwell", "rhythm", "week", "flows", "heat", "uptime"):
            note = page.locator(f"[data-panel={panel}] [data-part=panel-note]").inner_text()
            assert note.startswith("No data"), panel
        assert page.locator("[data-panel=occupancy] canvas").count() == 0

    def test_a_line_is_crossed_and_has_no_stays(self, page):
        page.locator("#analytics [data-part=place]").select_option("door")
        wait_until(page, "document.querySelector('[data-figure=entered] .label').textContent === 'Crossed in'")
        assert figure(page, "dwell") == "no data"
        assert "how long they stay is told by zones" in page.locator("[data-panel=dwell]").inner_text()
        for name in ("occupancy", "rhythm", "week"):
            assert "how many there are is told by zones" in page.locator(f"[data-panel={name}]").inner_text()


class TestCharts:
    def test_gaps_are_hatched_and_people_are_drawn(self, page):
        page.get_by_label("Yesterday").check(force=True)
        wait_until(page, f"{READY} && document.querySelector('[data-part=occupancy-chart] canvas')")
        assert ink(page, "occupancy-chart", "--accent") > 300
        assert ink(page, "occupancy-chart", "--ink-3") > 100

    def test_the_pointer_is_told_values_and_gaps(self, page):
        page.get_by_label("Yesterday").check(force=True)
        wait_until(page, READY)
        box = page.locator("[data-part=occupancy-chart] .u-over").bounding_box()
        page.mouse.move(box["x"] + box["width"] * 12.5 / 24, box["y"] + 60)
        readout = page.locator("[data-part=occupancy-readout]")
        assert "most" in readout.inner_text()
        assert "observed 96 %" in readout.inner_text()
        assert " a m², 0.9 m/s" in readout.inner_text()
        utc = page.evaluate("new Date().getTimezoneOffset()") / 60
        page.mouse.move(box["x"] + box["width"] * (3.3 - utc) / 24, box["y"] + 60)
        assert readout.inner_text().endswith("nobody watched")

    def test_corrections_that_change_the_sums_are_told(self, page, site):
        page.get_by_label("Yesterday").check(force=True)
        wait_until(page, READY)
        since = page.evaluate("new Date().setHours(0, 0, 0, 0) / 1000") - 86_400
        told = site.history.occupancy("", since, since + 86_400, 300)["corrected"]
        readout = page.locator("[data-part=passages-readout]").inner_text()
        assert f"{told['entered']:,} in and {told['left']:,} out in all, as corrected since" in readout

    def test_dwell_has_a_bar_a_class_and_the_median(self, page):
        assert page.locator("[data-part=dwell-chart] .bar").count() == 12
        assert "median 4 min 48 s" in page.locator("[data-part=dwell-chart]").text_content()

    def test_a_queue_tells_its_length_and_wait(self, page):
        page.locator("#analytics [data-part=place]").select_option("till")
        wait_until(page, "document.querySelector('[data-part=queue]').textContent.includes('7 at most')")
        assert "half of them wait over 2 min 20 s" in page.locator("[data-part=queue]").inner_text()

    def test_hours_nobody_watched_are_unknown_not_empty(self, page):
        cells = page.locator("[data-part=week] td.is-unknown")
        assert cells.count() == 0 or "no data" in cells.first.get_attribute("title")
        assert page.locator("[data-part=week] td.is-known").count() > 100

    def test_flows_go_from_row_to_column(self, page):
        rows = page.locator("[data-part=flows] tr").all_inner_texts()
        assert rows[1].split() == ["Main", "door", "·", "148", "24", "s", "61", "51", "s"]

    def test_the_heat_map_tells_cells(self, page):
        box = page.locator("[data-part=heat-canvas]").bounding_box()
        page.locator("[data-part=heat-canvas]").scroll_into_view_if_needed()
        box = page.locator("[data-part=heat-canvas]").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        wait_until(page, "document.querySelector('[data-part=heat-readout]').textContent.endsWith('a m²')")
        assert ink(page, "heat-canvas", "--ground") < 200_000

    def test_the_theme_repaints_charts(self, page):
        dark = page.evaluate("document.documentElement.dataset.theme")
        page.locator("#theme-switch").click()
        wait_until(page, READY)
        page.evaluate("new Promise(requestAnimationFrame)")
        assert page.evaluate("document.documentElement.dataset.theme") != dark
        assert ink(page, "occupancy-chart", "--accent") > 100
        page.locator("#theme-switch").click()


class TestEvents:
    def test_filters_by_kind(self, page):
        page.locator("#analytics [data-part=filter]").select_option("alarms")
        wait_until(page, f"{EVENTS}.length > 5 && {EVENTS}.every((event) => event.querySelector('.alarm'))")
        page.locator("#analytics [data-part=filter]").select_option("all")
        wait_until(page, f"{EVENTS}.length === 40 && !{EVENTS}.every((event) => event.querySelector('.alarm'))")

    def test_more_adds_older_ones(self, page):
        page.locator("#analytics [data-part=more]").click()
        wait_until(page, f"{EVENTS}.length >= 80")
        times = page.evaluate("[...document.querySelectorAll('#analytics .events time')].map((t) => t.dateTime)")
        assert times == sorted(times, reverse=True)
        assert len(set(times)) == 80

    def test_an_event_leads_to_its_instant_on_the_map(self, page):
        at = page.evaluate("document.querySelector('#analytics .events time').dateTime")
        page.locator("#analytics .events .link").first.click()
        wait_until(page, "document.body.dataset.view === 'live' && spoton.past !== null")
        assert page.evaluate(f"spoton.past - Date.parse('{at}') / 1000") == pytest.approx(0, abs=0.01)
        page.keyboard.press("Escape")
        page.evaluate(f"location.hash = '{WEEK}'")
        wait_until(page, "document.body.dataset.view === 'analytics'")


class TestChoice:
    def test_the_address_keeps_what_is_looked_at(self, server, open_page):
        page = open_page(f"{server.address}#analytics?period=month&place=till")
        wait_until(page, f"{READY} && document.querySelector('#analytics [data-part=place]').value === 'till'")
        assert page.get_by_label("30 days").is_checked()

    def test_a_reversed_period_is_refused_at_the_field(self, page):
        page.get_by_label("Custom").check(force=True)
        page.locator("[data-part=custom-since]").fill("2026-03-02T00:00")
        page.locator("[data-part=custom-until]").fill("2026-03-01T00:00")
        page.locator("[data-part=custom-apply]").click()
        assert page.locator("[data-part=custom-fault]").inner_text() == "The begin must be before the end."

    def test_fits_390_pixels(self, server, open_page):
        page = open_page(server.address + WEEK, 390, 844, has_touch=True)
        wait_until(page, f"{READY} && document.querySelector('[data-part=occupancy-chart] canvas')")
        assert page.evaluate("document.documentElement.scrollWidth") == 390

    def test_keys_of_the_floor_do_nothing_out_of_its_sight(self, page):
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("j")
        assert page.evaluate("spoton.selected") is None

    def test_every_control_has_a_name(self, page):
        names = page.evaluate("""() => [...document.querySelectorAll('#analytics :is(button, input, select)')]
            .filter((e) => e.checkVisibility())
            .map((e) => e.getAttribute('aria-label') || e.labels?.[0]?.textContent.trim() || e.textContent.trim())""")
        assert len(names) >= 10
        assert all(names)


@pytest.fixture
def young(site, server, open_page):
    """The view over a record of two hours."""
    old = site.history.begin, site.history.out_since_s, site.history.out_until_s
    site.history.begin, site.history.out_since_s, site.history.out_until_s = time.time() - 7200, 0, 0
    page = open_page(server.address + WEEK, 1440, 900)
    wait_until(page, f"{READY} && document.querySelector('[data-part=occupancy-chart] canvas')")
    yield page
    site.history.begin, site.history.out_since_s, site.history.out_until_s = old


def test_a_young_record_fills_the_charts_and_knows_nothing_usual(young):
    assert "Recorded since" in young.locator("[data-part=quality]").inner_text()
    readout = young.locator("[data-part=occupancy-readout]")
    assert readout.inner_text().startswith("mean and most at once, every 1 min")
    box = young.locator("[data-part=occupancy-chart] .u-over").bounding_box()
    young.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    assert "observed 96 %" in readout.inner_text()
    note = young.locator("[data-panel=rhythm] [data-part=panel-note]").inner_text()
    assert note == "What is usual at an hour is learnt from 3 weeks of it; 0 weeks so far."


class TestSilence:
    """A history that does not answer is named once, and is asked again; what is refused is told where it was asked."""

    def test_no_answer_is_told_once_and_mended_by_itself(self, page, site):
        site.history.away = True
        page.get_by_label("Yesterday").check(force=True)
        line = "document.querySelector('#analytics .trust-line').textContent"
        wait_until(page, f"{READY} && {line}.startsWith('The history does not answer: the database is away.')")
        notes = page.locator("#analytics [data-part=panel-note]").all_inner_texts()
        assert {note for note in notes if note} == {"No answer."}
        site.history.away = False
        page.get_by_label("7 days").check(force=True)
        wait_until(page, f"{READY} && {line}.startsWith('Cameras watched')")


class TestGroups:
    def test_the_longest_together_come_first(self, page):
        wait_until(page, "document.querySelectorAll('[data-part=groups] li').length === 3")
        first = page.locator("[data-part=groups] li").first.inner_text()
        assert "Persons 1, 2, 7" in first
        assert "12 min together" in first
        assert page.locator("[data-part=groups] li").last.inner_text().startswith("11")
        assert page.locator("[data-part=groups-span]").inner_text() == "on the last day of the period"


class TestExports:
    LIST = "[...document.querySelectorAll('[data-panel=exports] li')]"
    FORMATS = "[...document.querySelectorAll('[data-panel=exports] [data-part=format] option')]"
    FAULT = "document.querySelector('[data-panel=exports] [data-part=fault]').textContent"

    @pytest.fixture
    def files(self, page, site):
        site.exports.jobs.clear()
        site.exports.held = site.exports.full = False
        panel = page.locator("[data-panel=exports]")
        panel.locator("[data-part=what]").select_option("dots")
        return panel

    def test_an_export_is_ordered_followed_and_fetched(self, page, files, site):
        files.locator("[data-part=what]").select_option("stays")
        page.locator("#analytics [data-part=place]").select_option("till")
        files.get_by_role("button", name="Export", exact=True).click()
        wait_until(page, f"{self.LIST}.length === 1 && {self.LIST}[0].dataset.state === 'done'")
        job = site.exports.jobs[0]
        assert (job["what"], job["format"], job["place"]) == ("stays", "csv", "till")
        assert "1,200 rows, 34 kB" in files.locator("li").inner_text()
        with page.expect_download() as download:
            files.get_by_role("link", name="Download Stays, CSV").click()
        assert download.value.suggested_filename == f"fake-{job['id']}.csv"

    def test_one_under_way_is_stopped_resumed_and_removed(self, page, files, site):
        site.exports.held = True
        files.get_by_role("button", name="Export", exact=True).click()
        wait_until(page, "document.querySelector('[data-panel=exports] progress')?.value === 0")
        files.get_by_role("button", name="Stop Dots, CSV").click()
        wait_until(page, f"{self.LIST}[0]?.dataset.state === 'cancelled'")
        site.exports.held = False
        files.get_by_role("button", name="Resume Dots, CSV").click()
        wait_until(page, f"{self.LIST}[0]?.dataset.state === 'done'")
        files.get_by_role("button", name="Remove Dots, CSV").click()
        wait_until(page, f"{self.LIST}.length === 0")

    def test_formats_and_cameras_suit_what_is_exported(self, page, files):
        shown = f"{self.FORMATS}.filter((option) => !option.hidden).map((option) => option.value)"
        assert page.evaluate(shown) == ["csv", "jsonl", "parquet"]
        files.locator("[data-part=what]").select_option("boxes")
        assert page.evaluate(shown) == ["csv", "jsonl", "parquet", "mot", "aicity"]
        files.locator("[data-part=format]").select_option("mot")
        assert files.locator("[data-part=camera] option").all_inner_texts() == ["north", "east"]
        files.get_by_role("button", name="Export", exact=True).click()
        wait_until(page, f"{self.LIST}.length === 1")

    def test_a_refusal_is_told(self, page, files, site):
        site.exports.full = True
        files.get_by_role("button", name="Export", exact=True).click()
        wait_until(page, f"{self.FAULT} === 'there are 20 exports already; remove one first.'")
