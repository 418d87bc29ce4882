"""The derivation as it is printed.

    Derivation --chains--> chains of formulas --+--> page    an HTML table with MathML
               --head----> what is said once  --+--> paper   `align*` to copy
                                                +--> text    lines for a terminal

`sheet` holds the three together: what `net.derivation` is.
"""
