"""The page's modules that hold its rules, run in Chromium with made-up clocks."""

import pytest
from fake_site import FakeSite, serve_fake


@pytest.fixture(scope="module")
def server():
    with serve_fake(FakeSite(people=0, cameras=1)) as running:
        yield running


@pytest.fixture(scope="module")
def run(server, chromium):
    """Return a function that runs the body of a JavaScript function which may import the page's modules."""
    page = chromium.new_page()
    page.goto(f"{server.address}/mark.svg")
    yield lambda body: page.evaluate(f"async () => {{ {body} }}")
    page.close()


PEOPLE = """
    const { People } = await import("/people.js");
    const renamed = [];
    const people = new People((was, is) => renamed.push([was, is]));
    const sighted = (id, x, vx = 1) => ({ id, x, y: 0, vx, vy: 0, cov: [0.01, 0, 0.01], cameras: ["a"],
        certainty: 1 });
    let seq = 0;
    const tell = (t, list, gone = []) => people.update({
        type: "floor", seq: ++seq, captured_at: t, published_at: t, people: list, corrections: gone }, 1000 * t);
    const at = (t) => { people.advance(1000 * t, null); return [...people.shown.values()].map((p) => p.x); };
"""


class TestPeople:
    def test_a_dot_runs_ahead_of_its_measurement_by_a_third_of_a_second_at_most(self, run):
        shown = run(PEOPLE + "for (let t = 0; t <= 5; t += 1) tell(t, [sighted(1, t)]); at(5.0001); return at(9);")
        assert shown == [pytest.approx(5.3)]

    def test_a_dot_glides_from_where_it_is_shown(self, run):
        shown = run(PEOPLE + "tell(0, [sighted(1, 0)]); tell(0.2, [sighted(1, 0.2)]); return [at(0.2)[0], at(0.4)[0]];")
        assert shown[0] == pytest.approx(0.0)
        assert shown[1] == pytest.approx(0.4, abs=0.02)

    def test_a_jump_is_set_and_not_flown(self, run):
        shown = run(PEOPLE + "tell(0, [sighted(1, 0, 0)]); at(0.1); tell(0.2, [sighted(1, 9, 0)]); return at(0.2);")
        assert shown == [pytest.approx(9.0)]

    def test_who_is_missing_fades_and_goes(self, run):
        shown = run(PEOPLE + "tell(0, [sighted(1, 0)]); at(1); tell(1.1, []); return [at(1.2).length, at(2).length];")
        assert shown == [1, 0]

    def test_merges_are_followed_over_several_hops(self, run):
        result = run(
            PEOPLE
            + """tell(0, [sighted(7, 1), sighted(5, 4)]);
            tell(0.2, [sighted(5, 1)], [{ type: "merge", gone: 7, kept: 5, certainty: 1 }]);
            tell(0.4, [sighted(2, 1)], [{ type: "merge", gone: 5, kept: 2, certainty: 1 }]);
            const former = people.shown.get(2).formerIds.sort();
            return [[...people.shown.keys()], people.resolve(7), former, renamed.length];"""
        )
        assert result == [[2], 2, [5, 7], 2]

    def test_who_was_two_dots_is_one_at_once_with_both_ways(self, run):
        result = run(
            PEOPLE
            + """const merge = { type: "merge", gone: 7, kept: 5, certainty: 1 };
            const seen = (id, x, ...cameras) => ({ ...sighted(id, x), cameras });
            for (let t = 0; t < 3; t += 1) tell(t, [sighted(7, t), sighted(5, 10 + t)]);
            tell(3, [seen(7, 3), seen(5, 13, "a", "b")], [merge]);
            tell(4, [seen(5, 14, "a"), seen(5, 4)]);
            const trail = people.shown.get(5).trail.filter((_, i) => i % 3 === 0);
            return [[...people.shown.keys()], people.shown.get(5).measured.x, trail, people.count];"""
        )
        assert result == [[5], 14, [0, 10, 1, 11, 2, 12, 13, 14], 1]

    def test_a_merge_that_is_taken_back_gives_both_their_own_ways_again(self, run):
        result = run(
            PEOPLE
            + """for (let t = 0; t < 3; t += 1) tell(t, [sighted(5, t)]);
            for (let t = 3; t < 6; t += 1) tell(t, [sighted(7, 10 + t)]);
            tell(6, [sighted(5, 16)], [{ type: "merge", gone: 7, kept: 5, certainty: 1 }]);
            tell(7, [sighted(5, 17)]);
            const whole = people.shown.get(5).trail.filter((_, i) => i % 3 === 0);
            tell(8, [sighted(7, 18)], [{ type: "split", mixed: 5, apart: 7, since: 6, until: 8, reported: [5],
                certainty: 1 }]);
            const [dot] = [...people.shown.values()];
            return [whole, [...people.shown.keys()], dot.trail.filter((_, i) => i % 3 === 0), dot.formerIds,
                people.resolve(7), renamed];"""
        )
        assert result == [[0, 1, 2, 13, 14, 15, 16, 17], [7], [13, 14, 15, 16, 17, 18], [], 7, [[7, 5], [5, 7]]]

    def test_an_operator_who_takes_a_merge_back_gives_the_kept_one_their_own_way(self, run):
        result = run(
            PEOPLE
            + """const done = { id: 1, at: "", type: "merge", source: 7, target: 5, since: null, until: null,
                reported: [], certainty: 1, taken_back_at: null };
            for (let t = 0; t < 3; t += 1) tell(t, [sighted(5, t), sighted(7, 10 + t)]);
            people.correct(done);
            tell(3, [sighted(5, 3)]);
            const merged = [people.resolve(7), [...people.shown.keys()], people.shown.get(5).formerIds];
            people.correct({ ...done, taken_back_at: "2026-11-21T10:00:00Z" });
            const trail = people.shown.get(5).trail.filter((_, i) => i % 3 === 0);
            return [...merged, people.resolve(7), people.shown.get(5).formerIds, trail];"""
        )
        assert result == [5, [5], [7], 7, [], [0, 1, 2, 3]]

    def test_two_who_are_told_apart_again_are_two_dots_though_no_split_was_heard(self, run):
        ids = run(
            PEOPLE
            + """tell(0, [sighted(5, 0), sighted(7, 5)]);
            tell(1, [sighted(5, 1)], [{ type: "merge", gone: 7, kept: 5, certainty: 1 }]);
            tell(2, [sighted(5, 2), sighted(7, 7)]);
            return [...people.shown.keys()].sort();"""
        )
        assert ids == [5, 7]

    def test_a_split_gives_the_dot_and_its_way_since_to_another(self, run):
        result = run(
            PEOPLE
            + """for (let t = 0; t < 10; t += 1) tell(t, [sighted(1, t)]);
            const apart = { type: "split", mixed: 1, apart: 8, since: 6, until: 10, reported: [], certainty: 0.9 };
            tell(10, [sighted(8, 10)], [apart]);
            const trail = people.shown.get(8).trail.filter((_, i) => i % 3 === 0);
            return [[...people.shown.keys()], trail, renamed, people.resolve(1)];"""
        )
        assert result == [[8], [6, 7, 8, 9, 10], [[1, 8]], 1]

    def test_two_who_were_taken_for_one_another_exchange_their_ways(self, run):
        result = run(
            PEOPLE
            + """const both = (a, b, t) => [sighted(a, t), sighted(b, 100 + t)];
            for (let t = 0; t < 4; t += 1) tell(t, t < 2 ? both(1, 2, t) : both(2, 1, t));
            const split = { type: "split", since: 2, until: 4, reported: [], certainty: 1 };
            const swap = [{ ...split, mixed: 1, apart: 9 }, { ...split, mixed: 2, apart: 1 }];
            tell(4, both(1, 2, 4), [...swap, { type: "merge", gone: 9, kept: 2, certainty: 1 }]);
            const ways = [1, 2].map((id) => people.shown.get(id).trail.filter((_, i) => i % 3 === 0));
            return [...ways, renamed];"""
        )
        assert result == [[0, 1, 2, 3, 4], [100, 101, 102, 103, 104], [[9, 2]]]

    def test_a_server_that_began_anew_has_other_people(self, run):
        ids = run(
            PEOPLE + "tell(0, [sighted(1, 0)]); seq = 0; tell(5, [sighted(2, 0)]); return [...people.shown.keys()];"
        )
        assert ids == [2]

    @pytest.mark.parametrize(
        ("now_s", "server_s", "expected"),
        [(0.5, "null", "live"), (3.0, "null", "stale"), (7.0, "null", "gone"), (0.5, "9", "stale")],
        ids=["just told", "silent for three seconds", "silent for seven", "prompt but captured long ago"],
    )
    def test_freshness_by_silence_and_by_capture(self, run, now_s, server_s, expected):
        told = run(PEOPLE + f"tell(0, [sighted(1, 0)]); return people.freshness({1000 * now_s}, {server_s});")
        assert told == expected

    def test_before_the_first_update_nothing_is_known(self, run):
        assert run(PEOPLE + "return people.freshness(0, null);") == "none"


