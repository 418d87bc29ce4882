"""What a net tells of its values: one state on data, and the equations with numbers put in."""

from __future__ import annotations

import re

import pytest
import torch
from emitted import net, randomised
from programs import PROGRAMS

from sqmagic.equations.blanks import blanks
from sqmagic.equations.show import show_equation
from sqmagic.notation.problems import NotationError
from sqmagic.pipeline import understand

SCALARS = "x_t : 1\na : param(1)\n0 -> h_0\nh_{t-1} * 0.5 + x_t * x_t -> h_t\nh_T - h_1 -> d"
ENC = (
    "y_t : 2\nx_t : 2\nEnc: x_t\n    x_t --[R|sigmoid]-> r_t\n    -r_t -> q_t\n    return q_t\nx_t --[Enc]-> q_t => y_t"
)


def test_weights_of_attention_are_probed_where_no_state_holds_them() -> None:
    text = "x_t : 3\nx_{1:t} @ x_t -> e_t\nsoftmax(e_t) -> a_t\na_t @ x_{1:t} -> c_t\nx_{1:T} @ q -> s\nq : 3"
    module, x, q = net(text), torch.randn(4, 2, 3), torch.randn(2, 3)
    later = torch.ones(4, 4).triu(1)[:, None] > 0
    scores = torch.einsum("sbd,tbd->tbs", x, x).masked_fill(later, -torch.inf)
    want = torch.softmax(scores, -1).masked_fill(later, torch.nan)
    torch.testing.assert_close(module.probe("a_t", x=x, q=q), want, equal_nan=True)
    torch.testing.assert_close(module.probe("s", x=x, q=q), torch.einsum("sbd,bd->bs", x, q))
    assert set(module(x=x, q=q)) == {"x", "q", "c"}
    with pytest.raises(KeyError, match=r"`a` is computed where it is read and not held: net.probe\('a_t', …\)"):
        module(x=x, q=q)["a_t"]
    assert "-1" not in module.elaborated


def test_a_name_of_two_words_is_probed_with_or_without_its_step() -> None:
    module, x = net("x_t : 3\nsoftmax(x_{1:t} @ x_t) -> w_q_t\nw_q_t @ x_{1:t} -> c_t"), torch.randn(4, 2, 3)
    torch.testing.assert_close(module.probe("w_q", x=x), module.probe("w_q_t", x=x), equal_nan=True)
    with pytest.raises(KeyError, match="`w_q` is computed where it is read"):
        module(x=x)["w_q"]


def test_states_may_be_called_as_what_is_asked_of_them_within() -> None:
    out = net("x_t : 2\nx_t + 1 -> ends_t\nends_t * 2 -> rows_t\nx_t -> lengths_t\nx_t -> held_t")(
        x=torch.zeros(3, 1, 2)
    )
    assert out.ends.sum() == 6 and out.rows.sum() == 12 and out.lengths.sum() == out.held.sum() == 0


def test_weights_that_are_dropped_at_random_are_for_one_reader_and_probed_as_they_are_without() -> None:
    given = "x_t : 3\ndropout(softmax(x_{1:t} @ x_t)) -> a_t\na_t @ x_{1:t} -> c_t"
    module = net(given)
    assert torch.isfinite(module(x=torch.randn(4, 2, 3)).c).all()
    torch.testing.assert_close(module.probe("a_t", x=torch.randn(4, 2, 3)).nansum(-1), torch.ones(4, 2))
    with pytest.raises(NotationError, match="SQ303: `a_t` would have shape t"):
        net(given + "\nsum(a_t) -> s_t")


def test_a_state_is_probed_by_its_name_with_or_without_its_step() -> None:
    module, x = net(ENC), torch.rand(4, 3, 2)
    out = module(x=x)
    assert torch.equal(module.probe("q_t", x=x), out.q)
    assert torch.equal(module.probe("Enc.r_t", x=x), out["Enc.r"])
    assert torch.equal(module.probe("Enc.r", {"x": x}), out["Enc.r"])
    assert torch.equal(module.probe("q_2", x=x), out.q[1])
    assert not module.probe("q", x=x).requires_grad


def test_a_state_by_its_name_in_python_and_a_base_case() -> None:
    module = net("0 -> O'_0\nO'_{t-1} + x_t -> O'_t\nx_t : 2")
    assert module.probe("O_prime", x=torch.ones(3, 1, 2))[:, 0, 0].tolist() == [1, 2, 3]
    assert not module.probe("O'_0", x=torch.ones(3, 1, 2)).any()


@pytest.mark.parametrize("name", ["z_t", "q_{t-1}", "q_9", "y_t"])
def test_what_cannot_be_probed_is_said_with_what_can(name: str) -> None:
    with pytest.raises(KeyError, match=r"there are x, Enc\.r, q"):
        net(ENC).probe(name, x=torch.rand(4, 3, 2))


def test_a_trace_puts_numbers_in_place_of_states() -> None:
    told = str(net(SCALARS).trace(x=torch.tensor([[1.0], [2.0], [3.0]]), steps=2))
    assert "h_t = h_{t-1} * 0.5 + x_t * x_t   [1]" in told
    assert "t=1: 0 * 0.5 + 1 * 1 = 1" in told
    assert "t=2: 1 * 0.5 + 2 * 2 = 4.5" in told
    assert "11.2 - 1 = 10.2" in told
    assert "t=3" not in told


def test_a_trace_is_of_one_example_to_its_own_end() -> None:
    x = torch.tensor([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]])
    told = str(net(SCALARS).trace(x=x, lengths=[3, 2], example=1))
    assert "t=2: 25 * 0.5 + 6 * 6 = 48.5" in told
    assert "t=3" not in told
    assert "48.5 - 25 = 23.5" in told


def test_a_trace_may_be_of_some_states_alone() -> None:
    trace = net(ENC).trace(x=torch.rand(2, 1, 2), only=["Enc.r_t"])
    assert [row.text for row in trace.rows] == ["Enc.r_t = sigmoid(Enc.R(x_t))"]
    assert trace.rows[0].shape == (2,)


def test_a_page_shows_a_column_for_each_step() -> None:
    html = net(SCALARS).trace(x=torch.ones(5, 1), steps=3).html
    assert re.findall("<th[^>]*>(.*?)</th>", html)[2:] == ["t = 1", "t = 2", "t = 3"]
    assert html.count("<tr>") == html.count("</tr>") == 1 + 3


def test_the_numbers_of_a_trace_are_those_of_a_call() -> None:
    module = net(PROGRAMS["macro"])
    randomised(module)
    x = torch.rand(3, 2, 3)
    out, rows = module(x=x), {row.text: row for row in module.trace(x=x, example=1).rows}
    found = next(row for text, row in rows.items() if text.startswith("Enc_1.r_t = "))
    for cell in found.cells:
        assert cell.step is not None
        first = f"{out['Enc_1.r'][cell.step - 1, 1, 0].item():.3g}"
        assert cell.value.startswith(f"[{first} ")


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_a_line_with_its_blanks_filled_in_again_is_the_equation(name: str) -> None:
    system = understand(PROGRAMS[name]).system
    for line, equation in zip(blanks(system), [e for e in system.equations if e.targets], strict=True):
        right = "".join(part if isinstance(part, str) else part.text for part in line.parts)
        assert line.text == show_equation(equation)
        assert line.text.endswith(f"= {right}")
