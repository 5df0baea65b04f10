"""One promise, one module, one set of inputs: ready to be run on moved inputs, in float64 and in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from erlangen.audit.runner import Runner, double, to_dtype
from erlangen.groups import Action, Element, Fixed, Symmetry
from erlangen.groups.action import require_finite
from erlangen.groups.element import map_element
from erlangen.groups.samples import Samples, leaves

#: What a module may raise when it gets inputs it was not made for (another dtype, perturbed, alone).
REFUSALS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError)


def _try(runners: list[Runner], inputs: Sequence[Any], seed: int) -> tuple[Any, Exception | None]:
    """The first runner's output, once all of them have run; or what stopped one."""
    try:
        outputs = [runner(inputs, seed) for runner in runners]
        return outputs[0], None
    except REFUSALS as error:
        return None, error


def _short(error: Exception | None) -> str:
    """The first line of what went wrong, or at least its kind."""
    return next(iter(str(error).splitlines()), "")[:100] or type(error).__name__


class Trial:
    """Runs ``first`` on the inputs and ``second`` on moved inputs; they are the same module unless twins are compared.

    Attributes:
        symmetry: the promise, its sizes bound to the inputs.
        samples: where the samples sit; outputs without a row per sample make it one whole thing.
        y: the first module's output, float64 where it has it.
        y32: the same in float32.
        precise: whether the modules run in float64.
        single: whether they run in float32.
        notes: what could not be done, in sentences.
    """

    def __init__(
        self,
        module: Callable[..., Any],
        inputs: Sequence[Any],
        symmetry: Symmetry,
        other: Callable[..., Any] | None = None,
        shared: bool = False,
        seed: int = 0,
    ) -> None:
        self.notes: list[str] = []
        self.seed = seed
        self.symmetry = symmetry.bind(*inputs)  # in the caller's dtypes, which the messages name
        self.inputs: tuple[Any, ...] = to_dtype(tuple(inputs), torch.float64)
        self.samples = Samples.one("asked for") if shared else Samples.find(self.symmetry.inputs, self.inputs)
        if self.samples.count == 0:
            raise ValueError("audit(inputs): the batch is empty")
        named = [(n, x) for n, _, x in leaves(self.symmetry.inputs, self.inputs) if isinstance(x, Tensor)]
        for name, x in named:
            if x.is_floating_point() and x.numel() == 0:
                raise ValueError(f"audit(inputs): {name} has no entries, its shape is {tuple(x.shape)}")
        self.device = named[0][1].device if named else torch.device("cpu")
        modules = [module] if other is None or other is module else [module, other]
        self._float32 = [Runner(m, torch.float32, []) for m in modules]
        self._float64 = [Runner(m, torch.float64, self.notes) for m in modules]
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        single, refused32 = _try(self._float32, to_dtype(self.inputs, torch.float32), self.seed)
        double, refused64 = _try(self._float64, self.inputs, self.seed)
        if refused32 is not None and refused64 is not None:
            raise refused32
        # A module that is run in place keeps its own dtype: its float64 is not to be trusted.
        self.precise = refused64 is None and all(r.copied for r in self._float64)
        self.single = refused32 is None
        if not self.precise:
            why = f" ({_short(refused64)})" if refused64 is not None else ""
            self.notes.append(f"no run in float64{why}: verdict at most float32")
        elif not self.single:
            self.notes.append(f"no run in float32 ({_short(refused32)}): judged in float64 alone")
        self.y = to_dtype(double if self.precise else single, torch.float64)
        self.y32 = to_dtype(single, torch.float64) if self.single else self.y
        self._check_output()
        unfit = next((n for n, a, y in self.leaves(self.y) if not self.samples.fits(n, a, y)), None)
        if unfit is not None:
            self.samples = Samples.one(f"{unfit} has no row per sample")
        if self.samples.count is None:
            self.notes.append(f"one element for all: {self.samples.reason}")

    def _check_output(self) -> None:
        try:
            found = self.leaves(self.y)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{error}; the symmetry's output is {self.symmetry.output!r}") from error
        for name, action, y in found:
            if not isinstance(y, Tensor):
                raise TypeError(
                    f"{name}: the module returned a {type(y).__name__}, the symmetry's output is "
                    f"{self.symmetry.output!r}; describe a tuple or dict with one action per entry"
                )
            action.check(y, name)
            require_finite(y, name)

    @staticmethod
    def example(module: Callable[..., Any], inputs: Sequence[Any]) -> Any:
        """The output for inputs as they are, or in float64 if the module takes only that."""
        failure: Exception | None = None
        for dtype in (None, torch.float64):
            runner = Runner(module, dtype, [])
            output, refused = _try([runner], inputs, 0)
            runner.close()
            if refused is None:
                return output
            failure = failure or refused
        assert failure is not None
        raise failure

    def first(self, inputs: Sequence[Any], seed: int | None = None) -> Any:
        """The module's output in the best dtype it has, as float64."""
        return self._run(0, inputs, seed)

    def second(self, inputs: Sequence[Any], seed: int | None = None) -> Any:
        """The output of the module that sees moved inputs."""
        return self._run(-1, inputs, seed)

    def differentiable(self, inputs: Sequence[Any]) -> Any:
        """The output of the module that sees moved inputs, in float64 and still part of the computation.

        Raises:
            ValueError: when the module does not run in float64.
        """
        if not self.precise:
            raise ValueError("lie_derivative(method='jvp'): the module does not run in float64; use 'difference'")
        return self._float64[-1].raw(inputs, self.seed)

    def second_in_float32(self, inputs: Sequence[Any]) -> Any:
        """The same in float32, returned as float64."""
        if not self.single:
            return self.second(inputs)
        return to_dtype(self._float32[-1](to_dtype(tuple(inputs), torch.float32), self.seed), torch.float64)

    def _run(self, which: int, inputs: Sequence[Any], seed: int | None) -> Any:
        seed = self.seed if seed is None else seed
        if self.precise:
            return to_dtype(self._float64[which](inputs, seed), torch.float64)
        return to_dtype(self._float32[which](to_dtype(tuple(inputs), torch.float32), seed), torch.float64)

    @property
    def forwards(self) -> int:
        """How often the modules were called."""
        return sum(runner.calls for runner in (*self._float32, *self._float64))

    def close(self) -> None:
        """Leaves the modules as they were; the last to come is the first to go, so that the first one's word counts."""
        for runner in reversed([*self._float32, *self._float64]):
            runner.close()

    # ------------------------------------------------------------------ moving

    def leaves(self, y: Any) -> list[tuple[str, Action, Any]]:
        """The tensors of an output with their names and actions; of what is fixed only tensors count."""
        found = leaves((self.symmetry.output,), (y,), ("output",))
        return [leaf for leaf in found if isinstance(leaf[2], Tensor) or not isinstance(leaf[1], Fixed)]

    def coarse(self) -> set[str]:
        """The output leaves that hold float32 numbers even when the module runs in float64, or does not do that."""
        found = self.leaves(self.y)
        return {
            n for n, _, y in found if not self.precise or torch.equal(double(y), double(to_dtype(y, torch.float32)))
        }

    def move(self, g: Element) -> tuple[Any, ...]:
        """The inputs, moved."""
        return self.samples.act_all(self.symmetry.inputs, g, self.inputs)

    def expected(self, g: Element, y: Any) -> Any:
        """What the promise says of the output for moved inputs."""
        return self.samples.act(self.symmetry.output, g, y, "output")

    def elements(self, count: int, given: Sequence[Element] | None) -> list[tuple[str, Element]]:
        """Named elements: those given, or every discrete generator and then random ones, at least one."""
        if given is not None:
            return [(f"given {i}", self._member(i, g)) for i, g in enumerate(given)]
        group, generator = self.symmetry.group, torch.Generator().manual_seed(self.seed)
        found = [(f"generator {i}", g) for i, g in enumerate(self.samples.generators(group, self.device))]
        rest = range(max(count - len(found), 1))
        return found + [(f"random {i}", self.samples.draw(group, generator, self.device)) for i in rest]

    def _member(self, i: int, g: Element) -> Element:
        if not bool(self.symmetry.group.contains(g, 1e-4).all()):
            raise ValueError(f"audit(elements): number {i} is no element of {self.symmetry.group}")
        return map_element(lambda t: t.to(self.device), g)

    def alone(self, sample: int) -> Any:
        """The output for one sample without the rest of its batch."""
        return self.first(self.samples.alone(self.symmetry.inputs, self.inputs, sample))
