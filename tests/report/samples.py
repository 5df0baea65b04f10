"""A made-up result with every verdict, every relation, and everything that is awkward to lay out."""

import math

from erlangen.report import Check, Claim, Result, Table, judge_claims, new_figure, save_figure

CLAIMS = (
    Claim("gains", "Ours reads more digits than the baseline, by at least five points.", ">", margin=0.05,
          experiment="accuracy", ours="ours", baseline="theirs"),
    Claim("cheaper", "Ours takes less than half the time of the baseline, on the same machine and for the same number "
          "of steps, its frames computed anew in each of them.", "<", margin=0.5, form="ratio", experiment="time",
          ours="seconds", baseline="their_seconds"),
    Claim("slower-start", "Its first step is no slower.", "<", form="ratio", margin=1.0, experiment="time",
          ours="first", baseline="their_first"),
    Claim("equal", "Upright, the two are equal to within one point.", "==", margin=0.01, experiment="accuracy",
          ours="upright", baseline="their_upright"),
    Claim("similar-size", "Their sizes agree within a factor of two.", "==", margin=2.0, form="ratio",
          experiment="time", ours="size", baseline="their_size", required_seeds=1),
    Claim("few", "With three seeds it is better, too.", ">", experiment="few", ours="a", baseline="b"),
    Claim("single", "One seed says nothing.", ">", experiment="one", ours="a", baseline=0.25),
    Claim("wide", "What is sometimes nothing is more than nothing.", ">", margin=1.0, form="ratio", experiment="wide",
          ours="a", baseline="b", required_seeds=2),
    Claim("gone", "What diverged is <b>better</b> & \"quoted\".", ">", experiment="accuracy", ours="diverged",
          baseline="theirs"),
    Claim("elsewhere", "An experiment that was not run.", "<", experiment="large", ours="x", baseline="y"),
)  # fmt: skip

METRICS = {
    "accuracy": {
        "ours": [0.912, 0.931, 0.905, 0.92, 0.917],
        "theirs": [0.801, 0.836, 0.82, 0.79, 0.833],
        "upright": [0.95, 0.97, 0.94, 0.96, 0.95],
        "their_upright": [0.955, 0.95, 0.955, 0.95, 0.96],
        "diverged": [0.9, math.nan, 0.9, 0.91, 0.9],
    },
    "time": {
        "seconds": [3.9, 4.1, 4.3, 4.0, 3.8],
        "their_seconds": [5.0, 5.2, 4.9, 5.1, 5.0],
        "first": [1.0, 1.2, 1.1, 1.0, 1.3],
        "their_first": [0.02, 0.03, 0.02, 0.025, 0.02],
        "size": [12034],
        "their_size": [10120],
    },
    "few": {"a": [2.0, 2.1, 2.2], "b": [1.0, 1.1, 1.0]},
    "one": {"a": [0.5]},
    "wide": {"a": [1e300, 1.0], "b": [1e-300, 1.0]},
}
ENVIRONMENT = {
    "date": "2026-03-14T15:09:26+00:00",
    "python": "3.11.7",
    "platform": "Linux x86_64",
    "cores": 2,
    "threads": 1,
    "device": "cpu",
    "packages": {"erlangen": "0.1.0", "torch": "2.6.0", "numpy": "2.1.0"},
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "modified": True,
    "seconds": 754.2,
}


def made_up(folder, **changes):
    """Saves the made-up result, with two figures, in a folder; returns its file."""
    folder.mkdir(parents=True, exist_ok=True)
    figure, (left, right) = new_figure(1, 2)
    left.plot([0, 1, 2], [0, 1, 4], label="ours")
    right.plot([0, 1, 2], [4, 1, 0], label="theirs")
    save_figure(figure, folder / "curves.png")
    save_figure(new_figure(1, 1, width=3.0, height=2.0)[0], folder / "small.svg")
    wide = [f"error at {angle} degrees" for angle in range(0, 180, 30)]
    fields = {
        "recipe": "made-up",
        "size": "small",
        "config": {"size": "small", "seeds": 5, "widths": [64, 64, 128], "learning_rate": 0.003, "a" * 60: "b" * 80},
        "seeds": [0, 1, 2, 3, 4],
        "environment": ENVIRONMENT,
        "metrics": METRICS,
        "claims": judge_claims(CLAIMS, METRICS),
        "tables": [
            Table("A wide table", ["network", *wide], [["ours", *[0.1] * 6], ["theirs, symmetrised", *[1.25e-7] * 6]]),
            Table("Words and numbers", ["net", "accuracy", "kept"], [["a", "91.2 ± 1.1", True], ["b", None, False]],
                  "A note of two lines:\nmean ± deviation over seeds."),
        ],
        "figures": {"curves.png": "Two curves that cross", "small.svg": "Empty axes"},
        "checks": [Check("same", "Encrypted is clear.", True, "largest difference 0"),
                   Check("odd", "Odd is even.", False, "1 is odd")],
        "audits": [{"name": "ours", "verdict": "exact", "error": 3.1e-15, "symmetry": "SO(3): (Points) -> Scalar"},
                   {"name": "theirs", "verdict": "breaks", "error": None}],
    }  # fmt: skip
    return Result(**fields | changes).save(folder / "result.json")
