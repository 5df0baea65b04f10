"""``erlangen audit``: a factory's model, and the promise that the command line or the model itself states."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

from erlangen.cli.options import BadInputError, Parser
from erlangen.cli.stated import model_and_inputs, stated_symmetry
from erlangen.report import json_values

if TYPE_CHECKING:
    from torch import nn

    from erlangen.audit import Report
    from erlangen.groups import Symmetry

EXAMPLES = """\
In my_file.py:

  def make():
      model = MyModel()
      return model, (torch.randn(8, 5, 3), torch.randn(8, 5))      # the model, and example inputs

then

  erlangen audit my_file:make                                      # the promise stands in model.symmetry
  erlangen audit my_file:make --group 'E(3)' --inputs 'points fixed' --output scalar
  erlangen audit my_file:make --group 'S*E(3)' --inputs 'pos:nodes&points h:nodes' --output 'nodes&vector'
  erlangen audit my_file:make --group 'C(4)' --inputs turns --output scalar

One word per input, by position or as name:word. The words: points vector scalar pseudoscalar regular nodes pairs edges
batch pixels turns fixed 1x0e+1x1o, joined by + * & and multiplied by numbers (3*scalar+vector).

Exit code: 0 the promise is kept, 1 it is broken, 2 the input was wrong.
"""


def audit_command(given: list[str]) -> int:
    """Audits what the factory makes."""
    parser = Parser("erlangen audit", "Is a model's promise kept?", EXAMPLES)
    parser.add_argument("factory", help="package.module:function; the current folder is searched first")
    parser.add_argument("--group", help="who acts: 'SO(3)', 'S*E(3)', 'C(4)', 'O(2)@xy'; default: what the model says")
    parser.add_argument("--inputs", help="how it acts on each input, e.g. 'pos:points q:fixed'")
    parser.add_argument("--output", help="how it acts on the output, e.g. vector")
    parser.add_argument("--tolerance", type=float, help="largest relative error that counts as kept")
    parser.add_argument("--num-elements", type=int, default=32, help="how many group elements to try (default: 32)")
    parser.add_argument("--seed", type=int, default=0, help="of the elements and of the factory's randomness")
    parser.add_argument("--per-layer", action="store_true", help="also check inner layers that declare a symmetry")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    options = parser.read(given)
    with contextlib.redirect_stdout(sys.stderr) if options.json else contextlib.nullcontext():
        report = _report(options)
    kept = report.holds(options.tolerance)
    if options.json:
        print(json.dumps(json_values({"factory": options.factory, "kept": kept} | report.to_dict()), indent=1))
    else:
        print(report.table())
        print(f"\n{options.factory}: {'the promise is kept' if kept else 'the promise is NOT kept'}")
    return 0 if kept else 1


def _report(options: argparse.Namespace) -> Report:
    import torch

    torch.manual_seed(options.seed)
    module, inputs = model_and_inputs(options.factory)
    from erlangen.audit import audit  # after the factory: its mistakes show first

    settings = {"num_elements": options.num_elements, "per_layer": options.per_layer, "seed": options.seed}
    try:
        return audit(module, *inputs, symmetry=_symmetry(options, module, inputs), **settings)
    except BadInputError:
        raise
    except ValueError as error:  # among them the grammar's, whose second and third line point at the column
        raise BadInputError(str(error)) from error
    except Exception as error:
        raise BadInputError(f"{options.factory}: the audit failed: {type(error).__name__}: {error}") from error


def _symmetry(options: argparse.Namespace, module: nn.Module, inputs: tuple[Any, ...]) -> Symmetry | str | None:
    """What to audit: the words of the command line, or None for what the module declares."""
    from erlangen.groups import parse_group

    if options.group is None:
        if options.inputs or options.output:
            raise BadInputError("--inputs and --output say how a group acts; name it with --group")
        if getattr(module, "symmetry", None) is None:
            raise BadInputError(
                f"{options.factory}: {type(module).__name__} declares no .symmetry; name one with --group"
            )
        return None
    hom = parse_group(options.group)
    if options.inputs is None and options.output is None:
        return options.group  # the audit proposes actions from names and shapes, and says what it assumed
    if options.inputs is None or options.output is None:
        raise BadInputError("--inputs and --output go together: how the group acts on each input, and on the output")
    return stated_symmetry(options.inputs, options.output, hom, module, inputs)
