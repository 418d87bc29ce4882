"""The codes of what can be wrong with how a program is written. What it means is judged elsewhere, under SQ2xx on."""

from __future__ import annotations

CODES: dict[str, str] = {
    "SQ101": "something stands where the notation has no place for it",
    "SQ102": "a character that the notation does not use",
    "SQ103": "a bracket or brace without its partner",
    "SQ104": "something is missing: a name after an arrow, a function between brackets, a side of an operator",
    "SQ105": "an arrow, a goal or a loss is drawn wrongly",
    "SQ106": "`=` or `==` where a name is given to an expression, or where the two sides are to be made equal",
    "SQ107": "indentation: a block that no heading opens, or a line that lines up with none",
    "SQ108": "a declaration or a macro's heading is not complete",
    "SQ109": "an expression is nested too deeply",
    "SQ110": "there is no statement",
    "SQ111": "what stands in braces is no context and no parameter's name",
    "SQ112": "a number is too large, or must be whole",
    "SQ113": "arguments by name stand before others, or one is given twice",
    "SQ114": "a statement that cannot stand here: `return` outside a macro, a macro within a macro",
    "SQ115": "`over` or `reset` is not complete",
}
