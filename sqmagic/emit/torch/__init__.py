"""From a System to a page of Python that needs torch alone.

code        a piece of Python and what is known of its value
place       where an expression is computed; from an expression to Python
operators   the table of operators (layers, losses: parts of it)
names       what states are called in Python
facts       what must be known before a line is written: rows, numbers, which inputs may be left out
reading     how a state is read: once, over a window, at one step, in a span of steps
ranges      ranges that grow with t, for all steps at once
statements  components as lines: once, at once, in a loop
stepping    the same one step at a time, for data that come as they are made
write       the page (lines, prelude: how it is laid out, and what it brings along)
"""
