"""The commands that others measure with: exact output, exact exit codes, no stack traces."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2] / "safety_eye/sample/community.toml"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "safety_eye", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def test_decode_prints_one_json_line_a_value_in_the_devices_own_unit() -> None:
    done = run("decode", "dfrobot_a02yyuw", "--hex", "FF 07 A1 A7")

    assert done.returncode == 0
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {
            "driver": "dfrobot_a02yyuw",
            "name": "distance",
            "quantity": "distance",
            "value": 1953,
            "unit": "mm",
            "quality": "good",
            "reasons": [],
        }
    ]


@pytest.mark.parametrize(
    ("frame", "lines"), [("FF 07 A1 A6", 0), ("FF 00 00 FF", 1), ("FF 07 A1", 0)]
)
def test_decode_ends_with_1_where_there_is_no_good_value(frame: str, lines: int) -> None:
    done = run("decode", "dfrobot_a02yyuw", "--hex", frame)

    assert (done.returncode, len(done.stdout.splitlines())) == (1, lines)


@pytest.mark.parametrize(
    "arguments",
    [
        ("no_such_device", "--hex", "00"),
        ("dfrobot_a02yyuw",),
        ("dfrobot_a02yyuw", "--hex", "FF", "--ascii", "x"),
        ("dfrobot_a02yyuw", "--hex", "FG"),
        ("dfrobot_a02yyuw", "--hex", "FF0"),
    ],
)
def test_a_wrong_decode_call_ends_with_2_and_says_why(arguments: tuple[str, ...]) -> None:
    done = run("decode", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert "safety-eye: " in done.stderr


def test_check_reads_the_sample_back_with_its_limits() -> None:
    done = run("check", str(SAMPLE))

    assert done.returncode == 0
    assert "red ≥ 0.27 m" in done.stderr
    assert "advice" not in done.stderr


def test_check_names_the_file_and_the_key_that_is_wrong(tmp_path: Path) -> None:
    broken = tmp_path / "community.toml"
    broken.write_text(SAMPLE.read_text().replace("dwell_up_s = 3", "dwel_up_s = 3", 1))

    done = run("check", str(broken))

    assert done.returncode == 2
    assert "dwel_up_s" in done.stderr.replace("\n", "")


def test_a_station_loads_nothing_that_a_pi_does_not_have() -> None:
    script = (
        "import sys\nsys.argv = ['safety-eye', 'edge', '--help']\n"
        "from safety_eye.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'typer', 'rich', 'structlog', 'pydantic', 'sqlalchemy', 'httpx'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stderr.strip().endswith("[]")


def test_bench_of_an_unknown_part_is_a_clear_error() -> None:
    done = run("bench", "happiness")

    assert done.returncode == 2
    assert "latency" in done.stderr


def test_the_hub_file_of_the_readme_can_be_used(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "safety_eye/README.md").read_text(encoding="utf-8")
    text = readme.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "webhook.secret").write_text("whsec_" + "QUFB" * 10)
    (tmp_path / "wecom.key").write_text("693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa")
    file = tmp_path / "hub.toml"
    file.write_text(text.replace("/etc/safety-eye", str(tmp_path)), encoding="utf-8")

    done = run("check", str(file))

    assert done.returncode == 0, done.stderr
    assert "duty-wecom" in done.stderr


def test_the_standards_of_the_readme_can_be_used(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "alerts/STANDARDS.md").read_text(encoding="utf-8")
    text = textwrap.dedent("  [cap]" + readme.partition("  [cap]")[2].partition("  ```")[0])
    (tmp_path / "grafana-hmac.key").write_text("0123456789abcdef0123456789abcdef")
    file = tmp_path / "hub.toml"
    file.write_text(text.replace("/etc/safety-eye", str(tmp_path)), encoding="utf-8")

    done = run("check", str(file))

    assert done.returncode == 0, done.stderr
    assert "/api/v1/hooks/grafana" in done.stderr
    assert "https://alerts.example/atom.xml" in done.stderr


@pytest.mark.parametrize("command", [("check",), ("up", "--community", str(SAMPLE), "--hub")])
def test_a_hook_whose_secret_can_be_guessed_is_one_clear_line_before_the_night(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "key").write_text("secret")
    file = tmp_path / "hub.toml"
    file.write_text(
        f'[[hook]]\nname = "grafana"\nkind = "grafana"\nsecret_file = "{tmp_path}/key"\n',
        encoding="utf-8",
    )

    done = run(*command, str(file))

    assert done.returncode == 2
    assert "at least 24" in done.stderr


@pytest.mark.parametrize("command", [("check",), ("up", "--community", str(SAMPLE), "--hub")])
def test_a_channel_that_can_not_tell_anybody_is_one_clear_line_before_the_night(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(
        '[[channel]]\nname = "duty"\nkind = "wecom"\nsecret_file = "/nowhere/at/all"\n',
        encoding="utf-8",
    )

    done = run(*command, str(file))

    assert done.returncode == 2
    assert "channel 'duty'" in done.stderr


def test_a_token_that_can_not_be_read_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text('[http]\ntoken_file = "/nowhere/at/all"\n', encoding="utf-8")

    done = run(
        "alerts", "--community", str(SAMPLE), "--hub", str(file), "--state", str(tmp_path / "s")
    )

    assert done.returncode == 1
    assert "token_file" in done.stderr


def test_an_installer_can_check_a_station_on_the_pi_itself(tmp_path: Path) -> None:
    station = tmp_path / "station.toml"
    station.write_text(
        '[station]\nid = "north-1"\nsite = "riverside"\n'
        '[[port]]\nid = "uart-0"\npath = "/dev/edge/uart-0"\n'
        '[[sensor]]\nid = "gauge-1"\nstation = "north-1"\nzone = "underpass"\n'
        'driver = "dfrobot_a02yyuw"\nquantity = "water-level"\nhazard = "flood"\n'
        'mount_height_m = 3.2\nport = "uart-0"\n'
    )

    on_pi = run("edge", str(station), "--check")
    on_hub = run("check", str(station))

    assert (on_pi.returncode, on_hub.returncode) == (0, 0)
    assert "gauge-1      dfrobot_a02yyuw    on uart-0     water-level" in on_pi.stdout
    assert on_pi.stdout == on_hub.stderr


def test_a_station_file_with_a_wrong_key_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    station = tmp_path / "station.toml"
    station.write_text('[station]\nid = "north-1"\nsite = "riverside"\ncolour = "red"\n')

    done = run("edge", str(station), "--check")

    assert done.returncode == 2
    assert "colour" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_command_that_can_not_be_signed_or_has_no_station_is_one_clear_line(
    tmp_path: Path,
) -> None:
    hub = tmp_path / "hub.toml"
    hub.write_text(f'[commands]\nkey_directory = "{tmp_path}"\n')
    (tmp_path / "tower-3.key").write_text("short")
    arguments = ("test", "siren", "--community", str(SAMPLE), "--hub", str(hub))

    nobody = run("command", "attic-1", *arguments)
    without = run("command", "north-1", *arguments)
    short = run("command", "tower-3", *arguments)

    assert (nobody.returncode, without.returncode, short.returncode) == (2, 2, 2)
    assert "there are" in nobody.stderr
    assert "north-1.key: key can't be read" in without.stderr
    assert "at least 32" in short.stderr
