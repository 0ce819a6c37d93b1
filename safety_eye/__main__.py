"""`safety-eye`: the one command. A station never loads what it does not need."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; `edge` goes straight to the station program."""
    if sys.argv[1:2] == ["edge"]:
        from edge.__main__ import main as edge_main  # noqa: PLC0415  # a Pi has no typer, no rich

        sys.exit(edge_main(sys.argv[2:]))
    from safety_eye.cli import app  # noqa: PLC0415  # not on a station

    app()


if __name__ == "__main__":
    main()
