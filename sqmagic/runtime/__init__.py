"""What a compiled program needs while it runs; it knows nothing of the compiler.

blueprint     what a net is told of its program
generated     the generated source as a module (pickled, precision, later: how its layers, numbers and states are kept)
compiled      the net with its parameters, as shapes become known (measure: those that torch modules give)
kernels       recurrences as compiled C
graphs        recurrences as CUDA graphs
inputs        data, checked and laid out (amounts, looks: numbers that are asked for, data that have been seen)
calling       a call: states, the loss, single steps (by_length: examples of different lengths)
states        what a call gives (trace, within: its equations in numbers, states that are held nowhere)
optimisers    what moves the weights (weights, turned: a copy to go back to, what was not finite)
training      `fit` (batches, history; chance: that of a seed)
machines      what steps: environments in C, and Gymnasium's
environments  the same with states that are values
replay        buffers
rollout       the outside, as generated code meets it
runs          where a run on an environment is, and how it begins
playing       `train_on` and `play` (played)
windows       acting and learning in compiled C
live, curves  what is seen of a run
functions     a function in C as a torch module
plan          what runs where (telling: what a net says of itself)
net           what a user holds, each method on the page that does it (errors: what it is told)
explore       a widget to look into it
"""
