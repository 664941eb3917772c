"""What a process holds, by default this one, and how it grows. Linux only."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass, field


def resident(process: int | str = "self") -> int:
    """Bytes of memory in RAM."""
    with open(f"/proc/{process}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def sockets(process: int | str = "self") -> int:
    """Sockets that are open, whatever their state."""
    found = 0
    for number in os.listdir(f"/proc/{process}/fd"):
        try:
            found += os.readlink(f"/proc/{process}/fd/{number}").startswith("socket:")
        except FileNotFoundError:  # the one that listed them
            pass
    return found


def files(process: int | str = "self") -> int:
    """Whatever else is open."""
    return len(os.listdir(f"/proc/{process}/fd")) - sockets(process)


def threads(process: int | str = "self") -> int:
    """Threads of the process."""
    return len(os.listdir(f"/proc/{process}/task"))


@dataclass
class Growth:
    """Memory after so and so many rounds."""

    samples: list[tuple[int, int]] = field(default_factory=list)
    process: int | str = "self"

    def sample(self, done: int) -> None:
        gc.collect()
        self.samples.append((done, resident(self.process)))

    @property
    def slope(self) -> float:
        """Bytes a round: the line through the second half of the samples, when caches and pools are full."""
        later = self.samples[len(self.samples) // 2 :]
        mean_x = sum(x for x, _ in later) / len(later)
        mean_y = sum(y for _, y in later) / len(later)
        spread = sum((x - mean_x) ** 2 for x, _ in later)
        return sum((x - mean_x) * (y - mean_y) for x, y in later) / spread if spread else 0.0

    def __str__(self) -> str:
        first, last = self.samples[0][1], self.samples[-1][1]
        half = self.samples[len(self.samples) // 2][1]
        mib = 1 << 20
        return f"RSS {first / mib:.1f} → {half / mib:.1f} (half way) → {last / mib:.1f} MiB, {self.slope:.3f} bytes a round"
