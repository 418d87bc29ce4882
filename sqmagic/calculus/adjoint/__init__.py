"""The adjoint of a System: reverse mode over the IR, the one of the project.

carrying   which states a gradient goes on from
call       an application in reverse, and what rules share
layers     the rules of layers, for what they are given and for their parameters
losses     the rules of losses
rules      the table: what the adjoint of a value gives to its arguments, for each primitive
reverse    one expression in reverse: uses, and names for what is needed twice
uses       what a use gives to a state at a step, at a point, or once
masks      dropout taken apart
system     `adjoint`: all of it, put together
"""

from sqmagic.calculus.adjoint.system import Adjoint, adjoint

__all__ = ["Adjoint", "adjoint"]
