"""The table of data sets: one entry each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One data set.

    Args:
        summary: What it holds.
        publisher: Where to get it.
        folder: Its folder below the data root.
        files: Files that must be there, relative to ``folder``.
        licence: As far as known.
        package: Instead of a folder: the installed package that brings it.
    """

    summary: str
    publisher: str
    folder: str = ""
    files: tuple[str, ...] = ()
    licence: str = ""
    package: str = ""

    @property
    def layout(self) -> str:
        """Where its files belong, in words."""
        if self.package:
            return f"the package {self.package}"
        return f"{', '.join(self.files)} in {self.folder}/ of the data root"


SOURCES: dict[str, Source] = {
    "digits": Source(
        summary="1797 handwritten digits of 8 x 8 pixels",
        publisher="scikit-learn (in the package): pip install 'erlangen[recipes]'",
        licence="CC BY 4.0",
        package="sklearn",
    ),
    "mnist": Source(
        summary="the 10000 test digits of MNIST, 28 x 28 pixels, split here into train and test",
        publisher="https://github.com/fgnt/mnist",
        folder="mnist/MNIST/raw",
        files=("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
    ),
    "affnist": Source(
        summary="affNIST: digits in a frame of 40 x 40, in the middle of it, and moved by affine maps",
        publisher="https://www.cs.toronto.edu/~tijmen/affNIST (32x, MATLAB files in zips)",
        folder="affnist",
        files=tuple(
            f"32x/{name}.mat.zip"
            for name in ("just_centered/training", "just_centered/test", "transformed/validation", "transformed/test")
        ),
    ),
    "homnist": Source(
        summary="homNIST: test digits in a frame of 40 x 40, moved by homographies",
        publisher="the code of MacDonald, Ramasinghe, Lucey, Enabling Equivariance for Arbitrary Lie Groups, 2022",
        folder="homnist",
        files=("homNIST_test.mat",),
    ),
    "graph8c": Source(
        summary="all 11117 connected graphs on eight nodes",
        publisher="https://github.com/omri1348/Frame-Averaging (graph_separation/dataset/graph8c/raw); "
        "origin: B. McKay's lists",
        folder="graph_separation",
        files=("graph8c.g6",),
    ),
    "strongly-regular": Source(
        summary="72 strongly regular graphs in five families: 3-WL takes those of a family for the same",
        publisher="https://github.com/omri1348/Equivariant-Polynomaials (data/SR/raw)",
        folder="graph_separation",
        files=("sr16622.g6", "sr251256.g6", "sr261034.g6", "sr281264.g6", "sr291467.g6"),
    ),
    "exp": Source(
        summary="EXP: 600 pairs of graphs that colour refinement takes for the same",
        publisher="https://github.com/omri1348/Frame-Averaging (graph_separation/dataset/EXP/raw/GRAPHSAT.pkl, "
        "its arrays put behind one another in an npz file)",
        folder="graph_separation",
        files=("exp.npz",),
    ),
    "3bpa": Source(
        summary="3BPA: a drug-like molecule of 27 atoms at 300 to 1200 K, with energies and forces",
        publisher="https://github.com/davkovacs/BOTNet-datasets (dataset_3BPA)",
        folder="molecules/3bpa",
        files=("train_300K.xyz", "train_mixedT.xyz", "iso_atoms.xyz"),
        licence="MIT",
    ),
    "acac": Source(
        summary="acetylacetone: 15 atoms at 300 and 600 K, with energies and forces",
        publisher="https://github.com/davkovacs/BOTNet-datasets (dataset_acac)",
        folder="molecules/acac",
        files=(
            *("train_300K.xyz", "train_600K.xyz", "test_MD_300K.xyz", "test_MD_600K.xyz"),
            *("test_dihedral.xyz", "isolated_atoms.xyz"),
        ),
        licence="MIT",
    ),
    "mutag": Source(
        summary="MUTAG: 188 molecules that cause mutations or do not, with types of atoms and bonds",
        publisher="https://chrsmrrs.github.io/datasets (MUTAG.zip)",
        folder="tu/MUTAG/raw",
        files=tuple(
            f"MUTAG_{part}.txt" for part in ("A", "graph_indicator", "graph_labels", "node_labels", "edge_labels")
        ),
        licence="free for research",
    ),
    "proteins": Source(
        summary="PROTEINS: 1113 proteins that are enzymes or not, as graphs of their secondary structure",
        publisher="https://chrsmrrs.github.io/datasets (PROTEINS.zip)",
        folder="tu/PROTEINS/raw",
        files=tuple(
            f"PROTEINS_{part}.txt"
            for part in ("A", "graph_indicator", "graph_labels", "node_labels", "node_attributes")
        ),
        licence="free for research",
    ),
    "waymo-tracks": Source(
        summary="tracks of vehicles exported from the Waymo Open Motion Dataset: arrays (tracks, 12, 3) of metres, the "
        "positions at every second of the first 24 steps",
        publisher="https://waymo.com/open (motion, tf_example; after registration), exported by you",
        folder="waymo/tracks",
        files=("training.npy", "validation.npy", "test.npy"),
        licence="non-commercial",
    ),
    **{
        name.lower(): Source(
            summary=summary,
            publisher="https://github.com/kimiyoung/planetoid (data)",
            folder=f"planetoid/{name}/raw",
            files=tuple(
                f"ind.{name.lower()}.{part}" for part in ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
            ),
            licence="MIT",
        )
        for name, summary in (
            ("Cora", "Cora: 2708 papers on machine learning, who cites whom, and seven topics"),
            ("CiteSeer", "CiteSeer: 3327 papers of computer science, who cites whom, and six topics"),
        )
    },
}
