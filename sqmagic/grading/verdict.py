"""What `check` says: whether a net is what the reference is, and if not, the first thing that differs."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Verdict:
    """True where a net is the same as its reference. `found` says in lines what differs, or what was compared;
    `remarks` are differences that change nothing, such as layers of other names."""

    right: bool
    found: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.right

    def __str__(self) -> str:
        return "\n".join([*self.found, *self.remarks])

    __repr__ = __str__

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self.html}

    @property
    def html(self) -> str:
        """The same words; whether it is right can be seen from the first sign as well as from the colour."""
        sign, colour = ("✓", "#1b7a3d") if self.right else ("✗", "#ba3209")
        first, *rest = [*self.found, *self.remarks]
        body = "".join(f"<pre>{escape(chr(10).join(rest))}</pre>" if rest else "")
        return f'<p><b style="color:{colour}">{sign}</b> {escape(first)}</p>{body}'
