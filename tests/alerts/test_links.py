"""One-time links: the message on the phone takes the incident over, and nothing else does."""

from __future__ import annotations

import msgspec
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from alerts import dispatch, tables
from alerts.desk import IncidentDesk
from alerts.dispatch import Claimed, Room
from alerts.link_api import link_router
from alerts.links import LIFE_MS, Links
from core.grade import Grade
from tests.alerts.scenery import Scene, level
from tests.alerts.test_alerts_api import Web

WIDE = {"hook": Room(100), "second": Room(100)}


class Phone(IncidentDesk):
    """The hub as somebody with a message on the phone sees it."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene.store, scene.watch, scene.clock, lambda: None)
        self.scene = scene
        self.links = Links(scene.database, "https://hub.example", scene.clock)
        app = FastAPI()
        app.include_router(link_router(self.links, self, scene.community))
        self.browser = Web(app, "10.0.0.7")
        self._rows: list[Claimed] = []

    def message(self, contact: str, kind: str = "alert") -> str:
        """Return the path of the link in the newest message to *contact*."""
        with self.scene.database.write() as connection:
            self._rows += dispatch.claim(connection, "me", WIDE, 100, self.scene.watch.times())
        row = [row for row in self._rows if (row.note.contact, row.note.kind) == (contact, kind)]
        url = self.links.url(row[-1])
        assert url.startswith("https://hub.example/a/")
        return url.removeprefix("https://hub.example")


@pytest.fixture
def phone(scene: Scene) -> Phone:
    scene.say(level(Grade.RED))
    return Phone(scene)


def owner(scene: Scene) -> str:
    return scene.store.open_incidents()[0].incident.acknowledged_by


def test_looking_shows_the_incident_and_takes_nothing_over(phone: Phone, scene: Scene) -> None:
    path = phone.message("duty-1")

    for _ in range(3):  # a preview bot, and another one
        page = phone.browser.get(path)

    assert page.status_code == 200
    assert "红色" in page.text
    assert "下穿通道水位 0.28 m" in page.text
    assert "先做：" in page.text
    assert "尚无人接手" in page.text
    assert owner(scene) == ""
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"


def test_the_button_takes_it_over_in_the_name_of_who_was_told(phone: Phone, scene: Scene) -> None:
    page = phone.browser.post(phone.message("leader-1"))

    assert page.status_code == 200
    assert "已接手" in page.text
    assert owner(scene) == "leader-1"
    assert scene.store.events(1)[-1].how == "link"


def test_a_link_acts_once(phone: Phone, scene: Scene) -> None:
    path = phone.message("duty-1")
    phone.browser.post(path)
    scene.watch.acknowledge(1, "leader-1", "console")

    again = phone.browser.post(path)

    assert again.status_code == 409
    assert "已用过" in again.text
    assert "<button" not in again.text
    assert owner(scene) == "leader-1"


def test_a_link_is_bound_to_its_message_and_person_and_cannot_be_made_up(
    phone: Phone, scene: Scene
) -> None:
    duty, leader = phone.message("duty-1"), phone.message("leader-1")
    number, _, signature = duty.removeprefix("/a/").partition("-")
    other = leader.removeprefix("/a/").partition("-")[0]

    for token in (f"{other}-{signature}", f"{number}-", f"{number}-{'A' * 16}", "x", "9" * 30):
        assert phone.browser.post(f"/a/{token}").status_code == 404
    with scene.database.write() as connection:
        connection.execute(update(tables.outbox).values(contact="leader-1"))
    assert phone.browser.post(duty).status_code == 404
    assert owner(scene) == ""


def test_a_link_grows_old(phone: Phone, scene: Scene) -> None:
    path = phone.message("duty-1")
    scene.clock.advance(LIFE_MS / 1000 + 1)

    page = phone.browser.post(path)

    assert page.status_code == 409
    assert "已过期" in page.text
    assert owner(scene) == ""


def test_a_link_of_a_milder_warning_does_not_take_over_a_worse_one(
    phone: Phone, scene: Scene
) -> None:
    """As a code of an SMS does not: who presses has read of something else."""
    other = "gauge-2.water-level"
    north = [
        msgspec.structs.replace(level(grade), zone="north", subject=other)
        for grade in (Grade.YELLOW, Grade.RED, Grade.YELLOW)
    ]
    scene.say(north[0])
    mild = phone.message("duty-1")
    assert "<button" in phone.browser.get(mild).text
    scene.say(north[1])

    page = phone.browser.post(mild)

    assert page.status_code == 409
    assert "险情已升级" in page.text
    assert "<button" not in page.text
    assert scene.store.open_incidents()[-1].incident.acknowledged_by == ""
    red = phone.message("duty-1")
    scene.say(north[2])  # it is better again: who has read of red may take it over
    assert phone.browser.post(red).status_code == 200


def test_a_page_of_another_site_cannot_press_the_button(phone: Phone, scene: Scene) -> None:
    path = phone.message("duty-1")

    page = phone.browser.post(path, headers={"sec-fetch-site": "cross-site"})

    assert page.status_code == 404
    assert owner(scene) == ""


def test_what_is_closed_can_not_be_taken_over(phone: Phone, scene: Scene) -> None:
    path = phone.message("duty-1")
    scene.later(3600, level(Grade.GREEN))

    page = phone.browser.post(path)

    assert page.status_code == 409
    assert "事件已结束" in page.text


def test_the_answer_to_still_on_it_is_the_same_button(phone: Phone, scene: Scene) -> None:
    scene.watch.acknowledge(1, "duty-1", "console")
    scene.later(1801, level(Grade.RED))

    page = phone.browser.get(path := phone.message("duty-1", "reminder"))
    assert "我还在处理" in page.text
    phone.browser.post(path)
    scene.later(900, level(Grade.RED))

    assert owner(scene) == "duty-1"
    assert "lapsed" not in scene.happened()


def test_the_database_holds_no_link(phone: Phone, scene: Scene) -> None:
    path = phone.message("duty-1")

    with scene.database.read() as connection:
        text = str(connection.execute(select(tables.outbox.c.payload)).all())

    assert path.rpartition("-")[2] not in text
    assert '"take_url":""' in text


def test_two_programs_on_one_database_accept_each_others_links(phone: Phone, scene: Scene) -> None:
    other = Links(scene.database, "https://hub.example", scene.clock)

    assert other.read(phone.message("duty-1").removeprefix("/a/")) is not None
