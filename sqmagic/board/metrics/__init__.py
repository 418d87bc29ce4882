"""How good a picture is, in figures that are measured from where things stand and not asked of what placed them."""
