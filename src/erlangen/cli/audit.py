"""``erlangen audit``: a factory's model, and the promise that the command line or the model itself states."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from erlangen.cli.options import BadInputError, Parser
from erlangen.recipes.factory import find_factory
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
    module, inputs = _made(options.factory)
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


def _made(spec: str) -> tuple[nn.Module, tuple[Any, ...]]:
    """Imports the factory, calls it, and takes apart what it returns."""
    return _taken_apart(spec, find_factory(spec))


def _taken_apart(spec: str, factory: Any) -> tuple[nn.Module, tuple[Any, ...]]:
    from torch import nn

    takes = "a factory takes no arguments and returns (module, (input, ...))"
    if isinstance(factory, nn.Module) or not callable(factory):
        raise BadInputError(f"{spec} is of type {type(factory).__name__}, not a factory; {takes}")
    try:
        made = factory()
    except Exception as error:
        raise BadInputError(f"{spec}: the factory raised {type(error).__name__}: {error}") from error
    if isinstance(made, nn.Module):
        example = getattr(made, "example_input_array", None)  # Lightning's name for it
        if example is None:
            raise BadInputError(f"{spec} returned a module without example inputs; {takes}")
        made = (made, example)
    if not isinstance(made, tuple) or len(made) != 2 or not isinstance(made[0], nn.Module):
        got = f"a tuple of {len(made)}" if isinstance(made, tuple) else f"something of type {type(made).__name__}"
        raise BadInputError(f"{spec} returned {got}; {takes}")
    module, inputs = made
    return module, tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)


def _symmetry(options: argparse.Namespace, module: nn.Module, inputs: tuple[Any, ...]) -> Symmetry | str | None:
    """What to audit: the words of the command line, or None for what the module declares."""
    from erlangen.groups import Symmetry, parse_actions, parse_group

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
    actions = _placed(parse_actions(options.inputs, hom), module, inputs)
    outputs = parse_actions(options.output, hom)
    output: Any = outputs if _named(outputs) else tuple(outputs.values())
    if len(outputs) == 1 and not (_named(outputs) and _returns_mapping(module, inputs)):
        (output,) = outputs.values()
    every = [*actions, *outputs.values()]
    exact = all(action.exact for one in every for action in (one.values() if isinstance(one, dict) else (one,)))
    return Symmetry(hom.source, inputs=actions, output=output, kind="exact" if exact else "approximate")


def _returns_mapping(module: nn.Module, inputs: tuple[Any, ...]) -> bool:
    import torch

    with torch.no_grad():
        return isinstance(module.eval()(*inputs), Mapping)


def _placed(actions: Mapping[str, Any], module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Actions in the order of the inputs: by position, by field of a single container, or by argument name."""
    if len(inputs) == 1 and _named(actions) and (isinstance(inputs[0], Mapping) or hasattr(inputs[0], "to_dict")):
        return (dict(actions),)
    if len(actions) != len(inputs):
        raise BadInputError(
            f"--inputs names {len(actions)} input{'s' * (len(actions) != 1)}, the factory gave {len(inputs)}"
        )
    if not _named(actions):
        return tuple(actions.values())
    arguments = list(inspect.signature(module.forward).parameters)[: len(inputs)]
    known = [name for name in actions if name in arguments]
    if not known:
        return tuple(actions.values())
    if len(known) < len(actions):
        stranger = next(name for name in actions if name not in arguments)
        raise BadInputError(
            f"--inputs names {stranger!r}; {type(module).__name__}.forward takes {', '.join(arguments)}"
        )
    return tuple(actions[name] for name in arguments)


def _named(actions: Mapping[str, Any]) -> bool:
    return not all(name.isdigit() for name in actions)
