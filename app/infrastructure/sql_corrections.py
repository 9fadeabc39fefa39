"""Corrections entered and taken back, and the spans that say whom each reported id has turned out to be.

Ids of people are unique over all runs of a site, and so corrections reach over runs. Runs on SQLite and on PostgreSQL,
in the transaction that it is given.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, delete, func, insert, select, update

from app.domains.corrections import Span, corrected, source, untouched
from app.domains.vocabulary import Correction, GlobalId, Merge, Split
from app.infrastructure.sql_schema import APPEARANCES, CORRECTIONS, DOTS, RUNS, SPANS

Runs = Select[tuple[int]]  # of one site


def runs_of(site_id: int) -> Runs:
    """Return the query for a site's runs."""
    return select(RUNS.c.id).where(RUNS.c.site_id == site_id)


def of_site(run_id: ColumnElement[int], site_id: int) -> ColumnElement[bool]:
    """Return the condition for rows of a site's runs, for tables that have a better index than the one by run.

    It is on an expression: by the bare column SQLite, which knows no counts, would read the site's runs whole.
    """
    return (run_id + 0).in_(runs_of(site_id))


def correction_of(row: RowMapping) -> Correction:
    """Return the correction that a row keeps."""
    gone, kept = GlobalId(row["source"]), GlobalId(row["target"])
    if row["kind"] == "merge":
        return Merge(gone, kept, row["certainty"])
    reported = tuple(GlobalId(person) for person in json.loads(row["reported"]))
    return Split(gone, kept, row["since"], row["until"], reported, row["certainty"])


def correct(connection: Connection, run_id: int, at: float, correction: Correction) -> int:
    """Enter a correction, and say anew whom the ids that it concerns have been; returns its id."""
    row = {
        "run_id": run_id,
        "at": at,
        "kind": "merge" if isinstance(correction, Merge) else "split",
        "source": source(correction),
        "target": _target(correction),
        "since": -np.inf if isinstance(correction, Merge) else correction.since,
        "until": np.inf if isinstance(correction, Merge) else correction.until,
        "reported": json.dumps([] if isinstance(correction, Merge) else correction.reported),
        "certainty": correction.certainty,
    }
    entered = connection.execute(insert(CORRECTIONS).returning(CORRECTIONS.c.id), row).scalar_one()
    before, home = _concerned(connection, run_id, correction)
    _replace(connection, home, before, list(corrected(before, correction)))
    return int(entered)


def would_change(connection: Connection, run_id: int, correction: Correction) -> bool:
    """Tell whether anybody would be somebody else by a correction."""
    before, _ = _concerned(connection, run_id, correction)
    return _by_key(before).keys() != _by_key(corrected(before, correction)).keys()


def take_back(connection: Connection, run_id: int, correction_id: int, at: float) -> bool:
    """Take a correction back: from now on history reads as if it had never been made; returns whether it stood."""
    of_run = CORRECTIONS.c.id == correction_id, CORRECTIONS.c.run_id == run_id
    taken = update(CORRECTIONS).where(*of_run, CORRECTIONS.c.taken_back_at.is_(None)).values(taken_back_at=at)
    if not connection.execute(taken).rowcount:
        return False
    runs = _beside(run_id)
    standing = select(CORRECTIONS).where(CORRECTIONS.c.taken_back_at.is_(None), CORRECTIONS.c.run_id.in_(runs))
    others = [correction_of(row) for row in connection.execute(standing.order_by(CORRECTIONS.c.id)).mappings()]
    undone = correction_of(connection.execute(select(CORRECTIONS).where(*of_run)).mappings().one())
    concerned = _bound_up(undone, others)
    before, home = _spans(connection, and_(SPANS.c.person.in_(concerned), SPANS.c.run_id.in_(runs)))
    after = [untouched(GlobalId(person)) for person in sorted(home)]
    for correction in others:
        if source(correction) in concerned:
            after = list(corrected(after, correction))
    _replace(connection, home, before, after)
    return True


def _beside(run_id: int) -> Runs:
    """Return the query for the runs of a run's site."""
    site = select(RUNS.c.site_id).where(RUNS.c.id == run_id).scalar_subquery()
    return select(RUNS.c.id).where(RUNS.c.site_id == site)


