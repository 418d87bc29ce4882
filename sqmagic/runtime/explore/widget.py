"""The explorer: a widget whose page asks for a state, an example and a horizon, and is told values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import torch
import traitlets
from torch import Tensor

from sqmagic.runtime import calling, inputs
from sqmagic.runtime.compiled import Compiled
from sqmagic.runtime.errors import InputError, UnsupportedError
from sqmagic.runtime.explore.values import choices, coloured, labelled, seen, shortened
from sqmagic.runtime.inputs import Data
from sqmagic.runtime.states import States

_HERE = Path(__file__).parent


class Explorer(anywidget.AnyWidget):
    """A net on data. `state`, `step`, `example` and `horizon` can be set from Python as from the page."""

    _esm = _HERE / "explore.js"
    _css = _HERE / "explore.css"

    title = traitlets.Unicode().tag(sync=True)
    picture = traitlets.Unicode().tag(sync=True)
    palettes: traitlets.Dict[str, str] = traitlets.Dict().tag(sync=True)
    colours: traitlets.Dict[str, str] = traitlets.Dict().tag(sync=True)
    sheet: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    choices: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)
    examples = traitlets.Int(1).tag(sync=True)
    longest = traitlets.Int(1).tag(sync=True)
    state = traitlets.Unicode().tag(sync=True)
    step = traitlets.Int(1).tag(sync=True)
    example = traitlets.Int(0).tag(sync=True)
    horizon = traitlets.Int(1).tag(sync=True)
    seen: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)

    def __init__(self, net: Compiled, data: Data, horizon: int) -> None:
        self._net, self._data = net, data
        self._timed = any(s.indexed for s in net.inputs)
        states = self._run(horizon)
        lines = net.blueprint.lines()
        offered = choices(states, lines, net.inputs)
        if not offered:
            raise UnsupportedError("there is no state to look at")
        bundle = net.blueprint.bundle(net.settled.shapes)
        self._bundle = bundle
        told = bundle.get("application/vnd.seqnet+json", {})
        assert isinstance(told, Mapping), "what our own renderer is told"
        first = next((c["name"] for c in offered if states.domain(c["name"]) is not None), offered[0]["name"])
        self._states, diagram = states, net.blueprint.diagram()
        super().__init__(
            title=net.blueprint.name,
            picture=_own_ids(diagram),
            palettes=_palettes(diagram),
            colours=coloured(told),
            sheet=labelled(told),
            choices=offered,
            examples=inputs.examples(net.inputs, data.tensors),
            longest=horizon if self._timed else max(horizon, 1) * 4,
            state=first,
            horizon=horizon,
        )
        self._tell()
        self.observe(self._choose, ["state", "example"])
        self.observe(self._begin, ["horizon"])

    def values(self) -> Tensor:
        """The values that are looked at: of the state chosen, in the example chosen, [time, *shape]."""
        value = self._states[self.state]
        return value[:, self.example] if self._states.domain(self.state) is not None else value[self.example]

    def _run(self, horizon: int) -> States:
        given = shortened(self._net.inputs, self._data, horizon)
        with torch.no_grad():
            return calling.states(self._net, given, None, None if self._timed else horizon or None)

    def _begin(self, change: Mapping[str, Any]) -> None:
        """Another horizon: everything is computed anew."""
        try:
            self._states = self._run(int(change["new"]))
        except InputError as refusal:
            self.said = str(refusal)
            return
        self.said = ""
        self._tell()
        self.step = min(self.step, int(change["new"]))

    def _choose(self, change: object) -> None:
        self._tell()

    def _tell(self) -> None:
        self.seen = dict(seen(self._states, self._net.blueprint.lines(), self.state, self.example))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Beside the widget, what a net shows of itself: for pages where no kernel is."""
        made = super()._repr_mimebundle_(**kwargs)
        data, about = made if isinstance(made, tuple) else (made or {}, {})
        kept = {mime: text for mime, text in self._bundle.items() if mime in ("text/html", "text/latex")}
        return {**kept, **data, "text/plain": f"{self.title}: {self.state}, at {self.horizon} steps"}, about


def explorer(net: Compiled, given: Mapping[str, Any], horizon: int | None) -> Explorer:
    """The explorer of a net on data that are given by name."""
    data = inputs.read(net.inputs, given)
    net.settle(data.tensors)
    return Explorer(net, data, calling.steps(net, data, horizon))


def _palettes(diagram: Any) -> dict[str, str]:
    """The colours of a picture that follows its reader, on a light and on a dark page, as CSS; none for one that is to
    have a theme of its own."""
    if diagram.theme != "auto":
        return {}
    sheets = {theme: diagram.shown(theme=theme).svg.partition("<style>")[2] for theme in ("light", "dark")}
    return {theme: sheet.partition("{")[2].partition("}")[0] for theme, sheet in sheets.items()}


def _own_ids(diagram: Any) -> str:
    """The picture with ids of its own, for the same one may stand in another output of the page."""
    picture: str = diagram.svg
    return picture.replace(diagram.prefix, f"{diagram.prefix}-x")
