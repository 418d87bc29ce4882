"""A net as it is used: called, trained, stepped, copied, and given what does not fit."""

from __future__ import annotations

import copy
import io
import math
import pickle
import re
from collections.abc import Callable, Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import pytest
import torch
from against import random_inputs
from emitted import emitted, net, randomised
from programs import PROGRAMS
from torch import Tensor, nn
from torch.nn.parallel.distributed import _find_tensors
from torch.nn.utils import parametrize, prune
from torch.utils.data import DataLoader, TensorDataset

from sqmagic.nets import compile as compiled
from sqmagic.notation.problems import NotationError, NotationWarning
from sqmagic.runtime.errors import InputError, UnsettledError, UnsupportedError
from sqmagic.runtime.history import History
from sqmagic.runtime.net import Net

RNN = """
x_t : 3
0 -> h_0
x_t|h_{t-1} --[Enc|tanh]-> h_t --[Gen]-> p_t => y_t
y_t : 2
"""
CLASSIFIER = "X --[M_1|relu]-> h --[M_2|softmax]-> p => y\nX : 4\ny : class(3)"
OPEN = "0 -> h_0\nx_t|h_{t-1} --[Enc|tanh]-> h_t\nh_T --[Gen|softmax]-> p => one_hot(y)"
FUTURE = "x_t : 2\nx_t --[M]-> v_t\nv_{t+1} - v_{t-1} -> d_t\nd_t => x_t"


def quiet(module: Net, *args: Any, **more: Any) -> History:
    return module.fit(*args, progress=False, **more)


# --- states --------------------------------------------------------------------------------------


def test_states_are_attributes_and_items_by_their_names() -> None:
    text = "O'_t : 2\nlambda_t : 2\nEnc: x_t\n    x_t --[R]-> r_t\n    return r_t\nO'_t * lambda_t --[Enc]-> q_t"
    out = net(text)(O_prime=torch.ones(3, 2, 2), lambda_=torch.ones(3, 2, 2))
    assert torch.equal(out.O_prime, out["O'"])
    assert torch.equal(out.lambda_, out["lambda"])
    assert "q" in out and "q" in dir(out)
    with pytest.raises(AttributeError, match="there is no state `nothing` here; there are O', lambda"):
        _ = out.nothing
    with pytest.raises(KeyError, match="nothing"):
        _ = out["nothing"]


def test_locals_of_macros_are_items() -> None:
    out = net(PROGRAMS["macro"])(x=torch.ones(3, 2, 3))
    assert out["Enc_1.r"].shape == (3, 2, 5)


def test_outside_of_its_domain_a_state_is_nan_and_poisons_no_gradient() -> None:
    module = net(FUTURE)
    out = module(x=torch.rand(5, 2, 2))
    assert out.domain("d") == (2, 4)
    assert out.domain("v") == (1, 5)
    assert out.d.shape == (5, 2, 2)
    assert out.d[[0, 4]].isnan().all() and out.d[1:4].isfinite().all()
    out.d[1:4].sum().backward()
    assert module.M.weight.grad.isfinite().all()


def test_a_domain_may_be_empty() -> None:
    out = net(FUTURE)(x=torch.rand(1, 2, 2))
    assert out.d.isnan().all() and out.d.shape == (1, 2, 2)
    assert "defined nowhere" in repr(out)


def test_base_cases_are_items_and_rows_before_the_window_too() -> None:
    out = net(PROGRAMS["row_zero"])(a=torch.ones(5, 3, 2), x=torch.ones(4, 3, 2))
    assert out["h_0"].shape == (3, 2) and not out["h_0"].any()
    assert out["a_0"].shape == (3, 2)
    assert out.a.shape == (4, 3, 2)
    assert out.domain("z") if "z" in out else out.domain("h_0") is None


STACK = """
x_t : 3
1 -> h_{0,1}
2 -> h_{0,2}
x_t + h_{t-1,1} -> h_{t,1}
h_{t,1} + h_{t-1,2} -> h_{t,2}
"""


def test_items_may_be_called_as_they_are_written() -> None:
    stacked = net(STACK)
    x = torch.rand(4, 2, 3)
    out = stacked(x=x)
    assert torch.equal(out["h_{t,2}"], out["h_2"]) and torch.equal(out["h_{3,2}"], out["h_2"][2])
    assert torch.equal(out["h_{0,2}"], torch.full((2, 3), 2.0)) and torch.equal(out["x_t"], x)
    assert torch.equal(stacked.probe("h_{t,2}", x=x), out["h_2"])
    for name in ("h_{t,3}", "h_{9,2}", "h_t", "h_{t,1,2}"):
        with pytest.raises(KeyError, match="there is no state"):
            out[name]
    with pytest.raises(UnsettledError, match=r"declare it in the program: `x_\{t,1\} : …`; `x_\{t,2\} : …`"):
        list(net("x_{t,1} + x_{t,2} -> y_t").named_parameters())


def test_a_number_in_braces_is_the_number() -> None:
    plain = net("X : 3\nb_{1} : param(3)\nM_{1} : 3 -> 2\nX + b_1 -> h_{1}\nh_1 --[M_1]-> h_2")
    assert plain(X=torch.rand(2, 3)).h_2.shape == (2, 2)
    assert set(plain.state_dict()) == {"b_1", "M_1.weight", "M_1.bias"}


def test_a_learned_base_case_begins_every_example_and_is_trained() -> None:
    net = compiled("M_0 : param(3, 2)\nk_t : 3\nv_t : 2\nM_t := M_{t-1} + outer(k_t, v_t)\nk_T @ M_T -> p => y\ny : 2")
    data = {"k": torch.randn(4, 5, 3), "v": torch.randn(4, 5, 2)}
    out, start = net(**data), net.state_dict()["M0"]
    assert torch.equal(out["M_0"], start.expand(5, 3, 2))
    assert torch.allclose(out["M"][-1], start + torch.einsum("tbi,tbj->bij", data["k"], data["v"]), atol=1e-5)
    net.loss(**data, y=torch.randn(5, 2)).backward()
    assert dict(net.named_parameters())["M0"].grad.abs().sum() > 0


def test_a_bare_parameter_and_the_sequence_that_begins_with_it_are_two() -> None:
    net = compiled("M : param(3)\nM -> M_0\nx_t : 3\nM_{t-1} + x_t -> M_t\nM * x_t -> a_t")
    out, whole = net(x=torch.ones(4, 5, 3)), net.state_dict()["M"]
    assert torch.equal(out["M_0"], whole.expand(5, 3)) and torch.allclose(out["M_t"][1], whole.expand(5, 3) + 2)
    assert torch.equal(out["a"][2], whole.expand(5, 3))


