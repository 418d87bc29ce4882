"""From a System to a page of Python that needs torch alone.

code        a piece of Python and what is known of its value
place       where an expression is computed; from an expression to Python
operators   the table of operators (layers, losses, derived: parts of it)
refusals    what no page can have
names       what states are called in Python
facts       what must be known before a line is written: rows, numbers, which inputs may be left out
reading     how a state is read: once, over a window, at one step, in a span of steps
scopes      what is computed at another place than it stands at
ranges      ranges that grow with t, for all steps at once
statements  components as lines: once and at once (assigning), in blocks of steps (blocks), in a loop (loops, growing)
sequences   the methods of whole sequences
scans       recurrences as methods of their own, for which C may stand in
stepping    single steps, for data that come as they are made
acting      the methods of a program that acts
write       the page (lines, prelude: how it is laid out, and what it brings along)
"""
