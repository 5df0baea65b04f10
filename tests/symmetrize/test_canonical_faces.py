"""The same coordinates as a transform of PyG, as a transformer of scikit-learn, and as a frame."""

import jaxtyping
import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import check_estimator
from tests.symmetrize.test_mds_coordinates import seeded, similar, skewed
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import Compose

from erlangen.groups import CO, CSO, SE, SO, Affine, E, O, Points, Scalar, Symmetry
from erlangen.symmetrize import MDSFrame, PCAFrame, mds_coordinates, symmetrize
from erlangen.symmetrize.canonical_estimator import CanonicalCoordinatesTransformer
from erlangen.symmetrize.canonical_transform import CanonicalCoordinates


# ---------------------------------------------------------------- scikit-learn
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_accepts_the_transformer(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it hands in wrong types, to be refused in fit
    check_estimator(CanonicalCoordinatesTransformer(), on_skip=None)


def test_the_transformer_gives_canonical_coordinates_and_takes_them_back():
    X = skewed(40, 3).numpy()
    moved = similar(torch.tensor(X)[None], 2)[0][0].numpy()
    transformer = CanonicalCoordinatesTransformer()
    Z = transformer.fit_transform(X)
    np.testing.assert_allclose(Z, mds_coordinates(torch.tensor(X)).coords.numpy(), atol=1e-12)
    np.testing.assert_allclose(CanonicalCoordinatesTransformer().fit_transform(moved), Z, atol=1e-9)
    np.testing.assert_allclose(transformer.inverse_transform(Z), X, atol=1e-12)
    # Up to signs and scale these are the scores of PCA.
    scores = PCA().fit_transform(X)
    np.testing.assert_allclose(np.abs(Z * transformer.scale_), np.abs(scores), atol=1e-10)
    assert list(transformer.get_feature_names_out())[:1] == ["canonicalcoordinatestransformer0"]
    with pytest.raises(ValueError, match="'moment' or 'moment-so', got 'average'"):
        CanonicalCoordinatesTransformer(sign="average").fit(X)


# ---------------------------------------------------------------- PyG
def test_the_transform_of_single_graphs_and_of_batches():
    graphs = []
    for n in (8, 12):
        v = torch.randn(n, 3, generator=seeded(n), dtype=torch.float64)
        graphs.append(Data(pos=skewed(n, 3, seed=n), vel=v, normal=v, y=torch.tensor([n])))
    transform = Compose([CanonicalCoordinates(keep_placement=True)])
    batch = transform(Batch.from_data_list(graphs))
    alone = [transform(graph) for graph in graphs]
    torch.testing.assert_close(batch.pos, torch.cat([a.pos for a in alone]))
    torch.testing.assert_close(batch.vel, torch.cat([a.vel for a in alone]))
    assert batch.y.tolist() == [8, 12] and batch.scale.shape == (2,)
    assert not torch.equal(graphs[0].pos, alone[0].pos)  # what came in stays as it was
    moved, (s, q, _) = similar(graphs[0].pos[None], 3)
    again = transform(Data(pos=moved[0], vel=s[0] * graphs[0].vel @ q[0].mT, normal=graphs[0].normal @ q[0].mT))
    for name in ("pos", "vel", "normal"):
        torch.testing.assert_close(again[name], alone[0][name], rtol=0, atol=1e-9)
    torch.testing.assert_close(alone[0].normal.norm(dim=1), graphs[0].normal.norm(dim=1))
    assert repr(CanonicalCoordinates(dim=2)) == "CanonicalCoordinates(dim=2, scale='rms', sign='moment')"


def test_the_transform_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="positions pos"):
        CanonicalCoordinates()(Data(x=torch.zeros(3, 1)))
    with pytest.raises(ValueError, match="one result, got 'average'"):
        CanonicalCoordinates(sign="average")


# ---------------------------------------------------------------- the frame
GROUPS = [E(2), E(3), SE(2), SE(3), Affine(2, CO(2)), Affine(3, CO(3)), Affine(3, CSO(3))]


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_the_frame_moves_with_the_cloud(group):
    x = skewed(6, 12, group.n)
    g = group.sample(6, generator=seeded())
    before, weight = MDSFrame(group)(x)
    after, _ = MDSFrame(group)(Points(group)(g, x))
    assert weight is None and before.shape == (6, 1, group.n + 1, group.n + 1)
    torch.testing.assert_close(after, group.compose(g[:, None], before), rtol=0, atol=1e-9)
    assert group.contains(before, 1e-9).all()
    back = group.inverse(before[:, 0])
    same = mds_coordinates(
        x, scale="rms" if isinstance(group, Affine) else None, sign="moment-so" if _proper(group) else "moment"
    )
    torch.testing.assert_close(Points(group)(back, x), same.coords, rtol=0, atol=1e-10)


def _proper(group):
    return isinstance(group, SE) or (isinstance(group, Affine) and isinstance(group.linear, CSO))


def test_all_signs_are_the_frame_of_principal_axes():
    x = skewed(4, 12, 3)
    ours, theirs = MDSFrame(E(3), sign="average")(x)[0], PCAFrame(E(3))(x)[0]
    turns, flipped = ours[..., :3, :3], theirs[..., :3, :3].flip(-1)  # one descends, the other ascends
    gaps = (turns[:, :, None] - flipped[:, None]).abs().amax((-1, -2))
    assert ours.shape == theirs.shape and gaps.amin(1).max() < 1e-9 and gaps.amin(2).max() < 1e-9


def test_the_frame_reads_masks_and_graphs():
    G = Affine(3, CO(3))
    clouds = [skewed(n, 3, seed=n) for n in (7, 9)]
    batch = torch.arange(2).repeat_interleave(torch.tensor([7, 9]))
    together, _ = MDSFrame(G, batch=1)(torch.cat(clouds), batch)
    padded = torch.zeros(2, 9, 3, dtype=torch.float64)
    padded[0, :7], padded[1] = clouds
    mask = torch.arange(9) < torch.tensor([[7], [9]])
    masked, _ = MDSFrame(G, mask=1)(padded, mask)
    torch.testing.assert_close(together, masked, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: MDSFrame(O(3)), r"E\(d\), SE\(d\), Affine\(d, CO\(d\)\) or Affine\(d, CSO\(d\)\), got O\(3\)"),
        (lambda: MDSFrame(Affine(2, SO(2))), "got Affine"),
        (lambda: MDSFrame(SE(3), sign="average"), r"sign\): 'moment' for SE\(3\), got 'average'"),
        (lambda: MDSFrame(E(3), sign="none"), "'moment' or 'average'"),
        (lambda: MDSFrame(E(3), degenerate="panic"), "one of raise"),
        (lambda: MDSFrame(E(3))(torch.zeros(1, 4, 3)), "ambiguous"),
    ],
)
def test_frames_that_do_not_exist(make, problem):
    with pytest.raises(ValueError, match=problem):
        make()


def test_one_element_costs_one_evaluation():
    calls = []

    class Counting(nn.Module):
        def forward(self, x):
            calls.append(len(x))
            return x.square().sum((1, 2))

    G = Affine(3, CO(3))
    symmetrize(Counting(), Symmetry(G, (Points(G),), Scalar(G)), MDSFrame(G))(skewed(5, 9, 3))
    assert calls == [5]
