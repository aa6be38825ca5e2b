"""How much is measured."""

from pathlib import Path
from typing import NamedTuple


class Settings(NamedTuple):
    """What the command line says.

    `rows`, `rounds` and `iterations` give what a full run takes, or less in a quick one; `jobs`
    are the workers that fit at the same time where nothing is timed, `gigabytes` the size of a
    file of rows, if one is to be fitted to.
    """

    data: Path | None = None
    quick: bool = False
    repeat: int | None = None
    jobs: int = 1
    gigabytes: float = 0.0

    @property
    def at_least(self) -> float:
        """Seconds that a measurement should last."""
        return 0.005 if self.quick else 0.3

    def rows(self, full: int) -> int:
        return min(full, 500) if self.quick else full

    def rounds(self, full: int) -> int:
        return self.repeat or (1 if self.quick else full)

    def iterations(self, full: int) -> int:
        return max(1, full // 20) if self.quick else full
