"""What became of a message, for Chinese readers: the English of channels and outbox in Chinese.

A row of the outbox keeps one text, in English beside the vendors' own words: logs and vendors'
support read it, too. Pages put ours into the reader's language; what a vendor said stays as it was.
"""

from __future__ import annotations

import re

# The whole text (a regular expression) -> Chinese, with what the text says in \1, \2.
_TEXTS: tuple[tuple[str, str], ...] = (
    # what the outbox decides
    (r"deadline passed", "已过时限，不再发送"),
    (r"channel is not configured", "hub.toml 没有这个通道"),
    (r"channel is switched off or not configured", "通道已停用或没有配置"),
    (r"channel rests: it did not answer", "通道没有应答，暂停使用，改用下一个"),
    (r"channel failed", "通道出错"),
    (r"the attempt failed", "这次发送失败"),
    (r"can't be read by this version", "这个版本读不了这条消息"),
    (r"a newer message was sent", "已发送更新的消息"),
    (r"told by announcement (\d+)", r"已由第 \1 次通知告知"),
    (r"read in the group with the message to (.+)", r"与发给 \1 的消息在同一个群里"),
    (r"quiet hours", "免打扰时段"),
    (r"more than (\d+) messages in (\S+) min", r"\2 分钟内超过 \1 条"),
    (r"calls are for alerts from (\w+) on; .+", r"电话只用于 \1 级及以上，其他通道会通知"),
    # what the network did
    (r"no connection", "连接不上"),
    (r"its certificate is not trusted: (.*)", r"对方证书不可信：\1"),
    (r"no answer in time", "没有按时应答"),
    (r"no answer in time; it may have arrived", "没有按时应答，可能已经送到"),
    (r"no answer; it may have arrived", "没有应答，可能已经送到"),
    (r"the connection broke; it may have arrived", "连接中断，可能已经送到"),
    (r"HTTP (\d+)", r"对方返回 HTTP \1"),
    (r"HTTP (\d+): redirects are not followed", r"对方返回 HTTP \1：不跟随跳转，请改正地址"),
    (r"HTTP (\d+): mend url or secret", r"对方返回 HTTP \1：请检查地址或密钥"),
    (r"HTTP 410: the receiver wants no more; .+", "对方不再接收（HTTP 410），下次启动前停用"),
    (r"the receiver's address (.+): only public .+", r"接收地址 \1 不是公网地址，已拒绝"),
    # what a vendor's answer was
    (r"rate limit", "对方限流，稍后再发"),
    (r"the answer is not (.+)'s", r"应答不是 \1 的格式"),
    (r"no token came", "没有取到令牌"),
    (r"WeCom knows no such member", "企业微信没有这个成员"),
    (r"account answers", "账号有应答"),
    (r"service answers", "服务有应答"),
    (r"sent; the service's own answer is not known", "已发出，送达与否不得而知"),
    (r"apprise could not send it", "apprise 没有发出去"),
    (
        r"contact (\S+): community\.toml gives no usable address.+",
        r"联系人 \1：community.toml 没有这个通道可用的地址",
    ),
    # mail
    (r"no mail was sent", "邮件没有发出"),
    (r"no login offered", "邮件服务器不接受登录"),
    (r"the server offers no STARTTLS; .+", "邮件服务器不支持 STARTTLS，不以明文发送"),
    (r"SMTP (\d+)", r"邮件服务器返回 \1"),
    (r"SMTP (\d+): (.*)", r"邮件服务器返回 \1：\2"),
    # the modem
    (r"not sent in time", "没有按时发出"),
    (r"not ready yet", "短信模块还没就绪"),
    (r"no word in time", "短信模块没有按时回话"),
    (r"failed", "短信模块出错"),
    (r"no network \((.+)\)", r"没有移动网络（\1）"),
    (r"no network for long; the modem was restarted", "长时间没有移动网络，已重启短信模块"),
    (r"the modem went away", "短信模块断开"),
    (r"the modem refuses: (.+)", r"短信模块拒绝：\1"),
    (r"the modem fell silent; it may have gone out", "短信模块没有回话，可能已经发出"),
    (r"the SIM is not ready yet", "SIM 卡还没就绪"),
    (r"there is no usable SIM", "没有可用的 SIM 卡"),
    (r"the SIM asks for its PIN: .+", "SIM 卡要 PIN 码：请写入 secret_file"),
    (r"the SIM asks for (.+)", r"SIM 卡要求 \1"),
    (r"the PIN was refused before; .+", "PIN 码曾被拒绝，再错会锁卡"),
    (r"the SIM refuses the PIN", "PIN 码不对"),
    # sirens
    (r"ready to sound", "可以鸣响"),
    (r"the station refuses: (.+)", r"站点拒绝：\1"),
    (r"station (\S+): nothing was ever heard of it", r"站点 \1 从未有过消息"),
    (r"station (\S+) is offline", r"站点 \1 离线"),
    (r"station (\S+) is stopped", r"站点 \1 已停机"),
    (r"station (\S+) has not said yet that it has outputs", r"站点 \1 还没有报告有哪些输出"),
    (r"station (\S+): no output (\S+) \(there are: (.*)\)", r"站点 \1 没有输出 \2（有：\3）"),
)
_PATTERNS = tuple((re.compile(pattern, re.DOTALL), zh) for pattern, zh in _TEXTS)


def outcome_words(detail: str, language: str) -> str:
    """Return what became of a message, in the reader's language as far as the words are ours.

    >>> outcome_words("HTTP 503", "zh"), outcome_words("HTTP 503", "en")
    ('对方返回 HTTP 503', 'HTTP 503')
    >>> outcome_words("errcode 45009: api freq out of limit", "zh")
    'errcode 45009: api freq out of limit'
    """
    if language != "zh":
        return detail
    found = ((pattern.fullmatch(detail), zh) for pattern, zh in _PATTERNS)
    return next((match.expand(zh) for match, zh in found if match is not None), detail)
