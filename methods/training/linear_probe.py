"""A linear probe: logistic regression on features that stay as they are (Alain and Bengio, ICLR
2017 workshop, arXiv 1610.01644).

Shape letters: N examples, C features, D = C + 1 coefficients, the last one a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

PENALTY = 1e-3
_TOLERANCE = 1e-10
_MAX_STEPS = 100
# Keeps the constant's own curvature above 0 where every example is far from the boundary.
_LEAST_CURVATURE = 1e-12


@dataclass(frozen=True)
class LinearProbe:
    """Scores features: above 0 for what looks positive."""

    mean_C: np.ndarray
    spread_C: np.ndarray
    coefficients_D: np.ndarray

    def scores(self, features_NC: np.ndarray) -> np.ndarray:
        """Logits (N,)."""
        return _standardized(features_NC, self.mean_C, self.spread_C) @ self.coefficients_D


def fit_probe(
    features_NC: np.ndarray, positive_N: np.ndarray, penalty: float = PENALTY
) -> LinearProbe:
    """The minimum of the mean logistic loss plus `penalty` / 2 times the squared coefficients of
    the standardized features, by Newton's method in float64. Nothing is random.

    Args:
        features_NC: any finite numbers; a feature that never changes gets no say.
        positive_N: what the probe is to tell from the rest.
        penalty: above 0, so that there is a minimum where a plane separates the examples.

    Raises:
        ValueError: without a positive, or without a negative.
    """
    positive_N = np.asarray(positive_N, dtype=bool)
    if positive_N.all() or not positive_N.any():
        raise ValueError("a probe needs positives and negatives")
    mean_C = features_NC.mean(0, dtype=np.float64)
    spread_C = features_NC.std(0, dtype=np.float64)
    # Rounding gives a feature that never changes a spread of about the last bit of its mean.
    constant_C = spread_C <= 1e-9 * np.abs(mean_C)
    spread_C = np.where(constant_C | (spread_C == 0), np.inf, spread_C)
    inputs_ND = _standardized(features_NC, mean_C, spread_C)
    return LinearProbe(mean_C, spread_C, _minimum(inputs_ND, positive_N, penalty))


def _minimum(inputs_ND: np.ndarray, positive_N: np.ndarray, penalty: float) -> np.ndarray:
    """The coefficients at which the gradient vanishes; steps are halved until the loss falls."""
    penalty_D = np.full(inputs_ND.shape[1], penalty)
    penalty_D[-1] = 0
    coefficients_D = np.zeros(inputs_ND.shape[1])
    loss = _loss(inputs_ND, positive_N, penalty_D, coefficients_D)
    for _ in range(_MAX_STEPS):
        probs_N = expit(inputs_ND @ coefficients_D)
        gradient_D = inputs_ND.T @ (probs_N - positive_N) / len(positive_N)
        gradient_D += penalty_D * coefficients_D
        if np.abs(gradient_D).max() < _TOLERANCE:
            break
        weighted_ND = inputs_ND * (probs_N * (1 - probs_N))[:, None]
        curvature_DD = inputs_ND.T @ weighted_ND / len(positive_N)
        curvature_DD[np.diag_indices(len(penalty_D))] += np.maximum(penalty_D, _LEAST_CURVATURE)
        step_D = np.linalg.solve(curvature_DD, gradient_D)
        share, before = 1.0, loss
        while share > _TOLERANCE:
            loss = _loss(inputs_ND, positive_N, penalty_D, coefficients_D - share * step_D)
            if loss <= before:
                break
            share /= 2
        coefficients_D = coefficients_D - share * step_D
    return coefficients_D


def _loss(
    inputs_ND: np.ndarray, positive_N: np.ndarray, penalty_D: np.ndarray, coefficients_D: np.ndarray
) -> float:
    logits_N = inputs_ND @ coefficients_D
    entropy = np.logaddexp(0, np.where(positive_N, -logits_N, logits_N)).mean()
    return float(entropy + (penalty_D * coefficients_D**2).sum() / 2)


def _standardized(features_NC: np.ndarray, mean_C: np.ndarray, spread_C: np.ndarray) -> np.ndarray:
    """Mean 0 and spread 1, in float64, and a last column of ones: (N, D)."""
    standard_NC = (features_NC.astype(np.float64) - mean_C) / spread_C
    return np.concatenate([standard_NC, np.ones((len(standard_NC), 1))], axis=1)
