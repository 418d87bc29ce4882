"""Whether what is shown is true: displayed forms and adjoints against torch.autograd. It knows the compiler and torch.

probes     a System whose states can be asked for their derivative
autograd   torch.autograd on the generated code
"""
