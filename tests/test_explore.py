"""What the explorer tells its page: the values of the state that is chosen, of the example and horizon that are."""

from __future__ import annotations

import json

import pytest
import torch
from emitted import net

from sqmagic.runtime.errors import UnsupportedError

GRU = """x_t : 2
y : class(3)
Enc: h_{t-1}, x_t
    h_{t-1}|x_t --[R|sigmoid]-> r_t
    x_t|(h_{t-1}*r_t) --[H|tanh]-> h_t
    return h_t
0 -> h_0
h_{t-1}, x_t --[Enc]-> h_t
h_T --[G|softmax]-> p => y"""


def test_a_gate_is_looked_at_first_and_its_values_are_those_of_a_call() -> None:
    module, x = net(GRU), torch.rand(4, 3, 2)
    look = module.explore(x=x)
    assert look.state == "Enc.r" and (look.horizon, look.examples) == (4, 3)
    assert [c["kind"] for c in look.choices] == ["gate", "state", "state", "input"]
    look.example = 2
    wanted = module.probe("Enc.r", x=x)[:, 2].T
    assert torch.allclose(torch.tensor(look.seen["rows"]), wanted, atol=1e-5)
    assert torch.equal(look.values(), wanted.T)
    assert len(look.seen["told"]) == 4 and all("= [" in told for told in look.seen["told"])


def test_another_horizon_computes_anew() -> None:
    module, x = net(GRU), torch.rand(4, 3, 2)
    look = module.explore(x=x)
    look.step, look.state, look.horizon = 4, "p", 2
    assert look.step == 2
    assert torch.allclose(look.values(), module(x=x[:2]).p[0])
    assert not look.seen["timed"] and len(look.seen["rows"][0]) == 1


def test_what_cannot_be_computed_is_said_and_changes_nothing() -> None:
    look = net("x_t : 1\nx_3 - x_t -> d_t").explore(x=torch.rand(4, 1, 1))
    before = look.seen
    look.horizon = 2
    assert "from 3 steps on" in look.said and look.seen == before


def test_values_that_are_none_can_be_sent() -> None:
    look = net("x_t : 1\nx_{t+1} - x_t -> d_t").explore(x=torch.rand(3, 1, 1))
    look.state = "d"
    assert look.seen["rows"][0][2] is None
    json.dumps(look.seen, allow_nan=False)


def test_beside_the_widget_stands_what_a_page_without_a_kernel_can_show() -> None:
    data, _ = net(GRU).explore(x=torch.rand(4, 3, 2))._repr_mimebundle_()
    assert "<math" in data["text/html"] and "application/vnd.jupyter.widget-view+json" in data


def test_without_the_package_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "sqmagic.runtime.explore.widget", raising=False)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(UnsupportedError, match=r"pip install \"sqmagic\[lab\]\""):
        net(GRU).explore(x=torch.rand(4, 3, 2))
