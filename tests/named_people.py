"""A resolver of identities, and steps for it that tests write down as targets and rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from fakes import FakeEmbedder, FakeIndex
from world import DIMENSION, appearances

from app.domains.reid.evidence import IdentityConfig
from app.domains.reid.gallery import Gallery
from app.domains.reid.identity import IdentityResolver
from app.domains.reid.likelihood import CosineLikelihood, CosinePrior
from app.domains.vocabulary import NO_ID, CameraId, Correction, FloorTargets, Tracks, TrackState

Row = tuple[int, int, int | None]  # track id; target, NO_ID, NO_FLOOR or NO_CALIBRATION; clothes, None without a look
RED, BLUE, GREEN = 1, 2, 3
HERE, NEAR_BY, FAR = (2.0, 2.0), (3.0, 2.5), (40.0, 2.0)


@dataclass
class Answer:
    """Identities of each camera's rows, and of the targets by id."""

    rows: dict[str, list[int]]
    targets: dict[int, int]
    corrections: tuple[Correction, ...]
    certainty: dict[int, float] = field(default_factory=dict, compare=False)  # of the targets by id


@dataclass
class Site:
    """A resolver, what feeds it, and the index behind its gallery."""

    config: IdentityConfig = field(default_factory=IdentityConfig)
    index: FakeIndex = field(default_factory=FakeIndex)
    seed: int = 0
    sizes: Mapping[CameraId, tuple[int, int]] = field(default_factory=dict)
    first_id: int = 1

    def __post_init__(self) -> None:
        likelihood = CosineLikelihood(CosinePrior(*FakeEmbedder.cosines), self.config.likelihood)
        self.resolver = IdentityResolver(
            Gallery(self.index, self.config.gallery, self.first_id - 1), likelihood, self.config, self.sizes
        )

    def see(
        self,
        now: float,
        floor: Mapping[int, tuple[float, float]],
        rows: Mapping[str, Sequence[Row]],
        *,
        confirmed: bool = True,
        watched: bool = True,
        state: TrackState = TrackState.CONFIRMED,
    ) -> Answer:
        """Resolve one step: where the living targets are, and what each camera has; targets without row coast."""
        seen = {target for camera_rows in rows.values() for _, target, _ in camera_rows}
        ids = np.array(sorted(floor), np.int64)
        m = len(ids)
        targets = FloorTargets(
            target_id=ids,
            xy=np.array([floor[target] for target in ids.tolist()], np.float64).reshape(-1, 2),
            velocity=np.zeros((m, 2)),
            covariance=np.tile(np.eye(2) * 0.01, (m, 1, 1)),
            confirmed=np.full(m, confirmed),
            unseen_s=np.where(np.isin(ids, list(seen)), 0.0, 0.5),
            existence=np.full(m, 0.99),
            support=np.zeros((m, len(rows)), np.bool_),
        )
        tracks = [self.tracks(camera, now, camera_rows, state) for camera, camera_rows in rows.items()]
        target_of = [np.array([target for _, target, _ in r], np.int64) for r in rows.values()]
        found = self.resolver.resolve(now, tracks, target_of, targets, np.full(m, watched))
        for given in found.of_row:
            known = [identity for identity in given.tolist() if identity != NO_ID]
            assert len(known) == len(set(known)), "an identity twice in one camera"
        return Answer(
            dict(zip(rows, [ids.tolist() for ids in found.of_row], strict=True)),
            dict(zip(ids.tolist(), found.of_target.tolist(), strict=True)),
            found.corrections,
            dict(zip(ids.tolist(), found.target_certainty.tolist(), strict=True)),
        )

    def tracks(self, camera: str, now: float, rows: Sequence[Row], state: TrackState) -> Tracks:
        n = len(rows)
        self.seed += 1
        vectors = np.zeros((n, DIMENSION), np.float32)
        for i, (_, _, clothes) in enumerate(rows):
            if clothes is not None:
                vectors[i] = appearances([clothes], np.random.default_rng((self.seed, i)))[0]
        return Tracks(
            camera_id=CameraId(camera),
            captured_at=now,
            track_id=np.array([track for track, _, _ in rows], np.int64),
            state=np.full(n, state, np.int64),
            row=np.arange(n),
            xyxy=np.tile(np.array([100, 100, 180, 300], np.float32), (n, 1)),
            confidence=np.full(n, 0.9, np.float32),
            appearance=vectors,
            certainty=np.ones(n),
        )

    def watch(
        self,
        start: float,
        end: float,
        floor: Mapping[int, tuple[float, float]],
        rows: Mapping[str, Sequence[Row]],
        step: float = 0.5,
    ) -> Answer:
        """Let the same be seen from `start` to `end`."""
        corrections: tuple[Correction, ...] = ()
        for now in np.arange(start, end + 1e-9, step):
            answer = self.see(float(now), floor, rows)
            corrections += answer.corrections
        return Answer(answer.rows, answer.targets, corrections, answer.certainty)