def test_a_weight_is_read_transposed() -> None:
    net = compiled("W @ x_t -> h_t\ntranspose(W) @ h_t -> y_t\nx_t : 3", width=5)
    x, weight = torch.randn(4, 2, 3), net.state_dict()["W.weight"]
    assert torch.allclose(net(x=x)["y"], x @ weight.T @ weight, atol=1e-5)


def test_repr_lists_names_shapes_and_domains() -> None:
    lines = repr(net(FUTURE)(x=torch.rand(5, 2, 2))).split("\n")
    assert lines == ["3 states", "  x  [5, 2, 2]", "  v  [5, 2, 2]", "  d  [5, 2, 2]  defined on 2..4"]


def test_without_its_target_every_state_is_there_that_does_not_need_it() -> None:
    module = net(RNN + "p_t - y_t -> e_t")
    x = torch.rand(4, 2, 3)
    assert set(module(x=x)) == {"x", "h_0", "h", "p"}
    assert set(module(x=x, y=torch.rand(4, 2, 2))) == {"x", "y", "h_0", "h", "p", "e"}


def test_states_are_pickled_and_copied_with_those_that_nobody_has_asked_for() -> None:
    module, x = net(RNN), torch.rand(4, 2, 3)
    out = module(x=x, lengths=[4, 2])
    for other in (pickle.loads(pickle.dumps(out)), copy.deepcopy(module(x=x, lengths=[4, 2]))):
        assert set(other) == set(out) and other.domain("h") == out.domain("h") and not other.h.requires_grad
        assert all(torch.equal(other[state].nan_to_num(7), out[state].nan_to_num(7)) for state in out)
        assert torch.equal(other["h_0"], out["h_0"])


@pytest.mark.parametrize("text", [RNN, "x_t : 3\n0 -> h_0\nx_t|h_{t-1} --[Enc|tanh]-> h_t"])
def test_distributed_training_finds_the_tensors_of_a_call(text: str) -> None:
    out = net(text)(x=torch.rand(4, 2, 3))
    found = list(_find_tensors(out))
    assert len(found) == len(out) and any(t.grad_fn is not None for t in found)


# --- what may be given ---------------------------------------------------------------------------


def test_arrays_lists_integers_and_mappings_are_taken() -> None:
    module = net(RNN)
    x = torch.arange(24).reshape(4, 2, 3)
    expected = module(x=x.float()).p
    for given in ({"x": x}, {"x": x.numpy()}, {"x": x.tolist()}, {"x": x.double()}, {"x": list(x.float())}):
        assert torch.equal(module(**given).p, expected)
        assert torch.equal(module(given).p, expected)


def test_a_scalar_may_omit_its_axis() -> None:
    module = net("r_t : 1\ny : class(3)\nr_t --[V]-> v_t\nv_T --[P|softmax]-> p => y")
    r, y = torch.rand(4, 2), torch.tensor([0, 2])
    assert torch.equal(module.loss(r=r, y=y), module.loss(r=r[..., None], y=y[:, None].int()))


def test_nan_passes_through_a_call() -> None:
    assert net(RNN)(x=torch.full((2, 1, 3), torch.nan)).p.isnan().all()


REJECTED = {
    "missing": ({}, "`y_t` is missing: the loss needs it"),
    "extra": ({"y": torch.rand(4, 2, 2), "z": 1}, "there is no input `z`\n  the inputs of this program: `x`, `y`"),
    "near": ({"y_": torch.rand(4, 2, 2)}, "there is no input `y_`; perhaps `y` is meant"),
    "misshapen": ({"y": torch.rand(4, 2, 5)}, "`y_t` is [4, 2, 5], but [time, batch, 2] is expected\n  y_t : 2 on"),
    "no batch": ({"y": torch.rand(4, 2)}, "a single example needs a batch axis too: y[:, None]"),
    "other batch": ({"y": torch.rand(4, 3, 2)}, "different numbers of examples: `x_t` has 2, `y_t` has 3"),
    "other steps": ({"y": torch.rand(5, 2, 2)}, "different numbers of steps: `x_t` has 4 rows, `y_t` has 5 rows"),
    "words": ({"y": "abc"}, "`y_t` must be a tensor or an array of numbers, not str"),
    "ragged": ({"y": [[1, 2], [3]]}, "`y_t` must be a tensor or an array of numbers, not a list whose parts"),
    "complex": ({"y": torch.zeros(4, 2, 2, dtype=torch.cfloat)}, "`y_t` must be real numbers, not complex64"),
    "lengths": ({"y": torch.rand(4, 2, 2), "lengths": [1, 5]}, "`lengths` must be from 1 to 4, and are 1 to 5"),
    "length": ({"y": torch.rand(4, 2, 2), "lengths": [1]}, "`lengths` has 1 numbers for 2 examples"),
    "real lengths": ({"y": torch.rand(4, 2, 2), "lengths": [1.0, 2.0]}, "`lengths` must be whole numbers"),
}  # fmt: skip


