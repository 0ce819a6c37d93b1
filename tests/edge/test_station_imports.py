from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

FORBIDDEN = (
    "numpy", "pandas", "sklearn", "pydantic", "sqlalchemy", "typer", "rich", "structlog",
    "fastapi", "httpx", "click", "jinja2", "uvicorn",
)  # fmt: skip

_REST = {
    "listen": ["/nonexistent/port", "--driver", "dfrobot_a02yyuw"],
    "probe": ["/nonexistent/port"],
    "decode": ["dfrobot_a02yyuw", "--hex", "FF 07 A1 A7"],
}
_SAYS = {
    "listen": "safety-eye listen: /nonexistent/port: can't be opened",
    "probe": "safety-eye probe: /nonexistent/port: can't be opened",
    "decode": '"value": 1953',
}

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
    assert not loaded & {"zoneinfo", "subprocess"}, "a megabyte that a station never needs"
    assert not loaded & {"ingest", "detectors", "alerts", "dashboards", "safety_eye"}


def test_a_station_loads_the_drivers_of_its_own_sensors_only(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text(
        '[station]\nid = "s1"\nsite = "a"\n[[port]]\nid = "p"\npath = "p"\n'
        '[[sensor]]\nid = "g"\nstation = "s1"\nzone = "z"\ndriver = "dfrobot_a02yyuw"\n'
        'quantity = "distance"\nhazard = "flood"\nport = "p"\n'
    )
    script = f"""
        import sys
        from edge.__main__ import main
        assert main([{str(tmp_path / "station.toml")!r}, "--check"]) == 0
        print(*(name for name in sys.modules if name.startswith("edge.drivers.")))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = {name.rpartition(".")[2] for name in done.stdout.splitlines()[-1].split()}
    assert {"dfrobot_a02yyuw", "base", "selection"} <= loaded
    assert not loaded & {"ndjson_bridge", "register_driver", "sensirion_sps30", "aj_sr04m"}


@pytest.mark.parametrize("command", ["listen", "probe", "decode"])
def test_the_installers_commands_run_where_only_the_station_is_installed(command: str) -> None:
    script = f"""
        import sys
        class Absent:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in {FORBIDDEN!r}:
                    raise ModuleNotFoundError(name, name=name)
        sys.meta_path.insert(0, Absent())
        sys.argv = ["safety-eye", "{command}", *{_REST[command]!r}]
        from safety_eye.__main__ import main
        main()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == (0 if command == "decode" else 1)
    assert _SAYS[command] in done.stderr + done.stdout
