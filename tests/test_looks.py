"""Data that look like others that fitted are not examined again; whatever else differs is."""

from __future__ import annotations

import copy

import pytest
import torch

import sqmagic
from sqmagic.runtime import inputs
from sqmagic.runtime.errors import InputError

CELL = "x_t : 3\n0 -> h_0\nh_{t-1}|x_t --[M|tanh]-> h_t\n"
TABLE = "k : class(5)\nk --[embed_E|M]-> p\n"


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was examined, call by call."""
    found: list[object] = []
    fit = inputs.fit

    def noted(*given: object) -> object:
        found.append(given[1])
        return fit(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(inputs, "fit", noted)
    return found


def test_the_same_look_is_examined_once_and_computes_the_same(examined: list[object]) -> None:
    net = sqmagic.compile(CELL, width=4).settle()
    first, other = torch.randn(2, 5, 4, 3)
    want = copy.deepcopy(net)(x=other)
    examined.clear()
    net(x=first)
    again = net(x=other)
    assert len(examined) == 1
    assert set(again) == set(want)
    assert all(torch.equal(again[state], want[state]) for state in want)
    assert again.horizon == want.horizon == 5
    assert net.size == (5, 4, 4)
    assert net(x=torch.randn(2, 7, 3)).h.shape == (2, 7, 4)
    assert net.size == (2, 7, 4)
    assert len(examined) == 2


def test_what_looks_otherwise_is_refused_or_fitted_as_ever(examined: list[object]) -> None:
    net = sqmagic.compile(CELL, width=4).settle()
    x = torch.randn(5, 4, 3)
    net(x=x)
    with pytest.raises(InputError, match="expected"):
        net(x=x[..., :2])
    with pytest.raises(InputError, match="no input"):
        net(z=x)
    assert net(x=x.double()).h.dtype == torch.float32
    assert net.double()(x=x).h.dtype == torch.float64
    assert torch.isnan(net(x=x.double(), lengths=[2, 5, 5, 5]).h[2:, 0]).all()
    assert len(examined) == 5


def test_a_layer_that_is_changed_in_between_is_called(examined: list[object]) -> None:
    net = sqmagic.compile(CELL, width=4).settle()
    x = torch.randn(5, 4, 3)
    before = net(x=x).h
    net.M.register_forward_hook(lambda module, given, found: found * 0)
    assert (net(x=x).h == 0).all()
    assert not (before == 0).all()
    with torch.no_grad():
        net.M._forward_hooks.clear()
        net.M.weight.zero_()
        net.M.bias.fill_(0.5)
    assert torch.allclose(net(x=x).h, torch.tensor(0.5).tanh())


def test_whole_numbers_are_examined_each_time(examined: list[object]) -> None:
    net = sqmagic.compile(TABLE, width=4).settle()
    net(k=torch.tensor([0, 4]))
    with pytest.raises(InputError, match="0 to 4"):
        net(k=torch.tensor([0, 5]))
    assert len(examined) == 2
