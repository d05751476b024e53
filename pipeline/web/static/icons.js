// Signs of 24 x 24, drawn with lines.
import { html } from "./dom.js";

const PATHS = {
  wall: "M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z",
  search: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM15.5 15.5 20 20",
  timeline: "M4 7h9M4 12h16M4 17h6M17 5v4M14 15v4",
  statistics: "M4 20h16M7 20v-6M12 20V6M17 20v-9",
  brands: "M4 4h7l9 9-7 7-9-9zM8 8h.01",
  cameras: "M3 8h11v8H3zM14 11l6-3v8l-6-3",
  system: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  close: "M6 6l12 12M18 6 6 18",
  left: "M14.5 6 8.5 12l6 6",
  right: "M9.5 6l6 6-6 6",
  down: "M6 9.5l6 6 6-6",
  plus: "M12 5v14M5 12h14",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  download: "M12 4v11M7.5 11 12 15.5l4.5-4.5M5 20h14",
  star: "M12 4l2.4 5.1 5.6.7-4.1 3.9 1 5.6-4.9-2.7-4.9 2.7 1-5.6L4 9.8l5.6-.7z",
  user: "M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM5 20c.6-4 3.4-6 7-6s6.4 2 7 6",
  moon: "M19 14.5A8 8 0 0 1 9.5 5 8 8 0 1 0 19 14.5z",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  expand: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  warn: "M12 4 2.8 19.5h18.4zM12 10v4.5M12 17h.01",
  edit: "M5 19l1-4L16 5l3 3L9 18z",
  print: "M7 8V4h10v4M7 17H4V8h16v9h-3M7 14h10v6H7z",
  clock: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM12 8v4.5l3 2",
  check: "M5 12.5l4.5 4.5L19 7.5",
  people: "M9 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM3.5 19c.4-3.5 2.5-5 5.5-5s5.1 1.5 5.5 5M15.5 5.3a3 3 0 0 1 0 5.4M17.3 14.3c1.9.7 3 2.3 3.2 4.7",
  exit: "M10 5H5v14h5M9.5 12H20M16.5 8.5 20 12l-3.5 3.5",
  logs: "M5 5h14v14H5zM8.5 9h7M8.5 12h7M8.5 15h4",
  undo: "M8 5 4 9l4 4M4 9h10a5 5 0 0 1 0 10H9",
};

export function Icon({ name, label }) {
  return html`<svg class="icon" viewBox="0 0 24 24" role=${label ? "img" : "presentation"}
    aria-hidden=${label ? undefined : "true"} aria-label=${label}><path d=${PATHS[name]} /></svg>`;
}
