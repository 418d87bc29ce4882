"""What torch computes on a GPU: all that is launched for one size is recorded once, and launched again as one."""
