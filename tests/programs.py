"""Programs that use every operator and every way of reading over time, for tests of what is computed."""

from __future__ import annotations

PROGRAMS: dict[str, str] = {
    "rows of a matrix": """
k_t : 3
q_t : 3
v_t : 4
g : param(3)
0 -> S_0
S_{t-1} * sigmoid(F(k_t)) + outer(v_t, g * k_t) -> S_t
max(g - S_t, S_t) / (1 + q_t * q_t) -> M_t
where(k_t, M_t, clip(M_t, -g * g, 0.3)) @ q_t -> o_t => y_t
y_t : 4
""",
    "entropy of rows": """
x : 4 x 5
y : 4
F : 5 -> 5
x --[F|softmax]-> a
entropy(a) -> z => y
""",
    "named weights": """
x_t : 3
x_t --[K]-> k_t
x_t --[Q]-> q_t
k_{1:t} @ q_t -> e_t
softmax(e_t) -> a_t
a_t @ x_{1:t} + 0.1 * (sigmoid(e_t) @ x_{1:t}) -> c_t => x_t
""",
    "additive attention": """
x_t : 3
v : param(4)
0 -> s_0
x_t --[E|tanh]-> h_t
softmax(tanh(W(s_{t-1}) + U(h_{1:T})) @ v) @ h_{1:T} -> c_t
c_t|s_{t-1} --[G|tanh]-> s_t
s_t --[O]-> p_t => x_t
U : 5 -> 4
""",
    "attention of a decoder": """
x_t : 3
y_t : 4
w : 5
0 -> d_0
x_t --[E|tanh]-> e_t
softmax(e_{1:T} @ d_{t-1}) @ e_{1:T} -> c_t
softmax(e_{1:T} @ w) @ tanh(e_{1:T} - w) + max(w) * d_{t-1} * e_T -> b_t
softmax(d_{t-1} @ transpose(e_{1:T} * e_{1:T})) @ e_{1:T} -> a_t
c_t|b_t|a_t|e_T|x_1|d_{t-1} --[D|tanh]-> d_t
d_t --[O]-> p_t => y_t
D : 28 -> 5
""",
    "mlp": """
X --[M_1|relu]-> h_1 --[M_2]-> p => y
X : 4
y : 2
""",
    "mlp_softmax": """
X --[M_1|relu]-> h_1 --[M_2|softmax]-> p => one_hot(y)
X : 4
y : class(3)
""",
    "sigmoid": """
X --[M|sigmoid]-> p => y
X : 4
y : 3
""",
    "rnn": """
0 -> h_0
X_t|h_{t-1} --[Enc|tanh]-> h_t --[Gen]-> p => y_t
X_t : 3
y_t : 2
""",
    "gru": """
x_t : 3
y_t : class(4)
0.5 -> h_0
h_{t-1}|x_t -> c_t
c_t --[R|sigmoid]-> r_t
c_t --[Z|sigmoid]-> z_t
x_t|(h_{t-1}*r_t) --[H|tanh]-> l_t
h_{t-1} * (1 - z_t) + z_t*l_t -> h_t
h_t --[G|softmax]-> p_t => y_t
""",
    "macro": """
Enc: h_{t-1},x_t
    h_{t-1}|x_t --[R|sigmoid]-> r_t
    x_t|(h_{t-1}*r_t) --[H|tanh]-> h_t
    return h_t
x_t : 3
0 -> a_0
0 -> b_0
a_{t-1},x_t --[Enc_1]-> a_t
b_{t-1},a_t --[Enc_2]-> b_t
b_t --[G]-> p_t => y_t
y_t : 2
""",
    "learned_base": """
x_t : 3
b : param(5)
b -> h_0
x_t|h_{t-1} --[M|tanh]-> h_t --[G]-> p => y_t
y_t : 1
""",
    "base_from_bare": """
x_t : 3
z : 4
z --[Start|tanh]-> h_0
x_t|h_{t-1} --[M|tanh]-> h_t --[G]-> p => y_t
y_t : 1
""",
    "last": """
x_t : 3
0 -> h_0
x_t|h_{t-1} --[M|tanh]-> h_t
h_T --[G|softmax]-> p => y
y : class(4)
""",
    "base_from_sequence": """
x_t : 3
x_1 --[A]-> h_1
x_t|h_{t-1} --[M|tanh]-> h_t
h_T - h_1 -> d
""",
    "second_order": """
x_t : 2
0 -> h_{-1}
1 -> h_0
0.3*h_{t-1} - 0.2*h_{t-2} + x_t -> h_t
w : param(2)
w*h_t -> p_t => y_t
y_t : 2
""",
    "advantage": """
O_t : 3
r_t : 1
d_t : 1
a_t : action(2)
0.99 -> gamma
0.95 -> lam
O_t --[Value]-> V_t
V_t => r_t + gamma*stop(V_{t+1})*(1-d_t)
V_{t+1}*gamma*(1-d_t) + r_t - V_t -> TD_t
TD_t + gamma*lam*(1-d_t)*A_{t+1} -> A_t
O_t --[Policy|softmax]-> pi_t $ A_t * log(pi_t[a_t])
""",
    "returns": """
r_t : 1
0.9 -> gamma
r_t --[V]-> V_t
V_T -> G_T
r_t + gamma*G_{t+1} -> G_t
V_t => G_t
""",
    "given_end": """
x_t : 2
1 -> b_{T+1}
0.5*b_{t+1} + x_t -> b_t
w : param(2)
w*b_t -> p_t => x_t
""",
    "end_two": """
x_t : 2
1 -> b_{T+1}
2 -> b_{T+2}
0.5*b_{t+1} - 0.3*b_{t+2} + x_t -> b_t
w : param(2)
w*b_t -> p_t => x_t
""",
    "ahead_two": """
x_t : 2
0.5*b_{t+1} - 0.3*b_{t+2} + x_t -> b_t
w : param(2)
w*b_t -> p_t => x_t
""",
    "bidirectional": """
x_t : 3
0 -> f_0
0 -> b_{T+1}
x_t|f_{t-1} --[F|tanh]-> f_t
x_t|b_{t+1} --[B|tanh]-> b_t
f_t|b_t --[G]-> p => y_t
y_t : 2
""",
    "attention": """
x_t : 3
x_t --[Q]-> q_t
x_t --[K]-> k_t
x_t --[V]-> v_t
softmax(k_{1:t} @ q_t) @ v_{1:t} -> a_t
a_t --[G]-> p => y_t
y_t : 2
""",
    "window": """
x_t : 3
sum(x_{t-2:t}) -> s_t
mean(r_{t-3:t}) -> m_t
r_t : 1
s_t --[G]-> p => y_t
y_t : 2
""",
    "recurrent_attention": """
x_t : 3
0 -> h_0
h_{t-1}|x_t --[K]-> k_t
softmax(k_{1:t} @ k_t) @ k_{1:t} -> a_t
a_t|x_t --[F|tanh]-> h_t
h_t => y_t
""",
    "to_the_end": """
r_t : 1
sum(r_{t:T}) -> R_t
max(r_{1:T}) -> m
R_t * m -> z_t
r_t --[V]-> V_t => R_t
""",
    "shifts": """
x_t : 2
x_{t-1} - x_{t+1} -> d_t
d_{t-1} * x_t -> e_t --[G]-> p_t => x_{t+1}
""",
    "row_zero": """
a_{0:T} : 2
x_t : 2
a_{t-1} + x_t -> s_t
0 -> h_0
0.5*h_{t-1} + s_t -> h_t
w : param(2)
w*h_t -> p_t => a_t
""",
    "image": """
X : 2 x 6 x 6
y : class(3)
X --[conv_K(size=3)|relu|max_pool]-> f --[flatten|M|softmax]-> p => y
""",
    "video": """
X_t : 1 x 6 x 6
X_t --[conv_K(size=3, stride=2, pad=1)|relu|avg_pool(3)|flatten]-> f_t
0 -> h_0
f_t|h_{t-1} --[M|tanh]-> h_t --[G]-> p => y_t
y_t : 2
X_t * g_t -> z_t
g_t : 1
""",
    "embed": """
c_t : class(6)
0 -> h_0
c_t --[embed_E]-> e_t
e_t|h_{t-1} --[M|tanh]-> h_t --[G|softmax]-> p_t => c_{t+1}
""",
    "norms": """
x_t : 4
x_t --[M|layer_norm|batch_norm]-> z_t --[G]-> p => y_t
y_t : 2
""",
    "norm_in_scan": """
x_t : 4
0 -> h_0
x_t|h_{t-1} --[M|batch_norm_N|tanh]-> h_t --[G]-> p => y_t
y_t : 2
""",
    "norm_of_state": """
x_t : 4
0 -> h_0
x_t|h_{t-1} --[M|tanh]-> h_t --[batch_norm_N|G]-> p => y_t
y_t : 2
""",
    "norm_image": """
X_t : 2 x 4 x 4
X_t --[batch_norm_N|flatten|G]-> p => y_t
y_t : 2
""",
    "functions": """
x_t : 4
exp(-x_t) + log(x_t) - sqrt(x_t) / square(x_t) -> a_t
abs(a_t) * sin(x_t) + cos(x_t) * gelu(a_t) -> b_t
softplus(30*a_t) + max(a_t, b_t) - min(a_t, 0.3) + max(0.1, b_t) -> c_t
where(a_t, b_t, 1) + where(x_t, 2, 3) + clip(a_t, -0.5, 0.5) + clip(a_t, -x_t, x_t) -> d_t
log_softmax(c_t)|softmax(d_t) -> e_t
sum(a_t) + mean(b_t) + norm(c_t) + max(d_t) - min(e_t) -> f_t
e_t[2] + e_t[1:4] -> g_t
one_hot(argmax(a_t)) * a_t -> h_t
split(e_t) -> i_t, j_t
outer(a_t, b_t) @ c_t + transpose(outer(a_t, b_t)) @ d_t -> k_t
a_t @ outer(b_t, c_t) + (a_t @ b_t) -> l_t
entropy(softmax(a_t)) + log_prob(softmax(b_t), argmax(a_t)) + a_t[argmax(b_t)] -> m_t
outer(a_t, b_t)[argmax(c_t)] + outer(a_t, b_t)[1] -> n_t
flatten(outer(a_t, b_t) @ outer(c_t, d_t)) -> o_t
sum(outer(a_t, b_t)) -> q_t
t * x_t + T - 2*t -> s_t
0.5 -> gamma
gamma*x_t + gamma/3 - (gamma - 0.2) -> u_t
exp(gamma) * x_t -> v_t
""",
    "losses": """
x_t : 3
w_t : 1
y_t : 3
x_t --[A]-> a_t => y_t
x_t --[B]-> b_t ==[mae]=> y_t
x_t --[C]-> c_t ==[huber(0.4)]=> y_t
x_t --[D|softmax]-> d_t => softmax(y_t)
x_t --[E|sigmoid]-> e_t => sigmoid(y_t)
x_t --[F]-> f_t ==[w_t*mse]=> y_t
x_t --[G]-> g_t ==[0.5*mse]=> y_t
x_t --[H]-> k_t $ -sum(square(k_t)) * w_t
""",
    "time_constant": """
x_t : 3
z : 3
z --[M]-> s
s -> p_t
x_t|s -> c_t
z * x_t -> d_t
1 -> o_t
o_t|z -> e_t
e_t --[G]-> q_t => y_t
y_t : 2
""",
    "reset": """
x_t : 3
cut_t : 1
0 -> h_0
x_t|h_{t-1} --[M|tanh]-> h_t
reset h on cut
h_t --[G]-> p => y_t
y_t : 2
""",
    "frozen": """
x_t : 3
x_t --[M]-> a_t --[freeze(M_2)|tanh]-> b_t => y_t
y_t : 2
nograd(M)(x_t) -> c_t
""",
    "matrix": """
x_t : 3
(M @ x_t) + b -> a_t
b : param(4)
M : 3 -> 4
a_t => y_t
A : param(4, 4)
A @ a_t -> c_t
A @ A -> B
B @ c_t -> d_t
""",
    "keywords": """
lambda_t : 2
O'_t : 2
lambda_t + O'_t -> T_destination_t --[Train|tanh]-> self_t => torch_t
torch_t : 2
""",
    "guarded": """
x_t : 2
0 -> h_0
1 -> h_1
h_{t-1} + x_t -> p_t
0.5*p_t + h_{t-2} -> h_t
w : param(2)
w*h_t -> q_t => x_t
""",
    "nested": """
Enc: x_t
    0 -> h_0
    x_t|h_{t-1} --[R|tanh]-> h_t
    return h_t
x_t : 3
x_t --[Enc_1]-> a_t --[Enc_2]-> b_t --[G]-> p => y_t
y_t : 2
""",
    "over": """
over n
x_n : 3
0 -> h_0
x_n|h_{n-1} --[M|tanh]-> h_n --[G]-> p => y_n
y_n : 2
n*x_n -> q_n
h_N -> z
""",
    "classes": """
c_t : class(3)
x_t : 2
c_t*2 + x_t -> a_t
c_t -> b_t
one_hot(b_t) --[M]-> p_t => x_t
a_t[0] - c_t -> d_t
k : class(2)
a_t[k] -> e_t
-c_t -> f_t
where(c_t, a_t, x_t) -> g_t
c_t|x_t -> h_t
""",
    "bare_class": """
k : class(4)
k --[embed_E|M]-> p => y
y : 2
""",
    "ranges": """
x_t : 2
x_{1:3} -> m
sum(m) -> s
x_{t-1:t} -> w_t
w_t @ x_t -> v_t
v_t --[G]-> p => y_t
y_t : 2
""",
    "ends_and_bases": """
x_t : 2
x_{t+1} * 2 -> c_t
5 -> c_T
x_t * 2 -> d_t
5 -> d_0
c_t - d_{t-1} -> e_t
w : param(2)
w*e_t -> p_t => x_t
""",
    "stack_named_i": """
x_t : 1
0 -> i_0
0.5*sum(i_{0:t-1}) + x_t -> i_t
w : param(1)
w*i_t -> p_t => x_t
""",
}