class TestViewport:
    VIEW = """const { Viewport } = await import("/viewport.js");
        const view = new Viewport([0, 0, 20, 10]); view.resize(800, 600);"""

    def test_y_points_up_and_pixels_map_back_to_metres(self, run):
        up, back = run(
            self.VIEW
            + "return [view.toScreen(0, 1)[1] < view.toScreen(0, 0)[1], view.toFloor(...view.toScreen(3, 4))];"
        )
        assert up
        assert back == pytest.approx([3.0, 4.0])

    def test_the_place_under_the_pointer_stays_when_zooming(self, run):
        before, after = run(
            self.VIEW
            + "const b = view.toFloor(600, 200); view.zoomAt(600, 200, 3); return [b, view.toFloor(600, 200)];"
        )
        assert after == pytest.approx(before)

    def test_the_floor_cannot_be_lost_by_panning(self, run):
        x, y = run(self.VIEW + "view.pan(1e5, -1e5); return [view.centreX, view.centreY];")
        assert (x, y) == (0, 0)

    def test_a_fitted_view_stays_fitted_when_the_map_grows(self, run):
        small, large = run(self.VIEW + "const s = view.scale; view.resize(1600, 1200); return [s, view.scale];")
        assert large > 1.9 * small


class TestBestCamera:
    BEST = 'const { BestCamera } = await import("/best_camera.js"); const best = new BestCamera();'

    def test_the_largest_view_comes_first(self, run):
        assert run(self.BEST + 'return best.choose(1, [["a", 0.2], ["b", 0.5]], ["a"], 0);') == "b"

    def test_a_slightly_better_view_does_not_take_over(self, run):
        front = run(
            self.BEST
            + 'best.choose(1, [["a", 0.5]], [], 0); return best.choose(1, [["a", 0.5], ["b", 0.6]], [], 9000);'
        )
        assert front == "a"

    def test_a_clearly_better_view_takes_over_after_a_while(self, run):
        step = (
            'best.choose(1, [["a", 0.2]], [], 0); const now = (t) => best.choose(1, [["a", 0.2], ["b", 0.5]], [], t);'
        )
        assert run(self.BEST + step + "return [now(1000), now(4000)];") == ["a", "b"]

    def test_a_camera_that_lost_sight_gives_way(self, run):
        step = 'best.choose(1, [["a", 0.5]], [], 0); const now = (t) => best.choose(1, [["a", 0], ["b", 0.1]], [], t);'
        assert run(self.BEST + step + "return [now(500), now(2000)];") == ["a", "b"]

    def test_nobody_selected_brings_no_camera(self, run):
        assert run(self.BEST + 'best.choose(1, [["a", 0.5]], [], 0); return best.choose(null, [], [], 10);') is None


