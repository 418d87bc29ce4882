"""Rewriting a program by rules, so that it runs faster and nobody has to believe it.

log        one step: rule, place, before, after, conditions
forms      columns of a matrix, products with weights, sums of terms
engine     where rules are applied
rules      the rules, a row each
stacking   those of them that make one of several
optimise   which rules, in which order, to what
exact      the exact normal form by which steps are checked
replay     who checks the log, and knows the rules alone
"""

from sqmagic.calculus.rewrite.log import Condition, Rewrite
from sqmagic.calculus.rewrite.optimise import Optimised, optimise

__all__ = ["Condition", "Optimised", "Rewrite", "optimise"]
