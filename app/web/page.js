/**
 * The page's composition root: asks for the site, builds the parts, and lets messages, selections and frames flow
 * between them. The only module that knows all parts; what each does is in the part's own file.
 */

import { CameraWall } from "./camera_wall.js";
import { FloorMap } from "./floor_map.js";
import { identityColour } from "./identity_colour.js";
import { exposeInspection, FrameTimes } from "./inspection.js";
import { LiveSocket } from "./live_socket.js";
import { listenToControls } from "./controls.js";
import { People } from "./people.js";
import { PeopleList } from "./people_list.js";
import { PersonPanel } from "./person_panel.js";
import { Readouts } from "./readouts.js";
import { ServerClock, Window } from "./server_clock.js";
import { Theme } from "./theme.js";
import { TruePlaces } from "./true_places.js";
import { fetchSite, fetchSites, floorAddress } from "./wire.js";

/** @import { Message, Site } from "./wire.js" */

const TICK_MS = 250; // texts change this often, dots with every frame
const SILENCE_MS = 8000; // the server speaks every second; after this long the connection is dead
const PING_MS = 2000;
const RETRY_MS = 2000;

/** @param {string} id @returns {any} */
const part = (id) => document.getElementById(id);

/** @param {string} text said by screen readers */
function announce(text) {
  part("announce").textContent = text;
}

class Page {
  /** @type {number | null} */
  selected = null;
  clock = new ServerClock();
  ages = new Window(10_000);
  times = new FrameTimes();
  #unseen = false; // an update has come that no frame has drawn
  #lost = new Set();
  #wasLive = false;
  #listedMs = 0;

