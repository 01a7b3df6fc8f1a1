// Sorting, opening videos, and enlarging. Nothing is loaded: pictures stand in the page.

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

// ---- Groups of controls are one tab stop each; arrow keys move within them.

for (const group of document.querySelectorAll("[data-roving]")) {
  const members = () => Array.from(group.querySelectorAll(group.dataset.roving));
  const choose = (chosen) => members().forEach((each) => { each.tabIndex = each === chosen ? 0 : -1; });
  choose(members()[0]);
  group.addEventListener("focusin", (event) => {
    if (members().includes(event.target)) choose(event.target);
  });
  group.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const all = members();
    const next = all[all.indexOf(document.activeElement) + by];
    if (!by || !all.includes(document.activeElement)) return;
    event.preventDefault();
    event.stopPropagation();
    if (next) next.focus();
  });
}

// A table that does not scroll is no tab stop.
const markScrolling = () => {
  for (const region of document.querySelectorAll(".scroll")) {
    region.tabIndex = region.scrollWidth > region.clientWidth ? 0 : -1;
  }
};
addEventListener("resize", markScrolling);
document.addEventListener("toggle", markScrolling, true);  // of a table that was folded
markScrolling();

// ---- Videos are hidden until a link to them is followed; a player is made when it is first seen.

function openVideo(article) {
  article.classList.add("open");
  const element = article.querySelector(".player");
  if (!players.has(element)) players.set(element, new Player(element));
  return element;
}

function follow(hash) {
  const article = hash.length > 1 ? document.getElementById(hash.slice(1)) : null;
  if (!article || !article.matches(".video")) return false;
  const element = openVideo(article);
  article.scrollIntoView();
  element.focus({ preventScroll: true });
  return true;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#video-']");
  if (link && follow(link.getAttribute("href"))) {
    event.preventDefault();
    history.replaceState(null, "", link.getAttribute("href"));
  }
});
for (const button of document.querySelectorAll(".video .close")) {
  button.addEventListener("click", () => {
    const article = button.closest(".video");
    players.get(article.querySelector(".player")).stop();
    article.classList.remove("open");
    document.querySelector(`.map a[href='#${article.id}']`)?.focus();
  });
}

// The player that the focus is in; without one, the visible player nearest to the middle.
function activePlayer() {
  const focused = document.activeElement?.closest?.(".video");
  if (focused) return players.get(focused.querySelector(".player"));
  if (document.activeElement && document.activeElement !== document.body) return null;
  let best = null;
  let least = Infinity;
  for (const player of players.values()) {
    const box = player.element.getBoundingClientRect();
    if (!box.height) continue;
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
  const picture = button.querySelector("canvas, svg");
  const copy = picture.cloneNode(true);
  const box = picture.getBoundingClientRect();
  copy.style.setProperty("--ratio", String(box.width / box.height));
  stage.replaceChildren(copy);
  const element = button.closest(".player");
  enlargedPlayer = element ? players.get(element) : null;
  const caption = dialog.querySelector(".caption");
  stopFollowing = () => {};
  caption.textContent = button.closest("figure").querySelector("figcaption").textContent;
  if (enlargedPlayer) {
    const player = enlargedPlayer;
    const copyPicture = () => {
      copy.getContext("2d").drawImage(picture, 0, 0);
      copy.dataset.painted = picture.dataset.painted;
      caption.textContent = picture.getAttribute("aria-label");
      copy.setAttribute("aria-label", caption.textContent);
    };
    copyPicture();
    player.listeners.add(copyPicture);
    stopFollowing = () => player.listeners.delete(copyPicture);
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

for (const article of document.querySelectorAll(".video.open")) openVideo(article);
follow(location.hash);
addEventListener("hashchange", () => follow(location.hash));
