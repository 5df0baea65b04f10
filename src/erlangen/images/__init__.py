"""Networks on images that keep maps of the plane beyond translations: rotations, shears, stretches, scalings.

Features live on the plane and a linear group, at finitely many samples of it, which travel with the values as a
:class:`GroupFeature`. Layers are convolutions whose kernels are functions of the plane and of global coordinates of
the group (:class:`erlangen.groups.CartanCoordinates`).
"""

from erlangen.images.basis_kernel import BasisKernel
from erlangen.images.convolution import AffineConv2d
from erlangen.images.feature import GroupFeature, Pointwise
from erlangen.images.kernel_grid import KernelGrid
from erlangen.images.lifting import AffineLifting2d
from erlangen.images.norm import FeatureNorm
from erlangen.images.pooling import GlobalPool, GroupPool, SpatialPool
from erlangen.images.projection import AffineProjection2d
from erlangen.images.resnet import AffineResidualBlock, AffineResNet
from erlangen.images.sampled import KernelFactory
from erlangen.images.samples import FixedSamples, draw_samples
from erlangen.images.siren import SIRENKernel

__all__ = [
    "AffineConv2d",
    "AffineLifting2d",
    "AffineProjection2d",
    "AffineResNet",
    "AffineResidualBlock",
    "BasisKernel",
    "FeatureNorm",
    "FixedSamples",
    "GlobalPool",
    "GroupFeature",
    "GroupPool",
    "KernelFactory",
    "KernelGrid",
    "Pointwise",
    "SIRENKernel",
    "SpatialPool",
    "draw_samples",
]
