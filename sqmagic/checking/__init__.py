"""Whether what is shown is true: displayed forms and adjoints against torch.autograd. It knows the compiler and torch.

subject     what is checked: a program's sheet, and the System without effects that it is of
sizes       distinct primes for what a program leaves open
boundaries  random values before the first step and past the last one
draws       random parameters and inputs
kinks       draws that say nothing, for a derivative jumps near them
probes      a System whose states can be asked for their derivative
autograd    torch.autograd on the generated code
bench       a program on such a draw, with what torch says of it
truth       what torch says of each left side
error       how far apart two values are
steps       updates against torch's own optimisers
judging     the error of each right side
check       `check`: all of it, for every right side of a sheet
"""
