r"""How a fitted mixture moves with its points: one scoring step with the observed information.

At a maximum :math:`\alpha` of the objective :math:`\ell(\alpha; Y)` the score :math:`s = \partial \ell / \partial
\alpha` vanishes, and by the implicit function theorem

.. math:: \frac{d \alpha}{d Y} = I^{-1} \frac{\partial s}{\partial Y}, \qquad
   I = -\frac{\partial^2 \ell}{\partial \alpha^2}

So :math:`\alpha + I^{-1} s(Y; \alpha)`, with :math:`\alpha` and :math:`I` held constant, has the value :math:`\alpha`
and the right derivative. :math:`\alpha` are the centres and the logits of the weights. The expected information would
be wrong wherever clusters overlap.
"""

from __future__ import annotations

import torch
from torch import Tensor

from erlangen.points.mixture import Mixture, Padded, repulsion, responsibilities


def score(points: Padded, mixture: Mixture, share: Tensor, sigma: float) -> Tensor:
    """Derivative of the log-likelihood by centres and logits, ``(clouds, parts * (dim + 1))``.

    Args:
        points: the points, which it is differentiable in.
        mixture: the mixture.
        share: responsibilities of these, ``(clouds, size, parts)``.
        sigma: standard deviation.
    """
    count = share.sum(1)
    centers = (share.mT @ points.values - count[..., None] * mixture.centers) / sigma**2
    logits = count - points.valid.sum(1)[:, None] * mixture.weights
    return torch.cat([centers.flatten(1), logits], 1)


def observed_information(points: Padded, mixture: Mixture, sigma: float, tau: float = 0.0) -> Tensor:
    r"""Minus the Hessian of the objective by centres and logits, ``(clouds, parts * (dim + 1), parts * (dim + 1))``.

    With :math:`z_{ij} = (y_i - \mu_j) / \sigma^2`, responsibilities :math:`r_{ij}`, and :math:`u_i` the vector of all
    :math:`r_{ij} z_{ij}` and :math:`r_{ij}`,

    .. math:: I = \sum_i u_i u_i^T - \begin{pmatrix}
       \delta_{jj'} \sum_i r_{ij} (z_{ij} z_{ij}^T - \sigma^{-2}) & \delta_{jm} \sum_i r_{ij} z_{ij} \\
       \cdot & \delta_{mm'} N_m - n (\delta_{mm'} \pi_m - \pi_m \pi_{m'}) \end{pmatrix}

    less the Hessian of the repulsion. Logits that all change alike change nothing; in that direction, and for
    components that are not there, the matrix is filled up to be regular.
    """
    y, (mu, weights) = points.values, mixture
    clouds, parts, dim = mu.shape
    share = responsibilities(points, mixture, sigma)
    z = (y[:, :, None] - mu[:, None]) / sigma**2
    u = torch.cat([(share[..., None] * z).flatten(2), share], -1)
    information = u.mT @ u
    count = share.sum(1)
    eye = torch.eye(dim, dtype=y.dtype, device=y.device)
    square = torch.einsum("bij,bijd,bije->bjde", share, z, z) - count[..., None, None] * eye / sigma**2
    mean = torch.einsum("bij,bijd->bjd", share, z)
    j = torch.arange(parts, device=y.device)
    block = information[:, : parts * dim, : parts * dim].reshape(clouds, parts, dim, parts, dim)
    block[:, j, :, j] -= square.transpose(0, 1)
    cross = information[:, : parts * dim, parts * dim :].reshape(clouds, parts, dim, parts)
    cross[:, j, :, j] -= mean.transpose(0, 1)
    size = points.valid.sum(1).to(y.dtype)[:, None, None]
    corner = information[:, parts * dim :, parts * dim :]
    corner = corner - count.diag_embed() + size * (weights.diag_embed() - weights[..., None] * weights[..., None, :])
    block, cross = block.reshape(clouds, parts * dim, parts * dim), cross.reshape(clouds, parts * dim, parts)
    information = torch.cat([torch.cat([block, cross], 2), torch.cat([cross.mT, corner], 2)], 1)
    if tau:
        information = information - tau * _repulsion_hessian(mixture, sigma)
    # Only differences of logits count: ones along their common direction do not touch the others.
    there = mixture.there
    common = there.to(y.dtype) * size[..., 0].clamp_min(1) / there.sum(1, keepdim=True).clamp_min(1)
    information[:, parts * dim :, parts * dim :] += common[..., None] * there[:, None]
    keep = torch.cat([there.repeat_interleave(dim, 1), there], 1)
    both = keep[..., None] & keep[:, None]
    return torch.where(both, information, torch.eye(keep.shape[1], dtype=y.dtype, device=y.device))


def _repulsion_hessian(mixture: Mixture, sigma: float) -> Tensor:
    parts, dim = mixture.centers.shape[1:]

    def value(alpha: Tensor, there: Tensor) -> Tensor:
        logits = torch.where(there, alpha[parts * dim :], -torch.inf)
        return repulsion(alpha[: parts * dim].unflatten(0, (parts, dim)), logits.softmax(0), sigma)

    there = mixture.there
    logits = torch.where(there, mixture.weights, 1.0).log()
    # A cloud without any component has no softmax; it is masked by the caller.
    there = there | ~there.any(1, keepdim=True)
    alpha = torch.cat([mixture.centers.flatten(1), logits], 1)
    return torch.vmap(torch.func.hessian(value))(alpha, there)


def follow(points: Padded, fitted: Mixture, sigma: float, tau: float = 0.0) -> Mixture:
    """The mixture, with the derivative that it has as a function of the points.

    Where a fit has not reached a maximum (the information is not positive definite) the complete-data information
    stands in, which always is.

    Args:
        points: the points, which the result is differentiable in.
        fitted: the fitted mixture, a constant.
        sigma: standard deviation.
        tau: weight of the repulsion.
    """
    with torch.no_grad():
        constant = points._replace(values=points.values.detach())
        fitted = Mixture(fitted.centers.detach(), fitted.weights.detach())
        information = observed_information(constant, fitted, sigma, tau)
        factor, failed = torch.linalg.cholesky_ex(information)
        if bool((failed > 0).any()):
            whole = torch.linalg.cholesky(_complete_information(constant, fitted, sigma))
            factor = torch.where((failed > 0)[:, None, None], whole, factor)
    s = score(points, fitted, responsibilities(points, fitted, sigma), sigma)
    # The value of the score is no part of the step: an unfinished fit stays what it is.
    step = torch.cholesky_solve((s - s.detach())[..., None], factor)[..., 0]
    _, parts, dim = fitted.centers.shape
    centers = fitted.centers + step[:, : parts * dim].unflatten(1, (parts, dim))
    logits = torch.where(fitted.there, torch.where(fitted.there, fitted.weights, 1.0).log(), -torch.inf)
    alive = fitted.there.any(1, keepdim=True)
    weights = torch.where(alive, logits, 0.0) + torch.where(fitted.there, step[:, parts * dim :], 0.0)
    return Mixture(centers, torch.where(fitted.there, weights.softmax(1), 0.0))


def _complete_information(points: Padded, mixture: Mixture, sigma: float) -> Tensor:
    count = responsibilities(points, mixture, sigma).sum(1).clamp_min(1e-9)
    dim = mixture.centers.shape[-1]
    return torch.cat([count.repeat_interleave(dim, 1) / sigma**2, count], 1).diag_embed()
