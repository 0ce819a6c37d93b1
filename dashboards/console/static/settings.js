// Choices of this browser: light or dark, a soft sound for new incidents, and who sits here.
"use strict";
(() => {
  const store = {
    get(key) { try { return localStorage.getItem(key); } catch { return null; } },
    set(key, value) { try { localStorage.setItem(key, value); } catch { /* not kept */ } },
  };
  function mark(kind, value) {
    for (const button of document.querySelectorAll(`[data-${kind}-choice]`)) button.setAttribute("aria-pressed", String(button.dataset[`${kind}Choice`] === value));
  }

  // --- theme
  mark("theme", store.get("se-theme") || "auto");
  // --- sound: off unless somebody switches it on; browsers want a gesture before the first tone
  let audio = null;
  const sound = () => store.get("se-sound") === "on";
  mark("sound", sound() ? "on" : "off");
  function wake() { if (sound()) { audio ||= new AudioContext(); if (audio.state === "suspended") audio.resume(); } }
  function tone(frequency, start, seconds) {
    const note = audio.createOscillator(), gain = audio.createGain();
    note.frequency.value = frequency;
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(.18, start + .03);
    gain.gain.exponentialRampToValueAtTime(.001, start + seconds);
    note.connect(gain).connect(audio.destination);
    note.start(start);
    note.stop(start + seconds);
  }
  SafetyEye.chime = (grade) => {
    if (!sound()) return;
    wake();
    const repeats = grade >= 3 ? 3 : 1;
    for (let i = 0; i < repeats; i++) { tone(660, audio.currentTime + i * .7, .35); tone(880, audio.currentTime + i * .7 + .18, .45); }
  };
  addEventListener("pointerdown", wake, { passive: true });

  document.addEventListener("click", (event) => {
    const menu = document.querySelector(".menu[open]");
    if (menu && !menu.contains(event.target)) menu.open = false;
    const theme = event.target.closest("[data-theme-choice]")?.dataset.themeChoice;
    if (theme) {
      store.set("se-theme", theme);
      if (theme === "auto") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = theme;
      mark("theme", theme);
      SafetyEye.charts.redraw();
    }
    const choice = event.target.closest("[data-sound-choice]")?.dataset.soundChoice;
    if (choice) {
      store.set("se-sound", choice);
      mark("sound", choice);
      if (choice === "on") SafetyEye.chime(1);
    }
  });
  addEventListener("keydown", (event) => {
    const menu = document.querySelector(".menu[open]");
    if (event.key === "Escape" && menu) { menu.open = false; menu.querySelector("summary").focus(); }
  });

  // --- who: "someone else" asks for a name
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-who]")) return;
    const other = event.target.form.querySelector(".other");
    other.hidden = event.target.value !== "other";
    other.required = !other.hidden;
    if (!other.hidden) other.focus();
  });
})();
