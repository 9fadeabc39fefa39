"""What a cosine is worth as evidence, learnt while running. Knows no identities and no network.

Every embedder spreads its cosines differently, and so does every site. Where geometry is sure, it teaches: boxes that
it gives to one person show how alike one person looks, boxes of two people seen apart show how alike strangers look.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit

from app.domains.vocabulary import FloatArray


@dataclass(frozen=True, slots=True)
class CosinePrior:
    """How an embedder spreads its cosines, before a site has taught better: mean and standard deviation.

    The defaults lie between the embedders that were measured, for vectors of unknown origin.
    """

    same_mean: float = 0.7
    same_deviation: float = 0.13
    other_mean: float = 0.25
    other_deviation: float = 0.15


@dataclass(frozen=True, slots=True)
class LikelihoodConfig:
    """How fast a site's own cosines take the place of the embedder's."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    prior_pairs: float = 50.0  # weight of the embedder's own figures, in pairs
    memory_pairs: float = 2000.0  # older pairs fade behind so many new ones
    limit: float = 6.0  # log-likelihood ratio that one comparison can give at most, either way


class _Moments:
    """Mean and variance of a stream, older values fading."""

    def __init__(self, mean: float, deviation: float, config: LikelihoodConfig) -> None:
        self.mean, self.variance = mean, deviation**2
        self._weight, self._memory = config.prior_pairs, config.memory_pairs

    def add(self, values: FloatArray) -> None:
        values = values[np.isfinite(values)]
        if not len(values):
            return
        total = self._weight + len(values)
        gap = float(values.mean()) - self.mean
        share = len(values) / total
        self.variance = (1 - share) * self.variance + share * float(values.var()) + share * (1 - share) * gap * gap
        self.mean += share * gap
        self._weight = min(total, self._memory)


class CosineLikelihood:
    """Log-likelihood ratio of "one person" against "two people" for a cosine, under two Gaussians."""

    def __init__(self, prior: CosinePrior, config: LikelihoodConfig) -> None:
        self._prior, self._config = prior, config
        self._limit = config.limit
        self._same = _Moments(prior.same_mean, prior.same_deviation, config)
        self._other = _Moments(prior.other_mean, prior.other_deviation, config)

    def anew(self) -> "CosineLikelihood":
        """Return one that begins as this one did."""
        return CosineLikelihood(self._prior, self._config)

    def learn(self, same: FloatArray, other: FloatArray) -> None:
        """Take in cosines of pairs known to be one person, and of pairs known to be two; NaN is passed over."""
        self._same.add(same)
        self._other.add(other)

    def ratio(self, cosine: FloatArray) -> FloatArray:
        """Return the log-likelihood ratio of each cosine, same shape; 0 where it is NaN.

        A cosine above the typical one of a person is no evidence against, and one below the typical one of strangers
        none in favour, as two Gaussians of unequal width would have it.
        """
        if self._same.mean <= self._other.mean:  # the appearance tells nothing here
            return np.zeros(np.shape(cosine))
        same, other = (self._same.mean, self._same.variance), (self._other.mean, self._other.variance)
        return _ratio(cosine.ravel(), same, other, self._limit).reshape(cosine.shape)


@njit(cache=True)
def _ratio(cosine: FloatArray, same: tuple[float, float], other: tuple[float, float], limit: float) -> FloatArray:
    """Return the ratio of each cosine, (N,), under two Gaussians of some mean and variance each."""
    mean, variance = same
    its_mean, its_variance = other
    constant = 0.5 * np.log(its_variance) - 0.5 * np.log(variance)
    ratio = np.zeros(len(cosine))
    for i, value in enumerate(cosine):
        if not np.isnan(value):
            below, above = min(value - mean, 0.0), max(value - its_mean, 0.0)
            found = constant - 0.5 * below * below / variance + 0.5 * above * above / its_variance
            ratio[i] = min(max(found, -limit), limit)
    return ratio
