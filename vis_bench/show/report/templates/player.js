"use strict";
// Players: frames are pictures, masks are run lengths that are painted over them on a canvas.

const FRAME_MS = 1000 / 6;
const MARKED_FRAMES = 3;
const LEAST_WIDTH = 640;
const players = new Map();

// COCO's compressed run lengths: background first, column by column (pycocotools, rleFrString).
function runLengths(text) {
  const counts = [];
  let place = 0;
  while (place < text.length) {
    let value = 0;
    let shift = 0;
    let code;
    do {
      code = text.charCodeAt(place++) - 48;
      value |= (code & 31) << shift;
      shift += 5;
    } while (code & 32);
    if (code & 16 && shift < 32) value |= -1 << shift;
    if (counts.length > 2) value += counts[counts.length - 2];
    counts.push(value);
  }
  return counts;
}

// A mask as two paths in pixels of the frame: its area, and its edges (even and odd ones for dashes).
function maskPaths(text, width, height) {
  const inside = new Uint8Array((width + 2) * (height + 2));
  const at = (x, y) => (x + 1) * (height + 2) + y + 1;
  const area = new Path2D();
  let pixel = 0;
  runLengths(text).forEach((length, index) => {
    const end = pixel + length;
    while (index % 2 && pixel < end) {
      const x = Math.floor(pixel / height);
      const y = pixel % height;
      const run = Math.min(end - pixel, height - y);
      area.rect(x, y, 1, run);
      inside.fill(1, at(x, y), at(x, y) + run);
      pixel += run;
    }
    pixel = end;
  });
  const edges = [new Path2D(), new Path2D()];
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      if (!inside[at(x, y)]) continue;
      [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
      const edge = edges[((x + y) >> 1) & 1];
      const line = (x1, y1, x2, y2) => { edge.moveTo(x1, y1); edge.lineTo(x2, y2); };
      if (!inside[at(x - 1, y)]) line(x, y, x, y + 1);
      if (!inside[at(x + 1, y)]) line(x + 1, y, x + 1, y + 1);
      if (!inside[at(x, y - 1)]) line(x, y, x + 1, y);
      if (!inside[at(x, y + 1)]) line(x, y + 1, x + 1, y + 1);
    }
  }
  return { area, edges, box: [left, top, right, bottom] };
}

function strokeBoth(context, edges, color, width) {
  context.strokeStyle = color;
  context.lineWidth = width;
  for (const edge of edges) context.stroke(edge);
}

// Paint one instance; `unit` is a pixel of the canvas in those of the frame.
function paintMask(context, instance, mask, unit, switched) {
  context.lineCap = "square";
  if (instance.style === "unmatched") return;
  if (instance.style === "missed") {
    context.lineWidth = 1.6 * unit;
    ["#fff", "#000"].forEach((color, odd) => {
      context.strokeStyle = color;
      context.stroke(mask.edges[odd]);
    });
    return;
  }
  if (switched) {
    strokeBoth(context, mask.edges, "#000", 12 * unit);
    strokeBoth(context, mask.edges, "#fff", 9 * unit);
  }
  const isWeak = instance.style === "weak";
  if (!isWeak) strokeBoth(context, mask.edges, "rgb(0 0 0 / 0.7)", 5 * unit);
  context.fillStyle = instance.color;
  context.globalAlpha = { track: 0.47, false: 0.12, weak: 0 }[instance.style];
  context.fill(mask.area);
  context.globalAlpha = isWeak ? 0.5 : 1;
  if (instance.style !== "track") {
    const [left, top, right, bottom] = mask.box;
    const step = 11 * unit;
    context.save();
    context.clip(mask.area);
    context.beginPath();
    for (let x = left - (bottom - top); x < right; x += step) {
      context.moveTo(x, bottom);
      context.lineTo(x + bottom - top, top);
    }
    context.strokeStyle = instance.color;
    context.lineWidth = 4 * unit;
    context.stroke();
    context.restore();
  }
  context.globalAlpha = 1;
  strokeBoth(context, mask.edges, instance.color, (isWeak ? 1.2 : 2.5) * unit);
}

function isDark(color) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b < 128;
}

