"""Environments and functions in C: their declarations, the C that is generated from them, and what runs it.

Needs neither torch nor the compiler of the notation; `sqmagic.runtime.environments` is the door for nets.
"""
