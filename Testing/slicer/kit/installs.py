"""Installations of Python packages, which the kit notes down and never makes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Installs:
    """What was asked for, and what goes wrong with the next one."""

    made: list[str] = field(default_factory=list)
    error: str | None = None

    def reset(self) -> None:
        """Forget both."""
        self.made.clear()
        self.error = None


record = Installs()


def run(requirements: list[str]) -> None:
    """Note an installation down, or fail as the test asked."""
    if record.error is not None:
        raise RuntimeError(record.error)
    record.made.extend(requirements)
