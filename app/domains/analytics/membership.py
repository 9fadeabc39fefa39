"""Follows people from instant to instant and says who is at which place. Compiled with numba; called by `watch.py`.

Knows places by their number: 0 is the whole floor, then the zones, then the lines. Knows people by their row, and no
minute by its name. What it found leaves as notes, in the order in which it was found.
"""

from math import inf, isnan, nan, sqrt

import numpy as np
from numba import njit

from app.domains.analytics.polygon import height_over, passes_between, signed_distance
from app.domains.analytics.tables import NOTE, Note, Table, Where
from app.domains.vocabulary import FloatArray, IntArray

Pad = tuple[Table, IntArray]  # notes, with room for more, and in (1,) how many have been written

# The enums' members as numbers: compiled code takes globals for constants
ENTER, LEAVE, LOSE, INWARDS, OUTWARDS, DWELL, CAPACITY, CALM = (int(note) for note in Note)
OUTSIDE, INSIDE, UNKNOWN = (int(where) for where in Where)
FIRST_NOTES = 256


@njit(cache=True, error_model="numpy")
def follow(
    instants: tuple[FloatArray, IntArray, FloatArray, IntArray],
    dots: tuple[IntArray, FloatArray, FloatArray],
    tables: tuple[Table, Table, Table],
    places: tuple[Table, FloatArray, FloatArray],
    facts: tuple[Table, Table],
    totals: Table,
) -> tuple[Table, FloatArray]:
    """Go through some instants; `tables`, `places`, the clock and `totals` are written into.

    Args:
        instants: capture times (T,), the row of `totals` of the minute of each, (T,), the share of each place that is
            seen, (T, P), and the first dot of each, and the first one behind the last, (T + 1,).
        dots: of N dots in order of time the person's row, (N,), x and y in metres, (N, 2), sigma in metres and the
            certainty, (N, 2).
        tables: people (S,) of type PERSON, their stays (S, 1 + Z) and passages (S, L).
        places: zones (Z,) of type AREA, their corners (V, 2), and the ends of the lines (L, 2, 2).
        facts: the clock, (1,) of type CLOCK, and the rules, (1,) of type RULES.
        totals: (M, P) of type TOTAL, by minute, in which the minute before that of each instant has the row before.

    Returns:
        The notes, (K,) of type NOTE, and the seconds of each dot before the minute of its instant and within, (N, 2).
    """
    times, minute, shares, first = instants
    row, xy, trust = dots
    people, stays, passages = tables
    areas, corners, ends = places
    clock, rule = facts[0][0], facts[1][0]
    credit, seen = np.zeros((len(row), 2)), np.empty(1 + len(areas), np.int64)
    pad, lose_at = (np.empty(FIRST_NOTES, NOTE), np.zeros(1, np.int64)), -inf
    for i in range(len(times)):
        at = times[i]
        before, within = _tick(clock, at, rule.gap_s)
        for place in range(shares.shape[1]):
            total = totals[minute[i], place]
            total.observed_s += within * shares[i, place]
            total.watched_s += within * (shares[i, place] > 0.0)
            if before > 0.0:
                total = totals[minute[i] - 1, place]
                total.observed_s += before * shares[i, place]
                total.watched_s += before * (shares[i, place] > 0.0)
        if at > lose_at:
            pad, last = _lose((people, stays), at - rule.lost_s, totals[minute[i]], pad)
            lose_at = min(last, at) + rule.lost_s
        seen[:] = 0
        for k in range(first[i], first[i + 1]):
            pad = _room(pad, 2 * stays.shape[1] + passages.shape[1])
            person, stay, x, y = people[row[k]], stays[row[k]], xy[k, 0], xy[k, 1]
            border = rule.border_sigmas * min(max(trust[k, 0], rule.least_sigma_m), rule.most_sigma_m)
            fresh = not person.here
            if fresh:
                _appear(person, stay, passages[row[k]], at, (x, y))
            else:
                _credit(person, clock, credit[k])
                _spend((person, stay), (at, x, y, rule.stride_s), credit[k], trust[k], (totals, minute[i]))
            for line in range(len(ends)):
                passage = passages[row[k], line]
                way = _pass(passage, ends[line], (person.x, person.y), (x, y), border)
                if way != 0:
                    kind = INWARDS if way > 0 else OUTWARDS
                    _write(pad, kind, (at, 1 + len(areas) + line, row[k]), (nan, nan))
            _stand((fresh, row[k], stay), (areas, corners), (at, x, y, border), pad, seen)
            person.seen, person.watched, person.x, person.y, person.here = at, clock.watched, x, y, True
        pad = _room(pad, len(areas))
        _count((people, stays), areas, (at, seen), pad)
        for place in range(len(seen)):
            totals[minute[i], place].peak = max(totals[minute[i], place].peak, seen[place])
    return pad[0][: pad[1][0]], credit


