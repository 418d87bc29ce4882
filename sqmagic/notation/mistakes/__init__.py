"""The mistakes that are made in writing a statement, as rows: how each is recognised, what is said, what to write.

A row looks at the place where reading got stuck and gives a `Mistake`, or `None` for "not mine"; the first that
knows the place speaks. Whether a repair is any good is not decided here: `explain` offers only what reads.
"""
