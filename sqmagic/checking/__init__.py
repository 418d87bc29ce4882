"""Whether what is shown is true: displayed forms and adjoints against torch.autograd. It knows the compiler and torch.

sizes       distinct primes for what a program leaves open
boundaries  random values before the first step and past the last one
draws       random parameters and inputs
probes      a System whose states can be asked for their derivative
autograd    torch.autograd on the generated code
steps       updates against torch's own optimisers
check       `check`: all of it, for every right side of a sheet
"""
