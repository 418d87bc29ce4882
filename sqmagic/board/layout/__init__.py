"""From a system to places on a page, in the order of the data's way: glyphs, folding, normalise, boundary, rails,
rows, columns, route, coordinates, labels; each step a function that adds a fact to what came before."""
