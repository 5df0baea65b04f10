"""The settings of the recipe: a block for every experiment, named after it."""

from __future__ import annotations

from dataclasses import dataclass

from erlangen.data.routing import MOST_NODES
from erlangen.recipes.config import Config as BaseConfig
from erlangen.recipes.config import ConfigError, option


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of networks on invariant coordinates.

    Size ``paper`` runs these experiments longer and on more of their generated data; the publication's own data sets
    (ModelNet40, ShapeNet) and its routing by reinforcement are not part of the recipe.
    """

    experiments = ("pointcloud", "tsp", "cvrp", "metric")

    seeds: int = option("number of seeds: seed, seed + 1, ...", smoke=2, small=3, paper=5)
    # pointcloud
    pointcloud_train: int = option("shapes to learn from", smoke=160, small=1600, paper=9840)
    pointcloud_tests: int = option("shapes to test on", smoke=80, small=800, paper=2468)
    pointcloud_points: int = option("points of a shape", smoke=64, small=128, paper=1024)
    pointcloud_epochs: int = option("epochs on shapes", smoke=2, small=30, paper=250)
    pointcloud_batch: int = option("shapes per step", smoke=32, small=32, paper=32)
    # tsp
    tsp_train: int = option("tours to learn from", smoke=200, small=3000, paper=100000)
    tsp_tests: int = option("tours to test on", smoke=50, small=500, paper=1000)
    tsp_nodes: int = option("nodes of a tour", smoke=7, small=10, paper=12)
    tsp_epochs: int = option("epochs on tours", smoke=2, small=25, paper=100)
    tsp_batch: int = option("tours per step", smoke=60, small=60, paper=512)
    # cvrp
    cvrp_train: int = option("deliveries to learn from", smoke=200, small=3000, paper=100000)
    cvrp_tests: int = option("deliveries to test on", smoke=50, small=500, paper=1000)
    cvrp_customers: int = option("customers of a delivery", smoke=5, small=8, paper=10)
    cvrp_epochs: int = option("epochs on deliveries", smoke=2, small=25, paper=100)
    cvrp_batch: int = option("deliveries per step", smoke=60, small=60, paper=512)
    # metric
    metric_graphs: int = option("graphs whose distances are embedded", smoke=6, small=50, paper=50)
    metric_nodes: int = option("nodes of the larger graphs", smoke=9, small=25, paper=60)

    def check(self) -> None:
        for name in vars(self):
            if name.partition("_")[0] in ("pointcloud", "tsp", "cvrp", "metric") and getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it takes a whole number from 1")
        if not 3 <= self.tsp_nodes <= MOST_NODES:
            raise ConfigError(f"tsp_nodes is {self.tsp_nodes}; it takes a whole number from 3 to {MOST_NODES}")
        if not 2 <= self.cvrp_customers < MOST_NODES:
            raise ConfigError(f"cvrp_customers is {self.cvrp_customers}; it takes one from 2 to {MOST_NODES - 1}")
        if self.metric_nodes < 6:
            raise ConfigError(f"metric_nodes is {self.metric_nodes}; it takes a whole number from 6")