@pytest.mark.parametrize("case", REJECTED)
def test_what_does_not_fit_is_said_in_words(case: str) -> None:
    given, message = REJECTED[case]
    module = net(RNN)
    with pytest.raises(InputError) as caught:
        module.loss(**{"x": torch.rand(4, 2, 3), **given})
    assert message in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert "\n".join(caught.value._render_traceback_()) == f"InputError: {caught.value}"
    assert module.loss(x=torch.rand(4, 2, 3), y=torch.rand(4, 2, 2)).isfinite()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.tensor([0.0, 1.0]), "`y` must be whole numbers, not float32: pass y.long()"),
        (torch.tensor([0, 3]), "`y` is 3, but its values are 0 to 2"),
        (torch.tensor([-1, 0]), "`y` is -1, but its values are 0 to 2"),
        (torch.empty(0, dtype=torch.long), "there is nothing along batch"),
    ],
)
def test_a_class_is_a_whole_number_among_its_values(y: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        net(CLASSIFIER).loss(X=torch.rand(2, 4), y=y)


def test_values_of_classes_are_not_looked_at_where_nobody_can() -> None:
    module = net(CLASSIFIER)
    X, y = torch.rand(6, 5, 4), torch.randint(3, (6, 5))
    losses = torch.vmap(lambda X, y: module.loss(X=X, y=y))(X, y)
    torch.testing.assert_close(losses, torch.stack([module.loss(X=a, y=b) for a, b in zip(X, y, strict=True)]))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_torch_script_cannot_do_is_said_in_words() -> None:
    for module in (net(RNN), nn.Sequential(net(RNN))):
        with pytest.raises(UnsupportedError, match="script cannot compile a net"):
            torch.jit.script(module)


def test_a_goal_that_counts_at_no_step_says_so() -> None:
    module = net(FUTURE)
    with pytest.raises(InputError, match=r"counts at the steps 2 to T-1: with T = 2 there are none"):
        module.loss(x=torch.rand(2, 1, 2))


def test_a_program_without_goals_has_nothing_to_learn() -> None:
    module = net("X --[M]-> p\nX : 2")
    for ask in (module.loss, module.fit):
        with pytest.raises(UnsupportedError, match="nothing to learn"):
            ask(X=torch.rand(3, 2))


def test_a_point_that_is_read_must_be_there() -> None:
    module = net("x_t : 2\nx_{T-2} - x_3 -> d")
    assert not module(x=torch.ones(5, 1, 2)).d.any()
    for given in ({"x": torch.ones(2, 1, 2)}, {"x": torch.ones(5, 2, 2), "lengths": [5, 2]}):
        with pytest.raises(InputError, match="there from 3 steps on, and there are 2"):
            module(**given)


def test_positional_tensors_and_other_languages_are_refused() -> None:
    module = net(CLASSIFIER)
    with pytest.raises(InputError, match="inputs are given by name"):
        module(torch.rand(2, 4))
    with pytest.raises(UnsupportedError, match=r'no generated code in "fortran"; there is: "torch", "c"'):
        module.to_source("fortran")
    with pytest.raises(UnsupportedError, match="no recurrence of this program runs as C"):
        module.to_source("c")
    assert module.to_source("torch") == module.source


DECODER = """
x_t : 3
b : param(2)
b * 2 -> n
x_t --[E|tanh]-> e_t
0 -> d_0
softmax(e_{1:T} @ d_{t-1}) -> a_t
a_t @ e_{1:T} -> c_t
c_t|d_{t-1} --[D|tanh]-> d_t
mean(transpose(e_{1:T})) -> m
O(d_t) + n -> p_t => y_t
"""


def test_a_range_up_to_the_end_ends_with_each_example() -> None:
    ends = [5, 2, 4, 2]
    x, y = torch.randn(5, 4, 3, dtype=torch.float64), torch.randn(5, 4, 2, dtype=torch.float64)
    module = net(DECODER).settle(x=x, y=y).double()
    given = x.clone()
    for example, end in enumerate(ends):
        given[end:, example] = torch.nan
    out, looked = module(x=given, lengths=ends), module.probe("a_t", x=given, lengths=ends)
    module.loss(x=given, y=y, lengths=ends).backward()
    found = {name: p.grad for name, p in module.named_parameters()}
    module.zero_grad()
    total = torch.zeros((), dtype=torch.float64)
    for example, end in enumerate(ends):
        own = {"x": x[:end, example : example + 1], "y": y[:end, example : example + 1]}
        total = total + module.loss(own) * end / sum(ends)
        alone = module(x=own["x"])
        for state in alone:
            if out.domain(state) is None:
                torch.testing.assert_close(out[state][example], alone[state][0])
            else:
                torch.testing.assert_close(out[state][:end, example], alone[state][:, 0])
                assert out[state][end:, example].isnan().all()
        torch.testing.assert_close(looked[:end, example, :end], module.probe("a_t", x=own["x"])[:, 0])
        assert looked[end:, example].isnan().all() and looked[:, example, end:].isnan().all()
    total.backward()
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad)


def test_a_range_up_to_the_end_takes_lengths_where_there_is_one_mean() -> None:
    module = net("x_t : 2\nmean(transpose(x_{1:T})) -> m\nM(m) -> q => y\nP(x_t - m) -> p_t => x_t\ny : 3")
    x, y = torch.randn(4, 2, 2), torch.randn(2, 3)
    assert module(x=x, lengths=[4, 2]).q.shape == (2, 3)
    with pytest.raises(UnsupportedError, match="its goals count at different steps"):
        module.loss(x=x, y=y, lengths=[4, 2])
    module = net("x_t : 2\nmean(transpose(x_{1:T})) -> m\nbatch_norm_N(m) -> q")
    with pytest.raises(UnsupportedError, match="batch_norm is over the examples of all lengths"):
        module(x=x, lengths=[4, 2])
    assert module.eval()(x=x, lengths=[4, 2]).q.shape == (2, 2)


# --- shapes that data tell -----------------------------------------------------------------------


def test_before_its_shapes_are_known_a_net_says_what_is_missing() -> None:
    module = net(OPEN)
    assert not module.is_settled
    for ask in (module.parameters, module.state_dict, lambda: module.source):
        with pytest.raises(UnsettledError) as caught:
            list(ask())
        assert str(caught.value).startswith("the net has no parameters yet: the shape of `x`")
        assert "net.settle(x=x, y=y)" in str(caught.value)
    assert "parameters wait for `x`" in repr(module)


def test_what_is_still_and_not_declared_may_have_to_be_learned() -> None:
    module = net("h_t := tanh(W @ x_t * b + c_t)")
    with pytest.raises(UnsettledError, match=r"if it is to be learned and not given: `b : param\(…\)`\n"):
        module.state_dict()


def test_the_first_data_settle_the_shapes() -> None:
    module = net(OPEN).double().eval()
    x, y = torch.rand(3, 4, 6), torch.tensor([0, 1, 2, 1])
    assert module.loss(x=x, y=y).dtype == torch.float64
    assert module.Enc.weight.shape == (5, 11) and module.Gen.weight.shape == (3, 5)
    assert not module.training
    with pytest.raises(InputError, match=r"`x_t` is \[3, 4, 2\], but \[time, batch, 6\] is expected"):
        module(x=x[..., :2])


@pytest.mark.parametrize(
    "ask",
    [
        lambda parent: torch.optim.SGD(parent.parameters()),
        lambda parent: parent.requires_grad_(False),
        lambda parent: parent.apply(lambda module: None),
        lambda parent: list(parent.modules()),
        lambda parent: parent.load_state_dict({}, strict=False),
        lambda parent: parent.state_dict(),
    ],
)
def test_a_module_that_holds_a_net_without_parameters_says_so_too(ask: Callable[[nn.Module], object]) -> None:
    parent = nn.Sequential(nn.Linear(2, 2), net(OPEN))
    with pytest.raises(UnsettledError, match="the net has no parameters yet: the shape of `x`"):
        ask(parent)
    assert "parameters wait for `x`" in repr(parent)
    other = restored(copy.deepcopy(parent).double().train().eval())[1]
    assert other.settle(x=torch.rand(3, 4, 6), y=torch.tensor([0, 1, 2, 1])).Enc.weight.dtype == torch.float64
    assert not other.training


