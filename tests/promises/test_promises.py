"""Every promise of the package is kept, in float32 and in float64, and none is forgotten."""

import inspect

import pytest
import torch
from tests.promises import canonical_cases, cases, diffusion_cases, points_cases
from tests.promises.registry import PROMISES, build, classes_with_promises, promise, promises
from torch import nn

from erlangen import symmetrize
from erlangen.audit import audit
from erlangen.audit.runner import to_dtype
from erlangen.groups import Symmetry

assert canonical_cases and cases and diffusion_cases and points_cases  # importing them registers them


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", sorted(PROMISES))
def test_kept(name, dtype):
    module, inputs = build(name)
    report = audit(module.to(dtype), *to_dtype(inputs, dtype), num_elements=16)
    assert report.holds(), report.table()
    assert report.moved_in > 0.01
    if report.symmetry.kind == "exact":
        assert report.verdict == "exact" and report.error64 is not None and report.error32 is not None, report.table()
        assert report.error32 < 1e-2


def test_no_promise_is_missing_from_the_register():
    covered = {type(layer) for name in PROMISES for layer in build(name)[0].modules()}
    missing = sorted(f"{kind.__module__}.{kind.__name__}" for kind in set(classes_with_promises()) - covered)
    assert not missing, f"no case in tests/promises/cases.py for {', '.join(missing)}"


def test_every_frame_is_in_the_register():
    frames = {kind for kind in vars(symmetrize).values() if inspect.isclass(kind) and hasattr(kind, "holds_where")}
    frames |= {kind for kind in vars(symmetrize).values() if inspect.isclass(kind) and kind.__name__.endswith("Frame")}
    used = {type(build(name)[0].frame) for name in PROMISES if hasattr(build(name)[0], "frame")}
    missing = sorted(kind.__name__ for kind in frames - used - {symmetrize.Frame})
    assert not missing, f"no case in tests/promises/cases.py for {', '.join(missing)}"


def test_every_case_has_a_promise_and_repeats():
    for name in PROMISES:
        module, inputs = build(name)
        said = module.symmetry
        assert isinstance(said, Symmetry) or all(isinstance(s, Symmetry) for s in said), name
        again, same = build(name)
        assert all(torch.equal(a, b) for a, b in zip(module.parameters(), again.parameters(), strict=True)), name
        assert all(torch.equal(a, b) for a, b in zip(inputs, same, strict=True) if isinstance(a, torch.Tensor)), name


def test_a_case_has_one_name():
    def points_to_numbers(generator):
        raise NotImplementedError

    with pytest.raises(ValueError, match="registered already"):
        promise(points_to_numbers)


class _Declares(nn.Module):
    symmetry = None


class _Computes(nn.Module):
    @property
    def symmetry(self):
        return None


class _Sets(nn.Module):
    def __init__(self):
        super().__init__()
        self.symmetry: Symmetry | None = None


class _Inherits(_Sets):
    pass


class _Silent(nn.Module):
    def __init__(self, symmetry):
        super().__init__()
        self.other = symmetry == 3


@pytest.mark.parametrize("kind", [_Declares, _Computes, _Sets, _Inherits])
def test_all_ways_to_have_a_symmetry_are_seen(kind):
    assert promises(kind)


def test_what_has_none_is_not_asked_for_one():
    assert not promises(_Silent) and not promises(nn.Linear)
    assert "Symmetrized" in {kind.__name__ for kind in classes_with_promises()}
