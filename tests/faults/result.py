"""The result of one kind of disturbance."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Result:
    """How many runs were disturbed, how many ended before, and what was wrong afterwards.

    ``bus_errors`` are disturbed runs that the system ended with SIGBUS, which is reported with its place in the code.
    """

    killed: int = 0
    ended: int = 0
    bus_errors: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, fault: str) -> None:
        self.faults.append(fault)
