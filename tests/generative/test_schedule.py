"""Noise schedules: against their own equations, the publication's numbers, and the joint law of two steps."""

import jaxtyping
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from erlangen.generative import NoiseSchedule, polynomial_schedule


@pytest.fixture
def as_users_have_it(monkeypatch):
    """Without the run-time checks of types that only tests have, which would refuse wrong types earlier."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def steps(schedule):
    return torch.arange(schedule.num_steps + 1)


def test_the_published_schedule():
    schedule = polynomial_schedule()
    t = steps(schedule)
    kept = (1 - 2e-5) * (1 - (t.double() / 1000) ** 2).square() + 1e-5
    assert len(t) == 1001
    assert torch.allclose(schedule.alpha(t[:-1]).square(), kept[:-1], rtol=1e-13, atol=0)
    # The last step would leave nothing of the signal but for the clipping: a thousandth of the variance before it.
    last = (1 - 2e-5) * 1e-3 * (1 - 0.999**2) ** 2 + 1e-5
    assert schedule.alpha(t[-1]).square().item() == pytest.approx(last, rel=1e-13)


@given(st.integers(1, 300), st.floats(0.5, 4), st.floats(1e-6, 0.1))
def test_signal_falls_and_noise_grows(num_steps, power, precision):
    schedule = polynomial_schedule(num_steps, power, precision)
    t = steps(schedule)
    alpha, sigma, snr = schedule.alpha(t), schedule.sigma(t), schedule.log_snr(t)
    assert bool((alpha.diff() < 0).all() and (sigma.diff() > 0).all() and (snr.diff() < 0).all())
    assert torch.allclose(alpha.square() + sigma.square(), torch.ones_like(alpha), rtol=1e-14)
    assert torch.allclose(snr, 2 * (alpha.log() - sigma.log()), atol=1e-9)
    # Ends: the precision is what is lost at first (the signal's share at t = 0 is 1 - s), and what is left at last.
    assert alpha[0].square().item() == pytest.approx(1 - precision, rel=1e-12)
    assert precision < alpha[-1].square().item() <= precision + 1e-3


def test_the_way_back_is_the_law_of_two_steps():
    """Gaussian conditioning: z_s given z_t and x, from the joint covariance, with x told through the noise."""
    schedule = polynomial_schedule(50)
    for s, t in ((0, 1), (3, 4), (10, 37), (0, 50), (49, 50)):
        step, earlier = torch.tensor(t), torch.tensor(s)
        (a_t, s_t), (a_s, s_s) = ((schedule.alpha(u), schedule.sigma(u)) for u in (step, earlier))
        ratio = a_t / a_s  # z_t = ratio z_s + fresh noise
        gain = ratio * s_s**2 / s_t**2
        mean = lambda x, e: a_s * x + gain * (a_t * x + s_t * e - a_t * x)  # noqa: B023
        x, e = torch.tensor(0.7).double(), torch.tensor(-1.3).double()
        back = schedule.back(step, earlier)
        assert torch.allclose(back.scale * (a_t * x + s_t * e) - back.noise * e, mean(x, e), rtol=1e-10)
        assert torch.allclose(back.deviation.square(), s_s**2 - gain**2 * s_t**2, rtol=1e-7, atol=1e-15)


def test_standing_still_changes_nothing():
    back = polynomial_schedule(10).back(torch.tensor(4), torch.tensor(4))
    assert [value.item() for value in back] == [1.0, 0.0, 0.0]


def test_float32_loses_little():
    t = torch.arange(1, 1001)
    exact = polynomial_schedule()
    rough = polynomial_schedule().float()
    for here, there in zip(rough.back(t, t - 1), exact.back(t, t - 1), strict=True):
        assert here.dtype == torch.float32
        assert torch.allclose(here.double(), there, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_not_for_schedules(dtype):
    t = torch.arange(1, 1001)
    exact, model = polynomial_schedule(), nn.Sequential(polynomial_schedule(), nn.Linear(1, 1)).to(dtype)
    for here, there in zip(model[0].back(t, t - 1), exact.back(t, t - 1), strict=True):
        assert torch.equal(here, there)
    assert model[1].weight.dtype == dtype


def test_state_dict():
    first, second = polynomial_schedule(20), polynomial_schedule(20, power=1.0)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.alpha(steps(first)), second.alpha(steps(first)))
    assert "num_steps=20" in repr(first)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: polynomial_schedule(0), r"num_steps\): a whole number from 1, got 0"),
        (lambda: polynomial_schedule(power=0), r"power\): a positive number, got 0"),
        (lambda: polynomial_schedule(precision=0.5), r"precision\): between 0 and 0.5, got 0.5"),
        (lambda: polynomial_schedule(precision=float("nan")), "between 0 and 0.5, got nan"),
        (lambda: NoiseSchedule(torch.tensor([0.9])), "two numbers or more"),
        (lambda: NoiseSchedule(torch.tensor([0.9, 0.9])), "fall strictly"),
        (lambda: NoiseSchedule(torch.tensor([1.0, 0.5])), "between one and zero"),
        (lambda: NoiseSchedule(torch.tensor([0.5, float("nan")])), "between one and zero"),
        (lambda: polynomial_schedule(10).alpha(torch.tensor([0, 11])), "from 0 to 10, got 0 to 11"),
        (lambda: polynomial_schedule(10).back(torch.tensor(3), torch.tensor(4)), "steps up to 3, got 4"),
    ],
)
def test_errors(make, message, as_users_have_it):
    with pytest.raises(ValueError, match=message):
        make()
