"""`safety-eye`: the one command. A station never loads what it does not need."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; what a station runs goes straight to the station's own modules."""
    if sys.argv[1:2] == ["edge"]:
        from edge.__main__ import main as edge_main  # noqa: PLC0415  # a Pi has no typer, no rich

        sys.exit(edge_main(sys.argv[2:]))
    if sys.argv[1:2] in (["listen"], ["probe"], ["decode"]):
        from edge.installer import main as installer_main  # noqa: PLC0415  # same

        sys.exit(installer_main(sys.argv[1:]))
    if sys.argv[1:3] == ["station", "update"]:
        from edge.update import main as update_main  # noqa: PLC0415  # same

        sys.exit(update_main(sys.argv[3:]))
    try:
        from safety_eye.cli import app  # noqa: PLC0415  # not on a station
    except ModuleNotFoundError as error:
        if error.name in ("core", "edge", "ingest", "detectors", "alerts", "dashboards"):
            raise
        print(
            f"safety-eye: {error.name} is not installed; this machine has only the station "
            "program (safety-eye edge, listen, probe, decode). "
            "For everything else: pip install 'safety-eye[hub]'",
            file=sys.stderr,
        )
        sys.exit(2)
    app()


if __name__ == "__main__":
    main()
