from typing import Any

from sqmagic.board.layout.wires import Places, Prices

Found = tuple[Places, bytes, float, int, int, int, int]

tracks: int

class Wires:
    def __new__(cls, *facts: Any) -> Wires: ...
    def guess(self, places: Places, prices: Prices, /) -> float: ...
    def intrusions(self, places: Places, /) -> int: ...
    def legal(self, places: Places, /) -> bool: ...
    def tried(self, places: Places, prices: Prices, most: float, /) -> float: ...
    def changed(self, places: Places, prices: Prices, /) -> list[Places]: ...
    def under(self, places: Places, prices: Prices, node: int, /) -> list[Places]: ...
    def climbed(self, places: Places, prices: Prices, budget: float, /) -> Places: ...
    def laid(
        self, places: Places, prices: Prices, most: float, before: Places | None, ways: bytes, /
    ) -> Found | None: ...
    def anneal(
        self,
        places: Places,
        prices: Prices,
        ways: bytes,
        cost: float,
        crossings: int,
        corners: int,
        crooked: int,
        steps: int,
        seed: int,
        warmth: float,
        nearly: float,
        columns: float,
        /,
    ) -> Found: ...
    def better(self) -> Found | None: ...
    def routed(
        self, places: Places, prices: Prices, tracks: int, rounds: int, urgent: bytes, ways: bytes, /
    ) -> tuple[bytes, bytes, int, int, bytes, float, int]: ...