@njit(cache=True, error_model="numpy")
def _tick(clock: np.record, at: float, gap_s: float) -> tuple[float, float]:
    """Move the clock to an instant; return the seconds watched since the last one: before its minute and within."""
    minute_at = 60.0 * np.floor(at / 60.0)
    passed = 0.0 if isnan(clock.at) else min(at - clock.at, gap_s)
    within = min(passed, at - minute_at)
    clock.watched += passed
    if isnan(clock.minute_at) or minute_at > clock.minute_at:
        clock.minute_at, clock.minute_watched = minute_at, clock.watched - within
    clock.at = at
    return passed - within, within


@njit(cache=True, error_model="numpy")
def _appear(person: np.record, stay: Table, passage: Table, at: float, xy: tuple[float, float]) -> None:
    """Begin to follow somebody who has not been seen lately."""
    person.stride_at, person.stride_x, person.stride_y = at, xy[0], xy[1]
    for place in range(len(stay)):
        stay[place].where = OUTSIDE
    for line in range(len(passage)):
        passage[line].side = passage[line].near = 0
    _begin(stay[0], at)


@njit(cache=True, error_model="numpy")
def _begin(stay: np.record, at: float) -> None:
    stay.where, stay.begun, stay.row, stay.told, stay.reported = INSIDE, at, at, False, -inf


@njit(cache=True, error_model="numpy")
def _credit(person: np.record, clock: np.record, credit: FloatArray) -> None:
    """Write down the seconds since somebody was seen last, (2,): before the minute that goes on, and within."""
    credit[1] = clock.watched - max(person.watched, clock.minute_watched)
    credit[0] = clock.watched - person.watched - credit[1]


@njit(cache=True, error_model="numpy")
def _spend(
    of: tuple[np.record, Table],
    dot: tuple[float, float, float, float],
    credit: FloatArray,
    trust: FloatArray,
    to: tuple[Table, int],
) -> None:
    """Add to the totals the time that somebody has spent, and the way gone, where they have been until now."""
    (person, stay), (at, x, y, stride_s), (totals, minute) = of, dot, to
    way = 0.0
    if at - person.stride_at >= stride_s:
        way = sqrt((x - person.stride_x) ** 2 + (y - person.stride_y) ** 2)
        person.stride_at, person.stride_x, person.stride_y = at, x, y
    for place in range(len(stay)):
        if stay[place].where != INSIDE:
            continue
        totals[minute, place].distance_m += way
        for k in range(2):
            if credit[k] > 0.0:
                total = totals[minute - 1 + k, place]
                total.person_s += credit[k]
                total.sigma_s += credit[k] * trust[0]
                total.certainty_s += credit[k] * trust[1]


@njit(cache=True, error_model="numpy")
def _pass(
    passage: np.record, ends: FloatArray, before: tuple[float, float], now: tuple[float, float], border: float
) -> int:
    """Move somebody past a line; return the side that they have come to by crossing it beyond doubt, else 0."""
    height = height_over(ends, now[0], now[1])
    near = passage.near if height == 0.0 else (1 if height > 0.0 else -1)
    if passage.near == 0:
        passage.near = passage.side = near
        return 0
    if near != passage.near:
        passage.near, passage.between = near, passes_between(ends, before, now)
    if near == passage.side or abs(height) <= border:
        return 0
    crossed = passage.side != 0 and passage.between
    passage.side = near
    return near if crossed else 0


