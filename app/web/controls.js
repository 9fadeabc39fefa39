/** Buttons, switches and keys of the page. Knows which part each one asks, and nothing of what that part does. */

/** @import { Layers } from "./floor_map.js" */


/**
 * @typedef {object} Controlled
 * @property {import("./floor_map.js").FloorMap | null} map
 * @property {import("./camera_wall.js").CameraWall} wall
 * @property {import("./theme.js").Theme} theme
 * @property {import("./live_socket.js").LiveSocket} socket
 * @property {number | null} selected
 * @property {(id: number | null) => void} select
 * @property {(step: number) => void} selectBeside
 * @property {import("./past/past.js").Past} past
 * @property {import("./places/editor.js").PlaceEditor | null} editor
 */

/** @param {string} id @returns {any} */
const part = (id) => document.getElementById(id);

/** @param {Controlled} page */
export function listenToControls(page) {
  part("theme-switch").addEventListener("click", () => page.theme.toggle());
  part("retry").addEventListener("click", () => page.socket.retryNow());
  part("help-open").addEventListener("click", () => part("help").showModal());
  part("swap").addEventListener("click", () => swapPanes());
  const { map } = page;
  if (map) listenToMapTools(map);
  document.addEventListener("keydown", (event) => press(event, page));
}

/** @param {import("./floor_map.js").FloorMap} map */
function listenToMapTools(map) {
  for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[data-layer]"))) {
    const layer = /** @type {keyof Layers} */ (input.dataset.layer);
    map.layers[layer] = input.checked; // browsers keep a switch over a reload
    input.addEventListener("change", () => {
      map.layers[layer] = input.checked;
      map.refresh();
    });
  }
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-zoom]"))) {
    button.addEventListener("click", () => (button.dataset.zoom === "fit" ? map.fit() : map.zoom(Number(button.dataset.zoom))));
  }
}

/** Give the large pane to the cameras, or back to the floor. */
function swapPanes() {
  const cameras = document.body.dataset.main !== "cameras";
  document.body.dataset.main = cameras ? "cameras" : "map";
  part("swap").textContent = cameras ? "Reduce" : "Enlarge";
  part("swap").setAttribute("aria-pressed", String(cameras));
}

/** @param {KeyboardEvent} event @param {Controlled} page */
function press(event, page) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target instanceof HTMLElement && event.target.matches("input:not([type=checkbox], [type=radio]), select, textarea");
  if (part("help").open || (typing && event.key !== "Escape")) return;
  /** @type {Record<string, () => void>} */
  const keys = {
    Escape: () => {
      if (page.editor?.escape()) return;
      if (page.selected === null) page.wall.pin(null);
      if (page.selected === null) page.past.leave();
      page.select(null);
    },
    j: () => page.selectBeside(1),
    k: () => page.selectBeside(-1),
    c: swapPanes,
    l: () => page.past.leave(),
    "/": () => part("search").focus(),
    "?": () => part("help").showModal(),
  };
  const action = keys[event.key];
  const elsewhere = document.body.dataset.view !== "live" && event.key !== "?"; // what these keys change is out of sight
  if (!action || elsewhere) return;
  event.preventDefault();
  action();
}
