// Charts: limits as dashed lines, uncertain readings hollow, silence as a hatched field, and the
// line ahead where a detector speaks of a rise. Colours come from the tokens at every draw.
"use strict";
(() => {
  const charts = new Map();            // element -> chart
  const KEEP_MS = 3 * 3600e3;          // as far back as the live trace reaches
  const MIN_SPAN_MS = 10 * 60e3;
  const PACE_MS = 10 * 60e3;           // findings speak of a rise in 10 minutes, too
  const FULL_REDRAW_MS = 1000;
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const px = () => devicePixelRatio || 1;

  class Chart {
    constructor(element) {
      this.element = element;
      this.config = JSON.parse(element.dataset.chart);
      this.key = element.dataset.key;
      this.mini = element.dataset.size === "mini";
      this.span = element.dataset.hours ? Number(element.dataset.hours) * 3600e3 : KEEP_MS;
      this.fixed = Boolean(element.dataset.hours);
      this.points = [];
      this.dirty = true;
      this.load();
    }

    async load() {
      const end = Math.round(SafetyEye.now()), c = this.config;
      const query = new URLSearchParams({ quantity: c.quantity, start: end - this.span, end, buckets: this.mini ? 90 : 600 });
      try {
        const answer = await fetch(`/api/v1/sensors/${c.sensor}/readings?${query}`);
        if (!answer.ok) return;
        const fresh = this.points;
        this.points = (await answer.json()).points;
        for (const point of fresh) this.push(point);
      } catch { return; /* the live indicator tells of a lost server */ }
      this.dirty = true;
      this.draw();
    }

    push(point) {
      const last = this.points.at(-1);
      if (last && point[0] <= last[0]) return;
      if (last && last[1] !== null && point[0] - last[0] > this.config.gap) this.points.push([last[0] + 1, null, "bad"]);
      this.points.push(point);
      this.dirty = true;
    }

    range() {
      const now = SafetyEye.now();
      const first = this.points.length ? this.points[0][0] : now;
      const from = this.fixed ? now - this.span : Math.max(now - this.span, Math.min(first, now - MIN_SPAN_MS));
      const ahead = !this.mini && this.pace() !== null ? Math.min(this.config.ahead, Math.max((now - from) * .35, 120e3)) : 0;
      return [from, now, now + ahead];
    }

    data() {
      const [from] = this.range();
      while (this.points.length > 2 && this.points[1][0] < from) this.points.shift();
      const x = [], good = [], doubt = [];
      for (const [at, value, quality] of this.points) {
        x.push(at / 1000);
        good.push(value);
        doubt.push(quality === "uncertain" ? value : null);
      }
      return [x, good, doubt];
    }

    // The highest limit that is reached, and the next one: the distance to it must be visible.
    shown() {
      const values = this.points.map((p) => p[1]).filter((v) => v !== null);
      const top = values.length ? Math.max(...values) : 0;
      const lines = [...this.config.limits].sort((a, b) => a[1] - b[1]);
      const next = lines.findIndex((line) => line[1] > top);
      return next < 0 ? lines : lines.slice(0, next + (this.mini ? 1 : 2));
    }

    scale() {
      const values = this.points.map((p) => p[1]).filter((v) => v !== null);
      const lines = this.shown().map((line) => line[1]);
      let low = Math.min(0, ...values), high = Math.max(...values, ...lines, this.config.step ? 1 : low);
      if (values.length && Math.min(...values) > 0 && lines.length === 0) {
        low = Math.min(...values);
        const pad = (high - low || Math.abs(high) * .1 || 1) * .35;
        low = Math.max(0, low - pad);
        high += pad;
      }
      if (!(high > low)) high = low + 1;
      return [low, high + (high - low) * (this.mini ? .12 : .16)];
    }

    draw() {
      const { element } = this;
      const drawable = this.points.some((p) => p[1] !== null);
      if (!drawable) {
        if (!this.none) {
          this.none = document.createElement("span");
          this.none.className = "none";
          this.none.textContent = SafetyEye.words.no_points;
          element.append(this.none);
        }
        return;
      }
      this.none?.remove();
      const width = element.clientWidth, height = element.clientHeight;
      if (!width || !height) return;
      if (!this.plot) this.build(width, height);
      else if (width !== this.plot.width || height !== this.plot.height) this.plot.setSize({ width, height });
      this.plot.setData(this.data());
      this.dirty = false;
    }

    build(width, height) {
      // uPlot scales whole pixels of a font to the screen's ratio, so no fractions here.
      const axis = { stroke: () => css("soft"), grid: { show: false }, ticks: { show: false }, font: `12px ${css("font")}` };
      const path = this.config.step ? uPlot.paths.stepped({ align: 1 }) : undefined;
      const axes = this.mini ? [{ show: false }, { show: false }] : [
        { ...axis, size: 26, gap: 4, space: 70, values: (u, ticks) => ticks.map((t, i) => this.tick(t, ticks[i - 1], u)) },
        { ...axis, size: 44, gap: 4, space: 34, grid: { show: true, stroke: () => css("line"), width: 1 } },
      ];
      this.plot = new uPlot({
        width, height, axes, padding: this.mini ? [3, 2, 3, 2] : [16, 8, 0, 0],
        legend: { show: false },
        cursor: this.mini ? { show: false } : { drag: { x: false, y: false }, points: { size: 7 }, y: false },
        scales: {
          x: { time: true, range: () => { const [from, , to] = this.range(); return [from / 1000, to / 1000]; } },
          y: { range: () => this.scale() },
        },
        series: [{}, { stroke: () => this.ink(), width: this.mini ? 1.6 : 2.2, points: { show: false }, paths: path, spanGaps: false },
          { stroke: () => css("orange"), width: 0, points: { show: true, size: this.mini ? 2.5 : 4.5, fill: () => css("panel"), width: 1.3 } }],
        hooks: { drawAxes: [(u) => this.under(u)], draw: [(u) => this.over(u)], setCursor: [(u) => this.readout(u)] },
      }, [[], [], []], this.element);
    }

    ink() {
      if (!this.mini) return css("ink");
      const last = this.points.findLast((p) => p[1] !== null);
      const reached = last && this.config.limits.filter((line) => last[1] >= line[1]).at(-1);
      return reached ? css(reached[0]) : css("soft");
    }

    tick(seconds, before, u) {
      const date = seconds * 1000;
      const wide = u.scales.x.max - u.scales.x.min > 36 * 3600;
      const day = SafetyEye.day.format(date);
      if (wide) return day === (before && SafetyEye.day.format(before * 1000)) ? SafetyEye.clock.format(date) : day;
      return SafetyEye.clock.format(date);
    }

    under(u) {
      const { ctx, bbox } = u, ratio = px();
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top - 2, bbox.width, bbox.height + 4);
      ctx.clip();
      this.silence(u);
      ctx.lineWidth = (this.mini ? 1 : 1.4) * ratio;
      ctx.setLineDash([5 * ratio, 4 * ratio]);
      for (const [grade, value] of this.shown()) {
        const y = Math.round(u.valToPos(value, "y", true)) + .5;
        ctx.strokeStyle = css(grade);
        ctx.beginPath();
        ctx.moveTo(bbox.left, y);
        ctx.lineTo(bbox.left + bbox.width, y);
        ctx.stroke();
      }
      ctx.restore();
    }

    // From the last reading to now, once it is older than it may be.
    silence(u) {
      const last = this.points.at(-1), now = SafetyEye.now();
      if (!last || now - last[0] <= this.config.allowance) return;
      const { ctx, bbox } = u, step = 7 * px();
      const left = Math.max(u.valToPos(last[0] / 1000, "x", true), bbox.left);
      const right = u.valToPos(now / 1000, "x", true);
      ctx.save();
      ctx.beginPath();
      ctx.rect(left, bbox.top, right - left, bbox.height);
      ctx.clip();
      ctx.strokeStyle = css("unknown");
      ctx.globalAlpha = .45;
      ctx.lineWidth = px();
      for (let x = left - bbox.height; x < right; x += step) {
        ctx.beginPath();
        ctx.moveTo(x, bbox.top + bbox.height);
        ctx.lineTo(x + bbox.height, bbox.top);
        ctx.stroke();
      }
      ctx.restore();
    }

    over(u) {
      if (this.mini) return;
      const { ctx, bbox } = u, ratio = px();
      ctx.save();
      this.ahead(u);
      ctx.font = `${11.5 * ratio}px ${css("font")}`;
      ctx.textBaseline = "bottom";
      let lowest = Infinity;
      for (const [, value, text] of this.shown()) {
        const y = u.valToPos(value, "y", true);
        if (lowest - y < 13 * ratio) continue;
        lowest = y;
        const width = ctx.measureText(text).width;
        ctx.globalAlpha = .86;
        ctx.fillStyle = css("panel");
        ctx.fillRect(bbox.left + 2 * ratio, y - 15 * ratio, width + 6 * ratio, 13.5 * ratio);
        ctx.globalAlpha = 1;
        ctx.fillStyle = css("soft");
        ctx.textAlign = "left";
        ctx.fillText(text, bbox.left + 5 * ratio, y - 1.5 * ratio);
      }
      ctx.restore();
    }

    // Slope by least squares (unit a ms) over the last ten minutes of this chart. Null where no
    // detector speaks of a rise, or where the value meanwhile goes the other way: what was announced
    // is up to a minute old, longer in a sped-up run, and falling water must not be drawn rising.
    pace() {
      const last = this.points.findLast((p) => p[1] !== null);
      if (!this.config.rate || !last) return null;
      const near = this.points.filter((p) => p[1] !== null && p[0] >= last[0] - PACE_MS);
      const mean = (of) => near.reduce((sum, p) => sum + of(p), 0) / near.length;
      const at = mean((p) => p[0]), value = mean((p) => p[1]);
      const spread = mean((p) => (p[0] - at) ** 2);
      const slope = spread ? mean((p) => (p[0] - at) * (p[1] - value)) / spread : 0;
      const rising = slope * this.config.rate > 0 && (last[1] - value) * this.config.rate > 0;
      return rising ? slope : null;
    }

    ahead(u) {
      const pace = this.pace();
      const [, now, to] = this.range();
      if (pace === null || to <= now) return;
      const { ctx, bbox } = u, ratio = px();
      const last = this.points.findLast((p) => p[1] !== null);
      const value = last[1] + pace * (to - last[0]);
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      ctx.strokeStyle = css("ink");
      ctx.lineWidth = 1.8 * ratio;
      ctx.setLineDash([4 * ratio, 5 * ratio]);
      ctx.beginPath();
      ctx.moveTo(u.valToPos(last[0] / 1000, "x", true), u.valToPos(last[1], "y", true));
      ctx.lineTo(u.valToPos(to / 1000, "x", true), u.valToPos(value, "y", true));
      ctx.stroke();
      ctx.restore();
      ctx.save();
      ctx.font = `${11.5 * ratio}px ${css("font")}`;
      ctx.fillStyle = css("soft");
      ctx.textAlign = "right";
      ctx.textBaseline = "bottom";
      ctx.fillText(SafetyEye.words.forecast, bbox.left + bbox.width, bbox.top - 1 * ratio);
      ctx.restore();
    }

    readout(u) {
      if (!this.label) {
        this.label = document.createElement("span");
        this.label.className = "readout";
        this.element.append(this.label);
      }
      const index = u.cursor.idx;
      const value = index == null ? null : u.data[1][index];
      this.label.textContent = value == null ? "" : `${SafetyEye.second.format(u.data[0][index] * 1000)}  ${Number(value.toPrecision(4))} ${this.config.unit}`;
    }
  }

  SafetyEye.charts = {
    // Build what is new, forget what has gone, take over a changed announcement (limits, rise).
    scan() {
      for (const element of charts.keys()) if (!element.isConnected) charts.delete(element);
      for (const element of document.querySelectorAll("[data-chart]")) if (!charts.has(element)) charts.set(element, new Chart(element));
    },
    configure(incoming) {
      for (const source of incoming.querySelectorAll("[data-chart]")) {
        const chart = charts.get(document.getElementById(source.id));
        if (chart) chart.config = JSON.parse(source.dataset.chart);
      }
    },
    push(key, points) {
      for (const chart of charts.values()) if (chart.key === key) for (const point of points) chart.push(point);
    },
    points(key) { return [...charts.values()].find((chart) => chart.key === key)?.points ?? []; },
    pace(key) { return [...charts.values()].find((chart) => chart.key === key)?.pace() ?? null; },
    reload() { for (const chart of charts.values()) chart.load(); },
    redraw() { for (const chart of charts.values()) chart.draw(); },
  };

  let slow = 0;
  setInterval(() => {
    if (document.hidden) return;
    slow = (slow + 1) % 5;
    for (const chart of charts.values()) if (chart.dirty || slow === 0) chart.draw();
  }, FULL_REDRAW_MS);
  addEventListener("resize", () => SafetyEye.charts.redraw());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => SafetyEye.charts.redraw());
  addEventListener("DOMContentLoaded", () => SafetyEye.charts.scan());
})();