@pytest.mark.filterwarnings("ignore")
def test_what_torch_compiles_may_hold_a_net_before_its_shapes_are_known() -> None:
    class Parent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net(OPEN)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            found: Tensor = self.net(x=x, y=y).p
            return found

    module, x, y = Parent(), torch.rand(3, 4, 6), torch.tensor([0, 1, 2, 1])
    found = torch.compile(module, backend="eager")(x, y)
    torch.testing.assert_close(found, module(x, y))


def test_what_is_put_on_a_net_before_its_shapes_are_known_stays() -> None:
    module = net(OPEN)
    module.register_buffer("mean", torch.ones(2))
    module.extra, module.Gen, module.note = nn.Linear(2, 1).eval(), nn.Linear(5, 3, bias=False), "mine"
    extra, layer = module.extra, module.Gen
    module.settle(x=torch.rand(3, 4, 6), y=torch.tensor([0, 1, 2, 1]))
    assert module.extra is extra and not extra.training and module.Gen is layer and module.note == "mine"
    assert set(module.state_dict()) == {"mean", "Enc.weight", "Enc.bias", "Gen.weight", "extra.weight", "extra.bias"}


def test_what_a_call_lacks_to_settle_the_shapes_is_named() -> None:
    module = net(OPEN)
    with pytest.raises(UnsettledError, match=r"the shape of `x`.* is not known"):
        module(y=torch.tensor([0, 1, 2, 1]))
    assert module.settle(x=torch.rand(3, 4, 6), y=torch.tensor([0, 1, 2, 1])).is_settled


def test_weights_of_the_same_name_and_shape_are_kept() -> None:
    old = net(RNN)
    same, other = net(RNN), net(RNN.replace("y_t : 2", "y_t : 4"))
    assert set(same.keep_weights(old)) == {"Enc.weight", "Enc.bias", "Gen.weight", "Gen.bias"}
    assert torch.equal(same.Gen.weight, old.Gen.weight)
    assert set(other.keep_weights(old)) == {"Enc.weight", "Enc.bias"}
    later = net(OPEN)
    assert later.keep_weights(old) == ()
    later.settle(x=torch.rand(3, 2, 3), y=torch.tensor([0, 1]))
    assert torch.equal(later.Enc.weight, old.Enc.weight)


# --- copies --------------------------------------------------------------------------------------


def test_copies_are_independent_and_weights_are_saved_by_name() -> None:
    module, x = net(RNN), torch.rand(4, 2, 3)
    before = module(x=x).p
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(x=x).p, before)
        nn.init.zeros_(other.Gen.weight)
        nn.init.zeros_(other.Gen.bias)
        assert not other(x=x).p.any()
        assert torch.equal(module(x=x).p, before)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    fresh = net(RNN)
    fresh.load_state_dict(torch.load(file))
    assert torch.equal(fresh(x=x).p, before)


