"""The simulated sites of `spoton bench accuracy`: what they are and what SpotOn has to reach on them. Data only."""

from dataclasses import dataclass, replace

from app.bench.results import Goal
from app.simulated import SiteConfig
from app.simulation.faults import Faults
from app.simulation.world import WorldConfig

SMOOTH = Goal("jerk_ratio", 4.0, at_most=True)
CLEAN = "overlap-12"
BUMP_PX, BUMP_AT_S, SKEW_S = 20.0, 10.0, 0.3


@dataclass(frozen=True, slots=True)
class Scenario:
    """A simulated site that is made anew for every seed.

    Attributes:
        name: as `--only` knows it.
        title: what it is.
        config: the site; the seed is put in.
        goals: what SpotOn has to reach.
        most_seeds: that are run; None for all.
    """

    name: str
    title: str
    config: SiteConfig
    goals: tuple[Goal, ...]
    most_seeds: int | None = None

    def at(self, seed: int, seconds: float | None = None) -> SiteConfig:
        """Return the site of one seed, where given with another duration."""
        config = replace(self.config, world=replace(self.config.world, seed=seed))
        return config if seconds is None else replace(config, duration_s=min(seconds, config.duration_s or seconds))


def _least(idf1: float) -> tuple[Goal, ...]:
    return (Goal("idf1", idf1), SMOOTH)


def _near_clean() -> tuple[Goal, ...]:
    """No more than 5 points below the clean run with the same seeds."""
    return (Goal("idf1", -5.0, beside=CLEAN), Goal("hota", -5.0, beside=CLEAN), SMOOTH)


SHOP = SiteConfig(scene="shop", world=WorldConfig(people=12), duration_s=60.0)
SCENARIOS: tuple[Scenario, ...] = (
    Scenario(CLEAN, "shop, 6 overlapping cameras, 12 people, 60 s", SHOP, _least(97.0)),
    Scenario("overlap-25", f"{CLEAN} with 25 people", replace(SHOP, world=WorldConfig(people=25)), (SMOOTH,)),
    Scenario("overlap-50", f"{CLEAN} with 50 people", replace(SHOP, world=WorldConfig(people=50)), _least(92.0)),
    Scenario(
        "gaps",
        "offices, 6 cameras that do not overlap, 12 people, 180 s",
        replace(SHOP, scene="offices", duration_s=180.0),
        _least(85.0),
    ),
    Scenario(
        "outfits-4",
        f"{CLEAN}, dressed from 4 outfits",
        replace(SHOP, world=WorldConfig(people=12, outfits=4)),
        _near_clean(),
    ),
    Scenario("fps-2", f"{CLEAN} at 2 frames a second", replace(SHOP, fps=2.0), _near_clean()),
    Scenario(
        "skew",
        f"{CLEAN}, one clock {SKEW_S:g} s ahead",
        replace(SHOP, faults={"north": Faults(skew_s=SKEW_S)}),
        _near_clean(),
    ),
    Scenario(
        "bump",
        f"{CLEAN}, one camera {BUMP_PX:g} px aside from {BUMP_AT_S:g} s on",
        replace(SHOP, faults={"north": Faults(bump=(BUMP_AT_S, BUMP_PX))}),
        _near_clean(),
    ),
    Scenario(
        "long",
        "shop, 12 people for 30 min, who leave and return",
        replace(SHOP, world=WorldConfig(people=12, away=4.0), duration_s=1800.0),
        (Goal("ids_per_person", 1.2, at_most=True), Goal("drift", 2.0, at_most=True), SMOOTH),
        most_seeds=2,
    ),
)
