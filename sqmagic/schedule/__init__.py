"""Facts about a System, in the order in which they are found.

graph        graphs of numbers, on which the rest stands
readings     who reads what, and how far away
cycles       what needs itself within a step, and the name that would break it
bases        where recurrences that look back begin
retiming     recurrences that look both ways
dependence   the order in which all can be computed, and how: once, at once, forward, in reverse
bounds       what one read allows
domains      at which steps each equation and goal holds (too_early: what is told where a read comes too early)
given_ends   where returns end, in programs that act
affine       recurrences that need not go step by step
ranges       ranges that grow with t, of which the same is true
effects      the order in which a step is acted
plan         how it runs as kernels
"""
