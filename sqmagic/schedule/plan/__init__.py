"""How a program runs: what is computed once, what at all steps together, and each scan in its phases.

together     a System in which recurrences begin together
readouts     what is computed in a recurrence's loop besides
nodes        what a step computes: a graph of values
values       values made from values (components, matrices: more of the same)
lower        equations as values, a row for each operator
phases       a step in phases
scans        the recurrences that kernels can run, or why not (beforehand, lengths: what is computed before they run;
             memories: ranges that grow as they run)
alone        a scan by itself, whose adjoint can be taken
reverse      the way back (gradients: what is added up after it)
regions      a whole window as regions (endings: what is computed where episodes end alone)
acting       acting as C runs it
learning     learning as C runs it
facts        what runs where, as it is told
"""
