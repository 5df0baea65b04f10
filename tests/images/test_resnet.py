"""The network: its published size, fixed and fresh samples, averages over draws, what it promises and refuses."""

import copy

import pytest
import torch
from tests.images.plane import GROUPS, feature_of, gen, samples_of

from erlangen.audit import audit
from erlangen.groups import SL, SO, Affine, GLPlus, LogNormal, Pixels, SignedPermutation, Translation, Trivial
from erlangen.images import AffineResidualBlock, AffineResNet, FixedSamples, draw_samples

SMALL = {"num_samples": 3, "width": 4, "kernel_size": 3, "hidden": 8}


def network(group=SL(2), seed=0, **options):
    torch.manual_seed(seed)
    return AffineResNet(group, 3, generator=gen(seed), **SMALL | options)


def images(batch=2, size=12, dtype=torch.float32):
    return torch.randn(batch, 1, size, size, generator=gen(), dtype=dtype)


@pytest.mark.parametrize("group, number", [(SL(2), 339_102), (GLPlus(2), 339_282)], ids=repr)
def test_published_number_of_parameters(group, number):
    net = AffineResNet(group, 10)
    assert sum(p.numel() for p in net.parameters()) == number
    # With the cosine and the sine of the angle, each of three kernels has a column of 60 weights more.
    assert sum(p.numel() for p in AffineResNet(group, 10, kernel="siren").parameters()) == number + 180


@pytest.mark.parametrize("kernel", ["siren", "basis"])
@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_every_parameter_learns(group, kernel):
    net = network(group, kernel=kernel)
    net(images()).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_evaluation_is_a_fixed_function():
    net, x = network(resample=True).eval(), images()
    with torch.no_grad():
        assert torch.equal(net(x), net(x)) and torch.equal(net(x), copy.deepcopy(net)(x))
        other = network(seed=1).eval()
        assert not torch.equal(other(x), net(x))
        other.load_state_dict(net.state_dict())
        assert torch.equal(other(x), net(x))


def test_training_draws_anew_if_asked():
    x = images()
    fixed, fresh = network(dropout=0.0), network(dropout=0.0, resample=True)
    assert torch.equal(fixed(x), fixed(x)) and not torch.equal(fresh(x), fresh(x))
    torch.manual_seed(5)
    first = fresh(x)
    torch.manual_seed(5)
    assert torch.equal(fresh(x), first)


def test_given_samples_are_taken():
    net, x = network().eval(), images()
    draws = [net.draw(gen(k)) for k in range(4)]
    with torch.no_grad():
        logits = [net(x, d) for d in draws]
        assert not torch.equal(logits[0], logits[1])
        assert torch.equal(net(x, net.draw(gen(0))), logits[0])
        assert len(net.draw()) == 3
        # Another number of samples than the network was built with does as well.
        assert net(x, samples_of(SL(2), 5)).shape == (2, 3)


def test_networks_do_not_share_the_samples_they_were_handed():
    samples = samples_of(SL(2), 3)
    before, one, other = samples.matrix.clone(), FixedSamples(samples), FixedSamples(samples)
    one.load_state_dict(FixedSamples(samples_of(SL(2), 3, seed=1)).state_dict())
    assert not torch.equal(one().matrix, before)
    assert torch.equal(other().matrix, before) and torch.equal(samples.matrix, before)


def test_samples_are_of_the_proposal():
    wide = network(GLPlus(2), num_samples=50, proposal=LogNormal(0.4, 0.3), weights="haar")
    stretch = torch.linalg.svdvals(wide.samples().matrix).log().norm(dim=-1)
    assert float(stretch.max()) <= 0.3 + 1e-5 and float(stretch.max()) > 0.25
    assert float(wide.samples().log_weight.std()) > 0
    assert not network().samples().log_weight.any()


def test_precision_and_devices_follow():
    net, x = network().eval(), images()
    with torch.no_grad():
        single = net(x)
        double = net.double()(x.double())
    assert single.dtype == torch.float32 and double.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-4)
    assert net.samples().matrix.dtype == torch.float64
    meta = network().to("meta")
    assert meta.samples().matrix.device.type == "meta"


@pytest.mark.parametrize("group", [SO(2), SL(2), GLPlus(2)], ids=repr)
def test_what_it_promises(group):
    net = network(group)
    moves = Affine(2, group)
    assert net.symmetry.group == moves and net.symmetry.kind == "approximate"
    assert net.symmetry.inputs == (Pixels(moves),)
    report = audit(net, images(), num_elements=4)
    assert report.verdict == "approximate" and report.moved_in > 0.1
    assert network(Trivial()).symmetry.group == Translation(2)


def test_a_block_adds_its_input():
    torch.manual_seed(0)
    block = AffineResidualBlock(SL(2), 2, 3)
    feature = feature_of(SL(2), dtype=torch.float32)
    change = block.layers(feature).values
    torch.testing.assert_close(block(feature).values, torch.nn.functional.gelu(feature.values + change))
    with pytest.raises(ValueError, match=r"AffineResidualBlock\(kernel_size\): an odd number, got 4"):
        AffineResidualBlock(SL(2), 2, 4)


def test_what_is_refused():
    for options, message in (
        ({"num_samples": 0}, "got 0"),
        ({"width": 0}, r"\(out_channels\): an integer of at least 1, got 0"),
        ({"hidden": 0}, r"AffineResNet\(hidden\): an integer of at least 1, got 0"),
        ({"weights": "uniform"}, "'uniform'"),
        ({"dropout": 2.0}, "dropout"),
    ):
        with pytest.raises(ValueError, match=message):
            network(**options)
    with pytest.raises(ValueError, match=r"AffineResNet\(num_classes\): an integer of at least 1, got 0"):
        AffineResNet(SL(2), 0)
    with pytest.raises(ValueError, match=r"AffineResNet\(group\): SO\(2\), SL\(2\), GLPlus\(2\) or Trivial\(\)"):
        AffineResNet(SignedPermutation(2), 3)
    with pytest.raises(ValueError, match=r"images of at least 3 pixels"):
        network()(images(size=6))
    with pytest.raises(TypeError, match=r"values of torch\.float32"):
        network()(images().double())
    with pytest.raises(ValueError, match=r"draw_samples\(group\)"):
        draw_samples(SL(3), 4)
    for group in (Trivial(), SL(2)):
        with pytest.raises(ValueError, match=r"\(num\): a whole number from 1, got 0"):
            draw_samples(group, 0)
        with pytest.raises(ValueError, match=r"\(weights\): 'proposal' or 'haar', got 'even'"):
            draw_samples(group, 2, weights="even")
