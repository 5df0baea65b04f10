"""The potential: symmetries, forces as gradients, smooth cutoffs, periodic cells, ASE, compilation and export."""

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.md.verlet import VelocityVerlet
from torch import nn

from erlangen.groups import O
from erlangen.neighbours import radius_graph
from erlangen.o3 import GauntPotential
from erlangen.o3.radial import RadialNetwork, envelope

REFERENCES = {1: -1.5, 6: -3.25, 8: -7.0}


def potential(dtype=torch.float64, **changes):
    torch.manual_seed(0)
    settings = {"elements": [1, 6, 8], "cutoff": 3.0, "channels": 4, "references": REFERENCES}
    return GauntPotential(**settings | changes).to(dtype).eval()


def ethanol(dtype=torch.float64):
    atoms = molecule("CH3CH2OH")
    return torch.tensor(atoms.positions, dtype=dtype), torch.tensor(atoms.numbers)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_energies_stay_and_forces_turn(dtype, num_layers):
    model, (x, z) = potential(dtype, num_layers=num_layers), ethanol(dtype)
    energy, forces = model(x, z)
    tol = 1e-5 if dtype == torch.float32 else 1e-12
    generator = torch.Generator().manual_seed(0)
    for g in O(3).sample(5, generator=generator).to(dtype):
        turned_energy, turned_forces = model(x @ g.T + 2, z)
        torch.testing.assert_close(turned_energy, energy, rtol=0, atol=10 * tol)
        torch.testing.assert_close(turned_forces, forces @ g.T, rtol=0, atol=10 * tol)
    order = torch.randperm(len(z), generator=generator)
    other_energy, other_forces = model(x[order], z[order])
    torch.testing.assert_close(other_energy, energy, rtol=0, atol=10 * tol)
    torch.testing.assert_close(other_forces, forces[order], rtol=0, atol=10 * tol)
    assert forces.abs().max() > 0.01 and forces.sum(0).abs().max() < 10 * tol


@pytest.mark.parametrize("num_layers", [1, 2])
def test_forces_are_the_gradient(num_layers):
    model, (x, z) = potential(num_layers=num_layers), ethanol()
    forces, h = model(x, z)[1], 1e-5
    for atom, axis in ((0, 0), (2, 1), (8, 2)):
        step = torch.zeros_like(x)
        step[atom, axis] = h
        slope = (model(x + step, z)[0] - model(x - step, z)[0]) / (2 * h)
        assert float(forces[atom, axis]) == pytest.approx(-float(slope), abs=1e-8)


def test_systems_of_a_batch_do_not_see_each_other():
    model, (x, z) = potential(num_layers=2), ethanol()
    y, w = x[:5] * 1.1, z[:5]
    batch = torch.tensor([1] * len(z) + [0] * len(w))
    energy, forces = model(torch.cat([x, y]), torch.cat([z, w]), batch)
    for number, (place, kinds) in enumerate(((y, w), (x, z))):
        alone, pushed = model(place, kinds)
        torch.testing.assert_close(energy[number : number + 1], alone)
        torch.testing.assert_close(forces[batch == number], pushed)
    energy, _ = model(x, z, torch.zeros_like(z), num_systems=3)
    assert energy.shape == (3,) and energy[1:].tolist() == [0, 0]


def test_single_atoms_and_nothing():
    model = potential()
    energy, forces = model(torch.zeros(1, 3, dtype=torch.float64), torch.tensor([8]))
    far = model(torch.tensor([[0.0, 0, 0], [50, 0, 0]], dtype=torch.float64), torch.tensor([8, 8]))[0]
    assert float(far) == pytest.approx(2 * float(energy)) and forces.abs().max() == 0
    energy, forces = model(torch.zeros(0, 3, dtype=torch.float64), torch.zeros(0, dtype=torch.long))
    assert energy.tolist() == [0] and forces.shape == (0, 3)
    assert model.references.tolist() == [-1.5, -3.25, -7.0] and "references" not in dict(model.named_parameters())


def test_energies_are_smooth_where_atoms_come_within_the_cutoff():
    model = potential()
    z, h = torch.tensor([6, 1]), 1e-3
    distances = torch.arange(2.9, 3.1, h, dtype=torch.float64)
    energy = torch.cat(
        [model(torch.tensor([[0, 0, 0], [0, 0, float(d)]], dtype=torch.float64), z)[0] for d in distances]
    )
    second = energy.diff().diff() / h**2
    assert energy.diff()[-50:].abs().max() == 0  # beyond it nothing changes
    assert second.diff().abs().max() < 0.1 * second.abs().max()  # no jump of the second derivative


