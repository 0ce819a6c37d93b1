"""A station that acts alone, as a real process with a real broker that is taken away from it."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import topics
from core.act import ActEvent, Why
from core.command import Verb
from core.grade import Grade
from tests.edge.acting_stage import SPEED, Stage, ready
from tests.servers import wait_until


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def test_cut_off_it_sounds_is_heard_and_tells_the_whole_story_once_it_is_back(
    stage: Stage,
) -> None:
    stage.run()
    ready(stage)
    assert stage.trail() == ["off"]
    wait_until(lambda: (2, 0) in stage.relays.writes, 10, "the safe state of the lamp")
    stage.mosquitto.kill()
    stage.rises()
    wait_until(lambda: stage.sounds, 20, "the siren")
    wait_until(lambda: stage.relays.is_on(2), 10, "the lamp")
    stage.level_mm = 50
    wait_until(lambda: not stage.sounds, 20, "silence")
    stage.mosquitto.start()
    wait_until(lambda: stage.voice.said(ActEvent.OFF), 30, "the story")
    began, ended = stage.voice.said(ActEvent.ON)[0], stage.voice.said(ActEvent.OFF)[0]
    assert (began.why, began.alone, began.zone, began.grade) == (
        Why.LIMIT, True, "underpass", Grade.RED,
    )  # fmt: skip
    assert began.sensor == "gauge-1"
    assert began.value is not None
    assert began.value >= 0.27 == began.limit
    assert began.mandate == "Li Wei, 2020-01-01, until 2099-12-31"
    assert (ended.run, ended.why, ended.sounded) == (began.id, Why.OVER, True)
    assert ended.at - began.at >= 5_000
    wait_until(
        lambda: (state := stage.voice.statuses[-1].acting) is not None and not state.waiting, 30
    )
    assert len(stage.voice.said(ActEvent.ON)) == len(stage.voice.said(ActEvent.OFF)) == 1
    lamp = stage.voice.said(ActEvent.ON, "lamp")
    assert [one.why for one in lamp] == [Why.LIMIT]


def test_killed_while_it_sounds_it_is_off_first_and_the_run_has_one_end(stage: Stage) -> None:
    stage.voice.confirms = False
    process = stage.run()
    ready(stage)
    stage.mosquitto.kill()
    stage.rises()
    wait_until(lambda: stage.sounds, 20, "the siren")
    wait_until(lambda: stage.relays.is_on(2), 10, "the lamp")
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert stage.sounds
    stage.level_mm = 50
    stage.voice.confirms = True
    before = len(stage.trail())
    stage.run()
    wait_until(lambda: len(stage.trail()) > before, 20)
    assert stage.trail()[before] == "off"
    wait_until(lambda: not stage.relays.is_on(2), 10)
    stage.mosquitto.start()
    wait_until(lambda: stage.voice.said(ActEvent.OFF), 30, "the end of the run")
    began, ended = stage.voice.said(ActEvent.ON), stage.voice.said(ActEvent.OFF)
    assert [one.id for one in began] == [one.run for one in ended]
    assert ended[0].why is Why.KILLED
    assert ended[0].boot != began[0].boot


def test_sigterm_while_it_sounds_leaves_everything_off_and_says_so(stage: Stage) -> None:
    process = stage.run()
    ready(stage)
    stage.rises()
    wait_until(lambda: stage.relays.is_on(2), 20, "the lamp, at once")
    assert not stage.sounds
    stage.voice.command(Verb.SOUND, "siren", 3000)
    wait_until(lambda: stage.sounds, 10, "the siren, ordered")
    process.terminate()
    assert process.wait(30) == 0
    assert not stage.sounds
    assert not stage.relays.is_on(2)
    wait_until(lambda: stage.voice.said(ActEvent.OFF), 10)
    assert {one.why for one in stage.voice.said(ActEvent.OFF)} == {Why.STOPPED}


def test_a_command_is_carried_out_once_and_answered_and_a_replay_is_not(stage: Stage) -> None:
    process = stage.run()
    ready(stage)
    payload = stage.voice.command(Verb.TEST, "siren", 10)
    wait_until(lambda: stage.voice.said(ActEvent.OFF), 20, "the test is over")
    answer = stage.voice.said(ActEvent.ANSWER)[0]
    assert (answer.detail, answer.by) == ("", "Li")
    ended = stage.voice.said(ActEvent.OFF)[0]
    assert (ended.command, ended.sounded) == (answer.command, True)
    stage.voice.command(Verb.TEST, "horn")
    wait_until(lambda: stage.voice.said(ActEvent.ANSWER, "horn"), 10)
    assert "not known here" in stage.voice.said(ActEvent.ANSWER, "horn")[0].detail

    process.send_signal(signal.SIGKILL)
    process.wait(10)
    boot = stage.voice.statuses[-1].boot
    stage.run()
    wait_until(lambda: stage.voice.statuses[-1].boot != boot, 30)
    topic = topics.command("a", "s1")
    stage.voice.link.publish(topic, payload)
    forged = payload.replace(b"siren", b"lamp!")
    stage.voice.link.publish(topic, forged)
    stage.voice.command(Verb.TEST, "siren", 20)
    wait_until(lambda: len(stage.voice.said(ActEvent.ON)) == 2, 20)
    wait_until(lambda: len(stage.voice.said(ActEvent.OFF)) == 2, 20)
    assert len(stage.voice.said(ActEvent.ANSWER)) == 2
    log = (stage.directory / "station.log").read_text()
    assert "came before" in log
    assert "signature" in log


def test_an_expired_mandate_is_no_act_and_is_said_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path, valid_until="2020-02-01")
    try:
        stage.run()
        ready(stage)
        stage.rises()
        wait_until(lambda: stage.voice.said(ActEvent.WITHHELD, "lamp"), 20)
        withheld = stage.voice.said(ActEvent.WITHHELD, "lamp")[0]
        assert (withheld.why, withheld.grade) == (Why.MANDATE_EXPIRED, Grade.RED)
        assert not stage.relays.is_on(2)
        state = stage.voice.statuses[-1].acting
        assert state is not None
        assert not state.valid
    finally:
        stage.close()


def test_a_silent_hub_behind_a_broker_that_answers_is_stood_in_for_until_a_person_silences_it(
    stage: Stage,
) -> None:
    stage.run()
    ready(stage)
    stage.voice.grade(Grade.ORANGE)
    stage.voice.hush()
    wait_until(lambda: stage.sounds, 45, "the siren for the silent hub")
    wait_until(lambda: stage.voice.said(ActEvent.HEARD), 10)
    assert stage.voice.said(ActEvent.ON)[0].why is Why.HUB_SILENT
    stage.inputs["di1"] = 1
    wait_until(lambda: not stage.sounds, 10, "the button")
    wait_until(lambda: stage.voice.said(ActEvent.SILENCED), 10)
    assert stage.voice.said(ActEvent.SILENCED)[0].by == "button-1"


def test_a_siren_that_nobody_hears_and_feedback_that_is_stuck_are_both_said(stage: Stage) -> None:
    stage.mic_follows = False
    stage.run()
    ready(stage)
    stage.voice.command(Verb.TEST, "siren", 40)
    wait_until(lambda: stage.voice.said(ActEvent.NOT_HEARD), 20, "nobody hears it")
    wait_until(lambda: stage.voice.said(ActEvent.OFF), 20)
    assert stage.voice.said(ActEvent.OFF)[0].sounded is False
    stage.inputs["di0"] = 1
    wait_until(lambda: stage.voice.said(ActEvent.STUCK), 20, "the feedback is stuck")


def test_a_reload_is_refused_while_the_file_is_wrong_and_restarts_with_a_good_one(
    stage: Stage,
) -> None:
    process = stage.run()
    ready(stage)
    good = stage.file.read_text()
    stage.file.write_text(good.replace("min_on_s = 5", "min_on_s = 5000"))
    stage.voice.command(Verb.RELOAD)
    wait_until(lambda: stage.voice.said(ActEvent.ANSWER, ""), 10)
    assert "min_on_s" in stage.voice.said(ActEvent.ANSWER, "")[0].detail
    assert process.poll() is None
    stage.file.write_text(good)
    stage.voice.command(Verb.RELOAD)
    assert process.wait(30) == 1
    wait_until(lambda: len(stage.voice.said(ActEvent.ANSWER, "")) == 2, 10)
    assert stage.voice.said(ActEvent.ANSWER, "")[1].detail == ""


def test_after_a_kill_the_outputs_can_be_switched_off_without_a_station(stage: Stage) -> None:
    process = stage.run()
    ready(stage)
    stage.rises()
    wait_until(lambda: stage.relays.is_on(2), 20)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert stage.relays.is_on(2)
    done = subprocess.run(
        [sys.executable, "-m", "edge", str(stage.file), "--safe"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert not stage.relays.is_on(2)


def test_killed_while_the_hub_is_gone_it_knows_what_was_warned_of_and_who_was_silenced(
    stage: Stage,
) -> None:
    process = stage.run()
    ready(stage)
    stage.voice.grade(Grade.ORANGE)
    book = sqlite3.connect(stage.directory / "acts.db")
    wait_until(lambda: b"underpass" in memory_of(book), 10, "the warning on disk")
    stage.mosquitto.kill()
    process.kill()
    process.wait(10)
    process = stage.run()
    wait_until(lambda: stage.sounds, 40, "the siren, although nobody could say it again")
    stage.inputs["di1"] = 1
    wait_until(lambda: not stage.sounds, 10, "the button")
    wait_until(lambda: b'"silenced":' in memory_of(book), 10)
    process.kill()
    process.wait(10)
    before = len(stage.trail())
    stage.run()
    wait_until(lambda: len(stage.trail()) > before, 20)
    # The act waits for 60 s of run time; twice as much passes.
    threading.Event().wait(120 / SPEED)
    assert stage.trail()[before:] == ["off"]
    book.close()


def memory_of(book: sqlite3.Connection) -> bytes:
    row = book.execute("SELECT body FROM memory").fetchone()
    return bytes(row[0]) if row else b""