class TestServerClock:
    CLOCK = 'const { ServerClock, Window } = await import("/server_clock.js"); const clock = new ServerClock();'

    def test_unknown_before_the_first_pong(self, run):
        assert run(self.CLOCK + "return clock.at(0);") is None

    def test_the_shortest_round_trip_tells_the_time(self, run):
        # the server is 100 s ahead; a slow answer would say 100.4
        now = run(self.CLOCK + "clock.pong(0, 100.9, 1000); clock.pong(2000, 102.01, 2020); return clock.at(3000);")
        assert now == pytest.approx(103.0)

    def test_percentiles_forget_what_is_old(self, run):
        result = run(
            self.CLOCK
            + "const w = new Window(1000); w.add(0, 50); w.add(900, 1); w.add(1500, 3); return w.percentiles(1600);"
        )
        assert result == {"p50": 3, "p95": 3, "count": 2}


class TestIdentityColour:
    def test_one_colour_per_id_and_neighbours_differ(self, run):
        colours = run(
            """const { identityColour } = await import("/identity_colour.js");
            return Array.from({ length: 60 }, (_, id) => identityColour(id, "dark"));"""
        )
        assert len(set(colours)) == 60

    @pytest.mark.parametrize(
        ("theme", "surface"), [("dark", (16, 22, 29)), ("light", (253, 252, 249))], ids=["dark", "light"]
    )
    def test_every_colour_stands_out_from_the_paper(self, run, theme, surface):
        colours = run(
            f"""const {{ identityColour }} = await import("/identity_colour.js");
            return Array.from({{ length: 200 }}, (_, id) => identityColour(id, "{theme}"));"""
        )
        ratios = [contrast(tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)), surface) for c in colours]
        assert min(ratios) >= 3.0


def contrast(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Return the contrast ratio of two sRGB colours, WCAG 2.2."""

    def luminance(colour: tuple[int, ...]) -> float:
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(a), luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


class TestPeriod:
    PERIOD = """const { periodOf, bucketOf } = await import("/analytics/period.js");
        const noon = new Date(2026, 10, 21, 12).getTime() / 1000;
        const of = (choice, recorded) => { const { since, until } = periodOf(choice, noon, null, recorded);
            return [since - noon, until - noon, bucketOf({ since, until })]; };"""

    @pytest.mark.parametrize(
        ("choice", "recorded", "expected"),
        [
            ("today", "null", [-43_200, 0, 300]),
            ("today", "noon - 330", [-360, 0, 60]),
            ("today", "noon - 20", [-240, 0, 60]),
            ("today", "noon - 90000", [-43_200, 0, 300]),
            ("week", "noon - 90000", [-90_000, 0, 300]),
            ("month", "noon - 600", [-600, 0, 60]),
            ("yesterday", "noon - 600", [-43_200 - 86_400, -43_200, 300]),
        ],
        ids=[
            "unknown begin",
            "begun minutes ago, from a whole minute",
            "begun just now",
            "begun yesterday",
            "a week of a day and an hour",
            "a month of ten minutes",
            "a day that is over",
        ],
    )
    def test_what_goes_up_to_now_begins_with_the_record(self, run, choice, recorded, expected):
        assert run(self.PERIOD + f'return of("{choice}", {recorded});') == expected