IN_LOOPS: dict[str, str] = {
    "functions_of_numbers": """
x_t : 3
w : param(3)
0 -> h_0
h_{t-1}*tanh(w*exp(0.5) + softmax(2)) + x_t/sqrt(2) - -(-M(x_t|h_{t-1})) -> h_t
h_t => x_t
""",
    "components_by_step": """
x_t : 9
0 -> h_0
h_t : 9
h_{t-1}*0.5 + h_{t-1}[t] + x_t[1 + 1]*M(h_{t-1}) -> h_t
h_t => x_t
x_t[t - 1] -> y_t
""",
    "looked_up": """
a_t : class(5)
b_t : class(4)
x_t : 4
0 -> h_0
tanh(embed_E(a_t) + M(h_{t-1}) + embed_E(b_t)) * x_t[b_t] -> h_t
h_t : 6
h_t --[G]-> p_t => y_t
y_t : 2
""",
    "a_name_that_code_would_give": """
x_t : 3
tanh(F(x_t)) -> s_end_t
tanh(s_{t+1} + s_end_t) -> s_t
0.5*s_{t+1} + s_end_t -> b_t
b_{t+1}*0.5 + s_end_t -> b_end_t
s_t + b_end_t => x_t
F : 3 -> 3
""",
    "where_another_begins": """
x_t : 3
z : 2
0 -> h_0
U(z) -> c_0
tanh(V(c_{t-1}) + Q(x_t)) -> c_t
c_t : 5
tanh(W(h_{t-1}|c_0) + R(c_t) + max(c_0)*norm(c_0)) -> h_t
h_t : 4
h_t --[O]-> p_t => x_t
""",
    "points_of_others": """
x_t : 3
0 -> h_0
tanh(E(x_t)) -> e_t
tanh(W(h_{t-1}|e_T) + U(x_1) * mean(e_{T-1}) + V(x_t)) -> h_t
h_t : 4
h_t * e_T[0] -> p_t
p_t --[O]-> q_t => x_t
e_t : 5
""",
    "looked_up_by_step": """
x_t : 3
E : param(7, 6)
0 -> h_0
tanh(M(h_{t-1}) + U(x_t) + E[t]) -> h_t
h_t => y_t
y_t : 6
""",
    "choices": """
x_t : 4
a_t : class(4)
0 -> h_0
one_hot(argmax(h_{t-1}))|x_t|one_hot(a_t) --[M|softmax]-> q_t
h_{t-1} * q_t[a_t] + log(q_t[a_t]) * q_t + entropy(q_t) * t / T -> h_t
h_t : 4
h_t => x_t
""",
    "attending": """
x_t : 3
0 -> d_0
x_t --[E|tanh]-> e_t
softmax(e_{1:T} @ d_{t-1}) @ e_{1:T} -> c_t
c_t|d_{t-1} --[D|tanh]-> d_t
d_t --[O]-> p_t => x_t
D : 10 -> 5
""",
    "attending_to_some": """
x_t : 3
v : param(4)
0 -> d_0
x_t --[E|tanh]-> e_t
softmax(tanh(W(d_{t-1}) + U(e_{2:T})) @ v) @ e_{2:T} -> c_t
mean(e_{1:T-1} @ d_{t-1}) * d_{t-1} + c_t -> b_t
b_t|d_{t-1} --[D|tanh]-> d_t
max(e_{2:T} * e_{2:T} @ d_t) -> g_t
d_t|g_t --[O]-> p_t => x_t
U : 5 -> 4
D : 10 -> 5
""",
    "attending_by_matrices": """
x_t : 3
0 -> S_0
0.5 -> g_0
x_t --[E|tanh]-> e_t
0.9*S_{t-1} + outer(x_t, transpose(e_{1:T}) @ (e_{1:T} @ (S_{t-1} @ x_t))) -> S_t
S_t : 3x3
g_{t-1} * sigmoid(mean(e_{1:T} @ x_t)) + sum(softmax(transpose(e_{1:T})) @ (e_{1:T} @ g_{t-1})) * x_t -> g_t
g_t : 3
S_t @ g_t => x_t
""",
    "applied_twice": """
x_t : 3
0 -> h_0
tanh(W(h_{t-1}) + W(tanh(W(tanh(A(x_t)))))) -> h_t
W : 53 -> 53
h_t --[O]-> p_t => x_t
""",
    "attending_to_its_past": """
x_t : 3
0 -> h_0
softmax(h_{0:t-1} @ Q(h_{t-1})) @ h_{0:t-1} -> c_t
h_{t-1}|c_t|x_t --[W|tanh]-> h_t
h_t --[O]-> p_t => x_t
W : 13 -> 5
""",
    "attending_to_others_past": """
x_t : 3
v : param(4)
x_t --[K|tanh]-> k_t
0 -> h_0
softmax(tanh(U(k_{1:t}) + V(h_{t-1})) @ v) @ k_{1:t} -> c_t
h_{t-1}|c_t|x_t --[W|tanh]-> h_t
h_t --[O]-> p_t => x_t
U : 6 -> 4
W : 14 -> 5
""",
    "pasts_of_two": """
x_t : 3
u : 5
x_t --[K|tanh]-> k_t
0 -> k_0
u -> h_0
0 -> c_0
sigmoid(F(h_{t-1}|x_t))*c_{t-1} + tanh(G(h_{t-1}|x_t)) -> c_t
softmax(h_{0:t-1} @ Q(x_t)) -> a_t
a_t @ c_{0:t-1} + max(a_t) * P(k_{0:t-1})[0] -> b_t
tanh(W(c_t|b_t)) -> h_t
h_t --[O]-> p_t => x_t
""",
    "mean_of_its_past": """
x_t : 1
0 -> h_0
0.5 -> g_0
w : param(1)
0.3*x_t + mean(h_{0:t-1}) * max(g_{0:t-1}) -> g_t
tanh(w*x_t - g_t) -> h_t
h_t => x_t
""",
    "dropped": """
x_t : 3
0 -> h_0
h_{t-1}|dropout(x_t, 0.2) --[M|tanh|dropout(0.3)]-> h_t
h_t : 5
h_t --[G]-> p_t => x_t
""",
    "normed": """
x_t : 3
0 -> h_0
h_{t-1}|x_t --[M|layer_norm_L|tanh]-> h_t
h_t : 5
h_t --[G]-> p_t => x_t
""",
    "normed_gates": """
x_t : 3
0 -> c_0
0 -> h_0
layer_norm_X(Wx(x_t)) + layer_norm_H(Wh(h_{t-1})) -> p_t
split(p_t) -> f_t, i_t, o_t, l_t
sigmoid(f_t)*c_{t-1} + sigmoid(i_t)*tanh(l_t) -> c_t
sigmoid(o_t)*tanh(layer_norm_C(c_t)) -> h_t
h_t : 3
h_t --[G]-> q_t => x_t
""",
}
"""Recurrences with what chance draws, tables, and components that are known only as they run."""

