"""Invariant coordinates as a transformer of scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from erlangen.extras import require
from erlangen.symmetrize.canonical import mds_coordinates

_PURPOSE = "a transformer of scikit-learn"
if TYPE_CHECKING:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted, validate_data
else:
    _base = require("sklearn.base", "recipes", _PURPOSE)
    _validation = require("sklearn.utils.validation", "recipes", _PURPOSE)
    BaseEstimator, TransformerMixin = _base.BaseEstimator, _base.TransformerMixin
    ClassNamePrefixFeaturesOutMixin = _base.ClassNamePrefixFeaturesOutMixin
    check_is_fitted, validate_data = _validation.check_is_fitted, _validation.validate_data


class CanonicalCoordinatesTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Learns where one cloud lies, and gives coordinates of points as seen from there.

    The rows of ``X`` are the points of one cloud. ``fit_transform`` of a cloud and of the same cloud turned, mirrored,
    shifted and scaled agree. Unlike ``PCA`` it fixes signs by the cloud itself and takes out the scale.

    Args:
        scale: "rms", "max" or None.
        sign: "moment" or "moment-so".
        tol: below which gaps and odd moments are ambiguous.
        degenerate: "raise", "warn", "perturb" or "keep".

    Attributes:
        center_: centroid, ``(dim,)``.
        rotation_: axes as columns, ``(dim, dim)``.
        scale_: what lengths are divided by.
        spectrum_: second moments along the axes, descending, ``(dim,)``.
        gap_: their least relative difference.
        n_features_in_: dim.

    Raises:
        MissingExtra: if scikit-learn is not installed.
        ValueError: when fitted, for settings and data that :func:`mds_coordinates` refuses.

    Example:
        >>> X = np.random.default_rng(0).gamma(2.0, size=(20, 3)) * [3, 2, 1]
        >>> a = CanonicalCoordinatesTransformer().fit_transform(X)
        >>> b = CanonicalCoordinatesTransformer().fit_transform(5 * X[:, ::-1] + 7)
        >>> np.allclose(a, b)
        True
    """

    def __init__(
        self, scale: str | None = "rms", sign: str = "moment", tol: float = 1e-6, degenerate: str = "keep"
    ) -> None:
        self.scale = scale
        self.sign = sign
        self.tol = tol
        self.degenerate = degenerate

    def fit(self, X: Any, y: Any = None) -> CanonicalCoordinatesTransformer:
        """Finds where the cloud lies; ``y`` is not looked at."""
        X = validate_data(self, X, dtype=[np.float64, np.float32])
        if self.sign not in ("moment", "moment-so"):
            raise ValueError(f"CanonicalCoordinatesTransformer(sign): 'moment' or 'moment-so', got {self.sign!r}")
        placed = mds_coordinates(
            torch.tensor(X, dtype=torch.float64),
            scale=self.scale,
            sign=self.sign,
            tol=self.tol,
            degenerate=self.degenerate,
        )
        self.center_, self.rotation_ = placed.center[0].numpy(), placed.rotation[0].numpy()
        self.scale_, self.gap_ = float(placed.scale), float(placed.gap)
        self.spectrum_ = placed.spectrum[0].numpy()
        return self

    def transform(self, X: Any) -> Any:
        """Points ``(points, dim)`` as seen from where the fitted cloud lies."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return ((X - self.center_) @ self.rotation_ / self.scale_).astype(X.dtype)

    def inverse_transform(self, X: Any) -> Any:
        """Points ``(points, dim)`` as seen from where the fitted cloud lies, put back into space."""
        check_is_fitted(self)
        X = np.asarray(X)
        return (X @ self.rotation_.T * self.scale_ + self.center_).astype(X.dtype)

    @property
    def _n_features_out(self) -> int:
        return self.n_features_in_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
