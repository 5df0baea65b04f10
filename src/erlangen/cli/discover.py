"""``erlangen discover``: which symmetries of a list hold in a user's data, or in a trained model, and how well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from erlangen.cli.options import BadInputError
from erlangen.cli.own_data import keep_one
from erlangen.cli.stated import model_and_inputs, stated_symmetry
from erlangen.report import Result, json_values

if TYPE_CHECKING:
    from torch import nn

    from erlangen.groups import Hom, Symmetry
    from erlangen.recipes.discover import Discovery

HELP = """\
usage: erlangen discover --data SAMPLES [--groups 'SO(3), O(2)@xy, Scaling'] [options]
       erlangen discover --model my_file:make [--groups ...] [options]

Which symmetries of a list hold, exactly, nearly, or not at all?

Of data: trains networks that are free to break every symmetry but pay for it, finds out on the way which payments the
data refuse, and weakens those. Then it moves held-out samples by each group, and looks how the error grows. Of a
model: it moves the example inputs, and trains nothing. Writes result.json and a figure.

  erlangen discover --data samples.npz --size smoke              # seconds: is the file read as it should be?
  erlangen discover --data samples.npz
  erlangen discover --data inertia.npz --groups 'O(3), O(2)@xy, Scaling' \\
                    --inputs '5*scalar+5*vector' --output 'vector*vector'
  erlangen discover --data samples.npz --resume                  # goes on where it was interrupted
  erlangen discover --model my_file:make --groups 'SO(3), O(3)' --inputs 'points fixed' --output vector

the samples:
{formats}
The groups act on one space: SO(3) turns it, O(3) also mirrors it, O(2)@xy does both in one plane, Scaling stretches it,
and 'SO(3)*Scaling' turns and stretches. How numbers move is said in words: scalar (not at all), vector, vector*vector
(a matrix), with + and multiples, in the order of each row; by default it is told by shapes, and said aloud. With
--model there is one word for each input, as in `erlangen audit --help`.

what is said of data (95 % intervals, over test samples and seeds):
{rule}
Where moved samples are like none of the data, a symmetry that is kept may look broken. A model is exact where the audit
finds rounding alone, approximate or absent by its relative error.

in my_file.py, for --model: def make(): return MyModel(), (torch.randn(64, 5, 3), torch.randn(64, 5))

options:
  --config FILE      settings from a YAML file; options after it win
{options}
"""


def discover_command(given: list[str]) -> int:
    """Discovers, prints the table, and keeps the result."""
    if not given:
        print(
            "usage: erlangen discover --data SAMPLES, or --model my_file:make (`erlangen discover --help` shows more)"
        )
        return 2
    from erlangen.recipes.discover import FORMATS, RECIPE, RULE, Discovery
    from erlangen.recipes.options import describe, parse

    if "--help" in given or "-h" in given:
        print(HELP.format(formats=FORMATS, rule=RULE, options=describe(Discovery)), end="")
        return 0
    config = parse(Discovery, given, "erlangen discover")
    return keep_one(
        config,
        RECIPE,
        "discovery",
        _discovered,
        lambda kept: _is_whole(kept, config),
        source="--data" if config.data is not None else f"--model {config.model}",
        rate=config.lr,
        slower="a smaller one may help",
    )


def _discovered(config: Discovery) -> Result:
    from erlangen.recipes.discover import discover, discover_model

    if config.model is None:
        return discover(config)
    import torch

    torch.manual_seed(config.seed)
    module, inputs = model_and_inputs(config.model)
    try:
        return discover_model(config, module, inputs, _candidates(config, module, inputs))
    except (BadInputError, ValueError):
        raise
    except Exception as error:
        raise BadInputError(f"{config.model}: the model failed: {type(error).__name__}: {error}") from error


def _candidates(config: Discovery, module: nn.Module, inputs: tuple[Any, ...]) -> dict[str, Symmetry]:
    """A promise for every group, from the words for inputs and output, or from names and shapes."""
    from erlangen.audit.equivariance import promises
    from erlangen.recipes.discover.candidates import space_of, split_list, usual_candidates

    dim = _last_axis(inputs)
    words = split_list(usual_candidates(dim) if config.groups is None else config.groups)
    dim = space_of(words) or dim
    if (config.inputs is None) != (config.output is None):
        raise BadInputError("--inputs and --output go together: how groups act on each input, and on the output")
    found = {}
    for word in words:
        hom = _acting(word, dim)
        if config.inputs is None or config.output is None:
            (found[word],) = promises(module, inputs, hom)
        else:
            found[word] = stated_symmetry(config.inputs, config.output, hom, module, inputs)
    return found


def _acting(word: str, dim: int) -> Hom:
    """A group in words; where it stretches, inside all linear maps of the space, so that vectors are long enough."""
    from erlangen.groups import Product, Scaling, parse_group
    from erlangen.recipes.discover.candidates import read_candidates

    hom = parse_group(word)
    factors = hom.source.factors if isinstance(hom.source, Product) else (hom.source,)
    stretches = any(isinstance(factor, Scaling) for factor in factors)
    return read_candidates([word], dim)[0].hom if stretches else hom


def _last_axis(inputs: tuple[Any, ...]) -> int:
    """The dimension of the space: the size of the last axis of the first input that has more than one, or three."""
    from torch import Tensor

    shapes = [x.shape for x in inputs if isinstance(x, Tensor) and x.is_floating_point() and x.ndim > 1]
    return next((shape[-1] for shape in shapes if shape[-1] in (2, 3)), 3)


def _is_whole(kept: Result, config: Discovery) -> bool:
    """Whether a result is all that this discovery would give. What a model answers is never taken from before."""
    from erlangen.recipes.discover import settings_of

    return config.model is None and kept.config == json_values(settings_of(config))
