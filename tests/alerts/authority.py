"""CAP messages as authorities elsewhere send them, written after their published examples."""

from __future__ import annotations

import datetime as dt

# When everything here happens: the clock of the tests.
NOW_MS = 1_764_500_000_000
SENDER = "gz-met@weather.example"


def stamp(after_s: float = 0) -> str:
    """A CAP time in Chinese local time, so many seconds after the tests' now."""
    zone = dt.timezone(dt.timedelta(hours=8))
    when = dt.datetime.fromtimestamp(NOW_MS // 1000, zone) + dt.timedelta(seconds=after_s)
    return when.isoformat(timespec="seconds")


def rain(
    identifier: str = "42010041600000_20251130185320",
    *,
    kind: str = "Alert",
    status: str = "Actual",
    sender: str = SENDER,
    sent_s: float = -60,
    expires_s: float = 6 * 3600,
    colour: str = "橙",
    severity: str = "Severe",
    certainty: str = "Likely",
    response: str = "Prepare",
    area: str = "武昌区",
    code: str = "420106",
    event: str = "暴雨",
    references: str = "",
    extra: str = "",
) -> bytes:
    """A rain-storm warning as a Chinese weather bureau sends it."""
    refers = f"<references>{references}</references>" if references else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
  <identifier>{identifier}</identifier>
  <sender>{sender}</sender>
  <sent>{stamp(sent_s)}</sent>
  <status>{status}</status>
  <msgType>{kind}</msgType>
  <scope>Public</scope>
  <note>{"演练" if status == "Exercise" else "见正文"}</note>
  {refers}
  <info>
    <language>zh-CN</language>
    <category>Met</category>
    <event>{event}</event>
    <responseType>{response}</responseType>
    <urgency>Expected</urgency>
    <severity>{severity}</severity>
    <certainty>{certainty}</certainty>
    <eventCode><valueName>国家预警信息发布中心</valueName><value>11B03</value></eventCode>
    <expires>{stamp(expires_s)}</expires>
    <senderName>武昌区气象台</senderName>
    <headline>武昌区气象台发布{event}{colour}色预警信号</headline>
    <description>预计未来3小时武昌区有强降水。</description>
    {extra}
    <area>
      <areaDesc>{area}</areaDesc>
      <geocode><valueName>GB/T 2260</valueName><value>{code}</value></geocode>
    </area>
  </info>
</alert>""".encode()


def refer(identifier: str, sent_s: float = -60, sender: str = SENDER) -> str:
    """How a later message refers to one of these."""
    return f"{sender},{identifier},{stamp(sent_s)}"
