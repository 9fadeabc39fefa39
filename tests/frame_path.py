"""Builds a frame path whose detector and embedder ask a world of known truth."""

from collections.abc import Sequence
from dataclasses import replace

from fakes import FakeDetector, FakeEmbedder, FakeIndex
from world import World

from app.domains.detection.tracker import CameraTrackers, TrackerConfig
from app.domains.mapping.fusion import FloorFusion, FusionConfig
from app.domains.mapping.view import ViewConfig
from app.domains.reid.evidence import IdentityConfig
from app.domains.reid.gallery import Gallery
from app.domains.reid.identity import IdentityResolver
from app.domains.reid.likelihood import CosineLikelihood, CosinePrior
from app.orchestration.pipeline import Bounds, Pipeline


def pipeline(
    world: World,
    *,
    uncalibrated: Sequence[str] = (),
    appearance: bool = True,
    bounds: Bounds | None = None,
    index: FakeIndex | None = None,
    view: ViewConfig = ViewConfig(),  # noqa: B008 - frozen
) -> Pipeline:
    views = {
        c.name: c.view_without_floor() if c.name in uncalibrated else replace(c.view(), config=view)
        for c in world.cameras
    }
    identity = IdentityConfig()
    likelihood = CosineLikelihood(CosinePrior(*FakeEmbedder.cosines), identity.likelihood)
    gallery = Gallery(FakeIndex() if index is None else index, identity.gallery)
    return Pipeline(
        detector=FakeDetector(world),
        embedder=FakeEmbedder(world) if appearance else None,
        trackers=CameraTrackers(tuple(views), TrackerConfig(), likelihood.ratio),
        views=views,
        fusion=FloorFusion({n: v for n, v in views.items() if v.model is not None}, FusionConfig()),
        identities=IdentityResolver(gallery, likelihood, identity, {n: v.size for n, v in views.items()}),
        bounds=bounds,
    )
