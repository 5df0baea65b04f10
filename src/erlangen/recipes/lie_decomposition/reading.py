"""The networks that both experiments on moved digits compare: how each is made, trained once, and tested.

What was tried before the first run, on one or two seeds, and what was chosen (percent of digits read that are in the
middle, moved by affine maps, turned; the CNN with about as many weights reads 96, 88 and 33). These pilots were tested
on a fifth of the digits on which no result is tested. CNNs take the rate and the epochs of the networks on groups:

* Samples drawn anew in each step, as published: SL(2) reads 95, 88, 79 after 940 steps. It learns to ignore any turn,
  and what tells moved digits apart suffers. With all samples turned at random in each step, too: 88, 78, 86 after 470.
  With samples that stay while the network learns: 97, 92, 45 to 58. Chosen: samples that stay.
* Functions of the stretch in kernels (three times the weights) were not needed.
* The maximum over pixels right after the lifting makes steps cheaper, and takes 5 points of moved digits from the CNN
  (83). The order that was set down with the method's description was kept.
* The window of GL+(2) as published: 97, 90, 44; that of SO(2), see `TurnKernel`: 97, 93, 44. Chosen: the latter.
* Stretches of variance 0.2 instead of 0.1: SL(2) 97, 93, 44 and GL+(2) 97, 92, 38. Chosen: 0.1.
* Ten samples and five channels instead of six and eight: SL(2) 96, 84, 46.
* SIRENs at a rate of 1e-3, beyond which they were known to stall: SL(2) 92, 81, 33.
* Kernels as a fixed scale times weights of spread one hardly learn at the usual rates; `BasisKernel` has weights of the
  spread of a linear layer's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor, nn

from erlangen.groups import SL, SO, GLPlus, Group
from erlangen.images import BasisKernel, KernelGrid, SIRENKernel
from erlangen.images.sampled import KernelFactory
from erlangen.recipes.lie_decomposition.digits import Digits
from erlangen.recipes.lie_decomposition.networks import GroupNetwork, PlainNetwork
from erlangen.recipes.lie_decomposition.settings import Config
from erlangen.recipes.seeds import Tick
from erlangen.train import fit

TRAINING = "digits"
_AT_ONCE = 250


@dataclass(frozen=True)
class Method:
    """A network; ``cost`` is its share of the progress bar, ``rate`` a factor of its learning rate."""

    title: str
    build: Callable[[Config, torch.Generator], nn.Module]
    cost: int
    rate: float = 1.0


class TurnKernel(BasisKernel):
    """Nine bumps in the plane and five functions of the angle, none of the stretch: as many weights as a small CNN.

    Without the stretch, kernels on all groups are those on SO(2), and end at the unit circle as those do. The window of
    GL+(2) instead nearly cuts off what is turned by more than a radian.

    Args:
        group: Of the samples.
        in_channels: Of the convolution.
        out_channels: Of the convolution.
        kernel_size: Taps along one side.
        on_group: Whether kernels depend on the group, or on the plane alone.
    """

    def __init__(
        self, group: Group, in_channels: int, out_channels: int, kernel_size: int, on_group: bool = True
    ) -> None:
        super().__init__(SO(2), in_channels, out_channels, kernel_size, on_group, resolution=3, max_frequency=2)

    def forward(self, grid: KernelGrid) -> Tensor:
        """Values ``(out_samples, out_channels, in_channels, in_samples, taps)``."""
        return super().forward(replace(grid, group=SO(2)))


SIREN = partial(SIRENKernel, width=32, omega=6.0)


def _on(group: Group, kernel: KernelFactory) -> Callable[[Config, torch.Generator], nn.Module]:
    def build(config: Config, generator: torch.Generator) -> nn.Module:
        return GroupNetwork(
            group,
            config.digits_channels,
            config.digits_out_channels,
            kernel,
            config.digits_samples,
            config.digits_variance,
            config.digits_resample,
            generator,
        )

    return build


METHODS = {
    "cnn": Method("CNN", lambda c, _: PlainNetwork(c.digits_plain_channels, 3 * c.digits_plain_channels), 1),
    "wide": Method("CNN, wide", lambda c, _: PlainNetwork(c.digits_wide_channels, 3 * c.digits_wide_channels), 8),
    "so": Method("SO(2)", _on(SO(2), TurnKernel), 8),
    "sl": Method("SL(2)", _on(SL(2), TurnKernel), 8),
    "gl": Method("GL+(2)", _on(GLPlus(2), TurnKernel), 8),
    "siren": Method("SL(2), SIREN kernels", _on(SL(2), SIREN), 8, rate=1 / 3),
}
GROUPS = ("so", "sl", "gl", "siren")


def cost(config: Config) -> int:
    """Steps on the progress bar of a seed."""
    steps = config.digits_epochs * -(-config.digits_train // config.digits_batch)
    return steps * sum(method.cost for method in METHODS.values())


@dataclass
class Trained:
    """Networks of one seed, what they cost, and a generator for what is still to draw."""

    networks: dict[str, nn.Module] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)


def train(config: Config, digits: Digits, images: Tensor, seed: int, tick: Tick, again: bool = False) -> Trained:
    """Trains all networks of one seed on the same digits, or takes up those that the other experiment trained.

    Args:
        config: The settings.
        digits: For the labels.
        images: The digits to learn from, prepared.
        seed: Of weights, samples and the order of digits.
        tick: Of the progress bar.
        again: Whether the other experiment of this run has trained them already.
    """
    trained = Trained()
    for name, method in METHODS.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = method.build(config, torch.Generator().manual_seed(seed)).to(config.device)
        options = config.fit_options(TRAINING, seed, name)
        if again and config.out is not None:
            options |= {"resume": True, "overwrite": False}
        fitted = fit(
            network,
            (images, digits.train_labels),
            loss,
            epochs=config.digits_epochs,
            batch_size=config.digits_batch,
            optimizer="adamw",
            lr=method.rate * config.digits_lr,
            weight_decay=0.01,
            schedule="one-cycle",
            seed=seed,
            progress=partial(tick, method.cost),
            **options,
        )
        trained.networks[name] = network
        trained.seconds[name] = fitted.processor_seconds if config.device == "cpu" else fitted.seconds
        trained.weights[name] = sum(p.numel() for p in network.parameters())
    return trained


def loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The cross entropy of the digits."""
    images, labels = batch
    return nn.functional.cross_entropy(network(images), labels)


@torch.no_grad()
def answers(network: nn.Module, images: Tensor, draws: int = 0, seed: int = 0) -> Tensor:
    """The digits that a network reads.

    Args:
        network: In eval mode.
        images: Prepared digits.
        draws: Over how many draws of samples logits are averaged; with none it uses its own samples.
        seed: Of the draws.
    """
    device = next(network.parameters()).device
    parts = [part.to(device) for part in images.split(_AT_ONCE)]
    if not draws or not isinstance(network, GroupNetwork):
        return torch.cat([network(part).argmax(-1) for part in parts]).cpu()
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(())
    for _ in range(draws):
        samples = network.draw(generator)
        total = total + torch.cat([network(part, samples) for part in parts])
    return total.argmax(-1).cpu()
