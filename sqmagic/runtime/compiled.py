"""A compiled program as a torch module: the generated code with its parameters, as soon as all shapes are known.

The generated class computes; the module waits for data where the program leaves shapes open, and keeps weights from one
class to the next. The two share their tables of parameters and submodules, so that those bear the names of the notation
(`F.weight`), and nothing that a program names can shadow a method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, NoReturn, Self

import torch
from torch import Tensor, nn

from sqmagic.runtime import generated, inputs, pickled, telling
from sqmagic.runtime.blueprint import Blueprint, InputSpec, Settled, World
from sqmagic.runtime.errors import UnsettledError, UnsupportedError
from sqmagic.runtime.graphs.recorded import Recorded
from sqmagic.runtime.graphs.recorded import bind as record
from sqmagic.runtime.inputs import Data
from sqmagic.runtime.kernels.scan import Bound, bind
from sqmagic.runtime.plan import Size
from sqmagic.runtime.windows.program import Windows

_TABLES = ("_parameters", "_modules", "_buffers", "_non_persistent_buffers_set")

_MADE = ("_code", "_as_written", "_scans", "_whole", "size")
"""What a copy makes anew: generated code, and how it ran."""

_LENT = ("_blueprint", "_settled", "_windows", "_windows_of", "env")
"""What a net and its copies have in common."""


class Compiled(nn.Module):
    """A program with its parameters. What calls it, trains it and tells about it are functions of other pages."""

    _blueprint: Blueprint
    _settled: Settled
    _code: nn.Module | None  # not a submodule: the module shares its tables
    _as_written: nn.Module | None  # the same without rewrites, for nets whose layers have been changed
    _like: Tensor  # of the dtype and on the device that parameters are made with
    _opened: tuple[tuple[str, ...], ...]  # layers whose weights the rewrites take, by the names on the way to each
    _bare: frozenset[str]  # linear layers that are made without a bias
    _named: frozenset[str]  # what the program itself has in the tables
    _free: tuple[str, ...]  # its parameters that are of no layer
    _kept: dict[str, Tensor]  # weights that wait for parameters
    _scans: tuple[Bound, ...]  # recurrences that may run as C
    _whole: Recorded | None  # `forward`, where there are recurrences that may not
    size: Size | None = None  # of the last call
    env: Any  # the environment that the program is compiled for, or what names it
    run: Any  # where training on an environment is, or None

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__()
        self._begin(blueprint, torch.empty(0))
        self._settle(blueprint.settle({}))

    # --- what there is -------------------------------------------------------------------------

    @property
    def blueprint(self) -> Blueprint:
        """The program, as far as what runs is told of it."""
        return self._blueprint

    @property
    def settled(self) -> Settled:
        """What has become of the program with the shapes that are known."""
        return self._settled

    @property
    def scans(self) -> tuple[Bound, ...]:
        """The recurrences that may run as C, and how each ran last."""
        return self._scans

    @property
    def ran(self) -> dict[str, str]:
        """How each method of the generated code ran last that need not run as it is written."""
        found = {bound.program.method: bound.report.path for bound in self._scans}
        if self._whole is not None and self._whole.report.path:
            found["forward"] = self._whole.report.path
        return found

    @property
    def code(self) -> nn.Module:
        """The generated module, which shares its parameters with the net. Raises UnsettledError before there is one."""
        return self._settled_code()

    @property
    def windows(self) -> Windows | None:
        """Acting and learning as C, of a program that acts; worked out when it is asked for."""
        own = self._settled.windows
        if own is None:
            return None
        if self.__dict__.get("_windows_of") is not own:
            self.__dict__["_windows_of"], self.__dict__["_windows"] = own, own()
        found: Windows = self.__dict__["_windows"]
        return found

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """What the program takes, as far as it is known."""
        return self._settled.inputs

    @property
    def is_settled(self) -> bool:
        """Whether all shapes are known, so that there are parameters."""
        return self._code is not None

    @property
    def reference(self) -> Tensor:
        """A tensor of the net's dtype and device."""
        for module in self._modules.values():  # most often the first layer has one; each call asks
            for own in module._parameters.values() if module is not None else ():
                if own is not None and own.is_floating_point():
                    return own
        modules = self.modules() if self.is_settled else ()
        every = (own for module in modules for own in module._parameters.values())
        return next((own for own in every if own is not None and own.is_floating_point()), self._like)

    # --- as shapes become known ------------------------------------------------------------------

    def settle(self, data: Mapping[str, Any] | None = None, /, **given: Any) -> Self:
        """Makes the parameters from the shapes of data, without computing anything."""
        self.settle_by(self.inputs, inputs.read(self.inputs, inputs.together(data, given)))
        self._settled_code()
        return self

    def settle_by(self, specs: Sequence[InputSpec], data: Data) -> None:
        """Where shapes are open, the data may tell them."""
        if not self.is_settled and not self._blueprint.refused:
            self._settle(self._blueprint.settle(inputs.measured(specs, data)))

    def bind(self, world: World) -> Self:
        """The program for an environment; weights of parameters that keep their shape are kept."""
        if self._blueprint.bind is None:
            raise UnsupportedError("this program has no environment: no line of it calls `step`")
        if self._blueprint.world != world:
            weights = {**self._kept, **(dict(self.state_dict()) if self.is_settled else {})}
            self._blueprint = self._blueprint.bind(world)
            self._kept = {name: value.detach().clone() for name, value in weights.items()}
            self._settle(self._blueprint.settle({}))
        self._settled_code()
        return self

    def _settled_code(self) -> nn.Module:
        if self._blueprint.refused:
            raise UnsupportedError(self._blueprint.refused)
        if self._code is None:
            raise UnsettledError(telling.not_settled(self._settled))
        if self._as_written is not None and (layer := generated.changed(self._code, self._opened, self._bare)):
            for bound in self._scans:
                bound.report.path = f"torch, because `{layer}` has been changed"
            if self._whole is not None and self._whole.report.path:
                self._whole.report.path = f"torch, because `{layer}` has been changed"
            return self._as_net_has_them(self._as_written)
        return self._as_net_has_them(self._code)

    def _as_net_has_them(self, code: nn.Module) -> nn.Module:
        """The code, where parameters have been pruned or parametrized on what they are now."""
        changed = [name for name in self._free if name not in self._parameters]
        if not changed:
            return code
        for hook in self._forward_pre_hooks.values():  # they compute what is pruned, before a call of the net alone
            if getattr(hook, "_tensor_name", None) in changed:
                hook(self, ())
        other = type(code).__new__(type(code))
        other.__dict__.update(code.__dict__)
        other.__dict__["_parameters"] = {**self._parameters, **{name: getattr(self, name) for name in changed}}
        return other

    def _begin(self, blueprint: Blueprint, like: Tensor) -> None:
        self._blueprint, self._like, self._kept = blueprint, like, {}
        self._code = self._as_written = None
        self._bare, self._named, self._free = frozenset(), frozenset(), ()
        self.env, self.run = None, None

    def _settle(self, settled: Settled) -> None:
        self._settled = settled
        self._opened = tuple(tuple(name.split(".")) for name in settled.opened)
        if settled.source is None:
            return
        code = generated.build(settled.source, self._blueprint.name, self._blueprint.modules)
        code.to(device=self._like.device, dtype=self._like.dtype).train(self.training)
        self._bare = generated.bare(code)
        named = frozenset(name for table in _TABLES for name in code.__dict__[table])
        self._free = tuple(code._parameters)
        for table in _TABLES:
            own, made = self.__dict__[table], code.__dict__[table]
            added = [name for name in own if name not in self._named]
            made.update({name: own[name] for name in added} if isinstance(own, dict) else added)
            self.__dict__[table] = made
        self._named = named
        self._compute_by(code)
        self._take_kept()

    def _compute_by(self, code: nn.Module) -> None:
        """Generated code on the net's own tables; how it runs is not known yet."""
        settled, name = self._settled, self._blueprint.name
        assert settled.source is not None, "there is code"
        code.__dict__.update({table: self.__dict__[table] for table in _TABLES}, training=self.training)
        found = {
            "_scans": tuple(bind(type(code), program) for program in settled.scans),
            "_whole": record(type(code), "forward") if any(p.recurs and not p.method for p in settled.plan) else None,
            "_code": code,
            "_as_written": generated.twin(code, settled.as_written, name) if settled.as_written else None,
        }
        self.__dict__.update(found)
        pickled.with_page(code, settled.source, name)

    # --- parameters ------------------------------------------------------------------------------

    def keep_weights(self, other: Compiled) -> tuple[str, ...]:
        """Takes over from another net every parameter and buffer of the same name and shape; gives their names.

        Modules of the kernel that the program calls stay as they are. Where this net's shapes are not known yet, it
        takes the weights as soon as they are; what the other net waits for in the same way passes on.
        """
        weights = other.state_dict() if other.is_settled else other._kept
        own = {name: value for name, value in weights.items() if name.partition(".")[0] not in self._blueprint.modules}
        self._kept = {name: value.detach().clone() for name, value in own.items()}
        return self._take_kept() if self.is_settled else ()

    def _take_kept(self) -> tuple[str, ...]:
        own = self.state_dict()
        same = {n: v for n, v in self._kept.items() if n in own and own[n].shape == v.shape}
        self._kept = {}
        with torch.no_grad():
            for name, value in same.items():
                own[name].copy_(value)
        return tuple(same)

    def named_parameters(self, *args: Any, **keywords: Any) -> Iterator[tuple[str, nn.Parameter]]:
        self._settled_code()
        return super().named_parameters(*args, **keywords)

    def named_modules(self, *args: Any, **keywords: Any) -> Iterator[tuple[str, nn.Module]]:
        """A module that holds the net looks for parameters here: there must be some to find. What compiles it may look
        before the first call."""
        if not torch.compiler.is_compiling():
            self._settled_code()
        found: Iterator[tuple[str, nn.Module]] = super().named_modules(*args, **keywords)
        return found

    def apply(self, *args: Any, **keywords: Any) -> Self:
        self._settled_code()
        return super().apply(*args, **keywords)

    def state_dict(self, *args: Any, **keywords: Any) -> Any:
        self._settled_code()
        return super().state_dict(*args, **keywords)

    def load_state_dict(self, *args: Any, **keywords: Any) -> Any:
        self._settled_code()
        return super().load_state_dict(*args, **keywords)

    def _load_from_state_dict(self, *args: Any, **keywords: Any) -> None:
        """What a module that holds the net calls."""
        self._settled_code()
        super()._load_from_state_dict(*args, **keywords)

    # --- as a torch module -------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for code in (self._code, self._as_written):
            if code is not None:
                code.training = mode
        return self

    def __prepare_scriptable__(self) -> NoReturn:
        """What torch.jit.script asks first."""
        raise UnsupportedError("torch.jit.script cannot compile a net; torch.compile can")

    def _apply(self, *args: Any, **keywords: Any) -> Self:
        """What `to`, `double`, `cuda` do; before there are parameters it is remembered for them."""
        super()._apply(*args, **keywords)  # type: ignore[no-untyped-call]
        self._like = args[0](self._like)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        other = type(self).__new__(type(self))
        memo[id(self)] = other
        for key, value in self.__dict__.items():
            if key not in (*_MADE, "run"):
                other.__dict__[key] = value if key in _LENT else deepcopy(value, memo)
        other._begin_again()
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Parameters, layers and all that was added are the very objects, so that those that something else holds too
        are the same afterwards; the generated code is made anew."""
        state = super().__getstate__()  # type: ignore[no-untyped-call]
        return {k: v for k, v in state.items() if k not in (*_MADE, "run", "env", "_windows", "_windows_of")}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.env = None
        self._begin_again()

    def _begin_again(self) -> None:
        """A copy has code of its own, which has not run."""
        self._code = self._as_written = self._whole = self.run = None
        self._scans = ()
        if self._settled.source is not None:
            self._compute_by(generated.twin(nn.Module(), self._settled.source, self._blueprint.name))
