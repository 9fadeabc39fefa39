"""Recorded history as it reads after corrections: who was meant by an id that was reported at an instant.

Rows keep the id that they were reported under; corrections change what it means. Knows no rows, no files, no people.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from app.domains.vocabulary import Correction, FloatArray, GlobalId, IntArray, Merge


@dataclass(frozen=True, slots=True)
class Span:
    """What was reported under one id for some time, and whom it has turned out to be.

    Attributes:
        since: capture time from which on, inclusive; may be -infinity.
        until: capture time up to which, exclusive; may be infinity.
        certainty: of the last correction; NaN where nothing was corrected, so that the reported certainty stands.
    """

    reported: GlobalId
    since: float
    until: float
    identity: GlobalId
    certainty: float


def untouched(reported: GlobalId) -> Span:
    """Return the span of an id that has never been corrected: it means itself, always."""
    return Span(reported, -np.inf, np.inf, reported, np.nan)


def source(correction: Correction) -> GlobalId:
    """Return the identity of which a correction takes something away."""
    return correction.gone if isinstance(correction, Merge) else correction.mixed


def corrected(spans: Iterable[Span], correction: Correction) -> Iterator[Span]:
    """Yield the spans as they are after a correction, cut where it begins and ends inside of one."""
    for span in spans:
        if span.identity != source(correction):
            yield span
        elif isinstance(correction, Merge):
            yield replace(span, identity=correction.kept, certainty=correction.certainty)
        elif correction.reported and span.reported not in correction.reported:
            yield span
        else:
            since, until = max(span.since, correction.since), min(span.until, correction.until)
            if since >= until:
                yield span
                continue
            if span.since < since:
                yield replace(span, until=since)
            yield Span(span.reported, since, until, correction.apart, correction.certainty)
            if until < span.until:
                yield replace(span, since=until)


class CorrectedHistory:
    """All corrections so far, ready to tell what reported ids mean."""

    def __init__(self) -> None:
        self._spans: dict[GlobalId, list[Span]] = {}  # by reported id, in order of time; ids never corrected are absent
        self._reported_of: dict[GlobalId, set[GlobalId]] = {}  # under which ids an identity was reported
        self._corrected_at: dict[GlobalId, float] = {}
        self.corrections = 0

    @classmethod
    def of(cls, spans: Iterable[Span]) -> "CorrectedHistory":
        """Return the history in which these spans are what was corrected; those of one id in order of time, no gaps."""
        history = cls()
        for span in spans:
            history._spans.setdefault(span.reported, []).append(span)
        for reported, own in history._spans.items():
            history._index(reported, (), own)
        return history

    def follow(self, captured_at: float, corrections: Iterable[Correction]) -> None:
        """Take in the corrections of one update."""
        for correction in corrections:
            self.corrections += 1
            identity = source(correction)
            for reported in sorted(self._reported_of.get(identity, set()) | {identity}):
                before = self._spans.get(reported, [untouched(reported)])
                after = list(corrected(before, correction))
                if after == before:
                    continue
                self._spans[reported] = after
                if reported in {before[-1].identity, after[-1].identity}:  # else nothing is reported under it any more
                    self._corrected_at[reported] = captured_at
                self._index(reported, before, after)

    def read(self, reported: IntArray, at: FloatArray, certainty: FloatArray) -> tuple[IntArray, FloatArray]:
        """Return whom reported ids (N,) stand for, and how sure that is.

        Args:
            reported: (N,) ids, NO_ID among them.
            at: (N,) capture times of their updates.
            certainty: (N,) as reported.
        """
        identity, certainty = reported.copy(), certainty.copy()
        if not self._spans:
            return identity, certainty
        order = np.argsort(reported, kind="stable")
        ids = reported[order]
        for known in np.unique(ids).tolist():
            if known not in self._spans:
                continue
            rows = order[np.searchsorted(ids, known) : np.searchsorted(ids, known, side="right")]
            spans = self._spans[known]
            span = np.searchsorted([s.until for s in spans], at[rows], side="right")
            identity[rows] = np.array([s.identity for s in spans], dtype=np.int64)[span]
            told = np.array([s.certainty for s in spans])[span]
            certainty[rows] = np.where(np.isnan(told), certainty[rows], told)
        return identity, certainty

    def forget(self, before: float) -> None:
        """Drop what only reaches rows from before a capture time: there are none left."""
        for reported, spans in list(self._spans.items()):
            if self._corrected_at[reported] < before:
                kept: list[Span] = []
                del self._spans[reported], self._corrected_at[reported]
            elif spans[0].until < before:
                kept = self._spans[reported] = [span for span in spans if span.until >= before]
            else:
                continue
            self._index(reported, spans, kept)

    def _index(self, reported: GlobalId, before: Iterable[Span], after: Iterable[Span]) -> None:
        """Note under which identities an id counts now."""
        old, new = ({span.identity for span in spans} for spans in (before, after))
        for identity in new - old:
            self._reported_of.setdefault(identity, set()).add(reported)
        for identity in old - new:
            self._reported_of.get(identity, set()).discard(reported)
            if not self._reported_of.get(identity, {reported}):
                del self._reported_of[identity]
