"""SMS over Aliyun and Tencent: signed as they demand, one fate a number, nothing said twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alerts import breaker
from alerts.channels import open_channels
from alerts.channels.aliyun import authorization as acs3
from alerts.channels.aliyun import canonical_query
from alerts.channels.aliyun_sms import AliyunSms
from alerts.channels.base import Channel, OutcomeKind
from alerts.channels.entry import ChannelEntry
from alerts.channels.tencent_sms import TencentSms
from alerts.channels.tencent_sms import authorization as tc3
from alerts.incident import Kind
from alerts.notification import Audience
from core.community import Contact, Name
from tests.alerts.cloud import AliyunCloud, TencentCloud
from tests.alerts.samples import note
from tests.alerts.vendor import Reply, Request, Vendor

NOW_S = 1_764_500_003
KEY, SECRET = "LTAInobodyskeyid", "nobodyssecret"
LI, WANG = "+8613800000000", "+8613900000001"

Made = Callable[..., Channel]


@pytest.fixture
def made(tmp_path: Path, vendor: Vendor) -> Iterator[Made]:
    channels: list[Channel] = []

    def make(kind: str, *numbers: str, secret: str = f"{KEY}\n{SECRET}") -> Channel:
        file = tmp_path / "key"
        file.write_text(secret)
        options: dict[str, object] = {"sign_name": "平安眼", "template": "SMS_1"}
        if kind == "tencent-sms":
            options["app_id"] = "1400000000"
        root = f"http://127.0.0.1:{vendor.port}/"
        entry = ChannelEntry(
            name="sms", kind=kind, url=root, secret_file=str(file), allow_private=True,
            timeout_s=0.5, options=options,
        )  # fmt: skip
        contact = Contact("duty-1", "Li", "duty", tuple(f"sms:{number}" for number in numbers))
        channels.append(open_channels([entry], [contact])["sms"])
        return channels[-1]

    yield make
    for channel in channels:
        channel.close()


def aliyun(**said: object) -> AliyunCloud:
    return AliyunCloud(
        {KEY: SECRET}, NOW_S, lambda _action, _given: {"Code": "OK", "BizId": "9", **said}
    )


def test_the_aliyun_signature_is_that_of_its_published_example() -> None:
    query = canonical_query(
        {
            "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
            "RegionId": "cn-shanghai",
        }
    )
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-version": "2014-05-26",
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
    }

    said = acs3(query, headers, "YourAccessKeyId", "YourAccessKeySecret")

    assert said.endswith("06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0")


def test_the_aliyun_signature_of_chinese_text_is_that_of_its_own_library() -> None:
    query = canonical_query(
        {
            "PhoneNumbers": "13800000000", "SignName": "平安眼", "TemplateCode": "SMS_1",
            "TemplateParam": '{"grade":"红色 I 级","place":"a+b*c~d"}', "OutId": "0123",
        }
    )  # fmt: skip
    headers = {
        "host": "dysmsapi.aliyuncs.com",
        "x-acs-action": "SendSms",
        "x-acs-version": "2017-05-25",
        "x-acs-date": "2025-11-30T10:53:23Z",
        "x-acs-signature-nonce": "nonce1",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
    }

    # Frozen from alibabacloud_tea_openapi 0.4.6, Utils.get_authorization.
    assert acs3(query, headers, "LTAInobody", "nobodyssecret").endswith(
        "b90c10c56ec39060d0724101f37c84e70b7671cef4134f4df7c0fca919aadbba"
    )


def test_the_tencent_signature_is_that_of_its_own_library() -> None:
    body = (
        b'{"PhoneNumberSet": ["+8613800000000"], "SmsSdkAppId": "1400000000", "TemplateId": "1",'
        b' "SignName": "\\u5e73\\u5b89", "TemplateParamSet": ["\\u7ea2\\u8272"],'
        b' "SessionContext": "x"}'
    )

    said = tc3(
        body, "sms.tencentcloudapi.com", NOW_S, "AKIDnobody0000000000", "nobodyskey0000000000"
    )

    # Frozen from tencentcloud-sdk-python 3.1.153 with the clock held at this second.
    assert said == (
        "TC3-HMAC-SHA256 Credential=AKIDnobody0000000000/2025-11-30/sms/tc3_request,"
        " SignedHeaders=content-type;host,"
        " Signature=13dc37bb56e4dbf47837ddd8d133c13900d8ce59e281fba171d5f0af985b7e38"
    )


def test_aliyun_takes_the_template_and_its_variables(made: Made, vendor: Vendor) -> None:
    vendor.reply = cloud = aliyun()

    outcome = made("aliyun-sms", LI).send(note(), NOW_S)

    [(action, given)] = cloud.calls
    assert (outcome.kind, outcome.vendor_id) == (OutcomeKind.ACCEPTED, "9")
    assert action == "SendSms"
    assert (given["PhoneNumbers"], given["OutId"]) == ("13800000000", note().id)
    assert json.loads(given["TemplateParam"]) == {
        "grade": "红色 I 级",
        "place": "下穿通道",
        "hazard": "内涝",
        "time": "11月30日 18:53",
        "number": "12-3",
    }


@pytest.mark.parametrize(
    ("kind", "secret"),
    [("aliyun-sms", f"{KEY}\nanothersecret"), ("tencent-sms", f"{KEY}\nanothersecret")],
)
def test_a_wrong_key_is_refused_by_the_cloud_and_told_as_misconfigured(
    kind: str, secret: str, made: Made, vendor: Vendor
) -> None:
    vendor.reply = aliyun() if kind == "aliyun-sms" else TencentCloud({KEY: SECRET}, NOW_S)

    outcome = made(kind, LI, secret=secret).send(note(), NOW_S)

    assert outcome.kind is OutcomeKind.MISCONFIGURED
    assert "anothersecret" not in str(outcome)


@pytest.mark.parametrize("kind", ["aliyun-sms", "tencent-sms"])
def test_a_hub_whose_clock_is_off_hears_that_it_must_be_mended(
    kind: str, made: Made, vendor: Vendor
) -> None:
    vendor.reply = aliyun() if kind == "aliyun-sms" else TencentCloud({KEY: SECRET}, NOW_S)

    outcome = made(kind, LI).send(note(), NOW_S - 3600)

    assert outcome.kind is OutcomeKind.MISCONFIGURED
    assert "Expire" in outcome.vendor_code


def test_an_answer_that_was_lost_is_asked_for_and_not_sent_twice(
    made: Made, vendor: Vendor
) -> None:
    taken: list[str] = []

    def act(action: str, given: dict[str, str]) -> dict[str, object]:
        if action == "SendSms":
            taken.append(given["OutId"])
            return {"Code": "OK"}
        found = [{"OutId": out_id, "SendStatus": 1, "PhoneNum": "138"} for out_id in taken]
        return {"Code": "OK", "SmsSendDetailDTOs": {"SmsSendDetailDTO": found}}

    cloud = AliyunCloud({KEY: SECRET}, NOW_S, act)

    def loses_the_first_answer(request: Request) -> Reply:
        reply = cloud(request)
        sends = request.headers["x-acs-action"] == "SendSms"
        return Reply(how="reset") if sends else reply

    vendor.reply = loses_the_first_answer

    outcome = made("aliyun-sms", LI).send(note(), NOW_S)

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert [action for action, _ in cloud.calls] == ["SendSms", "QuerySendDetails"]
    assert cloud.calls[1][1]["SendDate"] == "20251130"


def test_a_lost_answer_that_the_cloud_knows_nothing_of_stays_unknown(
    made: Made, vendor: Vendor
) -> None:
    def forgets(request: Request) -> Reply:
        sends = request.headers["x-acs-action"] == "SendSms"
        return Reply(how="reset") if sends else Reply(body=b'{"Code":"OK","SmsSendDetailDTOs":{}}')

    vendor.reply = forgets

    assert made("aliyun-sms", LI).send(note(), NOW_S).kind is OutcomeKind.UNKNOWN


def test_tencent_tells_each_number_its_own_fate(made: Made, vendor: Vendor) -> None:
    refused = {WANG: "FailedOperation.PhoneNumberInBlacklist"}
    vendor.reply = TencentCloud({KEY: SECRET}, NOW_S, refused)

    outcome = made("tencent-sms", LI, WANG).send(note(), NOW_S)

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert [(fate.recipient, fate.outcome.kind) for fate in outcome.fates] == [
        ("+86…0000", OutcomeKind.ACCEPTED),
        ("+86…0001", OutcomeKind.PERMANENT),
    ]
    assert "Blacklist" in outcome.detail
    assert "13900000001" not in str(outcome)


def test_aliyun_sends_to_each_number_of_a_contact(made: Made, vendor: Vendor) -> None:
    vendor.reply = cloud = aliyun()

    made("aliyun-sms", LI, WANG).send(note(), NOW_S)

    assert [given["PhoneNumbers"] for _, given in cloud.calls] == ["13800000000", "13900000001"]


@pytest.mark.parametrize("kind", ["aliyun-sms", "tencent-sms"])
@pytest.mark.parametrize("number", ["13800000000", "", "+86-138"])
def test_a_contact_without_a_usable_number_fails_at_once_and_says_what_to_write(
    kind: str, number: str, made: Made, vendor: Vendor
) -> None:
    outcome = made(kind, number).send(note(), NOW_S)

    assert outcome.kind is OutcomeKind.PERMANENT
    assert 'channels = ["sms:+8613800000000"]' in outcome.detail
    assert vendor.requests == []


def test_variables_hold_no_link_no_bracket_and_no_more_than_was_approved(
    made: Made, vendor: Vendor
) -> None:
    vendor.reply = cloud = TencentCloud({KEY: SECRET}, NOW_S)
    evil = Name(zh="【中奖】http://evil.example/" + "长" * 60, en="x")

    made("tencent-sms", LI).send(note(place=evil), NOW_S)

    values = cloud.calls[0]["TemplateParamSet"]
    assert isinstance(values, list)
    assert all(1 <= len(value) <= 35 for value in values)
    assert not [value for value in values if "http" in value or "【" in value]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"kind": Kind.CLEAR}, "解除"),
        ({"kind": Kind.ESCALATION}, "红色 I 级 无人接手"),
        ({"audience": Audience.RESIDENT}, "本点位红色 I 级"),
        ({"kind": Kind.TEST}, "通道测试"),
        ({"exercise": True}, "演练红色 I 级"),
    ],
)
def test_the_first_variable_says_what_kind_of_message_it_is(
    changes: dict[str, Any], word: str, made: Made, vendor: Vendor
) -> None:
    vendor.reply = cloud = TencentCloud({KEY: SECRET}, NOW_S)

    made("tencent-sms", LI).send(note(**changes), NOW_S)

    values = cloud.calls[0]["TemplateParamSet"]
    assert isinstance(values, list)
    assert values[0] == word


class Told:
    """What the service would write of what carriers say."""

    def __init__(self) -> None:
        self.words: list[tuple[str, str]] = []

    def delivered(self, notification: str, detail: str) -> None:
        assert detail
        self.words.append(("delivered", notification))

    def undelivered(self, notification: str, detail: str) -> None:
        assert "carrier" in detail
        self.words.append(("undelivered", notification))


@pytest.mark.parametrize(("status", "wanted"), [(1, []), (2, ["undelivered"]), (3, ["delivered"])])
def test_aliyun_is_asked_what_the_carrier_made_of_a_message(
    status: int, wanted: list[str], made: Made, vendor: Vendor
) -> None:
    record = {"OutId": note().id, "SendStatus": status, "ErrCode": "UNDELIV"}
    vendor.reply = cloud = aliyun(SmsSendDetailDTOs={"SmsSendDetailDTO": [record]})
    channel, told = made("aliyun-sms", LI), Told()
    assert isinstance(channel, AliyunSms)
    channel.start(told)  # type: ignore[arg-type]  # these two words are all it needs
    channel.send(note(), NOW_S)

    channel.follow_ups.ask(NOW_S + 10)
    channel.follow_ups.ask(NOW_S + 20)

    assert told.words == [(word, note().id) for word in wanted]
    asked = [action for action, _ in cloud.calls].count("QuerySendDetails")
    assert asked == (1 if wanted else 2)


@pytest.mark.parametrize(
    ("report", "wanted"), [("", []), ("FAIL", ["undelivered"]), ("SUCCESS", ["delivered"])]
)
def test_tencent_is_asked_what_the_carrier_made_of_a_message(
    report: str, wanted: list[str], made: Made, vendor: Vendor
) -> None:
    vendor.reply = cloud = TencentCloud({KEY: SECRET}, NOW_S)
    channel, told = made("tencent-sms", LI), Told()
    assert isinstance(channel, TencentSms)
    channel.start(told)  # type: ignore[arg-type]  # these two words are all it needs
    channel.send(note(), NOW_S)
    if report:
        cloud.reports[LI] = report

    channel.follow_ups.ask(NOW_S + 10)
    channel.follow_ups.ask(NOW_S + 20)

    assert told.words == [(word, note().id) for word in wanted]


def test_after_half_an_hour_nobody_is_asked_any_more(made: Made, vendor: Vendor) -> None:
    vendor.reply = cloud = aliyun()
    channel = made("aliyun-sms", LI)
    assert isinstance(channel, AliyunSms)
    channel.start(Told())  # type: ignore[arg-type]  # these two words are all it needs
    channel.send(note(), NOW_S)
    cloud.now_s = NOW_S + 1801

    channel.follow_ups.ask(NOW_S + 1801)
    before = len(cloud.calls)
    channel.follow_ups.ask(NOW_S + 1802)

    assert len(cloud.calls) == before == 2


def test_one_question_that_goes_wrong_keeps_no_other_from_being_asked(
    made: Made, vendor: Vendor
) -> None:
    """Else whatever was accepted after it is never known to have arrived, or not."""

    class Broken(Told):
        def delivered(self, notification: str, detail: str) -> None:
            if notification == "1" * 32:
                raise RuntimeError("a bug")
            super().delivered(notification, detail)

    vendor.reply = cloud = TencentCloud({KEY: SECRET}, NOW_S)
    channel, told = made("tencent-sms", LI), Broken()
    assert isinstance(channel, TencentSms)
    channel.start(told)  # type: ignore[arg-type]  # these two words are all it needs
    for digit in "12":
        channel.send(note(id=digit * 32), NOW_S)
    cloud.reports[LI] = "SUCCESS"

    channel.follow_ups.ask(NOW_S + 10)

    assert told.words == [("delivered", "2" * 32)]


def test_aliyun_takes_a_number_abroad_without_its_plus(made: Made, vendor: Vendor) -> None:
    vendor.reply = cloud = aliyun()

    made("aliyun-sms", "+85291234567").send(note(), NOW_S)

    assert cloud.calls[0][1]["PhoneNumbers"] == "85291234567"


def test_the_limit_of_one_number_is_no_limit_for_others(made: Made, vendor: Vendor) -> None:
    """Else one person who was just told would close the way to everybody for a minute."""
    vendor.reply = aliyun(Code="isv.BUSINESS_LIMIT_CONTROL", Message="触发分钟级流控Permits:1")
    minute = made("aliyun-sms", LI).send(note(), NOW_S)
    limited = {LI: "LimitExceeded.PhoneNumberThirtySecondLimit"}
    vendor.reply = TencentCloud({KEY: SECRET}, NOW_S, limited)
    half_minute = made("tencent-sms", LI).send(note(), NOW_S)
    vendor.reply = TencentCloud({KEY: SECRET}, NOW_S, {LI: "RequestLimitExceeded"})
    everybody = made("tencent-sms", LI).send(note(), NOW_S)

    for outcome, asked_s in ((minute, 60), (half_minute, 30)):
        assert (outcome.kind, outcome.retry_after_s) == (OutcomeKind.RETRY, asked_s)
        assert breaker.after(None, "sms", outcome, 1) is None
    assert breaker.after(None, "sms", everybody, 1) is not None
