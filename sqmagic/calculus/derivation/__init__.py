"""The derivation of a program, as the forms that a sheet shows.

forms      what a sheet is made of: rows, chains, forms, terms
unfold     names that only the adjoint made, put back
tidy       numbers and counts in front of each term
facts      what is known of a program while its sheet is made
steps      how one form follows from another, by rules that have names
adjoints   the chains of the way back: adjoints of states and of parts
updates    what transforms make of an update
derive     `derive`: from a System to its `Derivation`
"""
