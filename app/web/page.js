/**
 * The page's composition root: asks for the site, builds the parts, and lets messages, selections and frames flow
 * between them. The only module that knows all parts; what each does is in the part's own file.
 */

import { Archive } from "./archive.js";
import { CameraWall } from "./camera_wall.js";
import { FloorMap } from "./floor_map.js";
import { Foresight } from "./foresight.js";
import { identityColour } from "./identity_colour.js";
import { exposeInspection, FrameTimes } from "./inspection.js";
import { LiveSocket } from "./live_socket.js";
import { listenToControls } from "./controls.js";
import { LooksSearch } from "./looks_search.js";
import { describeSite, openSite, reloadIfChanged } from "./opening.js";
import { Past } from "./past/past.js";
import { PlaceEditor } from "./places/editor.js";
import { People } from "./people.js";
import { PeopleList } from "./people_list.js";
import { PersonActions } from "./person_actions.js";
import { PersonPanel } from "./person_panel.js";
import { Readouts } from "./readouts.js";
import { ServerClock, Window } from "./server_clock.js";
import { Theme } from "./theme.js";
import { TruePlaces } from "./true_places.js";
import { Views } from "./views.js";
import { floorAddress } from "./wire.js";

/** @import { Message, Site } from "./wire.js" */

const TICK_MS = 250; // texts change this often, dots with every frame
const SILENCE_MS = 8000; // the server speaks every second; after this long the connection is dead
const PING_MS = 2000;

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
    this.archive = new Archive(site.site);
    this.theme = new Theme(() => this.#recolour());
    this.people = new People((was, is) => this.#renamed(was, is));
    this.truth = new TruePlaces();
    this.past = this.#buildPast();
    const motion = matchMedia("(prefers-reduced-motion: reduce)");
    const obey = () => (this.people.still = this.truth.still = this.past.people.still = motion.matches);
    motion.addEventListener("change", obey);
    obey();
    this.readouts = new Readouts(this.theme);
    const select = (/** @type {number | null} */ id) => this.select(id);
    this.map = this.#buildMap();
    this.foresight = new Foresight({ archive: this.archive, readout: part("foresight"), onChange: () => this.#lookAhead() });
    this.editor = this.map && new PlaceEditor({ archive: this.archive, map: this.map, announce, onOpen: () => this.past.leave() });
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
    this.looks = new LooksSearch({ search: part("search"), list: part("looks"), note: part("looks-note"), archive: this.archive, theme: this.theme, onPerson: select });
    this.panel = new PersonPanel({
      element: part("person"), archive: this.archive, theme: this.theme,
      onJourney: (points) => this.#showJourney(points),
      onHeat: (heat) => this.#showHeat(heat),
      now: () => this.#now(),
      onCamera: (camera) => this.wall.pin(camera),
      nameOf: (id) => this.editor?.nameOf(id) ?? id,
      onInstant: (at) => this.past.goTo(at),
      onClose: () => this.select(null),
    });
    this.actions = new PersonActions({
      element: part("person"), archive: this.archive, announce, at: () => this.past.at ?? this.#now(), onPerson: select,
      onChange: () => this.panel.forget(),
    });
    this.views = new Views({
      site, archive: this.archive, theme: this.theme, now: () => this.#now(), isConnected: () => this.socket.phase === "open",
      onShow: (at, person) => this.#visit(at, person),
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
    const { wall, map, ages, times } = this;
    exposeInspection({ people: () => this.#shown, resolve: (id) => this.people.resolve(id), wall, map, ages, times, selected: () => this.selected, past: () => this.past.at, connection: () => document.body.dataset.connection ?? "" });
    this.socket.open();
    this.editor?.load();
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
    this.actions.show(id);
    this.#follow(performance.now());
    this.list.update(id, this.#isFresh());
    announce(id === null ? "Nobody is selected." : `Person ${id} is selected.`);
  }

  /** Select the next or previous person of the list. @param {number} step */
  selectBeside(step) {
    const ids = [...this.#shown.shown.values()].filter((p) => p.goneMs === null).map((p) => p.id).sort((a, b) => a - b);
    if (ids.length === 0) return;
    const at = this.selected === null ? (step > 0 ? -1 : 0) : ids.indexOf(this.selected);
    this.select(ids[(at + step + ids.length) % ids.length]);
  }

  /** The people that the page shows: those of now, or of an instant of the past. */
  get #shown() {
    return this.past.at === null ? this.people : this.past.people;
  }

  #buildPast() {
    return new Past({
      archive: this.archive, theme: this.theme, now: () => this.#now(),
      onSwitch: (past) => this.#travel(past),
      onFloor: () => this.map?.grow(),
    });
  }

  /** The server's clock, seconds since epoch; this machine's until the server has said its own. */
  #now() {
    return this.clock.at(performance.now()) ?? Date.now() / 1000;
  }

  /** Show an instant of the past on the map, and a person if given. @param {number} at @param {number | null} person */
  #visit(at, person) {
    this.views.showFloor();
    this.past.goTo(at);
    if (person !== null) this.select(person);
  }

  /** Show the past from now on, or what is live. @param {boolean} past */
  #travel(past) {
    this.list.people = this.#shown;
    if (this.map) {
      this.map.people = this.#shown;
      this.map.refresh();
    }
    this.panel.until = this.past.at;
    this.readouts.past = past;
    part("people-title").textContent = past ? "People then" : "People";
    this.wall.follow([], performance.now());
    this.list.update(this.selected, this.#isFresh());
    announce(past ? "The floor shows the past." : "The floor is live.");
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
        if (this.past.at === null) this.map?.grow();
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
      case "correction":
        this.people.correct(message.correction);
        this.map?.grow();
        this.panel.forget();
        this.actions.load();
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
    const live = this.people.advance(begin, this.selected);
    const past = this.past.people.advance(begin, this.selected);
    this.map?.draw(begin, this.#freshness(begin, serverS), this.past.at === null ? live : past);
    this.wall.draw(begin, serverS);
    const end = performance.now();
    if (this.#unseen) {
      this.#unseen = false;
      const drawnS = this.clock.at(end);
      if (drawnS !== null && this.people.capturedAt !== null && this.past.at === null) this.ages.add(end, drawnS - this.people.capturedAt);
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
    if (this.map) this.past.refresh(nowMs);
    if (this.map) this.foresight.refresh(nowMs, this.map.layers.forecast && live && this.past.at === null && document.body.dataset.view === "live");
    this.editor?.refresh(nowMs);
    this.views.analytics?.refresh(nowMs);
    this.panel.until = this.past.at;
    this.panel.write(this.#selectedPerson(), this.#isFresh(), this.past.at ?? serverS);
    if (this.selected !== null && document.visibilityState === "visible") this.panel.refresh(nowMs);
    this.#writeEmptiness(fresh);
  }

  /** @param {number} nowMs @param {number | null} serverS @returns {import("./people.js").Freshness} */
  #freshness(nowMs, serverS) {
    if (this.past.at === null) return this.people.freshness(nowMs, serverS);
    return this.past.people.capturedAt === null ? "none" : "past";
  }

  /** @param {number} nowMs */
  #follow(nowMs) {
    const person = this.#selectedPerson();
    this.wall.follow(person && person.goneMs === null && this.past.at === null ? person.measured.cameras : [], nowMs);
  }

  /** Everybody on the floor; without a floor, everybody in the pictures. */
  #countPeople() {
    return this.map ? this.people.count : this.wall.countInView();
  }

  #selectedPerson() {
    return this.selected === null ? undefined : this.#shown.shown.get(this.selected);
  }

  #isFresh() {
    return ["live", "stale", "past"].includes(this.#freshness(performance.now(), null));
  }

  /** @param {string} fresh */
  #writeEmptiness(fresh) {
    const words = { none: "Waiting for the first update…", gone: "Nothing is shown: what is known is too old.", live: "Nobody is on the floor.", stale: "" };
    const live = fresh === "live" && this.people.count > 0 ? "" : words[/** @type {keyof typeof words} */ (fresh)];
    const text = this.past.at === null ? live : this.past.emptiness;
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
    this.actions.show(is);
  }

  #lookAhead() {
    if (!this.map) return;
    this.map.ahead = this.foresight.paths;
    this.map.grow();
  }

  /** @param {[number, number, number][]} points */
  #showJourney(points) {
    if (!this.map) return;
    this.map.journey = points;
    this.map.grow();
  }

  /** @param {import("./archive.js").Heat | null} heat */
  #showHeat(heat) {
    if (!this.map || this.map.heat === heat) return;
    this.map.heat = heat;
    this.map.refresh();
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
    this.past.scrubber.draw();
    this.views.analytics?.recolour();
  }
}

openSite().then((site) => new Page(site).start());
