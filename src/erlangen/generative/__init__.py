"""Learners that make samples from noise: equivariant diffusion of point clouds, and its parts one by one."""

from erlangen.generative.atoms import AtomEncoding
from erlangen.generative.equivariant_diffusion import Clouds, EquivariantDiffusion, Noise, SamplingDiverged
from erlangen.generative.schedule import NoiseSchedule, Return, polynomial_schedule
from erlangen.generative.subspace import remove_mean, zero_mean_noise

__all__ = [
    "AtomEncoding",
    "Clouds",
    "EquivariantDiffusion",
    "Noise",
    "NoiseSchedule",
    "Return",
    "SamplingDiverged",
    "polynomial_schedule",
    "remove_mean",
    "zero_mean_noise",
]
