"use strict";
// Sorting, stepping through frames, and enlarging. Nothing is loaded: pictures stand in the page.

document.documentElement.classList.add("scripted");

// ---- Tables: a heading sorts, a second click the other way; empty cells stay last.

function orderOf(cell) {
  const value = cell.dataset.order;
  if (value === undefined) return null;
  return cell.classList.contains("number") ? Number(value) : value;
}

function compare(one, other, sign) {
  if (one === null || other === null) return (one === null) - (other === null);
  const order = typeof one === "number" ? one - other : one.localeCompare(other, "en", { numeric: true });
  return sign * order;
}

function sortBy(heading) {
  const table = heading.closest("table");
  const column = heading.cellIndex;
  const first = heading.classList.contains("number") ? "descending" : "ascending";
  const second = first === "ascending" ? "descending" : "ascending";
  const direction = heading.getAttribute("aria-sort") === first ? second : first;
  for (const other of heading.parentElement.cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", direction);
  const body = table.tBodies[0];
  const sign = direction === "ascending" ? 1 : -1;
  const rows = Array.from(body.rows, (row) => ({ row, key: orderOf(row.cells[column]) }));
  rows.sort((a, b) => compare(a.key, b.key, sign));
  body.append(...rows.map(({ row }) => row));
}

for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}

// ---- Players.

const FRAME_MS = 1000 / 6;
const players = new Map();

class Player {
  constructor(element) {
    this.element = element;
    this.article = element.closest(".video");
    this.images = Array.from(element.querySelectorAll(".panels img"));
    this.slider = element.querySelector("input");
    this.output = element.querySelector("output");
    this.playButton = element.querySelector(".play");
    this.frame = Number(element.dataset.frame);
    this.last = Number(this.slider.max);
    this.timer = null;
    this.listeners = new Set();
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
  }

  get frames() {
    this.parsed ??= JSON.parse(this.element.querySelector("script.frames").textContent);
    return this.parsed;
  }

  show(frame) {
    this.frame = Math.min(this.last, Math.max(0, frame));
    this.images.forEach((image, panel) => {
      image.src = "data:image/webp;base64," + this.frames[this.frame][panel];
      image.alt = `${image.dataset.panel}, frame ${this.frame} of video ${this.element.dataset.video}`;
    });
    this.slider.value = String(this.frame);
    this.output.textContent = `frame ${this.frame} of 0 to ${this.last}`;
    for (const now of this.article.querySelectorAll(".now")) now.setAttribute("x", String(this.frame));
    for (const listener of this.listeners) listener();
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

for (const element of document.querySelectorAll(".player")) players.set(element, new Player(element));

// The player that the focus is in; without one, the visible player nearest to the middle.
function activePlayer() {
  const focused = document.activeElement?.closest?.(".video");
  if (focused) return players.get(focused.querySelector(".player"));
  if (document.activeElement && document.activeElement !== document.body) return null;
  let best = null;
  let least = Infinity;
  for (const player of players.values()) {
    const box = player.element.getBoundingClientRect();
    if (box.bottom < 0 || box.top > innerHeight) continue;
    const distance = Math.abs((box.top + box.bottom - innerHeight) / 2);
    if (distance < least) [best, least] = [player, distance];
  }
  return best;
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || dialog.open) return;
  const target = event.target;
  if (target instanceof HTMLInputElement) return;
  if (event.key === " " && target instanceof HTMLButtonElement) return;
  const player = activePlayer();
  if (!player) return;
  if ((event.key === " " || event.key === "Home" || event.key === "End") && target === document.body) return;
  if (player.key(event.key)) event.preventDefault();
});

// ---- Enlarging: a picture fills the window; arrow keys still step its video.

const dialog = document.getElementById("enlarged");
const stage = dialog.querySelector(".stage");
let stopFollowing = () => {};
let enlargedPlayer = null;

function enlarge(button) {
  const picture = button.querySelector("img, svg");
  const copy = picture.cloneNode(true);
  const box = picture.getBoundingClientRect();
  copy.style.setProperty("--ratio", String(box.width / box.height));
  stage.replaceChildren(copy);
  const element = button.closest(".player");
  enlargedPlayer = element ? players.get(element) : null;
  const caption = dialog.querySelector(".caption");
  stopFollowing = () => {};
  caption.textContent = picture.alt ?? button.closest("figure").querySelector("figcaption").textContent;
  if (enlargedPlayer) {
    const player = enlargedPlayer;
    const follow = () => {
      copy.src = picture.src;
      copy.alt = caption.textContent = picture.alt;
    };
    player.listeners.add(follow);
    stopFollowing = () => player.listeners.delete(follow);
  }
  dialog.showModal();
}

for (const button of document.querySelectorAll("button.zoom")) {
  button.addEventListener("click", () => enlarge(button));
}
dialog.addEventListener("close", () => {
  stopFollowing();
  stage.replaceChildren();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
dialog.addEventListener("keydown", (event) => {
  if (event.key === " " && event.target instanceof HTMLButtonElement) return;
  if (enlargedPlayer && enlargedPlayer.key(event.key)) event.preventDefault();
});
