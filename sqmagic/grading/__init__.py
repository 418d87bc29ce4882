"""A net held against another: are they the same function of their parameters, and if not, where do they part?"""
