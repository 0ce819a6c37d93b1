// Run time of the place, and words for durations. The server's clock decides, never this computer's.
"use strict";
const SafetyEye = (window.SafetyEye = {});
(() => {
  const body = document.body.dataset;
  const zh = body.language === "zh";
  SafetyEye.words = JSON.parse(body.words);
  SafetyEye.zh = zh;
  SafetyEye.speed = Number(body.speed);
  let base = Number(body.now);
  let heard = performance.now();

  SafetyEye.now = () => base + (performance.now() - heard) * SafetyEye.speed;
  SafetyEye.setNow = (now, speed) => {
    base = now;
    heard = performance.now();
    if (speed) SafetyEye.speed = speed;
  };
  SafetyEye.fill = (text, value) => text.replace("{}", value);
  const format = (options) => new Intl.DateTimeFormat(zh ? "zh-CN" : "en-GB", { timeZone: body.timezone, hourCycle: "h23", ...options });
  SafetyEye.clock = format({ hour: "2-digit", minute: "2-digit" });
  SafetyEye.second = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  SafetyEye.day = format({ month: "2-digit", day: "2-digit" });

  // The same steps as the server's wording: seconds to two minutes, minutes to two hours, hours.
  SafetyEye.duration = (seconds) => {
    const whole = Math.max(0, Math.round(seconds));
    if (whole < 120) return zh ? `${whole} 秒` : `${whole} s`;
    const minutes = Math.floor(whole / 60);
    if (minutes < 120) return zh ? `${minutes} 分钟` : `${minutes} min`;
    const hours = Math.floor(minutes / 60), rest = minutes % 60;
    if (hours >= 48 || !rest) return zh ? `${hours} 小时` : `${hours} h`;
    return zh ? `${hours} 小时 ${rest} 分钟` : `${hours} h ${rest} min`;
  };
  SafetyEye.ago = (seconds) => seconds < 1 ? SafetyEye.words.just_now : SafetyEye.fill(SafetyEye.words.ago, SafetyEye.duration(seconds));
})();