  /** @param {Site} site */
  constructor(site) {
    this.site = site;
    this.theme = new Theme(() => this.#recolour());
    this.people = new People((was, is) => this.#renamed(was, is));
    this.truth = new TruePlaces();
    const motion = matchMedia("(prefers-reduced-motion: reduce)");
    const obey = () => (this.people.still = this.truth.still = motion.matches);
    motion.addEventListener("change", obey);
    obey();
    this.readouts = new Readouts(this.theme);
    const select = (/** @type {number | null} */ id) => this.select(id);
    this.map = this.#buildMap();
    this.wall = new CameraWall({
      element: part("wall"), site: site.site, cameras: site.cameras, theme: this.theme,
      resolve: (id) => this.people.resolve(id), onPerson: select,
      onFront: (camera) => this.map?.stress(camera),
      onHover: (camera) => this.map?.stress(camera ?? this.wall.front),
    });
    this.list = new PeopleList({
      element: part("list"), search: part("search"), empty: part("list-empty"),
      people: this.people, theme: this.theme, onPerson: select, hasFloor: site.floor !== null,
    });
    this.panel = new PersonPanel({
      element: part("person"), site: site.site, theme: this.theme,
      onJourney: (points) => this.#showJourney(points),
      onCamera: (camera) => this.wall.pin(camera),
      onClose: () => this.select(null),
    });
    this.socket = new LiveSocket({
      url: () => floorAddress(site.site),
      onMessage: (data) => typeof data === "string" && this.times.count(() => this.#receive(JSON.parse(data))),
      onPhase: (phase) => this.#enter(phase),
      silenceMs: SILENCE_MS,
    });
  }

  start() {
    describeSite(this.site);
    listenToControls(this);
    const { people, wall, map, ages, times } = this;
    exposeInspection({ people, wall, map, ages, times, selected: () => this.selected, connection: () => document.body.dataset.connection ?? "" });
    this.socket.open();
    setInterval(() => this.#ping(), PING_MS);
    setInterval(() => this.times.count(() => this.#tick()), TICK_MS);
    requestAnimationFrame(() => this.#frame());
  }

  /** Select a person everywhere, or nobody. @param {number | null} id */
  select(id) {
    if (id === this.selected) return;
    this.selected = id;
    document.body.classList.toggle("has-person", id !== null);
    this.#colourSelected();
    if (this.map) {
      this.map.selected = id;
      this.map.refresh();
    }
    this.wall.select(id);
    this.panel.show(id);
    this.#follow(performance.now());
    this.list.update(id, this.#isFresh());
    announce(id === null ? "Nobody is selected." : `Person ${id} is selected.`);
  }

  /** Select the next or previous person of the list. @param {number} step */
  selectBeside(step) {
    const ids = [...this.people.shown.values()].filter((p) => p.goneMs === null).map((p) => p.id).sort((a, b) => a - b);
    if (ids.length === 0) return;
    const at = this.selected === null ? (step > 0 ? -1 : 0) : ids.indexOf(this.selected);
    this.select(ids[(at + step + ids.length) % ids.length]);
  }

  #buildMap() {
    if (!this.site.floor) return null;
    return new FloorMap({
      element: part("map"), floor: this.site.floor, cameras: this.site.cameras, theme: this.theme,
      people: this.people, truth: this.truth, onPerson: (id) => this.select(id), onCamera: (camera) => this.wall.pin(camera),
    });
  }

  /** @param {Message} message */
  #receive(message) {
    const nowMs = performance.now();
    switch (message.type) {
      case "floor":
        this.people.update(message, nowMs);
        this.map?.grow();
        this.#unseen = true;
        break;
      case "truth":
        this.truth.update(message, nowMs);
        break;
      case "score":
        this.readouts.score(message);
        break;
      case "state":
        this.wall.states = message.cameras;
        this.map?.markCameras(message.cameras);
        this.readouts.state(message, this.#isFresh() ? this.#countPeople() : null);
        this.#announceCameras(message.cameras);
        break;
      case "pong":
        this.clock.pong(message.t, message.now, nowMs);
        break;
    }
  }

  #frame() {
    requestAnimationFrame(() => this.#frame());
    const begin = performance.now();
    const serverS = this.clock.at(begin);
    const fresh = this.people.freshness(begin, serverS);
    const moved = this.people.advance(begin, this.selected);
    this.map?.draw(begin, fresh, moved);
    this.wall.draw(begin, serverS);
    const end = performance.now();
    if (this.#unseen) {
      this.#unseen = false;
      const drawnS = this.clock.at(end);
      if (drawnS !== null && this.people.capturedAt !== null) this.ages.add(end, drawnS - this.people.capturedAt);
    }
    this.times.add(begin, end);
  }

  #tick() {
    const nowMs = performance.now();
    const serverS = this.clock.at(nowMs);
    const fresh = this.people.freshness(nowMs, serverS);
    const live = fresh === "live" && this.socket.phase === "open";
    this.readouts.connection(this.socket, fresh, (nowMs - this.people.receivedMs) / 1000, nowMs);
    this.readouts.ages(live ? this.ages.percentiles(nowMs) : null);
    this.readouts.people(live ? this.#countPeople() : null);
    if (live !== this.#wasLive) announce(live ? "The floor is live." : "The floor is not live.");
    this.#wasLive = live;
    this.wall.mark(nowMs, serverS);
    this.#follow(nowMs);
    if (nowMs - this.#listedMs > 1000) {
      this.#listedMs = nowMs;
      this.list.update(this.selected, this.#isFresh());
    }
    this.panel.write(this.#selectedPerson(), this.#isFresh(), serverS);
    if (this.selected !== null && document.visibilityState === "visible") this.panel.refresh(nowMs);
    this.#writeEmptiness(fresh);
  }

  /** @param {number} nowMs */
  #follow(nowMs) {
    const person = this.#selectedPerson();
    this.wall.follow(person && person.goneMs === null ? person.measured.cameras : [], nowMs);
  }

  /** Everybody on the floor; without a floor, everybody in the pictures. */
  #countPeople() {
    return this.map ? this.people.count : this.wall.countInView();
  }

  #selectedPerson() {
    return this.selected === null ? undefined : this.people.shown.get(this.selected);
  }

  #isFresh() {
    const fresh = this.people.freshness(performance.now(), null);
    return fresh === "live" || fresh === "stale";
  }

  /** @param {string} fresh */
  #writeEmptiness(fresh) {
    const words = { none: "Waiting for the first update…", gone: "Nothing is shown: what is known is too old.", live: "Nobody is on the floor.", stale: "" };
    const text = fresh === "live" && this.people.count > 0 ? "" : words[/** @type {keyof typeof words} */ (fresh)];
    const element = part("map-empty");
    element.hidden = text === "" || !this.site.floor;
    if (element.textContent !== text) element.textContent = text;
  }

  /** @param {string} phase */
  #enter(phase) {
    if (phase === "open") {
      this.clock.reset();
      for (const delay of [0, 150, 300, 600]) setTimeout(() => this.#ping(), delay);
      reloadIfChanged(this.site);
    }
  }

  #ping() {
    this.socket.send({ type: "ping", t: performance.now() });
  }

  /** @param {number} was @param {number} is */
  #renamed(was, is) {
    announce(`Person ${was} is person ${is}.`);
    this.wall.refresh();
    if (this.selected !== was) return;
    this.selected = is;
    if (this.map) this.map.selected = is;
    this.wall.selected = is;
    this.#colourSelected();
    this.panel.rename(is);
  }

  /** @param {[number, number, number][]} points */
  #showJourney(points) {
    if (!this.map) return;
    this.map.journey = points;
    this.map.grow();
  }

  /** @param {import("./wire.js").CameraState[]} cameras */
  #announceCameras(cameras) {
    for (const { id, state } of cameras) {
      const lost = state === "lost";
      if (lost === this.#lost.has(id)) continue;
      if (lost) this.#lost.add(id);
      else this.#lost.delete(id);
      announce(lost ? `Camera ${id} is lost.` : `Camera ${id} is back.`);
    }
  }

  /** Frames of tiles that see the selected person have the person's colour. */
  #colourSelected() {
    if (this.selected !== null) document.body.style.setProperty("--selected", identityColour(this.selected, this.theme.name));
  }

  #recolour() {
    this.#colourSelected();
    this.map?.recolour();
    this.wall.refresh();
    this.list.recolour();
    this.panel.recolour();
  }
}