def restored(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def _unmoved(module: nn.Module, given: Any) -> None:
    """A hook that changes nothing."""


def test_pickled_together_parameters_are_the_ones_that_something_else_holds() -> None:
    module = net(RNN)
    module, optimizer = restored((module, torch.optim.SGD(module.parameters(), lr=0.1)))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module.loss(x=torch.rand(4, 2, 3), y=torch.rand(4, 2, 2)).backward()
    optimizer.step()
    assert all(not torch.equal(value, before[name]) for name, value in module.state_dict().items())
    both = nn.ModuleDict({"a": net(RNN), "b": net(RNN)})
    both["b"].Gen = both["a"].Gen
    both["b"].Enc.weight = both["a"].Enc.weight
    both = restored(both)
    assert both["b"].Gen is both["a"].Gen and both["b"].Enc.weight is both["a"].Enc.weight
    shared = net(RNN).share_memory()
    other = pickle.loads(bytes(ForkingPickler.dumps(shared)))
    nn.init.zeros_(other.Gen.weight)
    assert not shared.Gen.weight.any()


def test_what_was_added_to_a_net_is_in_its_copies() -> None:
    module, x = net(RNN), torch.rand(4, 2, 3)
    module.register_buffer("mean", torch.ones(2))
    module.register_buffer("scratch", torch.ones(2), persistent=False)
    module.extra, module.note = nn.Linear(2, 1), "mine"
    module.Gen = nn.Sequential(nn.Linear(5, 2), nn.Flatten(2))
    module.Gen.eval()
    module.Enc.bias.requires_grad_(False)
    module.register_forward_pre_hook(_unmoved)
    for other in (copy.deepcopy(module), restored(module), restored(restored(module))):
        assert torch.equal(other(x=x).p, module(x=x).p)
        assert other.state_dict().keys() == module.state_dict().keys() and "scratch" in dict(other.named_buffers())
        assert other.note == "mine" and not other.Gen.training and not other.Enc.bias.requires_grad
        assert len(other._forward_pre_hooks) == 1


@pytest.mark.parametrize("program", ["norms", "norm_of_state", "embed", "image"])
def test_layers_of_any_kind_can_be_pickled_more_than_once(program: str) -> None:
    module = net(PROGRAMS[program]).eval()
    given = random_inputs(emitted(PROGRAMS[program]), 4, 2)
    want = module(given)
    for other in (copy.deepcopy(module), restored(module), copy.deepcopy(restored(restored(module)))):
        found = other(given)
        assert all(torch.equal(found[state], want[state]) for state in want)


def test_parametrized_layers_are_refused_as_torch_does() -> None:
    module = net(RNN)
    nn.utils.parametrizations.weight_norm(module.Gen)
    with pytest.raises(RuntimeError, match="parametrized modules is only supported through state_dict"):
        pickle.dumps(module)


def test_how_a_copy_ran_is_told_of_the_copy() -> None:
    module, x = net(RNN), torch.rand(4, 2, 3)
    module(x=x)
    ran = module.ran
    for other in (copy.deepcopy(module), restored(module)):
        assert set(other.ran.values()) == {"not run yet"}
        other.to(torch.bfloat16)(x=x)
        assert other.ran != ran and module.ran == ran


def test_a_parameter_of_no_layer_may_be_pruned_and_parametrized() -> None:
    text = RNN.replace("--[Gen]", "-> m_t\nm_t*b --[Gen]") + "b : param(5)"
    x, y = torch.rand(4, 2, 3), torch.rand(4, 2, 2)
    module = net(text)
    prune.l1_unstructured(module, "b", 0.4)
    for _ in range(2):
        module.loss(x=x, y=y).backward()
        assert int((module(x=x).h * module.b == 0).all(0).all(0).sum()) == 2
    assert int((module.get_parameter("b_orig").grad == 0).sum()) == 2
    quiet(module, x=x, y=y, epochs=2)
    prune.remove(module, "b")
    assert module(x=x).p.isfinite().all()

    class Nought(nn.Module):
        def forward(self, value: Tensor) -> Tensor:
            return value * 0

    parametrize.register_parametrization(module, "b", Nought())
    for other in (module, copy.deepcopy(module)):
        torch.testing.assert_close(other(x=x).p, other.Gen.bias.expand(4, 2, 2))


def test_moving_to_another_dtype_moves_what_is_computed() -> None:
    module = net(PROGRAMS["norms"]).double()
    assert module(x=np.ones((3, 2, 4), dtype=np.float32)).p.dtype == torch.float64
    assert module.float()(x=np.ones((3, 2, 4))).p.dtype == torch.float32


def test_batch_norm_follows_train_and_eval() -> None:
    module, x = net(PROGRAMS["norm_of_state"]), torch.rand(6, 5, 4)
    module(x=x)
    kept = {k: v.clone() for k, v in module.state_dict().items()}
    assert kept["N.running_mean"].any()
    module.eval()(x=x)
    assert torch.equal(module.state_dict()["N.running_mean"], kept["N.running_mean"])


def test_dropout_follows_train_and_eval() -> None:
    module = net("X : 50\nX --[dropout(0.5)]-> d --[M]-> p => y\ny : 1")
    X = torch.ones(4, 50)
    assert sorted(module(X=X).d.unique().tolist()) == [0.0, 2.0]
    assert torch.equal(module.eval()(X=X).d, X)


# --- one step at a time --------------------------------------------------------------------------

STREAMED = ["rnn", "gru", "macro", "learned_base", "base_from_bare", "last", "second_order", "window", "attention",
            "recurrent_attention", "reset", "embed", "video", "norm_of_state", "time_constant"]  # fmt: skip


@pytest.mark.parametrize("program", STREAMED)
def test_steps_are_the_rows_of_the_whole(program: str) -> None:
    made, module = emitted(PROGRAMS[program]), net(PROGRAMS[program])
    given = random_inputs(made, 5, 2)
    module.settle(given)
    randomised(module)
    module.eval()
    whole = module(given)
    over_time = {i.state: getattr(i.first, "value", 1) for i in made.system.inputs if i.indexed}
    first, memory = min(over_time.values()), None
    for t in range(first, 6):
        now = {s: given[s][t - start] if s in over_time else given[s] for s, start in _starts(given, over_time)}
        memory, out = module.step(memory, now)
        for state in out:
            if t >= 1:
                torch.testing.assert_close(out[state], whole[state][t - 1], rtol=1e-10, atol=1e-10)
    assert "p" not in whole or whole.domain("p") is None or "p" in out


def _starts(given: dict[str, Tensor], over_time: dict[str, int]) -> Iterator[tuple[str, int]]:
    return iter((state, over_time.get(state, 0)) for state in given)


def test_two_futures_go_on_from_one_memory() -> None:
    module = net(RNN)
    a, b, c = torch.rand(3, 2, 3)
    memory, _ = module.step(None, x=a)
    _, left = module.step(memory, x=b)
    _, right = module.step(memory, x=c)
    torch.testing.assert_close(left.h, module(x=torch.stack([a, b])).h[1])
    torch.testing.assert_close(right.h, module(x=torch.stack([a, c])).h[1])
    with pytest.raises(InputError, match="5 examples are given, but the memory is of 2"):
        module.step(memory, x=torch.rand(5, 3))
    with pytest.raises(InputError, match=r"`x_t` is \[2, 4\], but \[batch, 3\] is expected"):
        module.step(memory, x=torch.rand(2, 4))


def test_the_memory_of_another_net_is_told_apart() -> None:
    module = net(RNN)
    memory, _ = module.step(None, x=torch.rand(2, 3))
    assert copy.deepcopy(module).step(memory, x=torch.rand(2, 3))[1].h.shape == (2, 5)
    wider = compiled(RNN, width=7)
    with pytest.raises(InputError, match=r"the memory is of another net: `h` is \[5\] there, and \[7\] here"):
        wider.step(memory, x=torch.rand(2, 3))
    with pytest.raises(InputError, match="the memory is of another net: there is no `g` there"):
        net(RNN.replace("h_", "g_")).step(memory, x=torch.rand(2, 3))


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("bidirectional", "looks ahead to `b_{t+1}`"),
        ("shifts", "looks ahead"),
        ("row_zero", "begin"),
        ("mlp", "nothing in this program runs"),
    ],
)
def test_a_program_that_looks_ahead_cannot_be_stepped(program: str, why: str) -> None:
    module = net(PROGRAMS[program])
    with pytest.raises(UnsupportedError, match="cannot go step by step") as caught:
        module.step(None, {i.state: torch.rand(2, *(i.shape or ())) for i in module.inputs if i.shape})
    assert why in str(caught.value)


# --- training ------------------------------------------------------------------------------------


def _sums(count: int = 60) -> tuple[Tensor, Tensor]:
    """Sequences and their running sums."""
    torch.manual_seed(0)
    x = torch.rand(5, count, 3) - 0.5
    return x, x.cumsum(0)[..., :2]


def test_training_lowers_the_loss() -> None:
    torch.manual_seed(0)
    module, (x, y) = net(RNN, width=16), _sums()
    history = quiet(module, x=x, y=y, epochs=60, batch=20, lr=1e-2)
    assert len(history.losses) == 180 and len(history.epochs) == 60
    assert history.epochs[-1] < 0.1 * history.epochs[0]
    assert module.loss(x=x, y=y).item() < 0.1 * history.losses[0]
    assert module.training and all(p.grad is None for p in module.parameters())


def test_a_seed_decides_everything_and_disturbs_nothing() -> None:
    x, y = _sums()
    start, runs = net(RNN), []
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    for _ in range(2):
        module = copy.deepcopy(start)
        runs.append(quiet(module, x=x, y=y, epochs=2, seed=3).losses)
    assert runs[0] == runs[1]
    assert torch.equal(torch.rand(1), before)


def test_validation_is_the_loss_on_what_is_held_out_without_learning() -> None:
    module, (x, y) = net("x_t : 3\nx_t --[M|dropout(0.9)]-> p_t => y_t\ny_t : 2"), _sums()
    history = quiet(module, x=x, y=y, epochs=2, batch=7, validation={"x": x, "y": y})
    module.eval()
    assert history.validation[-1] == pytest.approx(module.loss(x=x, y=y).item(), rel=1e-5)


