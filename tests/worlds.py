"""Programs with an environment that are timed well: those that the seed's become when what the lints say is heeded."""

from __future__ import annotations

WALK = """
reset() -> S_0, O_0
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
Value @ O_t -> V_t
V_{t-1} => r_t + Value @ O'_t * (1 - d_t)
"""
"""TD(0) with a table."""

GAE = """
0.99 -> gamma
0.95 -> lam
reset() -> S_0, O_0
O_t --[P_1|tanh|P_2|tanh|P_3|softmax]-> pi_t
sample(pi_t) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
O_t --[V_1|tanh|V_2|tanh|V_3]-> V_t
O'_t --[V_1|tanh|V_2|tanh|V_3]-> W_t
0.1*r_t + gamma*W_t*(1-d_t) - V_{t-1} -> TD_t
TD_t + gamma*lam*A_{t+1}*(1-cut_t) -> A_t
V_{t-1} => A_t + V_{t-1}
pi_{t-1} $ A_t * log(pi_{t-1}[a_{t-1}]) + 0.01*entropy(pi_{t-1})
"""
"""A2C with generalised advantages."""

GRU = """
Enc: h_{t-1}, x_t
    h_{t-1}|x_t -> c_t
    c_t --[R|sigmoid]-> r_t
    c_t --[Z|sigmoid]-> z_t
    x_t|(h_{t-1}*r_t) --[H|tanh]-> l_t
    h_{t-1}*(1 - z_t) + z_t*l_t -> h_t
    return h_t
"""

RECURRENT = """
reset() -> S_0, O_0
0 -> h_0
O_t|h_{t-1} --[Enc|tanh]-> h_t
reset h on cut
h_t --[P|softmax]-> pi_t
sample(pi_t) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t
h_t --[V]-> V_t
V_{t-1} => r_t + 0.9*V_t*(1-cut_t)
pi_{t-1} $ (r_t + 0.9*V_t*(1-cut_t) - V_{t-1}) * log_prob(pi_{t-1}, a_{t-1}) + 0.01*entropy(pi_{t-1})
"""
"""Actor and critic on one memory; an episode that is cut off counts as over."""

TD_GRU = (
    GRU
    + """
reset() -> S_0, O_0
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t
0 -> h_{-1}
0 -> cut_0
h_{t-1}, O_t --[Enc]-> h_t
reset h on cut
h_t --[Value]-> V_t
V_{t-1} => r_t + V_t*(1 - d_t)
"""
)

A2C_GRU = (
    GRU
    + """
0.95 -> gamma
reset() -> S_0, O_0
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t
0 -> h_{-1}
0 -> cut_0
h_{t-1}, O_t --[Enc]-> h_t
reset h on cut
h_t --[Value]-> V_t
h_t --[Policy|softmax]-> pi_t
sample(pi_t) -> a_t
r_t + gamma*V_t*(1-d_t) - V_{t-1} -> TD_t
TD_t + gamma*0.95*A_{t+1}*(1-cut_t) -> A_t
V_{t-1} => A_t + V_{t-1}
pi_{t-1} $ A_t*log_prob(pi_{t-1}, a_{t-1}) + 0.01*entropy(pi_{t-1})
"""
)


PPO = """
0.9 -> gamma
reset() -> S_0, O_0
O_t --[P|softmax]-> pi_t
sample(pi_t) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
O_t --[V]-> V_t
O'_t --[V]-> W_t
r_t + gamma*W_t*(1-d_t) - V_{t-1} + gamma*0.8*A_{t+1}*(1-cut_t) -> A_t
V_{t-1} => old(A_t + V_{t-1})
pi_{t-1}[a_{t-1}] / old(pi_{t-1}[a_{t-1}]) -> k_t
k_t $ min(k_t * old(A_t), clip(k_t, 0.9, 1.1) * old(A_t))
"""
"""Proximal policy optimisation (Schulman et al. 2017, equation 7)."""


