"""The table of operators: op -> rule in NumPy, one row for each row of `equations.ops.ALL_OPS`.

A rule is given the operator's node, the values of its arguments and the `Situation`, and gives a value, or several
for a function of several outputs.
"""

from __future__ import annotations

from sqmagic.equations.interpret.derived import DERIVED
from sqmagic.equations.interpret.functions import FUNCTIONS
from sqmagic.equations.interpret.layers import LAYERS
from sqmagic.equations.interpret.losses import LOSSES
from sqmagic.equations.interpret.outside import OUTSIDE
from sqmagic.equations.interpret.rule import Rule

RULES: dict[str, Rule] = FUNCTIONS | LAYERS | LOSSES | OUTSIDE | DERIVED