@pytest.mark.parametrize("kind", ["mappings", "tuples", "batch first"])
def test_loaders(kind: str) -> None:
    x, y = _sums(12)
    batches: Any = [(x[:, :8], y[:, :8]), (x[:, 8:], y[:, 8:])]
    if kind == "mappings":
        batches = [{"x": a, "y": b, "lengths": [5] * a.shape[1]} for a, b in batches]
    if kind == "batch first":
        batches = DataLoader(TensorDataset(x.transpose(0, 1), y.transpose(0, 1)), batch_size=8)
    start = net(RNN)
    expected, module = copy.deepcopy(start), copy.deepcopy(start)
    history = quiet(module, batches, epochs=2, batch_first=kind == "batch first")
    quiet(expected, x=x, y=y, epochs=2, batch=8, shuffle=False)
    assert len(history.losses) == 4
    for a, b in zip(module.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_tensors_may_have_the_batch_first_too() -> None:
    x, y = _sums(12)
    start, lengths = net(RNN), [5, 3, 4] * 4
    expected, module = copy.deepcopy(start), copy.deepcopy(start)
    first = {"x": x.transpose(0, 1), "y": y.transpose(0, 1)}
    want = quiet(expected, x=x, y=y, lengths=lengths, validation={"x": x, "y": y}, shuffle=False)
    found = quiet(module, first, lengths=lengths, batch_first=True, validation=first, shuffle=False)
    assert found.losses == want.losses and found.validation == want.validation
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    again = quiet(copy.deepcopy(start), x=packed, y=first["y"], batch_first=True, shuffle=False)
    assert again.losses == want.losses


def test_a_loader_that_can_be_gone_through_once_tells_shapes_and_loses_no_batch() -> None:
    x, y = torch.rand(3, 40, 6), torch.arange(40) % 9
    module = net(OPEN)
    assert len(quiet(module, ((x, y) for _ in range(3)), epochs=1).losses) == 3
    with pytest.raises(InputError, match="the loader gives no batch"):
        quiet(net(OPEN), [])


def test_a_loader_is_checked_like_a_call() -> None:
    x, y = _sums(12)
    module = net(RNN)
    with pytest.raises(InputError, match="the loader gives 3 tensors, but the program has 2 inputs: x, y"):
        quiet(module, [(x, y, y)])
    with pytest.raises(InputError, match="the loader gives no batch"):
        quiet(module, iter([(x, y)]), epochs=2)
    with pytest.raises(InputError, match="fit takes inputs by name"):
        quiet(module, x)
    assert module.loss(x=x, y=y).isfinite()


def test_lengths_go_with_their_examples() -> None:
    x, y = _sums(6)
    lengths = [1, 5, 2, 3, 5, 4]
    for example, length in enumerate(lengths):
        x[length:, example] = torch.nan
    module = net(RNN)
    history = quiet(module, x=x, y=y, lengths=lengths, epochs=3, batch=2)
    assert history.stopped is None and all(map(math.isfinite, history.losses))


class _Halfway(torch.optim.SGD):
    """Is interrupted when half of the weights have moved."""

    steps = 0

    def step(self, closure: Any = None) -> Any:
        _Halfway.steps += 1
        if _Halfway.steps == 3:
            with torch.no_grad():
                self.param_groups[0]["params"][0].add_(1.0)
            raise KeyboardInterrupt
        return super().step(closure)


def test_an_interrupt_keeps_the_weights_of_the_last_whole_step() -> None:
    x, y = _sums()
    start = net(RNN)
    module, expected = copy.deepcopy(start), copy.deepcopy(start)
    _Halfway.steps = 0
    history = quiet(module, x=x, y=y, batch=20, optimizer=_Halfway, shuffle=False)
    quiet(expected, [(x[:, :20], y[:, :20]), (x[:, 20:40], y[:, 20:40])], epochs=1, optimizer="sgd")
    assert history.interrupted and len(history.losses) == 2
    assert "interrupted" in repr(history)
    for a, b in zip(module.parameters(), expected.parameters(), strict=True):
        assert torch.equal(a, b)
    assert quiet(module, x=x, y=y, epochs=1).losses


def test_a_loss_that_is_not_finite_ends_training_with_the_last_good_weights() -> None:
    x, y = _sums()
    bad = x.clone()
    bad[3, 45] = torch.inf
    start = net(RNN.replace("Enc|tanh", "Enc"))
    module, expected = copy.deepcopy(start), copy.deepcopy(start)
    history = quiet(module, x=bad, y=y, batch=20, shuffle=False)
    quiet(expected, x=x[:, :20], y=y[:, :20], batch=20, epochs=1, shuffle=False)
    assert history.stopped is not None
    assert history.stopped.startswith("the loss of step 3 is")
    assert "the first state that is not finite is `x` at t = 4" in history.stopped
    assert "in the data" in history.stopped
    for a, b in zip(module.parameters(), expected.parameters(), strict=True):
        assert torch.equal(a, b)
    assert "stopped: the loss of step 3" in repr(history)


def test_the_state_that_turned_is_named() -> None:
    text = "x_t : 2\n1 -> h_0\nh_{t-1} * h_{t-1} * 1000 + x_t -> h_t\nh_t --[M]-> p_t => x_t"
    history = quiet(net(text), x=torch.rand(9, 3, 2))
    assert history.stopped is not None
    assert "the first state that is not finite is `h` at t = 4, infinite" in history.stopped


def test_weights_that_ran_away_are_taken_back() -> None:
    x, y = _sums()
    module = net(RNN)
    history = quiet(module, x=x, y=y, batch=60, epochs=5, lr=1e38, optimizer="sgd")
    assert history.stopped is not None
    assert all(p.isfinite().all() for p in module.parameters())


def test_a_gradient_that_is_not_finite_makes_no_step() -> None:
    module = net("X : 1\nX --[M]-> a\nsqrt(a * 0) -> p => y\ny : 1")
    before = module.M.weight.detach().clone()
    history = quiet(module, X=torch.ones(3, 1), y=torch.ones(3, 1))
    assert history.stopped is not None and "the gradient of `M.weight` is not finite" in history.stopped
    assert torch.equal(module.M.weight, before)


def test_transforms_of_the_program_move_their_own_layers() -> None:
    text = """
    X : 3
    X --[adam_opt(A, lr=0.5)]-> a
    X --[sgd_opt(B, lr=0)]-> b
    X --[clip_grad(C, 0.001)]-> c
    X --[D]-> d
    a + b + c + d -> p => y
    y : 2
    """
    module = net(text.replace("\n    ", "\n"))
    before = {k: v.detach().clone() for k, v in module.state_dict().items()}
    quiet(module, X=torch.ones(4, 3), y=9 * torch.ones(4, 2), epochs=1, optimizer="sgd", lr=1.0)
    moved = {k: (v - before[k]).norm().item() for k, v in module.state_dict().items()}
    assert moved["A.bias"] == pytest.approx(0.5 * math.sqrt(2), rel=1e-3)
    assert moved["B.weight"] == moved["B.bias"] == 0
    assert math.hypot(moved["C.weight"], moved["C.bias"]) == pytest.approx(0.001, rel=1e-3)
    assert moved["D.weight"] > 1


def test_an_optimizer_is_a_name_a_class_or_a_function() -> None:
    x, y = _sums(8)
    start, results = net(RNN), []
    for optimizer in ("sgd", torch.optim.SGD, lambda parameters, lr: torch.optim.SGD(parameters, lr=lr)):
        module = copy.deepcopy(start)
        quiet(module, x=x, y=y, epochs=1, optimizer=optimizer, seed=1)
        results.append(module.Gen.weight.detach())
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])
    with pytest.raises(InputError, match='there is no optimizer "magic"'):
        quiet(start, x=x, y=y, optimizer="magic")