def test_envelope_and_radial_network():
    u = torch.tensor([1 - 1e-3], dtype=torch.float64, requires_grad=True)
    value = envelope(u)
    number = value.item()
    (slope,) = torch.autograd.grad(value.sum(), u)
    assert 0 < number < 1e-7 and abs(slope.item()) < 2e-4
    assert torch.autograd.gradcheck(envelope, (torch.rand(5, dtype=torch.float64, requires_grad=True),))
    radial = RadialNetwork(4.0, 6, 16, 3).double()
    r = torch.tensor([[0.5], [4.0], [9.0]], dtype=torch.float64)
    assert radial(r)[0].abs().max() > 0 and radial(r)[1:].abs().max() == 0


def test_periodic_cells():
    atoms = bulk("C", "diamond", 3.5)
    atoms.rattle(0.05, seed=0)
    model = potential()
    atoms.calc = model.calculator()
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    large = atoms.repeat((2, 1, 2))
    large.calc = model.calculator()
    assert large.get_potential_energy() == pytest.approx(4 * energy, abs=1e-9)
    np.testing.assert_allclose(large.get_forces()[:2], forces, atol=1e-9)
    moved = atoms.copy()
    moved.positions[0] += atoms.cell[0] - 2 * atoms.cell[2]
    moved.calc = model.calculator()
    assert moved.get_potential_energy() == pytest.approx(energy, abs=1e-9)


def test_stress_is_the_derivative_over_strain():
    atoms = bulk("C", "diamond", 3.5)
    atoms.rattle(0.05, seed=0)
    atoms.calc = potential().calculator()
    stress, h = atoms.get_stress(voigt=False), 1e-5
    for i, j in ((0, 0), (1, 2), (2, 0)):
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[i, j] += sign * h / 2
            strain[j, i] += sign * h / 2
            other = atoms.copy()
            other.set_cell(atoms.cell.array @ strain, scale_atoms=True)
            other.calc = atoms.calc
            energies.append(other.get_potential_energy())
        assert stress[i, j] == pytest.approx((energies[0] - energies[1]) / (2 * h) / atoms.get_volume(), abs=1e-7)


def test_molecular_dynamics_keeps_the_energy():
    atoms = molecule("CH3CH2OH")
    atoms.calc = potential(scale=0.1).calculator()
    rng = np.random.default_rng(0)
    atoms.set_velocities(0.01 * rng.normal(size=(len(atoms), 3)))
    whole = [atoms.get_total_energy()]
    motion = VelocityVerlet(atoms, 0.25 * units.fs)
    for _ in range(10):
        motion.run(10)
        whole.append(atoms.get_total_energy())
    assert np.ptp(whole) < 1e-3 and atoms.get_kinetic_energy() > 1e-3


def test_training_reaches_every_weight_through_forces():
    model, (x, z) = potential(num_layers=2), ethanol()
    model.train()
    _, forces = model(x, z)
    forces.square().mean().backward()
    untouched = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert untouched in ([], ["readouts.1.2.bias"])  # a constant has no force
    model.eval()
    assert not any(out.requires_grad for out in model(x, z))


def test_weights_there_and_back():
    one, two, (x, z) = potential(), potential(scale=2.0, references=None), ethanol()
    two.load_state_dict(one.state_dict())
    assert torch.equal(one(x, z)[0], two(x, z)[0])


def test_reference_energies_stay_whole():
    model = potential(references={1: -13.568422178253735, 6: -1030.56712345678, 8: -2045.123456789})
    kept = model.references.clone()
    assert torch.equal(model.float().references, kept) and torch.equal(model.double().references, kept)
    assert model.float().references.dtype == torch.float64 and next(model.parameters()).dtype == torch.float32


def test_calculators_differentiate_where_gradients_are_off():
    atoms = molecule("CH3CH2OH")
    atoms.calc = potential().calculator()
    with torch.no_grad():
        assert np.isfinite(atoms.get_forces()).all()


def test_weights_of_another_potential_are_refused():
    model = potential()
    for changes in ({"cutoff": 4.0}, {"elements": [1, 6, 7], "references": None}):
        with pytest.raises(ValueError, match=r"state_dict: of a potential for elements .* with cutoff .*, got one for"):
            model.load_state_dict(potential(**changes).state_dict())
    assert torch.equal(potential(torch.float32).domain, model.domain)


