"""A compiled program as a torch module: called, trained, stepped, and asked about itself.

The generated class computes; `Net` reads what it is given, waits for data where the program leaves shapes open, and
presents states by their names. The two share their tables of parameters and submodules, so that those bear the names
of the notation (`F.weight`), and nothing that a program names can shadow a method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from sqmagic.runtime import generated, inputs, playing, precision, telling, training
from sqmagic.runtime.blueprint import Blueprint, Derivation, InputSpec, Settled, Shape, Store, Transforms, World
from sqmagic.runtime.environments import Environment
from sqmagic.runtime.errors import InputError, UnsettledError, UnsupportedError
from sqmagic.runtime.history import History
from sqmagic.runtime.inputs import Data
from sqmagic.runtime.kernels.scan import Bound, bind
from sqmagic.runtime.played import Played
from sqmagic.runtime.rollout import Behaviour, facts
from sqmagic.runtime.states import States
from sqmagic.runtime.telling import Plan, Size
from sqmagic.runtime.trace import Trace, probed, traced

if TYPE_CHECKING:
    from sqmagic.runtime.explore.widget import Explorer

_TABLES = ("_parameters", "_modules", "_buffers", "_non_persistent_buffers_set")


class Memory(NamedTuple):
    """What `step` remembers between steps, for `batch` examples."""

    batch: int
    rows: Any


class Net(nn.Module):
    """A program that runs. `net(x=…)` gives its states, `net.fit(x=…, y=…)` trains it."""

    _blueprint: Blueprint
    _settled: Settled
    _code: nn.Module | None  # not a submodule: the net shares its tables
    _as_written: nn.Module | None  # the same without rewrites, for nets whose layers have been changed
    _like: Tensor  # of the dtype and on the device that parameters are made with
    _kept: dict[str, Tensor]  # weights that wait for parameters
    _scans: tuple[Bound, ...]  # recurrences that may run as C
    env: Any  # the environment that the program is compiled for, or what names it
    run: playing.Run | None  # where training on an environment is
    _size: Size | None = None  # of the last call

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__()
        self._blueprint = blueprint
        self._like = torch.empty(0)
        self._kept = {}
        self._code = self._as_written = None
        self.env, self.run = None, None
        self._settle(blueprint.settle({}))

    # --- calling ---------------------------------------------------------------------------------

    def forward(
        self,
        data: Mapping[str, Any] | None = None,
        /,
        *,
        lengths: Any = None,
        horizon: int | None = None,
        **given: Any,
    ) -> States:
        """The states. Indexed inputs are [time, batch, *shape], others [batch, *shape]; a scalar may omit its 1.

        Inputs are keywords (`O_prime` for `O'`) or one mapping; those that no prediction needs may be left out.
        `lengths` tells how many steps each example has. Raises InputError where something does not fit.
        """
        ready = self._ready(_together(data, given), lengths, "forward", "a call")
        code, keywords = self._settled_code(), self._keywords("forward", ready, horizon)
        with precision.arithmetic(self._reference()):
            values = generated.call(code, "forward", **keywords)
        values = precision.given_out(values, self._reference())
        return States(values, generated.rows(code), self._blueprint.names, self._steps(ready, horizon), ready.lengths)

    def loss(
        self,
        data: Mapping[str, Any] | None = None,
        /,
        *,
        lengths: Any = None,
        horizon: int | None = None,
        **given: Any,
    ) -> Tensor:
        """The scalar that the losses and objectives add up to: the losses less the objectives."""
        self._must_have_goals()
        return self._loss(self._ready(_together(data, given), lengths, "loss", "the loss"), horizon)

    def step(
        self, memory: Memory | None, data: Mapping[str, Any] | None = None, /, **given: Any
    ) -> tuple[Memory, States]:
        """One step of a sequence: `memory` (None at the first) and the inputs at the step, each [batch, *shape].

        Gives the memory for the next step and the states at this one. Inputs that are not indexed are read at the
        first step. Raises UnsupportedError for a program that looks ahead.
        """
        specs = tuple(_of_one_step(spec) for spec in self._settled.inputs)
        data_ = inputs.read(specs, _together(data, given))
        self._settle_by(specs, data_)
        code = self._settled_code()
        why = generated.whole(code)
        if why is not None:
            raise UnsupportedError(f"this program cannot go step by step: {why}")
        needed = generated.needs(code, "forward")
        if memory is not None:
            needed = frozenset(s.state for s in self._settled.inputs if s.indexed and s.state in needed)
        specs = tuple(_of_one_step(spec) for spec in self._settled.inputs)
        like = self._reference()
        ready = inputs.fit(specs, data_, precision.wide(like), needed, "a step")
        rows = [ready.tensors[s.state] for s in self._settled.inputs if s.indexed and s.state in needed]
        if memory is None:
            bare = [ready.tensors[s.state] for s in self._settled.inputs if not s.indexed and s.state in needed]
            with precision.arithmetic(like):
                memory = Memory(len((rows + bare or [torch.empty(1)])[0]), generated.call(code, "start", *rows, *bare))
        if rows and len(rows[0]) != memory.batch:
            raise InputError(f"{len(rows[0])} examples are given, but the memory is of {memory.batch}")
        with precision.arithmetic(like):
            after, values = generated.call(code, "step", memory.rows, *rows)
        values = precision.given_out(values, like)
        return Memory(memory.batch, after), States(values, {}, self._blueprint.names)

    def fit(
        self,
        data: Any = None,
        /,
        *,
        epochs: int = 10,
        batch: int = 32,
        lr: float = 1e-3,
        optimizer: Any = None,
        validation: Any = None,
        shuffle: bool = True,
        seed: int | None = None,
        lengths: Any = None,
        horizon: int | None = None,
        batch_first: bool = False,
        progress: bool = True,
        **given: Any,
    ) -> History:
        """Trains on tensors, arrays (as keywords, or one mapping) or on a loader of batches; returns how it went.

        A loader gives mappings, or tuples in the order of the inputs, laid out as for a call ([time, batch, *shape]),
        or with `batch_first` as loaders stack them. `optimizer` is "adam", "sgd", or a class or function called with
        the parameters and `lr`; transforms in the program (`adam_opt`, `clip_grad`) go before. `validation` is a
        mapping or a loader. Ctrl-C, or the stop button, ends training and keeps the weights; so does the first loss
        that is not finite, which keeps the last good ones.
        """
        self._must_have_goals()
        settings = training.Settings(
            epochs, batch, lr, optimizer, shuffle, seed, horizon, batch_first, progress, self._blueprint.updates
        )
        source = data if not isinstance(data, Mapping | None) else _together(data, given)
        if source is data and given:
            raise InputError("a loader brings all inputs: nothing else can be given besides")
        return training.train(self, source, lengths, validation, settings)

    # --- with an environment ---------------------------------------------------------------------

    def train_on(
        self,
        env: Any = None,
        *,
        steps: int,
        batch: int | None = None,
        horizon: int | None = None,
        lr: float | Callable[[float], float] = 1e-3,
        optimizer: Any = None,
        epochs: int = 1,
        minibatches: int = 1,
        warmup: int = 0,
        policy: Behaviour | None = None,
        seed: int | None = None,
        until: float | None = None,
        progress: bool = True,
    ) -> Played:
        """Acts on an environment and learns, window by window, for `steps` steps of all its examples together.

        `env` is whatever `sqmagic.environment` takes, `batch` how many of it there are; without `env` it is the one
        that the net was compiled for, and a run that was begun goes on. `horizon` is the length of a window. `lr` may
        be a function of the share of the steps that is done. `policy` gives the actions that the program leaves open,
        from observations; by itself they are random. Each window is learned from `epochs` times, its examples in
        `minibatches` parts, each time others; what the program calls `old` stays as the window found it. Before
        `warmup` steps nothing is learned; `until` is a mean return of 100 episodes at which to stop. Ctrl-C, or the
        stop button, ends it and keeps the weights.
        """
        self._must_have_goals()
        length = horizon or self._blueprint.horizon or 16
        settings = playing.Settings(
            steps, batch, length, lr, optimizer, epochs, minibatches, warmup, policy, seed, progress, until
        )
        return playing.train_on(self, env, settings)

    def play(
        self,
        env: Any = None,
        *,
        episodes: int = 100,
        greedy: bool = True,
        seed: int | None = None,
        batch: int | None = None,
    ) -> list[float]:
        """The returns of whole episodes without learning; `greedy` takes the likeliest in place of what is drawn."""
        return playing.play(self, env, episodes, greedy, seed, batch)

    def acted_on(self, env: Environment, seed: int | None = None) -> Iterator[list[tuple[int, float]]]:
        """Acts on an environment by what is likeliest, a step for each item: the examples whose episode ended at it,
        with their returns. The first item is what the reset gives."""
        self.bind(facts(env))
        return playing.episodes_of(self, env, True, seed)

    def bind(self, world: World) -> Net:
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

    @property
    def code(self) -> nn.Module:
        """The generated module, which shares its parameters with the net."""
        return self._settled_code()

    @property
    def stores(self) -> Mapping[str, Store]:
        """The buffers that the program declares."""
        return self._settled.stores

    @property
    def updates(self) -> Mapping[str, Transforms]:
        """The transforms of each layer's update."""
        return self._blueprint.updates

    # --- looking inside ---------------------------------------------------------------------------

    def probe(
        self,
        state: str,
        data: Mapping[str, Any] | None = None,
        /,
        *,
        lengths: Any = None,
        horizon: int | None = None,
        **given: Any,
    ) -> Tensor:
        """The values of one state on data, as a call gives them but without gradient: `net.probe("z_t", x=x)`.

        The state is named as it is written (`z_t`, `z`, a macro's own `Enc.r`, a base case `h_0`) and is [time, batch,
        *shape], or [batch, *shape] for one that is not over time. Raises KeyError where there is none.
        """
        with torch.no_grad():
            return probed(self(data, lengths=lengths, horizon=horizon, **given), state)

    def trace(
        self,
        data: Mapping[str, Any] | None = None,
        /,
        *,
        steps: int = 4,
        example: int = 0,
        only: Sequence[str] = (),
        lengths: Any = None,
        horizon: int | None = None,
        **given: Any,
    ) -> Trace:
        """The first steps of one example in numbers: every equation with values in place of its states, and shapes.

        `only` are the states whose lines are told; without it all are. A notebook shows a table.
        """
        with torch.no_grad():
            states = self(data, lengths=lengths, horizon=horizon, **given)
        return traced(self._blueprint.lines(), states, steps, example, only)

    def explore(
        self, data: Mapping[str, Any] | None = None, /, *, horizon: int | None = None, **given: Any
    ) -> Explorer:
        """A widget: picture and equations, and the values of any state on data, step by step, as a map of colours.

        Raises UnsupportedError where the package that makes widgets is not installed.
        """
        try:
            from sqmagic.runtime.explore.widget import explorer
        except ModuleNotFoundError as missing:
            raise UnsupportedError(f'{missing.name} is not installed: pip install "sqmagic[lab]"') from missing
        return explorer(self, _together(data, given), horizon)

    # --- about itself ----------------------------------------------------------------------------

    @property
    def source(self) -> str:
        """The generated code, which runs on its own with torch alone."""
        self._settled_code()
        assert self._settled.source is not None, "settled code has a source"
        return self._settled.source

    def to_source(self, language: str = "torch") -> str:
        """The generated code in a language, "torch" or "c": in C there are the recurrences, forward and back."""
        if language == "torch":
            return self.source
        if language == "c":
            self._settled_code()
            if not self._scans:
                raise UnsupportedError("no recurrence of this program runs as C")
            return "\n".join(page.text for bound in self._scans for page in bound.program.pages)
        raise UnsupportedError(f'there is no generated code in "{language}"; there is: "torch", "c"')

    @property
    def plan(self) -> Plan:
        """What runs once, at all steps at once and step by step, with what it costs; how each recurrence ran last, and
        why; and `rewrites`, the rules by which torch's recurrences were made faster, step by step.
        """
        self._settled_code()
        ran = {bound.program.method: bound.report.path for bound in self._scans}
        return Plan(self._settled.plan, ran, self._settled.rewrites, self._size)

    @property
    def notation(self) -> str:
        """The program in its canonical form."""
        return self._blueprint.notation()

    @property
    def elaborated(self) -> str:
        """The program filled in, each line that a rule made or changed marked by the rule."""
        return self._blueprint.elaborated()

    @property
    def latex(self) -> str:
        r"""The equations forward, in reverse and of update as an `align*`, to copy into a paper."""
        return self._blueprint.derivation(self._settled.shapes).latex

    @property
    def derivation(self) -> Any:
        """The sheet: `.forward`, `.backward` and `.update` are its columns, `.html`, `.latex` and `.text` its forms.

        Every form is checked against torch.autograd first.
        """
        return self._blueprint.derivation(self._settled.shapes)

    @property
    def diagram(self) -> Any:
        """The picture."""
        return self._blueprint.diagram()

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """What the program takes, as far as it is known."""
        return self._settled.inputs

    @property
    def goals(self) -> tuple[str, ...]:
        """The losses and objectives, as they are written out."""
        return self._blueprint.goals

    @property
    def is_settled(self) -> bool:
        """Whether all shapes are known, so that there are parameters."""
        return self._code is not None

    def settle(self, data: Mapping[str, Any] | None = None, /, **given: Any) -> Net:
        """Makes the parameters from the shapes of data, without computing anything."""
        self._settle_by(self._settled.inputs, inputs.read(self._settled.inputs, _together(data, given)))
        self._settled_code()
        return self

    def __repr__(self) -> str:
        called = telling.signature(self._blueprint.name, self._settled)
        if self._blueprint.refused:
            return f"{called}, which is shown and cannot run: {self._blueprint.refused}"
        if not self.is_settled:
            return f"{called}, whose parameters wait for {telling.listed(self._settled.missing)}"
        return f"{called} with {sum(p.numel() for p in self.parameters()):,} parameters"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Mapping[str, object]:
        """What a notebook shows: the picture and the equations, with the shapes that are known."""
        return self._blueprint.bundle(self._settled.shapes)

    def show_as(
        self,
        diagram: Callable[[], object],
        bundle: Callable[[Mapping[str, Shape]], Mapping[str, object]],
        derivation: Callable[[Mapping[str, Shape]], Derivation],
    ) -> None:
        """Give the net another picture, other mime types for a notebook, and another derivation, for known shapes."""
        self._blueprint = replace(self._blueprint, diagram=diagram, bundle=bundle, derivation=derivation)

    # --- parameters ------------------------------------------------------------------------------

    def keep_weights(self, other: Net) -> tuple[str, ...]:
        """Takes over from another net every parameter and buffer of the same name and shape; gives their names.

        Modules of the kernel that the program calls stay as they are. Where this net's shapes are not known yet, it
        takes the weights as soon as they are; what the other net waits for in the same way passes on.
        """
        weights = other.state_dict() if other.is_settled else other._kept
        own = {name: value for name, value in weights.items() if name.partition(".")[0] not in self._blueprint.modules}
        self._kept = {name: value.detach().clone() for name, value in own.items()}
        return self._take_kept() if self.is_settled else ()

    def named_parameters(self, *args: Any, **keywords: Any) -> Iterator[tuple[str, nn.Parameter]]:
        self._settled_code()
        return super().named_parameters(*args, **keywords)

    def state_dict(self, *args: Any, **keywords: Any) -> Any:
        self._settled_code()
        return super().state_dict(*args, **keywords)

    def load_state_dict(self, *args: Any, **keywords: Any) -> Any:
        self._settled_code()
        return super().load_state_dict(*args, **keywords)

    def train(self, mode: bool = True) -> Net:
        super().train(mode)
        if self._code is not None:
            self._code.training = mode
        if self._as_written is not None:
            self._as_written.training = mode
        return self

    def _apply(self, *args: Any, **keywords: Any) -> Net:
        """What `to`, `double`, `cuda` do; before there are parameters it is remembered for them."""
        super()._apply(*args, **keywords)  # type: ignore[no-untyped-call]
        self._like = args[0](self._like)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Net:
        other = Net.__new__(Net)
        memo[id(self)] = other
        for key, value in self.__dict__.items():
            if key in ("_blueprint", "_settled", "_scans", "env"):
                other.__dict__[key] = value
            else:
                other.__dict__[key] = None if key == "run" else deepcopy(value, memo)
        return other

    def __reduce__(self) -> Any:
        weights = dict(self.state_dict()) if self.is_settled else {}
        frozen = [n for n, p in self.named_parameters() if not p.requires_grad] if self.is_settled else []
        return _restored, (self._blueprint, self._settled, weights, frozen, self.training, self._like)

    # --- within ----------------------------------------------------------------------------------

    def _settle(self, settled: Settled) -> None:
        self._settled = settled
        if settled.source is None:
            return
        code = generated.build(settled.source, self._blueprint.name, self._blueprint.modules)
        self.__dict__["_scans"] = tuple(bind(type(code), program) for program in settled.scans)
        code.to(device=self._like.device, dtype=self._like.dtype)
        other = generated.twin(code, settled.as_written, self._blueprint.name) if settled.as_written else None
        for table in _TABLES:
            self.__dict__[table] = code.__dict__[table]
        self.__dict__["_code"], self.__dict__["_as_written"] = code, other
        self.train(self.training)
        self._take_kept()

    def _take_kept(self) -> tuple[str, ...]:
        own = self.state_dict()
        same = {n: v for n, v in self._kept.items() if n in own and own[n].shape == v.shape}
        self._kept = {}
        with torch.no_grad():
            for name, value in same.items():
                own[name].copy_(value)
        return tuple(same)

    def _settle_by(self, specs: tuple[InputSpec, ...], data: Data) -> None:
        """Where shapes are open, the data may tell them."""
        if not self.is_settled and not self._blueprint.refused:
            self._settle(self._blueprint.settle(inputs.measured(specs, data)))

    def _settled_code(self) -> nn.Module:
        if self._blueprint.refused:
            raise UnsupportedError(self._blueprint.refused)
        if self._code is None:
            raise UnsettledError(telling.not_settled(self._settled))
        if self._as_written is not None and (layer := generated.changed(self._code, self._settled.opened)):
            for bound in self._scans:
                bound.report.path = f"torch, because `{layer}` has been changed"
            return self._as_written
        return self._code

    def _ready(self, given: Mapping[str, Any], lengths: Any, method: str, purpose: str) -> Data:
        """What was given, checked and laid out for a method of the generated code."""
        data = inputs.read(self._settled.inputs, given, lengths)
        return self._fitted(data, method, purpose)

    def _fitted(self, data: Data, method: str, purpose: str) -> Data:
        self._settle_by(self._settled.inputs, data)
        code = self._settled_code()
        if data.lengths is not None and not generated.takes(code, "forward", "lengths"):
            why = (
                "it reads a range up to T" if any(s.indexed for s in self._settled.inputs) else "nothing runs over time"
            )
            raise UnsupportedError(f"`lengths` has no meaning for this program: {why}")
        needed = generated.needs(code, method)
        return inputs.fit(self._settled.inputs, data, precision.wide(self._reference()), needed, purpose)

    def _loss(self, ready: Data, horizon: int | None) -> Tensor:
        """The loss of data that are laid out; a goal that counts at no step has no mean."""
        steps = self._steps(ready, horizon) if ready.lengths is None else int(ready.lengths.max())
        for text, counted in zip(self._blueprint.goals, generated.goals(self._settled_code()), strict=False):
            if counted is not None and steps + counted[1] < counted[0]:
                where = f"{counted[0]} to T{counted[1]:+d}" if counted[1] else f"{counted[0]} to T"
                raise InputError(f"`{text}` counts at the steps {where}: with T = {steps} there are none")
        keywords = self._keywords("loss", ready, horizon)
        with precision.arithmetic(self._reference()):
            found: Tensor = generated.call(self._settled_code(), "loss", **keywords)
        return precision.widened(found)

    def _keywords(self, method: str, ready: Data, horizon: int | None) -> dict[str, Any]:
        code = self._settled_code()
        names = generated.arguments(code)
        self.__dict__["_size"] = self._sized(ready, horizon)
        keywords: dict[str, Any] = {
            names[state]: tensor
            for state, tensor in ready.tensors.items()
            if generated.takes(code, method, names[state])
        }
        if ready.lengths is not None:
            keywords["lengths"] = ready.lengths
        steps = self._steps(ready, horizon)
        if generated.takes(code, method, "horizon"):
            if steps < 1:
                raise InputError("no input runs over time: say how many steps there are, `horizon=…`")
            keywords["horizon"] = steps
        shortest, least = steps if ready.lengths is None else int(ready.lengths.min()), generated.least(code)
        if shortest < least and least > 1:
            raise InputError(f"the program reads points that are there from {least} steps on, and there are {shortest}")
        return keywords

    def _sized(self, ready: Data, horizon: int | None) -> Size:
        batches = [len(t[0]) if s.indexed else len(t) for s in self._settled.inputs for t in self._of(s, ready)]
        return Size(self._steps(ready, horizon), (batches or [1])[0], self._reference().element_size())

    def _of(self, spec: InputSpec, ready: Data) -> list[Tensor]:
        return [ready.tensors[spec.state]] if spec.state in ready.tensors else []

    def _steps(self, ready: Data, horizon: int | None) -> int:
        for spec in self._settled.inputs:
            if spec.indexed and spec.state in ready.tensors:
                return inputs.horizon(spec, ready.tensors[spec.state])
        return horizon or self._blueprint.horizon or 0

    def _reference(self) -> Tensor:
        """A tensor of the net's dtype and device."""
        return next((p for p in self.parameters() if p.is_floating_point()), self._like)

    def _must_have_goals(self) -> None:
        if not self._blueprint.goals:
            raise UnsupportedError("this program has no `=>` and no `$`: there is nothing to learn")


def _together(data: Mapping[str, Any] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    if data is not None and not isinstance(data, Mapping):
        raise InputError(f"inputs are given by name, as `net(x=…)` or a mapping, not as {type(data).__name__}")
    return {**(data or {}), **given}


def _of_one_step(spec: InputSpec) -> InputSpec:
    """An input over time, as one step has it."""
    return replace(spec, indexed=False)


def _restored(
    blueprint: Blueprint,
    settled: Settled,
    weights: Mapping[str, Tensor],
    frozen: list[str],
    training_mode: bool,
    like: Tensor,
) -> Net:
    net = Net.__new__(Net)
    nn.Module.__init__(net)
    net._blueprint, net._like, net._kept = blueprint, like, {}
    net._code = net._as_written = None
    net.env, net.run = None, None
    net._settle(settled)
    net.train(training_mode)
    if weights:
        net.load_state_dict(weights, assign=False)
    for name, parameter in net.named_parameters() if weights else ():
        parameter.requires_grad_(name not in frozen)
    return net
