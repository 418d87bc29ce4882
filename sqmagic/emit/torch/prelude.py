"""What generated code brings along: short functions that a page begins with if it uses them."""

from __future__ import annotations

PRELUDE: dict[str, str] = {
    "own_steps": '''def own_steps(first, last, until, T, lengths):
    """Which of the steps first .. T + last [time, batch] are not past an example's own T + until; None: all."""
    if lengths is None:
        return None
    steps = torch.arange(first, max(first, T + last + 1), device=lengths.device)
    return steps[:, None] <= lengths + until''',
    "window_steps": '''def window_steps(first, last, T, batch, lengths):
    """Which of the steps first .. T + last [time, batch] are in the window, and not past an example's own T + last."""
    steps = torch.arange(first, max(first, T + last + 1))[:, None]
    if lengths is None:
        return ((steps >= 1) & (steps <= T)).expand(-1, batch)
    return (steps >= 1).to(lengths.device) & (steps.to(lengths.device) <= lengths + last)''',
    "average": '''def average(value, own):
    """The mean over batch and steps, over an example's own steps alone."""
    return value.mean() if own is None else value[own].mean()''',
    "padded": '''def padded(x, before, after):
    """Rows of zeros before and after those of x."""
    return nn.functional.pad(x, (0, 0) * (x.dim() - 1) + (before, after))''',
    "layer_norm_input": '''def layer_norm_input(g, x, eps):
    """The adjoint of the input of a layer norm without weights, from that of its output."""
    deviation = torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + eps)
    scaled = (x - x.mean(-1, keepdim=True)) / deviation
    return (g - g.mean(-1, keepdim=True) - scaled * (g * scaled).mean(-1, keepdim=True)) / deviation''',
    "recurrence": '''def recurrence(factor, term, start, backward=False):
    """s[t] = factor[t] * s[t - 1] + term[t] for all t, from s[-1] = start; or backward, from s[T] = start.

    In blocks of about sqrt(T) steps: from 0 within all blocks at a time, then from block to block. What is computed at
    once should stay in cache: of longer rows there are fewer blocks, and long ones go step by step.
    """
    if backward:
        return recurrence(factor.flip(0), term.flip(0), start).flip(0)
    most = (2**14 if term.device.type == "cpu" else 2**22) // max(1, start.numel())
    blocks = min(int(len(term) ** 0.5), most)
    if blocks < 3 or most < 16:
        return one_by_one(factor, term, start)
    size = -(-len(term) // blocks)
    blocks = -(-len(term) // size)
    more = (0, 0) * (term.dim() - 1) + (0, blocks * size - len(term))
    factors, terms = (nn.functional.pad(x, more).unflatten(0, (blocks, size)).unbind(1) for x in (factor, term))
    products, sums = [factors[0]], [terms[0]]
    for a, b in zip(factors[1:], terms[1:]):
        products.append(a * products[-1])
        sums.append(a * sums[-1] + b)
    if not (products[-1].isfinite().all() and sums[-1].isfinite().all()):
        return one_by_one(factor, term, start)
    starts = [start]
    for a, b in zip(products[-1], sums[-1]):
        starts.append(a * starts[-1] + b)
    first = torch.stack(starts)[:-1, None]
    return (torch.stack(sums, 1) + torch.stack(products, 1) * first).flatten(0, 1)[: len(term)]


def one_by_one(factor, term, start):
    """The same step by step: products over many steps may overflow where no step does."""
    rows = [start]
    for a, b in zip(factor, term):
        rows.append(a * rows[-1] + b)
    return torch.stack(rows)[1:]''',
    "running_mean": '''def running_mean(x):
    """The mean of the rows up to each."""
    return x.cumsum(0) / torch.arange(1, len(x) + 1, dtype=x.dtype, device=x.device)[:, None, None]''',
    "spans": '''def spans(first, last, *read):
    """The steps first .. last in spans (start, stop): of 128, or of one where something that is read is not finite.
    What is outside of a step's range counts nought times there, and nought times infinity is not nought.
    """
    try:
        size = 128 if all(x.detach().sum(dtype=torch.float32).isfinite() for x in read) else 1
    except RuntimeError:  # nobody can look under torch.vmap
        size = 1
    return [(start, min(start + size, last + 1)) for start in range(first, last + 1, size)]''',
    "later": '''def later(start, stop, like):
    """Which of the rows 1 .. stop - 1 are later than each of the steps from start on: [time, 1, rows]."""
    return torch.ones(stop - start, stop - 1, dtype=torch.bool, device=like.device).triu(start)[:, None]''',
    "earlier": '''def earlier(start, stop, last, like):
    """Which of the rows start .. last are earlier than each of the steps up to stop: [time, 1, rows]."""
    return torch.ones(stop - start, last + 1 - start, dtype=torch.bool, device=like.device).tril(-1)[:, None]''',
    "as_one_inside": '''def as_one_inside(x, outside, own):
    """Numbers outside of a step's range replaced by one in it, so that no function of them has a gradient that is not
    finite: nought times that is not nought.
    """
    return torch.where(outside, x[..., own, None], x)''',
    "row": '''def row(rows, place):
    """The row at a place, or of each example that at its own place."""
    return rows[place] if isinstance(place, int) else rows[place, torch.arange(len(place), device=place.device)]''',
    "stacked": '''def stacked(rows, first, last, empty):
    """Rows held by index as one tensor."""
    return torch.stack([rows[t] for t in range(first, last + 1)]) if last >= first else empty''',
    "eps_greedy": '''def eps_greedy(best, actions, eps):
    """The best action, or with probability eps any."""
    return torch.where(torch.rand(best.shape, device=best.device) < eps, torch.randint_like(best, actions), best)''',
    "BatchNorm": '''class BatchNorm(nn.Module):
    """Normalises channels (axis 1) over all rows; rows that `own` leaves out count in no statistic."""

    def __init__(self, channels, eps, momentum):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x, own=None, frozen=False):
        mean, variance = self.running_mean, self.running_var
        counted = x if own is None else x[own.flatten()]
        if self.training and counted.numel():
            axes = [axis for axis in range(x.dim()) if axis != 1]
            mean, variance = counted.mean(axes), counted.var(axes, unbiased=False)
            self.remember(mean.detach(), variance.detach(), counted.numel() // counted.shape[1])
        channels = [1, -1] + [1] * (x.dim() - 2)
        weight, bias = (p.detach() if frozen else p for p in (self.weight, self.bias))
        normal = (x - mean.view(channels)) * (variance.view(channels) + self.eps).rsqrt()
        return normal * weight.view(channels) + bias.view(channels)

    def remember(self, mean, variance, count):
        """The running statistics move; their variance is the unbiased one."""
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / max(count - 1, 1), self.momentum)''',
}
