"""What a command line says of a user's own model: the factory that makes it, and how groups act on what it takes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from erlangen.cli.options import BadInputError
from erlangen.recipes.factory import find_factory

if TYPE_CHECKING:
    from torch import nn

    from erlangen.groups import Hom, Symmetry


def model_and_inputs(spec: str) -> tuple[nn.Module, tuple[Any, ...]]:
    """Imports a factory, calls it, and takes apart what it returns: a module and its example inputs.

    Raises:
        BadInputError: If it is no factory, or returns something else.
        ConfigError: If it cannot be found.
    """
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


def stated_symmetry(inputs: str, output: str, hom: Hom, module: nn.Module, given: tuple[Any, ...]) -> Symmetry:
    """The promise that ``--inputs`` and ``--output`` state.

    Args:
        inputs: How the group acts on each input, in words.
        output: How it acts on the output.
        hom: Who acts, as `parse_group` gives it.
        module: The model.
        given: Its example inputs.

    Raises:
        BadInputError: If the words are as many as no inputs.
        ValueError: If a word is none.
    """
    from erlangen.groups import Symmetry, parse_actions

    actions = _placed(parse_actions(inputs, hom), module, given)
    outputs = parse_actions(output, hom)
    acts: Any = outputs if _named(outputs) else tuple(outputs.values())
    if len(outputs) == 1 and not (_named(outputs) and _returns_mapping(module, given)):
        (acts,) = outputs.values()
    every = [*actions, *outputs.values()]
    exact = all(action.exact for one in every for action in (one.values() if isinstance(one, dict) else (one,)))
    return Symmetry(hom.source, inputs=actions, output=acts, kind="exact" if exact else "approximate")


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