ENDS: dict[str, str] = {
    "no_end": """
x_t : 3
h_{t+1}|x_t -> p_t
c_{t+1}*sigmoid(F(p_t)) + sigmoid(I(p_t))*tanh(C(p_t)) -> c_t
tanh(c_t)*sigmoid(O(p_t)) -> h_t
h_t : 5
""",
    "learned_end": """
x_t : 3
e : param(5)
e -> c_{T+1}
x_T --[E]-> h_{T+1}
h_{t+1}|x_t -> p_t
c_{t+1}*sigmoid(F(p_t)) + sigmoid(I(p_t))*tanh(C(p_t)) -> c_t
tanh(c_t)*sigmoid(O(p_t)) -> h_t
h_{t+1} - c_t -> d_t
""",
    "two_ends": """
x_t : 3
a : param(4)
b : param(4)
a -> h_{T+1}
b -> h_{T+2}
tanh(M(h_{t+1}|x_t) + 0.3*h_{t+2}) -> h_t
h_{t+2}*h_{t+1} -> k_t
""",
}
"""Recurrences that look ahead: with no end case, and with such as are learned, or computed, and read from outside."""

RANGES: dict[str, str] = {
    "attention in one line": """
x_t : 3
softmax(K(x_{1:t}) @ Q(x_t) / 2) @ tanh(V(x_{1:t})) -> a_t
""",
    "what comes before": """
x_t : 3
w : param(3)
softmax(x_{1:t-1} @ w) @ x_{1:t-1} -> a_t
""",
    "what comes after": """
x_t : 3
softmax(x_{t+1:T} @ x_t) @ x_{t+1:T} -> a_t
""",
    "shifted": """
x_t : 3
0.5 -> u_0
x_t -> u_t
x_t --[V]-> v_t
softmax(u_{0:t-1} @ x_t) @ v_{1:t} -> a_t
""",
    "turned": """
x_t : 3
y_t : 3
transpose(x_{1:t}) @ (y_t @ transpose(x_{1:t})) -> a_t
""",
    "scores alone": """
x_t : 3
sum(x_{1:t} @ x_t) -> a_t
max(x_{1:t} @ x_t) -> b_t
min(x_{1:t} @ x_t) -> c_t
norm(x_{1:t} @ x_t) -> d_t
mean(x_{t:T} @ x_t) -> e_t
mean(x_{1:t} @ x_t) * t -> f_t
""",
    "additive": """
x_t : 3
v : param(4)
softmax(tanh(W(x_t) + U(x_{1:t})) @ v) @ x_{1:t} -> a_t
U : 3 -> 4
""",
    "a column of scores": """
x_t : 3
tanh(U(x_{1:t}) + W(x_t)) -> m_t
softmax(flatten(V(m_t))) -> a_t
a_t @ x_{1:t} -> c_t
U : 3 -> 4
V : 4 -> 1
""",
    "rows that meet vectors": """
x_t : 3
b : param(3)
z : 3
softmax((x_{1:t} + b) @ x_t) @ (z * x_{1:t}) -> a_t
norm(max(x_t, sigmoid(x_{t:T}) - z)) @ x_{t:T} -> b_t
sum(softmax(x_{t:T} * t) @ x_t) -> c_t
mean(layer_norm_N(x_{1:t-1} / (2 + x_t * x_t))) @ x_{1:t-1} -> d_t
max(stop(x_{1:t} - x_t)) @ M(x_{1:t} * x_{1:t} - x_t) -> e_t
""",
    "a bare query": """
x_t : 3
z : 3
softmax(x_{1:t} @ z) @ x_{1:t} -> a_t
""",
    "a mask of its own": """
x_t : 3
m_t : 1
softmax(x_{1:t} @ x_t - 3*m_{1:t} + m_t) @ x_{1:t} -> a_t
""",
    "weights by hand": """
x_t : 3
exp(x_{1:t} @ x_t) @ x_{1:t} / sum(exp(x_{1:t} @ x_t)) -> a_t
""",
    "two softmaxes": """
x_t : 3
sum(softmax(x_{1:t} @ x_t) * log_softmax(x_{1:t} @ x_t)) -> a_t
softmax(x_{1:t} @ x_t) @ softmax(sigmoid(x_{1:t} @ x_t)) -> b_t
""",
    "what is done to rows": """
x_t : 3
y_t : 3
0.5 -> g
0 -> u_0
y_t -> u_t
norm(g*x_{1:t} - M(y_{1:t})) @ max(layer_norm_N(x_{1:t})) -> a_t
sum(softmax(x_{1:t} * u_{0:t-1}) @ x_t) -> b_t
tanh(u_{t-1:T-1} - x_{t:T}) @ x_t @ x_{t:T} -> c_t
""",
    "both directions": """
x_t : 3
(x_{1:t} @ x_t) @ x_{1:t} + (x_{t:T} @ x_t) @ x_{t:T} -> a_t
""",
    "held fixed": """
x_t : 3
w : param(3)
softmax(stop(x_{1:t}) @ (w*x_t)) @ stop(x_{1:t}) + stop(x_{1:t} @ x_t) @ x_{1:t} -> a_t
""",
    "sums of scalars": """
r_t : 1
sum(r_{1:t}) -> a_t
sum(r_{t:T}) / 2 + r_t -> b_t
sum(r_{1:t-1}) - sum(r_{t+1:T}) -> c_t
sum(r_{2:t}) -> d_t
sum(r_{t:T-1}) -> e_t
""",
    "means of scalars": """
r_t : 1
mean(r_{1:t}) -> a_t
r_t - mean(r_{1:t-1}) -> b_t
mean(r_{t:T}) * mean(r_{t+1:T}) -> c_t
""",
    "scalars that meet": """
r_t : 1
sum(r_{1:t} * r_t) -> a_t
max(r_{t:T}) - min(r_{1:t}) -> b_t
r_{1:t} @ r_{1:t} -> c_t
sum(max(r_{1:t}, 0.5)) -> d_t
""",
    "whole numbers": """
x_t : class(5)
e_t : 4
x_t --[embed_E]-> e_t
softmax(e_{1:t} @ e_t) @ e_{1:t} -> a_t
sum(x_{1:t}) -> b_t
mean(x_{t:T}) -> c_t
sum(x_{1:t} * b_t) -> d_t
max(x_{1:t}) - min(x_{t:T}) -> f_t
""",
    "goals": """
x_t : 3
r_t : 1
x_t --[V]-> V_t
V_t => sum(r_{t:T})
V_t => max(r_{1:t})
mean(V_{1:t}) -> m_t
m_t => mean(r_{t:T}) - sum(V_{1:t} * r_{1:t})
""",
}
"""Ranges that grow or shrink with t, and need no loop over the steps."""