def forgetful(text: str) -> str:
    """The same without a memory: a layer where the GRU was."""
    flat = text.replace(GRU, "").replace("0 -> h_{-1}\n0 -> cut_0\n", "").replace("reset h on cut\n", "")
    return flat.replace("h_{t-1}, O_t --[Enc]-> h_t", "O_t --[M|tanh]-> h_t")


DQN = """
B : buffer(20000, batch=128, steps=3, gamma=0.99)
reset() -> S_0, O_0
O_t --[Q_1|relu|Q_2|relu|Q_3]-> q_t
eps_greedy(q_t, eps=0.05) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
Add_B(O_{t-1}, a_{t-1}, r_t, O'_t, d_t, cut_t)
Get_B() -> o, b, u, n, e, c, g
o --[Q_1|relu|Q_2|relu|Q_3]-> p
n --[Q_1|relu|Q_2|relu|Q_3]-> z
n --[target(Q_1|relu|Q_2|relu|Q_3, tau=0.005)]-> w
p[b] ==[huber]=> 0.1*u + g*w[argmax(z)]
"""
"""Double Q-learning over three steps: `g` is the discount of what comes after them, 0 where the episode ended."""

TRACES = """
0.9 -> gamma
0.8 -> lam
reset() -> S_0, O_0
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
0 -> e_0
0 -> cut_0
gamma*lam*(1-cut_{t-1})*e_{t-1} + O_{t-1} -> e_t
r_t + gamma*(1-d_t)*(Value @ O'_t) - Value @ O_{t-1} -> delta_t
Value @ e_t -> z_t
z_t $ delta_t*z_t
"""
"""TD(lambda) by eligibility traces (Sutton and Barto, section 12.2): an objective that is about no action."""

DDPG = """
B : buffer(1000, batch=16)
reset() -> S_0, O_0
O_t --[P_1|relu|P_2|tanh]-> m_t
clip(2*m_t + 0.2*gauss(), -2, 2) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
Add_B(O_{t-1}, a_{t-1}, r_t, O'_t, d_t)
Get_B() -> o, b, u, n, e
2*target(P_1|relu|P_2|tanh, tau=0.01)(n) -> c
n|c --[target(Q_1|relu|Q_2, tau=0.01)]-> w
o|b --[Q_1|relu|Q_2]-> q => 0.1*u + 0.95*(1-e)*w
o --[P_1|relu|P_2|tanh]-> m
o|(2*m) --[freeze(Q_1|relu|Q_2)]-> j
j $ j
"""
"""Deterministic policy gradients (Lillicrap et al. 2015): the action is the mean and noise, bounded."""

SAC = """
B : buffer(1000, batch=16)
Policy: x
    x --[P_1|relu]-> f
    f --[Mean]-> m
    f --[Spread]-> l
    exp(clip(l, -4, 1)) -> s
    return m, s
Mean : 8 -> 1
Spread : 8 -> 1
reset() -> S_0, O_0
O_t --[Policy]-> m_t, s_t
2*tanh(m_t + s_t*gauss()) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
gauss() -> x_t
gauss() -> y_t
Add_B(O_{t-1}, a_{t-1}, r_t, O'_t, d_t, x_t, y_t)
Get_B() -> o, b, u, n, e, x, y
x : 1
y : 1
n --[Policy]-> m', s'
m' + s'*x -> z'
log_prob(m', s', z') - sum(log(1 - square(tanh(z')) + 0.000001)) -> l'
n|tanh(z') --[target(Q_1|relu|Q_2, tau=0.01)]-> w
o|(b/2) --[Q_1|relu|Q_2]-> q => 0.1*u + 0.97*(1-e)*(w - 0.05*l')
o --[Policy]-> m, s
m + s*y -> z
o|tanh(z) --[freeze(Q_1|relu|Q_2)]-> j
j - 0.05*(log_prob(m, s, z) - sum(log(1 - square(tanh(z)) + 0.000001))) -> J
J $ J
"""
"""Soft actor-critic (Haarnoja et al. 2018): the noise of its two reparametrised draws goes through the buffer."""
