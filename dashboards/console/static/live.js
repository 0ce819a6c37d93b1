// The live link: one event stream, parts fetched again when something in them changed, numbers
// written in place. A page that hears nothing says so at once and never looks alive.
"use strict";
(() => {
  const DEAD_AFTER_MS = 12e3;          // two missed beats
  const PART_EVERY_MS = 600;           // a part is fetched again at most this often
  const SWEEP_MS = 15e3;               // time alone changes things, too: silence, durations
  const PARTS = {
    incidents: ["incidents", "incident", "zones"],
    grades: ["zones", "sensors", "incidents"],
    stations: ["stations", "station-cards", "zones", "sensors"],
  };
  const { words } = SafetyEye;
  const live = document.getElementById("live"), liveText = document.getElementById("live-text");
  const lost = document.getElementById("lost"), announce = document.getElementById("announce");
  const title = document.title;
  const grades = new Map();
  let stream = null, lastEvent = 0, lastId = document.body.dataset.eventId, linked = document.body.dataset.linked === "true", opened = false;

  function state(name) {
    if (live.dataset.state === name) return;
    live.dataset.state = name;
    const bad = name === "lost" || name === "broker";
    document.body.classList.toggle("stale", bad);
    lost.hidden = !bad;
    if (name === "lost") lost.textContent = SafetyEye.fill(words.lost_long, SafetyEye.second.format(SafetyEye.now()));
    if (name === "broker") lost.textContent = words.broker_lost_long;
    retitle();
  }

  function retitle() {
    const waiting = Number(document.querySelector("[data-waiting]")?.dataset.waiting || 0);
    const mark = live.dataset.state === "lost" || live.dataset.state === "broker" ? "⚠ " : waiting ? `(${waiting}) ` : "";
    document.title = mark + title;
  }

  function tick() {
    const silent = performance.now() - lastEvent;
    if (opened && silent > DEAD_AFTER_MS) reconnect();
    if (live.dataset.state === "live") liveText.textContent = `${words.live} · ${SafetyEye.ago(Math.floor(silent / 1000))}`;
    else if (live.dataset.state === "lost") liveText.textContent = words.lost;
    else if (live.dataset.state === "broker") liveText.textContent = words.broker_lost;
    if (live.dataset.state === "lost") return;   // a page without a server has no clock either
    const now = SafetyEye.now();
    document.getElementById("clock").textContent = SafetyEye.clock.format(now);
    for (const time of document.querySelectorAll("time.age")) time.textContent = SafetyEye.ago((now - Number(time.dataset.at)) / 1000);
    for (const time of document.querySelectorAll("time.span")) time.textContent = SafetyEye.duration((now - Number(time.dataset.at)) / 1000);
  }

  // --- parts --------------------------------------------------------------------------------
  const fetched = new Map(), planned = new Map();
  // A click must land on what was under the finger: nothing is exchanged while it is down.
  let pressed = false;
  addEventListener("pointerdown", () => { pressed = true; }, true);
  for (const end of ["pointerup", "pointercancel", "blur"]) addEventListener(end, () => setTimeout(() => { pressed = false; }, 80), true);
  function refresh(name) {
    const part = document.querySelector(`[data-part="${name}"]`);
    if (!part || planned.has(name)) return;
    const wait = Math.max(0, (fetched.get(name) || -1e9) + PART_EVERY_MS - performance.now());
    planned.set(name, setTimeout(() => {
      planned.delete(name);
      if (pressed) return void setTimeout(() => refresh(name), 150);
      fetched.set(name, performance.now());
      htmx.trigger(part, "refresh");
    }, wait));
  }
  const refreshAll = () => { for (const part of document.querySelectorAll("[data-part]")) refresh(part.dataset.part); };

  document.addEventListener("htmx:beforeSwap", (event) => {
    const parsed = new DOMParser().parseFromString(event.detail.serverResponse || "", "text/html");
    SafetyEye.charts.configure(parsed);
  });
  document.addEventListener("htmx:afterSettle", () => { SafetyEye.charts.scan(); retitle(); tick(); });

  // --- events -------------------------------------------------------------------------------
  function heard(event) {
    lastEvent = performance.now();
    if (event.lastEventId) lastId = event.lastEventId;
    const data = JSON.parse(event.data);
    if (data.now) SafetyEye.setNow(data.now, data.speed);
    if ("linked" in data) linked = data.linked;
    state(linked ? "live" : "broker");
    tick();
    return data;
  }

  function readings(event) {
    const data = heard(event);
    for (const time of document.querySelectorAll(`[data-heard="${data.station}"] time.age`)) time.dataset.at = data.now;
    for (const [key, at, number, unit, quality, text, trail] of data.points) {
      SafetyEye.charts.push(key, trail);
      for (const row of document.querySelectorAll(`[data-series="${key}"]`)) write(row, at, number, unit, quality, text);
    }
  }

  function write(row, at, number, unit, quality, text) {
    const set = (name, value) => { const element = row.querySelector(`[data-${name}]`); if (element) element.textContent = value; };
    const seen = row.classList.contains("never") || row.classList.contains("silent");
    row.classList.remove("never", "silent", "good", "uncertain", "bad");
    row.classList.add(quality);
    set("number", number);
    set("unit", unit);
    set("quality", text);
    const age = row.querySelector("time.age");
    if (age) age.dataset.at = at;
    if (seen) { refresh("sensors"); refresh("charts"); refresh("zones"); }
  }

  function incident(event) {
    const data = heard(event), before = grades.get(data.number);
    const headline = SafetyEye.zh ? data.zh || data.en : data.en || data.zh;
    if (data.open && (before === undefined || data.grade > before)) {
      announce.textContent = `${before === undefined ? words.new_incident : words.risen}${words.colon}${words.grades[data.grade]}. ${headline}`;
      SafetyEye.chime?.(data.grade);
    } else if (data.acknowledged) announce.textContent = `${words.taken}${words.colon}${headline}`;
    grades.set(data.number, data.grade);
    for (const part of PARTS.incidents) refresh(part);
  }

  function connect() {
    stream = new EventSource(`/api/v1/events?last=${encodeURIComponent(lastId)}`);
    stream.addEventListener("hello", (event) => { opened = true; if (!heard(event).whole) { refreshAll(); SafetyEye.charts.reload(); } });
    stream.addEventListener("resync", (event) => { heard(event); refreshAll(); SafetyEye.charts.reload(); });
    stream.addEventListener("beat", heard);
    stream.addEventListener("link", heard);
    stream.addEventListener("readings", readings);
    stream.addEventListener("incidents", incident);
    stream.addEventListener("grades", (event) => { heard(event); for (const part of PARTS.grades) refresh(part); });
    stream.addEventListener("stations", (event) => { heard(event); for (const part of PARTS.stations) refresh(part); });
    stream.onerror = () => { state("lost"); tick(); if (stream.readyState === EventSource.CLOSED) setTimeout(reconnect, 2000); };
  }

  function reconnect() {
    state("lost");
    opened = false;
    stream?.close();
    connect();
  }

  for (const card of document.querySelectorAll("[data-number][data-grade]")) grades.set(Number(card.dataset.number), Number(card.dataset.grade));
  setInterval(tick, 1000);
  setInterval(() => { if (live.dataset.state !== "lost") refreshAll(); }, SWEEP_MS);
  addEventListener("pagehide", () => stream?.close());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  document.querySelector("header nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  retitle();
  connect();
})();
