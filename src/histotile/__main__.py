"""Where the program starts, by `histotile` or `python -m histotile`."""

import gc


def main() -> None:
    """Run a verb; see `histotile.cli.main`.

    The modules that every verb loads stay for good: looking for garbage among them, while they
    load and later, would be a good part of a light verb's time.
    """
    gc.disable()
    from histotile.cli import main as run

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