// Labels beside their masks: above, below, to the right or left, where none lies yet.
function paintLabels(context, labels, scale) {
  const { width, height } = context.canvas;
  const taken = [];
  const size = Math.max(12, Math.round(width / 34));
  context.font = `${size}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  for (const { text, color, box } of labels) {
    const w = Math.min(width, Math.ceil(context.measureText(text).width) + 8);
    const h = size + 6;
    const [left, top, right, bottom] = box.map((side) => side * scale);
    const places = [[left, top - h - 4], [left, bottom + 4], [right + 4, top], [left - w - 4, top]];
    for (let y = 0; y < height; y += h + 1) places.push([left, y]);
    const free = places.map(([x, y]) => [
      Math.min(Math.max(0, x), width - w), Math.min(Math.max(0, y), height - h),
    ]).find(([x, y]) => taken.every(([a, b, c, d]) => x >= c || x + w <= a || y >= d || y + h <= b));
    if (!free) continue;
    const [x, y] = free;
    taken.push([x, y, x + w, y + h]);
    context.fillStyle = "#000";
    context.fillRect(x, y, w, h);
    context.fillStyle = color;
    context.fillRect(x + 1, y + 1, w - 2, h - 2);
    context.fillStyle = isDark(color) ? "#fff" : "#000";
    context.fillText(text, x + 4, y + h / 2 + 1, w - 8);
  }
}

class Player {
  constructor(element) {
    this.element = element;
    this.article = element.closest(".video");
    this.slider = element.querySelector("input");
    this.output = element.querySelector("output");
    this.playButton = element.querySelector(".play");
    this.frame = Number(element.dataset.frame);
    this.last = Number(this.slider.max);
    this.timer = null;
    this.listeners = new Set();
    this.data = JSON.parse(element.querySelector("script.frames").textContent);
    this.pictures = [];
    this.masks = new Map();
    this.canvases = JSON.parse(element.dataset.panels).map((panel) => this.addPanel(panel));
    element.querySelector(".back").addEventListener("click", () => this.step(-1));
    element.querySelector(".next").addEventListener("click", () => this.step(1));
    this.playButton.addEventListener("click", () => this.toggle());
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value)));
    for (const line of this.article.querySelectorAll(".line svg")) {
      line.addEventListener("click", (event) => {
        const box = line.getBoundingClientRect();
        this.show(Math.floor(((event.clientX - box.left) / box.width) * (this.last + 1)));
      });
    }
    this.show(this.frame);
  }

  addPanel(name) {
    const [width, height] = this.data.size;
    const scale = Math.max(1, Math.round(LEAST_WIDTH / width));
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width * scale, height * scale];
    canvas.setAttribute("role", "img");
    canvas.dataset.panel = name;
    const figure = document.createElement("figure");
    const button = document.createElement("button");
    const caption = document.createElement("figcaption");
    button.type = "button";
    button.className = "zoom";
    button.append(canvas);
    caption.textContent = name;
    figure.append(button, caption);
    this.element.querySelector(".panels").append(figure);
    button.addEventListener("click", () => enlarge(button));
    return canvas;
  }

  picture(frame) {
    if (!this.pictures[frame]) {
      const image = new Image();
      image.src = "data:image/webp;base64," + this.data.frames[frame];
      this.pictures[frame] = image.decode().then(() => image);
    }
    return this.pictures[frame];
  }

  mask(row, index, frame) {
    const key = `${row},${index},${frame}`;
    const text = this.data.rows[row][index].masks[frame];
    if (!this.masks.has(key)) this.masks.set(key, text ? maskPaths(text, ...this.data.size) : null);
    return this.masks.get(key);
  }

  show(frame) {
    this.frame = Math.min(this.last, Math.max(0, frame));
    this.canvases.forEach((canvas) => {
      const words = `${canvas.dataset.panel}, frame ${this.frame} of video ${this.element.dataset.video}`;
      canvas.setAttribute("aria-label", words);
    });
    this.slider.value = String(this.frame);
    this.output.textContent = `frame ${this.frame} (0 to ${this.last})`;
    for (const now of this.article.querySelectorAll(".now")) now.setAttribute("x", String(this.frame));
    const wanted = this.frame;
    this.picture(wanted).then((image) => {
      if (wanted !== this.frame) return;
      this.canvases.forEach((canvas, row) => this.paint(canvas, row, image));
      for (const listener of this.listeners) listener();
      if (wanted < this.last) this.picture(wanted + 1);
    });
  }

  paint(canvas, row, image) {
    const context = canvas.getContext("2d");
    const scale = canvas.width / this.data.size[0];
    const frame = this.frame;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    const labels = [];
    const instances = this.data.rows[row];
    for (let index = instances.length - 1; index >= 0; index--) {
      const instance = instances[index];
      const mask = this.mask(row, index, frame);
      if (!mask) continue;
      const recent = instance.switches.filter((t) => t > frame - MARKED_FRAMES && t <= frame);
      paintMask(context, instance, mask, 1 / scale, recent.length > 0);
      const note = recent.length ? `, switch at ${recent.at(-1)}` : "";
      if (instance.label) labels.push({ text: instance.label + note, color: instance.color, box: mask.box });
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    paintLabels(context, labels.reverse(), scale);
    canvas.dataset.painted = String(frame);
  }

  step(by) {
    this.stop();
    this.show(this.frame + by);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.playButton.textContent = "Play";
  }

  toggle() {
    if (this.timer !== null) {
      this.stop();
      return;
    }
    for (const other of players.values()) other.stop();
    this.playButton.textContent = "Pause";
    if (this.frame === this.last) this.show(0);
    this.timer = setInterval(() => this.show(this.frame === this.last ? 0 : this.frame + 1), FRAME_MS);
  }

  // Whether a key was for the player.
  key(key) {
    if (key === "ArrowLeft") this.step(-1);
    else if (key === "ArrowRight") this.step(1);
    else if (key === "Home") this.step(-this.frame);
    else if (key === "End") this.step(this.last - this.frame);
    else if (key === " ") this.toggle();
    else return false;
    return true;
  }
}
