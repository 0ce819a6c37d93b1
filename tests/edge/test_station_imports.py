from __future__ import annotations

import subprocess
import sys
import textwrap

FORBIDDEN = (
    "numpy", "pandas", "sklearn", "pydantic", "sqlalchemy", "typer", "rich", "structlog",
    "fastapi", "httpx", "click", "jinja2", "uvicorn",
)  # fmt: skip

PROBE = """
    import runpy, sys
    sys.argv = ["edge", "/nonexistent/station.toml"]
    try:
        runpy.run_module("edge", run_name="__main__")
    except SystemExit as end:
        print("exit", end.code)
    print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_station_loads_nothing_that_a_pi_does_not_need() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROBE)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, modules = done.stdout.splitlines()
    assert first == "exit 2"
    loaded = set(modules.split())
    assert {"edge", "serial", "paho", "msgspec", "sqlite3"} <= loaded
    assert not loaded & set(FORBIDDEN)
    assert not loaded & {"ingest", "detectors", "alerts", "dashboards", "safety_eye"}
