"""The bridge's firmware: its very lines into the station's driver, here and on a simulated AVR."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from core.quality import Quality
from edge.drivers.ndjson_bridge import MAX_LINE_BYTES, NdjsonBridge, seal

FIRMWARE = Path(__file__).parents[2] / "hardware/firmware"
SKETCH = FIRMWARE / "bridge"
CORE = SKETCH / "src/bridge_core.cpp"
ARDUINO = Path("/usr/share/arduino/hardware/arduino/avr")
STRICT = ["-Wall", "-Wextra", "-Werror"]
GATE = ["counter in 20 0", "counter out 20 0", "state door 50 0", "state alarm 30 0"]
BEGIN = "start gate1 1.2.0 1000 0 poweron"
IN, OUT, DOOR, ALARM = range(4)


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (make servers)")
    return path


def build(compiler: str, target: Path, *arguments: object) -> Path:
    command = [tool(compiler), *map(str, arguments), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(
        "g++", tmp_path_factory.mktemp("host") / "bridge",
        "-std=c++11", *STRICT, "-Wconversion", "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all", FIRMWARE / "host/bridge_host.cpp", CORE,
    )  # fmt: skip


def play(host: Path, script: Iterable[str]) -> bytes:
    done = subprocess.run(
        [host], input="\n".join(script).encode() + b"\n", capture_output=True, timeout=60,
        check=False, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
    )  # fmt: skip
    assert done.stderr == b""
    return done.stdout


def decode(lines: bytes) -> tuple[NdjsonBridge, list[dict[str, object]]]:
    driver = NdjsonBridge()
    frames = driver.feed(lines)
    assert driver.counters.checksum_errors == driver.counters.framing_errors == 0
    assert driver.counters.good == lines.count(b"\n")
    return driver, [{one.name: one.value for one in frame.measurements} for frame in frames]


def level(pin: int, value: int, start: int, end: int) -> list[str]:
    """Return samples and ticks of every 5 ms in which a pin keeps a level."""
    return [
        text for ms in range(start, end, 5) for text in (f"pin {pin} {value} {ms}", f"tick {ms}")
    ]


def test_its_lines_are_those_of_the_published_vectors_byte_for_byte(host: Path) -> None:
    lines = play(host, [
        "counter in 30 0", "counter out 30 0", "state door 30 0",
        "start gate1 1.2.0 1000 1200 poweron",
        "pin 2 0 1200", "pin 2 0 1300", "count 0 10", "count 1 7", "tick 2200",
    ])  # fmt: skip

    assert lines == (
        b'{"v":1,"dev":"gate1","seq":1,"ms":1200,"boot":{"fw":"1.2.0","rst":"poweron"}}*82F9\n'
        b'{"v":1,"dev":"gate1","seq":2,"ms":2200,"r":[{"n":"in","v":10,"u":"count"},'
        b'{"n":"out","v":7,"u":"count"},{"n":"door","v":0,"u":"bool"}]}*E7AA\n'
    )


def test_the_first_line_after_a_reset_says_restarted_and_why(host: Path) -> None:
    frames = NdjsonBridge().feed(play(host, [*GATE, "start gate1 1.2.0 1000 0 watchdog"]))

    assert [frame.restarted for frame in frames] == [True]
    assert b'"rst":"watchdog"' in frames[0].raw


def test_a_door_that_bounces_is_told_once_and_at_once(host: Path) -> None:
    bounce = [text for at, ms in enumerate(range(200, 240, 2))
              for text in (f"pin {DOOR} {at % 2} {ms}", f"tick {ms}")]  # fmt: skip
    script = [*GATE, BEGIN, *level(DOOR, 0, 0, 200), *bounce, *level(DOOR, 1, 240, 900)]

    lines = play(host, script).splitlines(keepends=True)
    events = [(int(re.findall(rb'"ms":(\d+)', line)[0]), values)
              for line, values in zip(lines, decode(b"".join(lines))[1], strict=True)]  # fmt: skip

    assert [values for _, values in events] == [{}, {"door": 0}, {"door": 1}]
    # 50 ms of debouncing after the last bounce, and at most one turn of 5 ms.
    assert events[-1][0] - 240 <= 55


def test_a_glitch_shorter_than_the_debouncing_is_no_event_and_no_count(host: Path) -> None:
    script = [*GATE, BEGIN, *level(ALARM, 0, 0, 200), *level(ALARM, 1, 200, 220)]
    script += [*level(ALARM, 0, 220, 400), *level(IN, 0, 400, 500), *level(IN, 1, 500, 510)]

    _, values = decode(play(host, [*script, *level(IN, 0, 510, 700), "tick 1000"]))

    assert values[-1] == {"in": 0, "alarm": 0}
    assert {"alarm": 1} not in values


def test_an_alarm_comes_within_its_debouncing_even_right_after_another_line(host: Path) -> None:
    script = [*GATE, BEGIN, *level(ALARM, 0, 0, 975), *level(ALARM, 1, 975, 1200)]

    lines = play(host, script).splitlines(keepends=True)
    alarm = next(line for line in lines if b'"n":"alarm","v":1' in line)

    # The heart-beat goes out at 1000; the alarm settles at 1005 and may wait for 50 ms at most.
    assert int(re.findall(rb'"ms":(\d+)', alarm)[0]) <= 1055


def test_each_settled_activation_counts_once_and_both_directions_apart(host: Path) -> None:
    script = [*GATE, BEGIN, *level(IN, 0, 0, 100)]
    for turn in range(40):
        at = 100 + turn * 100
        script += [*level(IN, 1, at, at + 50), *level(IN, 0, at + 50, at + 100)]
    lines = play(host, [*script, "count 1 3", *level(IN, 0, 4100, 5200)])

    _, values = decode(lines)
    assert values[-1] == {"in": 40, "out": 3}
    counts = [one["in"] for one in values if "in" in one]
    assert counts == sorted(counts, key=lambda value: int(str(value)))
    # Never more than 20 lines a second of events.
    assert len(values) <= 20 * 5.2


def test_a_blocked_beam_is_a_fault_and_no_person(host: Path) -> None:
    script = ["counter in 20 5000", BEGIN, *level(0, 0, 0, 100), *level(0, 1, 100, 200)]
    script += [*level(0, 0, 200, 300), *level(0, 1, 300, 6500), *level(0, 0, 6500, 7500)]

    frames = NdjsonBridge().feed(play(host, script))
    seen = [(one.value, one.quality) for frame in frames for one in frame.measurements]

    assert (None, Quality.BAD) in seen
    assert seen[0] == (1, Quality.GOOD)
    assert seen[-1] == (1, Quality.GOOD)


def test_a_line_that_could_not_be_written_is_made_good(host: Path) -> None:
    script = [*GATE, BEGIN, *level(ALARM, 0, 0, 200), "full 1", *level(ALARM, 1, 200, 400)]
    lines = play(host, [*script, "count 0 5", "full 0", *level(ALARM, 1, 400, 600)])

    driver, values = decode(lines)
    assert values[-1] == {"in": 5, "alarm": 1}
    # The gaps in the numbers tell the station that lines are missing.
    assert driver.counters.missed > 0


def test_what_does_not_fit_into_one_line_comes_in_several(host: Path) -> None:
    script = [f"state {'s' * 22}{at:02d} 30 0" for at in range(12)]
    script += [f"value {'v' * 22}{at:02d} {'u' * 12} 6" for at in range(12)]
    script += [BEGIN, *(f"pin {at} 1 {ms}" for at in range(12) for ms in (0, 100))]
    script += [f"set {at} -2147483648 1" for at in range(12)]

    lines = play(host, [*script, "tick 1000"])

    driver, values = decode(lines)
    assert max(map(len, lines.splitlines())) <= MAX_LINE_BYTES
    assert driver.counters.missed == 0
    merged = {name: value for frame in values for name, value in frame.items()}
    assert len(merged) == 24
    assert merged["v" * 22 + "11"] == -2147.483648


@pytest.mark.parametrize(
    ("plan", "begin"),
    [
        (["state door 10 0"], BEGIN),
        (["state door 50 0", "state door 50 0"], BEGIN),
        (['state do"or 50 0'], BEGIN),
        ([f"state {'x' * 25} 50 0"], BEGIN),
        ([f"state s{at} 50 0" for at in range(13)], BEGIN),
        (["value temp Cel 7"], BEGIN),
        ([], "start gate1 1.2.0 100 0 poweron"),
        ([], "start gate1 1.2.0 6000 0 poweron"),
        ([], 'start gate"1 1.2.0 1000 0 poweron'),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(host: Path, plan: list[str], begin: str) -> None:
    done = subprocess.run(
        [host], input="\n".join([*plan, begin]).encode() + b"\n", capture_output=True, check=False,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (1, b"invalid\n")


def test_numbers_keep_their_sign_and_decimals_and_are_never_sent_twice(host: Path) -> None:
    script = ["value temp Cel 2", "value adc 1 0", "value co ppm 1", "value smoke dB/m 3", BEGIN]
    script += ["set 0 -5 0", "set 1 1023 1", "set 2 9999 5", "set 3 55 3", "tick 1000", "tick 2000"]

    frames = NdjsonBridge().feed(play(host, script))

    assert b'"v":-0.05,' in frames[1].raw
    seen = {one.name: (one.value, one.quality) for one in frames[1].measurements}
    assert seen == {
        "temp": (-0.05, Quality.GOOD),
        "adc": (1023, Quality.UNCERTAIN),
        "co": (999.9, Quality.UNCERTAIN),
        "smoke": (None, Quality.BAD),
    }
    assert frames[2].measurements == ()


def test_wrapping_clocks_and_numbers_are_no_restart(host: Path) -> None:
    start = 2**32 - 3_000
    script = ["pulses tips 5 0", f"start gate1 1.2.0 500 {start} poweron"]
    script += [f"tick {(start + 500 * turn) % 2**32}" for turn in range(1, 66_500)]

    driver = NdjsonBridge()
    frames = driver.feed(play(host, script))

    assert len(frames) == 66_500
    assert sum(frame.restarted for frame in frames) == 1
    assert driver.counters.missed == 0


def sealed(body: str) -> str:
    return seal(body.encode()).decode().strip()


def test_it_answers_what_it_understands_and_nothing_that_is_damaged(host: Path) -> None:
    good = sealed('{"cmd":"id","seq":7}')
    script = [*GATE, BEGIN, f"hear {good} 10", f"hear {good[:-1]}0 20", f"hear {'x' * 200} 30"]
    unknown, slower, hasty = map(
        sealed, ('{"cmd":"reflash"}', '{"cmd":"set","hb":2000,"seq":8}', '{"cmd":"set","hb":1}')
    )
    script += ["hear {} 40", f"hear {unknown} 45", f"hear {slower} 50", f"hear {hasty} 60"]
    script += ["tick 1000", "tick 2000"]

    lines = play(host, script)

    frames = NdjsonBridge().feed(lines)
    assert [frame.restarted for frame in frames] == [True, False, False, False]
    answers = [re.findall(rb'"re":(\d+),"id":\{"fw":"1.2.0","hb":(\d+)', line)
               for line in lines.splitlines()[1:3]]  # fmt: skip
    assert answers == [[(b"7", b"1000")], [(b"8", b"2000")]]
    assert b'"ms":2000' in lines.splitlines()[3]


def test_beams_know_in_from_out_and_who_turned_back(host: Path) -> None:
    def walk(*steps: str) -> int:
        output = play(host, [*(f"beams {step}" for step in steps)])
        return sum(map(int, output.split()))

    assert walk("0 0", "1 0", "1 1", "0 1", "0 0") == 1
    assert walk("0 0", "0 1", "1 1", "1 0", "0 0") == -1
    assert walk("0 0", "1 0", "0 0") == 0
    assert walk("0 0", "1 0", "1 1", "1 0", "0 0") == 0
    assert walk("0 0", "1 1", "0 0") == 0
    assert walk("0 0", *["1 0", "1 1", "0 1", "0 0"] * 3, *["0 1", "1 1", "1 0", "0 0"]) == 2


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_pins_do_the_count_is_that_of_a_plain_model(host: Path, seed: int) -> None:
    rng = random.Random(seed)
    script, model, now = ["counter in 20 0", BEGIN, *level(0, 0, 0, 50)], 0, 50
    for _ in range(300):
        held = rng.choice([5, 10, 15, 25, 40, 200])
        script += level(0, 1, now, now + held)
        # Seen for the first time at `now` and settled 20 ms later, if a sample comes that late.
        model += held > 20
        now += held
        script += level(0, 0, now, now + 30)
        now += 30
    lines = play(host, [*script, *level(0, 0, now, now + 1500)])

    _, values = decode(lines)
    assert values[-1] == {"in": model}


def test_the_same_story_gives_the_same_bytes_on_an_avr(tmp_path: Path) -> None:
    story = FIRMWARE / "host/selftest.cpp"
    here = build("g++", tmp_path / "here", "-std=c++11", *STRICT, story, CORE)
    there = build(
        "avr-g++", tmp_path / "there.elf", "-std=c++11", *STRICT, "-Os", "-mmcu=atmega328p",
        "-DF_CPU=16000000L", "-fno-threadsafe-statics", story, CORE,
    )  # fmt: skip
    expected = subprocess.run([here], capture_output=True, check=True).stdout

    done = subprocess.run(
        [tool("simavr"), "-m", "atmega328p", "-f", "16000000", there],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip

    assert expected.count(b"\n") >= 20
    assert simulated_lines(done.stdout + done.stderr) == expected.splitlines()
    decode(expected)


def simulated_lines(said: bytes) -> list[bytes]:
    """Return the lines that a simulated UART sent; simavr colours and cuts them, and says more."""
    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", said)
    text = b"".join(
        line for line in plain.splitlines() if not line.startswith((b"Loaded", b"signal", b"avr_"))
    )
    return re.findall(rb"\{.*?\}\*[0-9A-F]{4}(?=\.)", text)


@pytest.mark.parametrize("core", [2, 3])
def test_the_sketch_for_an_esp32_is_understood_with_both_watchdogs_of_its_core(core: int) -> None:
    """Declared is what it uses; that the real core compiles it too, nobody has seen here."""
    compiler = tool("g++")
    declared = Path(__file__).parent / "esp32"
    options = [
        "-std=gnu++17", *STRICT, "-fsyntax-only", f"-I{declared}", f"-I{SKETCH}",
        "-DARDUINO=10819", "-DARDUINO_ARCH_ESP32", f"-DESP_ARDUINO_VERSION_MAJOR={core}",
        "-include", "Arduino.h", "-x", "c++",
    ]  # fmt: skip
    for source in (SKETCH / "bridge.ino", SKETCH / "board_esp32.cpp", CORE):
        done = subprocess.run(
            [compiler, *options, str(source)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


# Which of Arduino's own files the sketch needs.
_ARDUINO_CPP = ("main", "HardwareSerial", "HardwareSerial0", "Print", "new", "abi")
_ARDUINO_C = ("wiring", "wiring_analog", "wiring_digital", "hooks")


def test_the_sketch_as_arduino_builds_it_runs_on_a_simulated_uno(tmp_path: Path) -> None:
    if not ARDUINO.is_dir():
        pytest.skip("arduino-core-avr is not installed (make servers)")
    places = [f"-I{ARDUINO}/cores/arduino", f"-I{ARDUINO}/variants/standard", f"-I{SKETCH}"]
    uno = ["-mmcu=atmega328p", "-DF_CPU=16000000L", "-DARDUINO=10819", "-DARDUINO_ARCH_AVR",
           "-Os", "-ffunction-sections", "-fdata-sections", *places]  # fmt: skip
    plus = [*uno, "-std=gnu++11", "-fno-exceptions", "-fno-threadsafe-statics", "-c"]
    objects = [
        build("avr-gcc", tmp_path / f"{name}.o", *uno, "-w", "-std=gnu11", "-c",
              ARDUINO / f"cores/arduino/{name}.c")
        for name in _ARDUINO_C
    ] + [
        build("avr-g++", tmp_path / f"{name}.o", *plus, "-w", ARDUINO / f"cores/arduino/{name}.cpp")
        for name in _ARDUINO_CPP
    ]  # fmt: skip
    objects += [
        build("avr-g++", tmp_path / f"{source.stem}.o", *plus, *STRICT, source)
        for source in (CORE, SKETCH / "board_avr.cpp", SKETCH / "board_esp32.cpp")
    ]
    sketch = [*plus, *STRICT, "-include", "Arduino.h", "-x", "c++", SKETCH / "bridge.ino"]
    objects.append(build("avr-g++", tmp_path / "sketch.o", *sketch))
    program = build(
        "avr-g++", tmp_path / "bridge.elf", "-mmcu=atmega328p", "-Os", "-Wl,--gc-sections",
        *objects,
    )  # fmt: skip

    with subprocess.Popen(
        [tool("simavr"), "-m", "atmega328p", "-f", "16000000", program],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as simulation:  # fmt: skip
        said = b""
        assert simulation.stdout is not None
        while len(simulated_lines(said)) < 6:
            piece = os.read(simulation.stdout.fileno(), 4096)
            assert piece, said
            said += piece
        simulation.kill()

    lines = b"".join(line + b"\n" for line in simulated_lines(said))
    _, values = decode(lines)
    assert values[0] == {}
    # Nothing is connected: the pull-ups say door open, alarm loop cut; nobody passes.
    state = {"in": 0, "out": 0, "door": 1, "alarm": 1, "tips": 0}
    assert {tuple(one) for one in values[1:3]} == {("alarm",), ("door",)}
    assert values[3] == state
    sizes = subprocess.run([tool("avr-size"), program], capture_output=True, text=True, check=True)
    text, data, bss = map(int, sizes.stdout.splitlines()[1].split()[:3])
    # An Uno has 32 kB of flash (some for the boot loader) and 2 kB of memory, stack included.
    assert text + data < 31_500
    assert data + bss < 1_600
