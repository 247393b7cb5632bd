"""Where the program starts, by `histotile` or `python -m histotile`."""

import gc
import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run a verb; SIGTERM and SIGINT end it with 143 and 130, and no file half written.

    The modules that every verb loads stay for good: looking for garbage among them, while they
    load and later, would be a good part of a light verb's time. Threads of numerical libraries
    sleep while they wait: where other programs run, too, they would keep a core busy with waiting.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in the background of a shell
            signal.signal(number, _leave)
    sys.unraisablehook = _leave_again
    gc.disable()
    from histotile.cli import main as run

    gc.freeze()
    gc.enable()
    run()


def _leave(number: int, _: FrameType | None) -> None:
    """Ends the program from where it stands, so that what it has begun is tidied up."""
    if os.getpid() == _MAIN:
        os.write(2, f"Stopped by {signal.Signals(number).name}\n".encode())
    raise SystemExit(128 + number)


def _leave_again(lost: "sys.UnraisableHookArgs") -> None:
    """Asks once more to leave where the asking fell into a finaliser, which keeps no exception."""
    left = lost.exc_value
    if not isinstance(left, SystemExit) or not isinstance(left.code, int):
        sys.__unraisablehook__(lost)
        return
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(left.code))
    signal.setitimer(signal.ITIMER_REAL, 0.01)  # when the finaliser is through


_MAIN = os.getpid()  # forked workers leave without a word


if __name__ == "__main__":
    main()
