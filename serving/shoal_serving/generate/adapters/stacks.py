"""The adapters of one graph: all their rows in the arrays that are its inputs.

The inputs are those of `shoal_serving.artifacts.convert.decoder.build_decoder`. Rows belong to
adapters by number, so that one takes what its rank needs, wherever there is place.
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np

from shoal.api.tensors import TensorSpec
from shoal.errors import ModelLoadFailed, ModelNotFound
from shoal_serving.generate.adapters.adapter import Adapter, Module
from shoal_serving.tensors import DTYPES, Array, Tensors

_OWNERS = "lora.adapters"
_INPUT = re.compile(r"lora\.(\d+)\.(\w+)\.([ab])")
_NOBODY = np.iinfo(np.int64).min  # and not -1, which a caller may pad its ids with
_OTHER_BASE = "Use an adapter that was trained on this base."
_Rows = np.ndarray[tuple[int], np.dtype[np.intp]]


class AdapterStacks:
    """The loaded adapters, as arrays to be bound to a graph's inputs. Belongs to one thread.

    An adapter's id, which goes into `adapter_ids`, is 1 or more and is never given twice: a
    sequence that still runs on an adapter when it is unloaded goes on with the base. Whoever does
    not want that waits for its sequences before `unload`.
    """

    def __init__(self, inputs: Iterable[TensorSpec]) -> None:
        """`inputs`: all those of the graph, which may be without adapters."""
        self.version = 0
        self._stacks = {spec.name: _empty(spec) for spec in inputs if _INPUT.match(spec.name)}
        self._modules = {_module(name) for name in self._stacks}
        self._owners = np.empty(0, np.int64)
        self._ids: dict[str, int] = {}
        self._last = 0

    @property
    def projections(self) -> tuple[str, ...]:
        """Those that the graph lets adapters change."""
        return tuple(sorted({module.projection for module in self._modules}))

    @property
    def names(self) -> tuple[str, ...]:
        """The loaded adapters."""
        return tuple(self._ids)

    def id_of(self, name: str | None) -> int:
        """What goes into `adapter_ids`; 0 for the base.

        Raises:
            ModelNotFound: no such adapter is loaded.
        """
        if name is None:
            return 0
        if name not in self._ids:
            loaded = ", ".join(self._ids) or "none"
            raise ModelNotFound(f"There is no adapter {name!r}; loaded: {loaded}.", "adapter")
        return self._ids[name]

    def feeds(self) -> Tensors:
        """The graph's inputs but `adapter_ids`, by name.

        They are these very arrays until `version` changes, as every `load` and `unload` makes it;
        bind what this gives then before the next run.
        """
        return {**self._stacks, _OWNERS: self._owners} if self._stacks else {}

    def load(self, adapter: Adapter) -> int:
        """Take an adapter in, and give its id.

        Raises:
            ModelLoadFailed: it is of another base, changes what the graph does not let it change,
                is not finite in the graph's type, or its name is taken.
        """
        self._check(adapter)
        stacked = dict(self._stacked(adapter))
        rows = self._free(adapter.rank)
        for name, stack in self._stacks.items():
            stack[rows] = 0
            if name in stacked:
                stack[rows[: len(stacked[name])]] = stacked[name]
        self._last += 1
        self._owners[rows] = self._last
        self._ids[adapter.name] = self._last
        self.version += 1
        return self._last

    def unload(self, name: str) -> None:
        """Let an adapter go.

        Raises:
            ModelNotFound: no such adapter is loaded.
        """
        self._owners[self._owners == self.id_of(name)] = _NOBODY
        del self._ids[name]
        self.version += 1

    def close(self) -> None:
        """Give back the memory. What is loaded can still be unloaded."""
        self._stacks = {}
        self.version += 1

    def _check(self, adapter: Adapter) -> None:
        if adapter.name in self._ids:
            raise ModelLoadFailed(
                f"An adapter {adapter.name} is loaded already.",
                "Unload it first, or give the other one another name.",
            )
        for module, change in adapter.modules.items():
            if module not in self._modules:
                raise self._unknown(adapter, module)
            found = [change.b.shape[1], change.a.shape[1]]
            expected = [self._stacks[_name(module, part)].shape[1] for part in "ba"]
            if found != expected:
                raise ModelLoadFailed(
                    f"Adapter {adapter.name} is for a {module} of shape {found}; "
                    f"that of the base is {expected}.",
                    _OTHER_BASE,
                )

    def _unknown(self, adapter: Adapter, module: Module) -> ModelLoadFailed:
        if module.projection in self.projections:
            layers = len({known.layer for known in self._modules})
            return ModelLoadFailed(
                f"Adapter {adapter.name} changes {module}; the base has {layers} layers.",
                _OTHER_BASE,
            )
        known = ", ".join(self.projections) or "none"
        return ModelLoadFailed(
            f"Adapter {adapter.name} changes {module}; the graph lets adapters change: {known}.",
            "Convert the base again with this adapter among its own.",
        )

    def _stacked(self, adapter: Adapter) -> Iterator[tuple[str, Array]]:
        """The adapter's arrays in the graph's type, by the input that they go to."""
        for module, change in adapter.modules.items():
            for part, values in (("a", change.a), ("b", change.b)):
                name = _name(module, part)
                yield name, _finite(adapter, module, values, self._stacks[name].dtype)

    def _free(self, count: int) -> _Rows:
        """Rows that are nobody's."""
        free = np.flatnonzero(self._owners == _NOBODY)
        if len(free) < count:
            more = max(count - len(free), len(self._owners))
            self._owners = np.pad(self._owners, (0, more), constant_values=_NOBODY)
            self._stacks = {n: np.pad(s, ((0, more), (0, 0))) for n, s in self._stacks.items()}
            free = np.flatnonzero(self._owners == _NOBODY)
        return free[:count]


def _empty(spec: TensorSpec) -> Array:
    return np.empty((0, spec.shape[1]), DTYPES[spec.datatype])


def _module(name: str) -> Module:
    _, layer, projection, _ = name.split(".")
    return Module(int(layer), projection)


def _name(module: Module, part: str) -> str:
    return f"lora.{module.layer}.{module.projection}.{part}"


def _finite(adapter: Adapter, module: Module, values: Array, dtype: np.dtype[np.generic]) -> Array:
    """One sequence's adapter must not bring what is no number to the others."""
    with np.errstate(over="ignore"):
        converted = values.astype(dtype)
    if not np.isfinite(converted).all():
        raise ModelLoadFailed(
            f"Adapter {adapter.name} has numbers that are not finite as {dtype} in {module}.",
            "Save the adapter again, or convert the base in fp32.",
        )
    return converted
