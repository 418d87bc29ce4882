"""What goes wrong on the board."""


class PictureError(Exception):
    """No picture can be made: Graphviz is missing, or the program is too large for one. The message says what to do."""
