// The state of a page is its address: #/PAGE/MORE?NAME=VALUE. Behind the hash it stays in the browser:
// what somebody searches is in no server's log and no referrer.
import { useState, useEffect } from "./dom.js";

export function here() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const parts = path.split("/").filter(Boolean).map(decoded);
  return { page: parts[0] || "wall", rest: parts.slice(1), query: new URLSearchParams(query) };
}

function decoded(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

/** The address of a page; values may be lists, empty ones are left out. */
export function address(page, values = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "" && one !== false) query.append(name, one);
    }
  }
  const path = (Array.isArray(page) ? page : [page]).map(encodeURIComponent).join("/");
  return `#/${path}${query.size ? `?${query}` : ""}`;
}

export function go(to, replace = false) {
  if (to === location.hash) return;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  dispatchEvent(new Event("routed"));
}

export function useRoute() {
  const [route, set] = useState(here);
  useEffect(() => {
    const changed = () => set(here());
    for (const name of ["hashchange", "popstate", "routed"]) addEventListener(name, changed);
    return () => {
      for (const name of ["hashchange", "popstate", "routed"]) removeEventListener(name, changed);
    };
  }, []);
  return route;
}

/** This page's address with some values changed. */
export function changed(route, values) {
  const all = {};
  for (const name of route.query.keys()) all[name] = route.query.getAll(name);
  return address([route.page, ...route.rest], { ...all, ...values });
}

/** Set values of this page's address; without a new entry in the history unless ``push``. */
export function set(values, push = false) {
  go(changed(here(), values), !push);
}