/** Write what stands still about a site. @param {Site} site */
function describeSite(site) {
  document.title = `${site.site} – SpotOn`;
  part("site-name").textContent = site.site;
  part("simulated").hidden = part("truth-toggle").hidden = part("accuracy").hidden = !site.demo;
  part("detector").textContent = site.detector;
  part("notes").textContent = site.notes.join(" ");
  part("no-floor").hidden = site.floor !== null;
  document.body.dataset.floor = site.floor ? "map" : "none";
}

/** Begin anew when the server that came back serves another site than the one on the screen. @param {Site} site */
async function reloadIfChanged(site) {
  try {
    if (JSON.stringify(still(await fetchSite(site.site))) !== JSON.stringify(still(site))) location.reload();
  } catch {
    // It went away again; the socket notices and tries on.
  }
}

/** What a site is, without what a running server finds out by and by. @param {Site} site */
function still({ site, demo, floor, cameras }) {
  return { site, demo, floor, cameras: cameras.map(({ id, position, footprint }) => ({ id, position, footprint })) };
}

/** @param {{site: string}[]} sites @param {string} current */
function offerSites(sites, current) {
  const choice = part("site-choice");
  choice.hidden = sites.length < 2;
  part("site-name").hidden = sites.length > 1;
  choice.replaceChildren(...sites.map(({ site }) => new Option(site, site, false, site === current)));
  choice.addEventListener("change", () => location.assign(`?${new URLSearchParams({ site: choice.value })}`));
}

/** Ask for the site until the server answers. @returns {Promise<Site>} */
async function openSite() {
  for (;;) {
    try {
      const { sites } = await fetchSites();
      const wanted = new URLSearchParams(location.search).get("site") ?? sites[0]?.site;
      if (wanted === undefined) throw new Error("the server has no site");
      const site = await fetchSite(wanted);
      offerSites(sites, site.site);
      return site;
    } catch (error) {
      document.body.dataset.connection = "lost";
      const why = error instanceof TypeError ? "no connection" : /** @type {Error} */ (error).message;
      for (const element of document.querySelectorAll('[data-readout="notice"]')) {
        element.textContent = `The site cannot be opened: ${why}. Trying again.`;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

openSite().then((site) => new Page(site).start());