def _target(correction: Correction) -> GlobalId:
    return correction.kept if isinstance(correction, Merge) else correction.apart


def _bound_up(undone: Correction, others: Collection[Correction]) -> set[GlobalId]:
    """Return the ids that a correction concerns, and those that others bind them to, directly or by others still."""
    bound: dict[GlobalId, set[GlobalId]] = {}
    for correction in (undone, *others):
        named = {source(correction), _target(correction)}
        for one in named:
            bound.setdefault(one, set()).update(named)
    reached, fresh = set[GlobalId](), {source(undone)}
    while fresh:
        reached |= fresh
        fresh = set().union(*(bound[one] for one in fresh)) - reached
    return reached


def _concerned(connection: Connection, run_id: int, correction: Correction) -> tuple[list[Span], dict[GlobalId, int]]:
    """Return the spans of all ids of which some are the identity that a correction takes something of."""
    runs = _beside(run_id)
    concerned = select(SPANS.c.person).where(SPANS.c.identity == source(correction), SPANS.c.run_id.in_(runs))
    return _spans(connection, and_(SPANS.c.person.in_(concerned), SPANS.c.run_id.in_(runs)))


def _spans(connection: Connection, which: ColumnElement[bool]) -> tuple[list[Span], dict[GlobalId, int]]:
    """Return spans by reported id and time, and the run of each reported id."""
    columns = (SPANS.c.person, SPANS.c.since, SPANS.c.until, SPANS.c.identity, SPANS.c.certainty, SPANS.c.run_id)
    rows = connection.execute(select(*columns).where(which).order_by(SPANS.c.person, SPANS.c.since)).all()
    spans = [Span(*row[:4], certainty=np.nan if row.certainty is None else row.certainty) for row in rows]
    return spans, {GlobalId(row.person): row.run_id for row in rows}


def _replace(
    connection: Connection, home: Mapping[GlobalId, int], before: Iterable[Span], after: Sequence[Span]
) -> None:
    """Put the spans of those whose spans have changed in place of theirs."""
    old, new = _by_key(before), _by_key(after)
    people = sorted(
        {span.reported for spans in (old, new) for key, span in spans.items() if key not in old or key not in new}
    )
    if not people:
        return
    runs = {home[person] for person in people}
    connection.execute(delete(SPANS).where(SPANS.c.run_id.in_(runs), SPANS.c.person.in_(people)))
    rows = []
    for span in (span for span in after if span.reported in people):
        run_id = home[span.reported]
        first, last = _seen_within(connection, run_id, span)
        certainty = None if np.isnan(span.certainty) else span.certainty
        row = {"run_id": run_id, "person": span.reported, "since": span.since, "until": span.until}
        rows.append({**row, "identity": span.identity, "certainty": certainty, "first_seen": first, "last_seen": last})
    connection.execute(insert(SPANS), rows)


def _by_key(spans: Iterable[Span]) -> dict[str, Span]:
    """Return spans by what they say, as text because NaN is not itself."""
    return {repr(span): span for span in spans}


def _seen_within(connection: Connection, run_id: int, span: Span) -> tuple[float | None, float | None]:
    """Return when the id of a span was seen first and last within it; None where it was not."""
    dots, visits = DOTS.c, APPEARANCES.c
    mine = dots.run_id == run_id, dots.person == span.reported, dots.at >= span.since, dots.at < span.until
    on_floor = connection.execute(select(func.min(dots.at), func.max(dots.at)).where(*mine)).one()
    mine = (
        visits.run_id == run_id,
        visits.person == span.reported,
        visits.ended >= span.since,
        visits.begun < span.until,
    )
    in_view = connection.execute(select(func.min(visits.begun), func.max(visits.ended)).where(*mine)).one()
    first = [on_floor[0]] if in_view[0] is None else [on_floor[0], max(in_view[0], span.since)]
    last = [on_floor[1]] if in_view[1] is None else [on_floor[1], min(in_view[1], span.until)]
    return (
        min((at for at in first if at is not None), default=None),
        max((at for at in last if at is not None), default=None),
    )