def test_an_optimizer_that_is_made_moves_what_it_holds_at_its_own_rate() -> None:
    x, y = _sums(8)
    start = net(RNN)
    module, expected = copy.deepcopy(start), copy.deepcopy(start)
    quiet(module, x=x, y=y, epochs=1, optimizer=torch.optim.SGD(module.parameters(), lr=0.1), shuffle=False)
    quiet(expected, x=x, y=y, epochs=1, optimizer="sgd", lr=0.1, shuffle=False)
    assert torch.equal(module.Gen.weight, expected.Gen.weight)
    own = net(RNN.replace("[Enc|", "[adam_opt(Enc)|"))
    for optimizer, more, message in [
        (torch.optim.SGD(own.parameters(), lr=0.1), {}, "holds `Enc.weight`, which the program has an optimiser for"),
        (torch.optim.SGD(module.parameters(), lr=0.1), {}, "holds no parameter of this net"),
        (torch.optim.SGD(own.Gen.parameters(), lr=0.1), {"lr": 1.0}, "has its own learning rate: leave `lr` out"),
    ]:
        with pytest.raises(InputError, match=message):
            quiet(own, x=x, y=y, optimizer=optimizer, **more)
    assert quiet(own, x=x, y=y, optimizer=torch.optim.SGD(own.Gen.parameters(), lr=0.1)).losses


def test_an_optimizer_may_ask_for_the_loss_again() -> None:
    x, y = _sums()
    module = net(RNN)
    history = quiet(module, x=x, y=y, epochs=3, batch=60, lr=1.0, optimizer=torch.optim.LBFGS)
    assert history.losses[-1] < 0.2 * history.losses[0]


def test_where_nothing_can_be_learned_it_is_said_in_words() -> None:
    x, y = _sums(4)
    module = net(RNN)
    with torch.no_grad(), pytest.raises(InputError, match="fit needs gradients"):
        quiet(module, x=x, y=y)
    with pytest.raises(InputError, match="no parameter that the loss depends on is trained"):
        quiet(module.requires_grad_(False), x=x, y=y)


def test_fit_settles_shapes_by_all_the_data() -> None:
    module = net(OPEN)
    x, y = torch.rand(3, 40, 6), torch.arange(40) % 9
    quiet(module, x=x, y=y, epochs=1, batch=2)
    assert module.Gen.weight.shape == (9, 5)


