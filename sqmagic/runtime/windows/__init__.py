"""Windows in compiled C: acting through their steps, learning from them, and moving the weights."""