@njit(cache=True, error_model="numpy")
def _stand(
    who: tuple[bool, int, Table],
    places: tuple[Table, FloatArray],
    dot: tuple[float, float, float, float],
    pad: Pad,
    seen: IntArray,
) -> None:
    """Decide for the floor and for every zone whether somebody is there, and count them in `seen`."""
    (fresh, row, stays), (areas, corners), (at, x, y, border) = who, places, dot
    if fresh:
        _write(pad, ENTER, (at, 0, row), (0.0, at))
    for place in range(len(stays)):
        stay, limit_s = stays[place], inf
        if place > 0:
            area = areas[place - 1]
            width, limit_s = min(border, area.widest), area.max_dwell_s
            _enter_or_leave(fresh, stay, _depth(area, corners, (x, y, width)), width, (at, place, row), pad)
        if stay.where != INSIDE:
            continue
        seen[place] += 1
        if isnan(stay.row):
            stay.row = at
        if not stay.told and at - stay.begun > limit_s:
            stay.told = True
            _write(pad, DWELL, (at, place, row), (at - stay.begun, stay.row))


@njit(cache=True, error_model="numpy")
def _depth(area: np.record, corners: FloatArray, spot: tuple[float, float, float]) -> float:
    """Return how deep in an area a spot is, with x, y and the width of the border; -infinity clearly outside."""
    x, y, width = spot
    if area.x_min - width <= x <= area.x_max + width and area.y_min - width <= y <= area.y_max + width:
        return float(signed_distance(corners[area.begin : area.end], x, y))
    return -inf


@njit(cache=True, error_model="numpy")
def _enter_or_leave(
    fresh: bool, stay: np.record, depth: float, width: float, what: tuple[float, int, int], pad: Pad
) -> None:
    """Begin or end somebody's stay in a zone, if the dot says so."""
    at = what[0]
    if stay.where == UNKNOWN:
        stay.where = OUTSIDE
        if depth > 0.0:
            _begin(stay, at)
    elif stay.where == OUTSIDE and (depth > width or (fresh and depth > 0.0)):
        _begin(stay, at)
        _write(pad, ENTER, what, (0.0, at))
    elif stay.where == INSIDE and depth < -width:
        stay.where = OUTSIDE
        _write(pad, LEAVE, what, (at - stay.begun, stay.row))


@njit(cache=True, error_model="numpy")
def _lose(tables: tuple[Table, Table], since: float, total: Table, pad: Pad) -> tuple[Pad, float]:
    """Give up those who have not been seen since an instant; return the earliest last sight of the others."""
    people, stays = tables
    first = inf
    for row in range(len(people)):
        person = people[row]
        if not person.here:
            continue
        if person.seen >= since:
            first = min(first, person.seen)
            continue
        person.here = False
        pad = _room(pad, stays.shape[1])
        way = sqrt((person.x - person.stride_x) ** 2 + (person.y - person.stride_y) ** 2)
        for place in range(stays.shape[1]):
            stay = stays[row, place]
            if stay.where == INSIDE:
                total[place].distance_m += way
                _write(pad, LOSE, (person.seen, place, row), (person.seen - stay.begun, stay.row))
            stay.where = OUTSIDE
    return pad, first


@njit(cache=True, error_model="numpy")
def _count(tables: tuple[Table, Table], areas: Table, now: tuple[float, IntArray], pad: Pad) -> None:
    """Notice where more people are seen than there is room for, and where no more are there, seen or not."""
    (people, stays), (at, seen) = tables, now
    for zone in range(len(areas)):
        area, place = areas[zone], zone + 1
        if area.capacity < 0:
            continue
        if not area.over and seen[place] > area.capacity:
            area.over = True
            _write(pad, CAPACITY, (at, place, -1), (float(seen[place]), nan))
        elif area.over:
            there = 0
            for row in range(len(people)):
                there += people[row].here and stays[row, place].where == INSIDE
            if there <= area.capacity:
                area.over = False
                _write(pad, CALM, (at, place, -1), (float(there), nan))


@njit(cache=True, error_model="numpy")
def _room(pad: Pad, further: int) -> Pad:
    """Return the notes with room for some more."""
    notes, written = pad
    needed = written[0] + further
    if needed <= len(notes):
        return pad
    more = np.empty(2 * needed, NOTE)
    more[: written[0]] = notes[: written[0]]
    return more, written


@njit(cache=True, error_model="numpy")
def _write(pad: Pad, kind: int, what: tuple[float, int, int], how: tuple[float, float]) -> None:
    notes, written = pad
    note = notes[written[0]]
    note.kind = kind
    note.at, note.place, note.person = what
    note.number, note.row = how
    written[0] += 1
