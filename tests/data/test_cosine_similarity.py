"""Triples of vectors: cosines by hand, and which of rotations and scale each target keeps."""

import pytest
import torch

from erlangen.data.cosine_similarity import KEPT, cosine_similarity, triples
from erlangen.groups import SO


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_cosines_are_those_of_torch():
    made = triples(50, seeded(), dtype=torch.float64)
    a, b, c = made.vectors.unbind(1)
    pairs = [torch.cosine_similarity(u, v, dim=-1) for u, v in ((a, b), (b, c), (c, a))]
    torch.testing.assert_close(made.target, sum(pairs) / 3)


@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize("strength", [0.2, 1.0])
def test_targets_keep_what_they_say(kept, strength):
    vectors = triples(30, seeded(), dtype=torch.float64).vectors
    there = cosine_similarity(vectors, kept, strength)
    turned = max(
        float((cosine_similarity(vectors @ g.mT, kept, strength) - there).abs().max())
        for g in SO(3).sample(5, generator=seeded(1))
    )
    scaled = float((cosine_similarity(1.7 * vectors, kept, strength) - there).abs().max())
    assert (turned < 1e-12) == (kept in ("both", "rotations"))
    assert (scaled < 1e-12) == (kept in ("both", "scale"))


def test_the_terms_as_they_are_written():
    vectors = triples(10, seeded(), dtype=torch.float64).vectors
    radius = vectors.norm(dim=-1).mean(-1)
    ratio = vectors[:, 0].abs().sum(-1) / vectors[:, 1:].abs().sum((-2, -1))
    plain = cosine_similarity(vectors)
    torch.testing.assert_close(cosine_similarity(vectors, "rotations", 0.3), plain - 0.3 * radius)
    torch.testing.assert_close(cosine_similarity(vectors, "scale", 0.3), plain - 0.3 * ratio)
    torch.testing.assert_close(cosine_similarity(vectors, "none", 0.3), plain - 0.3 * radius + 0.3 * ratio)


def test_draws_depend_on_the_generator_alone_and_dtype_is_a_cast():
    one, same, other = triples(3, seeded()), triples(3, seeded(), dtype=torch.float64), triples(3, seeded(1))
    assert torch.equal(one.target, same.target.float()) and not torch.equal(one.target, other.target)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0}, "a whole number from 1, got 0"),
        ({"kept": "nothing"}, "one of both, rotations, scale, none, got 'nothing'"),
        ({"strength": float("inf")}, "a finite number, got inf"),
    ],
)
def test_errors_name_what_they_got(arguments, message):
    with pytest.raises(ValueError, match=message):
        triples(**({"samples": 3, "generator": seeded()} | arguments))
