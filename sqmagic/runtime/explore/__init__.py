"""A net to look into in a notebook: its picture, its sheet, and the values of its states on data, step by step."""
