"""How a program runs: what is computed once, what at all steps together, and each scan in its phases."""