def test_forces_without_derivatives_of_others():
    model, (x, z) = potential(), ethanol()
    expected = model(x, z)
    with torch.inference_mode():
        found = model(x, z)
        inside = model(x.clone(), z.clone())
    for pair in (found, inside):
        assert torch.equal(pair[0], expected[0]) and torch.equal(pair[1], expected[1])
    with torch.no_grad():
        assert not any(out.requires_grad for out in model.train()(x, z))


def test_positions_that_want_gradients_get_them():
    model, (x, z) = potential(), ethanol()
    x.requires_grad_()
    energy, forces = model(x, z)
    torch.testing.assert_close(torch.autograd.grad(energy.sum(), x, retain_graph=True)[0], -forces)
    curvature = torch.autograd.grad(forces[0, 0], x)[0]
    h = torch.zeros_like(x)
    h[3, 1] = 1e-5
    with torch.no_grad():
        slope = (model(x.detach() + h, z)[1] - model(x.detach() - h, z)[1])[0, 0] / 2e-5
    assert float(curvature[3, 1]) == pytest.approx(float(slope), abs=1e-7)


def test_calculators_in_float32_work_far_away():
    atoms = molecule("CH3CH2OH")
    atoms.calc = potential(torch.float32).calculator()
    near = atoms.get_forces()
    atoms.translate([1e5, 0, 0])
    np.testing.assert_allclose(atoms.get_forces(), near, atol=1e-5)


def energy_inputs(model, x, z):
    edge_index = radius_graph(x, model.cutoff)
    return x[edge_index[0]] - x[edge_index[1]], model.kinds(z), edge_index, torch.zeros_like(z), 1


class Energy(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, vectors, kinds, edge_index, batch):
        return self.model.energy(vectors, kinds, edge_index, batch, 1)


def test_energies_export_and_their_gradients_are_forces():
    model, (x, z) = potential(), ethanol()
    inputs = energy_inputs(model, x, z)[:4]
    edges, atoms = torch.export.Dim("edges", min=2), torch.export.Dim("atoms", min=2)
    shapes = ({0: edges}, {0: atoms}, {1: edges}, {0: atoms})
    exported = torch.export.export(Energy(model), inputs, dynamic_shapes=shapes, strict=False).module()
    x, z = x[:7], z[:7]  # another number of atoms
    place = (0.9 * x).requires_grad_(True)
    vectors, *rest = energy_inputs(model, place, z)[:4]
    energy = exported(vectors, *rest)
    want, forces = model(0.9 * x, z)
    torch.testing.assert_close(energy.detach(), want)
    torch.testing.assert_close(-torch.autograd.grad(energy.sum(), place)[0], forces)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"elements": []}, r"GauntPotential\(elements\): atomic numbers from 1, got \[\]"),
        ({"elements": [0]}, r"atomic numbers from 1, got \[0\]"),
        ({"cutoff": 0.0}, r"GauntPotential\(cutoff\): a positive number, got 0.0"),
        ({"scale": float("nan")}, r"GauntPotential\(scale\): a positive number, got nan"),
        ({"num_layers": 0}, r"GauntPotential\(num_layers\): a whole number from 1, got 0"),
        ({"hidden": 0}, r"GauntPotential\(hidden\): a whole number from 1, got 0"),
        ({"num_radial": 0}, r"GauntPotential\(num_radial\): a whole number from 1, got 0"),
        ({"lmax": -1}, r"GauntPotential\(lmax\): a whole number from 0, got -1"),
        ({"references": {1: 0.0, 6: float("nan"), 8: 0.0}}, r"GauntPotential\(references\): finite, got nan for 6"),
        ({"references": {1: 0.0}}, r"an energy for each element, got none for 6"),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(ValueError, match=message):
        potential(**settings)


def test_strangers_and_collisions():
    model, (x, z) = potential(), ethanol()
    with pytest.raises(ValueError, match=r"numbers: one of the elements \[1, 6, 8\], got 7"):
        model(x, torch.where(z == 8, 7, z))
    with pytest.raises(ValueError, match="has length zero"):
        model(torch.zeros(2, 3, dtype=torch.float64), torch.tensor([1, 1]))
    with pytest.raises(TypeError, match=r"position: float32 or float64, got torch\.bfloat16"):
        model(x.bfloat16(), z)
    atoms = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0]])
    atoms.calc = model.calculator()
    with pytest.raises(ValueError, match="has length zero"):
        atoms.get_potential_energy()