STEP_BY_STEP: dict[str, str] = {
    "a matrix": """
x_t : 3
A : param(3, 2)
sum(sum(x_{1:t} @ A)) -> a_t
""",
    "a row by number": """
x_t : 3
x_{1:t}[0] + x_t -> a_t
""",
    "one after the other": """
x_t : 3
r_t : 1
sum(r_{1:t}|r_t) -> a_t
""",
    "the largest of all": """
r_t : 1
argmax(r_{1:t}) + r_t -> a_t
""",
}
"""Ranges that grow, in what is computed step by step."""

PAST: dict[str, str] = {
    "all of its past": """
x_t : 2
0 -> h_0
softmax(h_{0:t-1} @ Q(h_{t-1})) @ h_{0:t-1} -> c_t
tanh(W(h_{t-1}|c_t|x_t)) -> h_t
""",
    "rows before the first": """
x_t : 2
0 -> h_0
1 -> h_{-1}
softmax(h_{-1:t-1} @ Q(h_{t-1})) @ h_{-1:t-1} -> c_t
tanh(W(h_{t-1}|c_t|x_t|h_{t-2})) -> h_t
""",
    "its own step too": """
x_t : 2
0 -> g_0
tanh(W(g_{t-1}|x_t)) -> h_t
softmax(h_{1:t} @ Q(h_t)) @ h_{1:t} -> c_t
tanh(V(c_t|h_t)) -> g_t
""",
    "all that is ahead": """
x_t : 2
0 -> h_{T+1}
softmax(h_{t+1:T+1} @ Q(h_{t+1})) @ h_{t+1:T+1} -> c_t
tanh(W(h_{t+1}|c_t|x_t)) -> h_t
""",
    "numbers, of two states": """
x_t : 1
0 -> h_0
0 -> c_0
0.3*sum(h_{0:t-1}) + 0.1*c_{t-1} + x_t -> c_t
tanh(c_t + mean(c_{0:t-1}) + 0.2*max(h_{0:t-1})) -> h_t
""",
}
"""Recurrences that read ranges of their own states."""
