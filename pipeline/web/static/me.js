// Who is logged in, for whatever is shown.
import { createContext, useContext } from "./dom.js";

export const Me = createContext(null);
const RANKS = ["viewer", "operator", "admin"];

/** Whether the user may do what a role may. */
export function useMay(role) {
  const me = useContext(Me);
  return RANKS.indexOf(me?.role) >= RANKS.indexOf(role);
}
