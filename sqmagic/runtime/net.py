"""A net, as a user holds it: called, trained, looked into and asked about itself, each by the page that does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sqmagic.runtime import calling, inputs, playing, runs, telling, training
from sqmagic.runtime.blueprint import Derivation, Lanes, Shape
from sqmagic.runtime.calling import Memory
from sqmagic.runtime.compiled import Compiled
from sqmagic.runtime.environments import Environment
from sqmagic.runtime.errors import InputError, UnsupportedError
from sqmagic.runtime.history import History
from sqmagic.runtime.inputs import together
from sqmagic.runtime.plan import Plan
from sqmagic.runtime.played import Played
from sqmagic.runtime.rollout import Behaviour, facts
from sqmagic.runtime.states import States
from sqmagic.runtime.trace import Trace, probed, traced
from sqmagic.runtime.windows.engine import told
from sqmagic.runtime.within import inside, is_inside

if TYPE_CHECKING:
    from sqmagic.runtime.explore.widget import Explorer


class Net(Compiled):
    """A program that runs. `net(x=…)` gives its states, `net.fit(x=…, y=…)` trains it."""

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
        return calling.states(self, together(data, given), lengths, horizon)

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
        data_ = inputs.read(self.inputs, together(data, given), lengths)
        return calling.loss(self, calling.fitted(self, data_, "loss", "the loss"), horizon)

    def step(
        self, memory: Memory | None, data: Mapping[str, Any] | None = None, /, **given: Any
    ) -> tuple[Memory, States]:
        """One step of a sequence: `memory` (None at the first) and the inputs at the step, each [batch, *shape].

        Gives the memory for the next step and the states at this one. Inputs that are not indexed are read at the
        first step. Raises UnsupportedError for a program that looks ahead.
        """
        return calling.step(self, memory, together(data, given))

    def fit(
        self,
        data: Any = None,
        /,
        *,
        epochs: int = 10,
        batch: int = 32,
        lr: float | None = None,
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

        A loader gives mappings, or tuples in the order of the inputs. All are laid out as for a call ([time, batch,
        *shape]), or with `batch_first` as loaders stack them ([batch, time, *shape]). `optimizer` is "adam", "sgd", a
        class or function called with the parameters and `lr` (0.001 by itself), or an optimiser that is made already,
        which has a rate of its own; transforms in the program (`adam_opt`, `clip_grad`) go before. `validation` is a
        mapping or a loader. Ctrl-C, or the stop button, ends training and keeps the weights; so does the first loss
        that is not finite, which keeps the last good ones.
        """
        self._must_have_goals()
        settings = training.Settings(
            epochs, batch, lr, optimizer, shuffle, seed, horizon, batch_first, progress, self._blueprint.updates
        )
        source = data if not isinstance(data, Mapping | None) else together(data, given)
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
        lr: float | Callable[[float], float] | None = None,
        optimizer: Any = None,
        epochs: int | None = None,
        minibatches: int | None = None,
        warmup: int = 0,
        policy: Behaviour | None = None,
        seed: int | None = None,
        until: float | None = None,
        progress: bool = True,
    ) -> Played:
        """Acts on an environment and learns, window by window, for `steps` steps of all its examples together.

        `env` is whatever `sqmagic.environment` takes, `batch` how many of it there are; without `env` it is the one
        that the net was compiled for, and a run that was begun goes on, with what it was given unless that is given
        anew. `horizon` is the length of a window, 16 by itself. `lr`, 0.001 by itself, may be a function of the share
        of these steps that is done; `optimizer` is as in `fit`. `policy` gives the actions that the program leaves
        open, from observations; by itself they are random. Each window is learned from `epochs` times, its examples
        in `minibatches` parts, each time others (both 1 by themselves); what the program calls `old` stays as the
        window found it. Before `warmup` steps nothing is learned; `until` is a mean return of 100 episodes at which to
        stop. Ctrl-C, or the stop button, ends it and keeps the weights.
        """
        self._must_have_goals()
        settings = runs.Settings(
            steps, batch, horizon, lr, optimizer, epochs, minibatches, warmup, policy, seed, progress, until
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
        *shape], or [batch, *shape] for one that is not over time. One with a component for each step of a range, such
        as the weights of attention, is as wide as the longest, and NaN beyond its own. Raises KeyError where there is
        none.
        """
        with torch.no_grad():
            states = self(data, lengths=lengths, horizon=horizon, **given)
            return inside(self, states, state) if is_inside(self, state) else probed(states, state)

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
        return explorer(self, together(data, given), horizon)

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
            if not self.scans:
                raise UnsupportedError("no recurrence of this program runs as C")
            return "\n".join(page.text for bound in self.scans for page in bound.program.pages)
        raise UnsupportedError(f'there is no generated code in "{language}"; there is: "torch", "c"')

    @property
    def plan(self) -> Plan:
        """What runs once, at all steps at once and step by step, with what it costs; how each recurrence ran last, and
        why; and `rewrites`, the rules by which torch's recurrences were made faster, step by step. A notebook shows it
        as a picture: a lane for each loop.
        """
        self._settled_code()
        windows = told(self.windows, None if self.run is None else self.run.engine)
        return Plan(self._settled.plan, self.ran, self._blueprint.lanes, self._settled.rewrites, self.size, windows)

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
    def goals(self) -> tuple[str, ...]:
        """The losses and objectives, as they are written out."""
        return self._blueprint.goals

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
        lanes: Lanes,
    ) -> None:
        """Give the net another picture, other mime types for a notebook, and another derivation, for known shapes; and
        another way to draw its plan."""
        self._blueprint = replace(self._blueprint, diagram=diagram, bundle=bundle, derivation=derivation, lanes=lanes)

    def _must_have_goals(self) -> None:
        if not self._blueprint.goals:
            raise UnsupportedError("this program has no `=>` and no `$`: there is nothing to learn")