def test_after_an_error_the_net_is_as_before() -> None:
    module, (x, y) = net(RNN).eval(), _sums(4)

    class Broken(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        quiet(module, x=x, y=y, optimizer=Broken)
    assert not module.training and all(p.grad is None for p in module.parameters())


def test_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = _sums(4)
    net(RNN).fit(x=x, y=y, epochs=3)
    assert "3/3" in capsys.readouterr().err


# --- histories -----------------------------------------------------------------------------------


def test_a_history_tells_and_draws_itself() -> None:
    x, y = _sums(8)
    history = quiet(net(RNN), x=x, y=y, epochs=3, batch=4, validation={"x": x, "y": y})
    assert repr(history).startswith("6 steps in 3 epochs, loss ")
    bundle = history._repr_mimebundle_()
    assert bundle["text/plain"] == repr(history)
    assert "data:image/svg+xml;base64," in bundle["text/html"]
    svg = history.svg()
    assert svg.startswith("<svg") and "nan" not in svg and svg.count("<path") == 6


def test_a_history_without_steps_draws_nothing() -> None:
    x, y = _sums(8)
    history = quiet(net(RNN), x=x, y=y, epochs=0)
    assert repr(history) == "no steps"
    assert set(history._repr_mimebundle_()) == {"text/plain"}


@pytest.mark.parametrize("losses", [[1.0], [2.0, 2.0], [1e6, 1.0, 1e-6], [-1.0, 3.0], [0.0, 0.0]])
def test_any_losses_can_be_drawn(losses: list[float]) -> None:
    history = History()
    history.begin()
    for loss in losses:
        history.add(loss, 1)
    assert "nan" not in history.svg() and "inf" not in history.svg()


def test_the_mean_of_an_epoch_stands_in_the_middle_of_its_steps_and_ticks_can_be_told_apart() -> None:
    history = History(losses=[1.387, 1.3855, 1.384], epochs=[1.387, 1.3855, 1.384])
    drawn = re.findall(r'<path d="(M[^"]*L[^"]*)"', history.svg())
    assert len(drawn) == 2 and drawn[0] == drawn[1]
    ticks = re.findall(r'text-anchor="end" fill="#111111">([\d.]+)<', history.svg())
    assert ticks == ["1.384", "1.385", "1.387"]


# --- layers that were changed --------------------------------------------------------------------

RECURRENT = "x_t : 3\n0 -> h_0\nh_{t-1}|x_t --[A|tanh]-> h_t\nh_t --[C]-> p_t\np_t : 2"


def test_hooks_on_a_layer_of_a_recurrence_are_called() -> None:
    module, x, calls = compiled(RECURRENT), torch.randn(4, 2, 3), []
    before = module(x=x).h
    handle = module.get_submodule("A").register_forward_hook(lambda *_: calls.append(1))
    torch.testing.assert_close(module(x=x).h, before)
    assert len(calls) == 4
    assert "torch, because `A` has been changed" in str(module.plan)
    handle.remove()
    torch.testing.assert_close(module(x=x).h, before)
    assert len(calls) == 4


def test_a_layer_of_a_recurrence_may_be_replaced() -> None:
    module, x = compiled(RECURRENT), torch.randn(4, 2, 3)
    layer = module.get_submodule("A")
    module.A = nn.Sequential(layer, nn.Flatten())
    twice = copy.deepcopy(module)
    layer.weight.data.zero_()
    want = torch.tanh(layer.bias).expand(4, 2, -1)
    torch.testing.assert_close(module(x=x).h, want)
    assert not torch.allclose(twice(x=x).h, want)
    parametrized = compiled(RECURRENT)
    nn.utils.parametrizations.weight_norm(parametrized.get_submodule("A"))
    parametrized(x=x).h.sum().backward()
    assert parametrized.get_parameter("A.parametrizations.weight.original0").grad is not None


def test_more_parameters_than_there_is_memory_for_are_refused_in_words() -> None:
    with pytest.raises(UnsupportedError, match="there is no memory for so many parameters"):
        compiled("x_t : 2000000000\nx_t --[F]-> p_t => x_t")


def test_what_is_no_number_is_refused_in_words() -> None:
    module, data = net(RNN), {"x": torch.randn(4, 2, 3), "y": torch.randn(4, 2, 2)}
    for asked in ({"epochs": 1.5}, {"batch": "8"}, {"horizon": 2.5}, {"seed": 1.5}, {"epochs": True}):
        ((name, value),) = asked.items()
        with pytest.raises(InputError, match=f"`{name}` is a whole number, and not {value!r}"):
            quiet(module, **data, **asked)
    with pytest.raises(InputError, match="`lr` is a number, and not 'x'"):
        quiet(module, **data, lr="x")
    for rate in (-0.1, math.nan):
        with pytest.raises(InputError, match=f"`lr` is at least 0, and not {rate}"):
            quiet(module, **data, lr=rate)
    with pytest.raises(NotationError, match="`H` is 0 in the kernel: a size is a whole number from 1 on"):
        compiled("x : H\nx --[F]-> p", namespace={"H": 0})
    free = net("0 -> h_0\nh_{t-1} --[M|tanh]-> h_t")
    with pytest.raises(InputError, match=r"`horizon` is a whole number, and not 2\.5"):
        free(horizon=2.5)
    with pytest.raises(InputError, match=r"`horizon` is a whole number, and not 2\.5"):
        compiled(RNN, horizon=2.5)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("error")
def test_a_rate_that_no_layer_takes_is_warned_of() -> None:
    text = RNN.replace("[Enc|", "[adam_opt(Enc, lr=0.01)|")
    data = {"x": torch.randn(4, 2, 3), "y": torch.randn(4, 2, 2)}
    quiet(net(text), **data, epochs=1, lr=0.1)
    every = net(text.replace("[Gen]", "[sgd_opt(Gen)]"))
    quiet(every, **data, epochs=1)
    with pytest.warns(UserWarning, match="`lr` has no effect: the program gives every layer an optimiser of its own"):
        every.fit(**data, epochs=1, lr=0.1, progress=False)
    with pytest.warns(UserWarning, match="`lr` and `optimizer` have no effect") as told:
        every.fit(**data, epochs=1, lr=0.1, optimizer="sgd", progress=False)
    assert told[0].filename == __file__


def test_a_step_is_given_the_memory_and_not_the_states() -> None:
    module, x = net(RNN), torch.randn(2, 3)
    memory, out = module.step(None, x=x)
    with pytest.raises(InputError, match=r"`step` takes the memory .* or None at the first; these are the states"):
        module.step(out, x=x)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"this is a Tensor\n  memory, out = net\.step"):
        module.step(x, x=x)  # type: ignore[arg-type]
    module.step(memory, x=x)


@pytest.mark.filterwarnings("error")
def test_a_layer_that_is_called_as_a_tensor_of_the_kernel_is_warned_of() -> None:
    """`A @ x` learns an A of its own; what the warning says of the tensor runs, and without one nothing is said."""
    text = "x_t : 5\n0 -> m_0\nA @ m_{t-1} + x_t -> m_t\nm_t --[F]-> p_t => x_t"
    given = torch.randn(5, 5)
    for tensor in (given, given.numpy()):
        with pytest.warns(NotationWarning, match="SQ628: `A` is a layer that is learned, and not the tensor") as told:
            compiled(text, namespace={"A": tensor})
        assert "as `A : param(5, 5)`, read as `stop(A)`" in str(told[0].message)
        assert "    A : 5 x 5\n    A @ m_{t-1} + x_t -> m_t" in str(told[0].message)
    compiled(text, namespace={"a": given, "F": given})  # no other name, and a layer that is called
    data = torch.randn(4, 2, 5)
    taken = compiled("A : 5 x 5\n" + text, namespace={"A": given})
    held = compiled("A : param(5, 5)\n" + text.replace("A @", "stop(A) @"), namespace={"A": given})
    held.A.data[:] = given
    torch.testing.assert_close(taken(A=given.expand(2, 5, 5), x=data).m, held(x=data).m)


def test_what_runs_but_perhaps_not_as_it_was_meant_is_a_warning() -> None:
    with pytest.warns(NotationWarning, match="SQ620: `ReLU` is a dense layer") as told:
        compiled("x : 3\ny : 2\nx --[M|ReLU]-> p => y")
    assert [warning.filename for warning in told] == [__file__]


def test_a_gate_may_lose_its_bias() -> None:
    gates = "x_t : 3\n0 -> h_0\nh_{t-1}|x_t --[A|sigmoid]-> a_t\nh_{t-1}|x_t --[B|tanh]-> b_t\na_t*b_t -> h_t"
    module, x = compiled(gates).to(torch.bfloat16), torch.randn(4, 2, 3, dtype=torch.bfloat16)
    module(x=x)
    width = module.get_submodule("A").out_features
    module.A = nn.Linear(width + 3, width, bias=False, dtype=torch.bfloat16)
    module(x=x).h.sum().backward()
    assert module.get_parameter("A.weight").grad is not None and "`A` has been changed" in str(module.plan)
    for other in (copy.deepcopy(module), restored(module)):
        assert other(x=x).h.shape == (4, 2, width) and "`A` has been changed" in str(other.plan)


def test_code_without_rewrites_draws_no_numbers() -> None:
    torch.manual_seed(0)
    compiled(RECURRENT)
    after = torch.rand(1)
    torch.manual_seed(0)
    nn.Linear(67, 64), nn.Linear(64, 2)
    assert torch.equal(torch.rand(1), after)
