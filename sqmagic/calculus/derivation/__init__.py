"""The derivation of a program, as the forms that a sheet shows.

forms      what a sheet is made of: rows, chains, forms, terms
steps      how one form follows from another, by rules that have names
derive     `derive`: from a System to its `Derivation`
updates    what transforms make of an update
"""
