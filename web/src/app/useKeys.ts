// Single keys that do something, unless the reader types, or has switched them off (for speech input they are a nuisance).
import { useEffect, useRef } from "react";

export type Keys = Readonly<Record<string, () => void>>;

export function useKeys(keys: Keys, on: boolean): void {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    if (!on) return;
    function press(event: KeyboardEvent) {
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      if (document.querySelector("dialog[open]") !== null) return;
      const action = latest.current[event.key];
      if (action === undefined) return;
      // The arrow keys scroll the page unless somebody is among the rows.
      if (event.key.startsWith("Arrow") && !(document.activeElement as HTMLElement | null)?.matches("[data-toggle]")) return;
      event.preventDefault();
      action();
    }
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [on]);
}

function typing(target: EventTarget | null): boolean {
  return target instanceof Element && target.matches("input:not([type=checkbox]), select, textarea, [contenteditable]");
}

/** From one row's button to the next; from nowhere to the first that is in sight. */
export function moveAmongRows(step: 1 | -1): void {
  const toggles = [...document.querySelectorAll<HTMLElement>("main [data-toggle]")];
  const here = toggles.indexOf(document.activeElement as HTMLElement);
  const next = here === -1 ? toggles.find((toggle) => toggle.getBoundingClientRect().top > 64) : toggles[here + step];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
