"""How far long work is, on the terminal."""

import sys
import time


class Progress:
    """A line on standard error for work that takes over two seconds, and nothing for less.

    Of one piece of work after the other, as slides are: another begins where `done` falls.
    """

    def __init__(self, label: str, unit: str = "tiles") -> None:
        self.label = label
        self.unit = unit
        self._begin(time.monotonic())

    def _begin(self, now: float) -> None:
        self.start, self.shown = now, now + 1.0
        self.called, self.done = now, 0

    def __call__(self, done: int, total: int) -> None:
        """Show how far the work is; call as often as you like."""
        now = time.monotonic()
        if done < self.done:
            self._begin(self.called)
        self.called, self.done = now, done
        if now - self.shown < 1.0 and not (done == total and self.shown > self.start + 1.0):
            return
        self.shown = now
        rate = done / (now - self.start)
        left = (total - done) / rate if rate else 0.0
        share = done / total if total else 1.0
        bar = "#" * round(24 * share)
        line = (
            f"{self.label} [{bar:<24}] {done}/{total} {self.unit}, {rate:.0f}/s, {left:.0f} s left"
        )
        if sys.stderr.isatty():
            print(f"\r{line}\033[K", end="\n" if done == total else "", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)
