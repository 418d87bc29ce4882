"""A wire that lies where it lay on another grid: without a search, if its ends are where they were and nothing is in
its way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from sqmagic.board.layout.grid import FREE, Grid, Point
from sqmagic.board.layout.ports import E, N, S, W
from sqmagic.board.layout.terminals import Job
from sqmagic.board.layout.wire import allowed, side

Way = tuple[Point, ...]
"""A wire's source, its corners, its sink, as points of the grid."""


def again(grid: Grid, job: Job, way: Way) -> bool:
    """Lays a wire as it lay, if its ends are still where it begins and ends and nothing is in its way."""
    net, sink = job
    points, sides = [y * grid.width + x for x, y in way], grid.sides
    leaves, arrives = _heading(way[0], way[1]), _heading(way[-2], way[-1])
    begin, end = side(points[0], (leaves + 2) % 4), side(points[-1], arrives)
    if sides.get(begin, net) != net or sides.get(end, net) != net or not _ends(grid, job, points, leaves, arrives):
        return False
    pieces, most = list(_pieces(grid, points)), allowed(grid, net, sink)
    for lane, first, last, step in pieces:
        inner = slice(first, last + 1, step)
        lying = lane[inner]
        if lying.count(FREE) + lying.count(net) != len(lying) or max(grid.closed[inner], default=0) > most:
            return False
    for lane, first, last, step in pieces:
        inner = slice(first, last + 1, step)
        lane[inner] = [net] * len(lane[inner])
    _join(grid, points)
    sides[begin] = sides[end] = net
    return True


def _heading(a: Point, b: Point) -> int:
    if a[1] == b[1]:
        return E if b[0] > a[0] else W
    return N if b[1] > a[1] else S


def _ends(grid: Grid, job: Job, points: Sequence[int], leaves: int, arrives: int) -> bool:
    """Whether a wire may leave and arrive there like that."""
    net, sink = job
    places = grid.at[sink]
    if points[0] != grid.start[net] or leaves not in grid.terminals.out[net]:
        return False
    if arrives not in grid.terminals.into[job]:
        return False
    return points[-1] in (places if arrives == N else places[-1:] if arrives == W else places[:1])


def _pieces(grid: Grid, points: Sequence[int]) -> Iterator[tuple[list[int], int, int, int]]:
    """For each straight piece the lane in which it runs, its first and last point, without nodes, and the step."""
    end = len(points) - 2
    for k, (a, b) in enumerate(pairwise(points)):
        lane, step = (grid.across, 1) if a // grid.width == b // grid.width else (grid.upright, grid.width)
        onward = step if b > a else -step
        first, last = a + (0 if k else onward), b - (0 if k < end else onward)
        if (last - first) * onward >= 0:
            yield lane, min(first, last), max(first, last), step


def _join(grid: Grid, points: Sequence[int]) -> None:
    """The directions in which a wire goes on from each of its points."""
    ends, end = grid.ends, len(points) - 2
    for k, (a, b) in enumerate(pairwise(points)):
        level = a // grid.width == b // grid.width
        step, low, high = (1, 1 << E, 1 << W) if level else (grid.width, 1 << N, 1 << S)
        out, into = (low, high) if b > a else (high, low)
        inner = slice(min(a, b) + step, max(a, b), step)
        ends[inner] = [at | low | high for at in ends[inner]]
        if k:
            ends[a] |= out
        if k < end:
            ends[b] |= into


def grow(grid: Grid, job: Job, way: Way) -> None:
    """From where each point of a wire that lies there was reached: its net can go on from there then."""
    came, path = grid.came.setdefault(job[0], {grid.start[job[0]]: FREE}), [grid.start[job[0]]]
    for a, b in pairwise(y * grid.width + x for x, y in way):
        step = 1 if a // grid.width == b // grid.width else grid.width
        step = step if b > a else -step
        for v in range(a, b, step):
            came.setdefault(v + step, v)
        path += range(a + step, b + step, step)
    grid.paths[job] = tuple(path)
