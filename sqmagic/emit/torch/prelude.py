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
