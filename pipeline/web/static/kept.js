// What was found last, so that "back" finds the same page at the same place; not once somebody was forgotten.
export const kept = { key: null };

export function drop() {
  for (const name of Object.keys(kept)) delete kept[name];
}
