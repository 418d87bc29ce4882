"""The cell that unrolls: one SVG, well formed, its frames about one point, its ids its own."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from sqmagic.board.diagram import Diagram, picture
from sqmagic.board.unrolling import Unrolling
from sqmagic.pipeline import understand

RNN = "x_t : 3\n0 -> h_0\nx_t|h_{t-1} --[Enc|tanh]-> h_t --[Gen]-> p_t => y_t\n"


def diagram(text: str) -> Diagram:
    return picture(understand(text).system)


def test_the_frames_lie_over_one_another_with_the_cell_at_one_place() -> None:
    svg = diagram(RNN).unrolling().svg
    root = ElementTree.fromstring(svg)
    frames = [g for g in root if "sq-frame" in g.attrib.get("class", "")]
    assert len(frames) == 4
    ids = re.findall(r'\bid="([^"]*)"', svg)
    assert len(ids) == len(set(ids))
    assert len({_middle(frame) for frame in frames}) == 1


def _middle(frame: ElementTree.Element) -> tuple[int, int]:
    graph = next(g for g in frame.iter() if g.attrib.get("class") == "graph")
    cell = next(g for g in frame.iter() if g.attrib.get("id", "").endswith("-f-c-cell"))
    path = next(p for p in cell.iter() if p.tag.endswith("path"))
    numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", path.attrib["d"])]
    shifts = [
        [float(n) for n in re.findall(r"-?\d+\.?\d*", text.partition("translate")[2])]
        for text in (frame.attrib["transform"], graph.attrib["transform"])
    ]
    xs, ys = numbers[::2], numbers[1::2]
    x, y = ((min(v) + max(v)) / 2 + shifts[0][i] + shifts[1][i] for i, v in enumerate((xs, ys)))
    return round(x), round(y)


def test_at_each_moment_a_frame_is_seen_and_each_has_its_turn() -> None:
    svg = diagram(RNN).unrolling(seconds=3).svg
    found = [
        {float(at): float(v) for at, v in re.findall(r"([\d.]+)%\{opacity:([\d.]+)\}", keys)}
        for keys in re.findall(r"@keyframes [^{]*\{((?:[\d.]+%\{opacity:[\d.]+\})*)\}", svg)
    ]
    assert len(found) == 4
    assert all(set(keys) >= {0.0, 100.0} and keys[0.0] == keys[100.0] and max(keys.values()) == 1 for keys in found)
    assert "12s infinite" in svg
    assert "prefers-reduced-motion" in svg and "<script" not in svg


def test_it_is_saved_as_svg_alone(tmp_path) -> None:
    moving = diagram(RNN).unrolling()
    assert isinstance(moving, Unrolling)
    assert moving.save(tmp_path / "rnn.svg").read_text() == moving.svg
    with pytest.raises(ValueError, match=r"saved as \.svg"):
        moving.save(tmp_path / "rnn.gif")


def test_a_program_without_time_does_not_unroll() -> None:
    with pytest.raises(ValueError, match="nothing runs over time"):
        diagram("x --[M]-> h").unrolling()
