/** Opens a site: asks until the server answers, writes what stands still, notices when another site is served. */

import { fetchSite, fetchSites } from "./wire.js";

/** @import { Site } from "./wire.js" */

const RETRY_MS = 2000;

/** @param {string} id @returns {any} */
const part = (id) => document.getElementById(id);

/** Write what stands still about a site. @param {Site} site */
export function describeSite(site) {
  document.title = `${site.site} – SpotOn`;
  part("site-name").textContent = site.site;
  part("simulated").hidden = part("truth-toggle").hidden = part("accuracy").hidden = !site.demo;
  part("detector").textContent = site.detector;
  part("notes").textContent = site.notes.join(" ");
  part("no-floor").hidden = site.floor !== null;
  document.body.dataset.floor = site.floor ? "map" : "none";
}

/** Begin anew when the server that came back serves another site than the one on the screen. @param {Site} site */
export async function reloadIfChanged(site) {
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
export async function openSite() {
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
