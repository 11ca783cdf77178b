// Single keys, except while the user types or has disabled them (they disturb speech input).
import { useEffect, useEffectEvent } from "react";

export type Shortcuts = Readonly<Record<string, () => void>>;

export function useShortcuts(shortcuts: Shortcuts, on: boolean): void {
  const press = useEffectEvent((event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]") !== null) return;
    const action = shortcuts[event.key];
    if (action === undefined) return;
    // The arrow keys scroll the page unless a row has the focus.
    if (event.key.startsWith("Arrow") && !(document.activeElement as HTMLElement | null)?.matches("[data-toggle]")) return;
    event.preventDefault();
    action();
  });
  useEffect(() => {
    if (!on) return;
    const listener = (event: KeyboardEvent) => press(event);
    document.addEventListener("keydown", listener);
    return () => document.removeEventListener("keydown", listener);
  }, [on]);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.matches("input:not([type=checkbox]), select, textarea, [contenteditable]");
}

/** Focus the next row's button; the first visible one if no row has the focus. */
export function moveAmongRows(step: 1 | -1): void {
  const toggles = [...document.querySelectorAll<HTMLElement>("main [data-toggle]")];
  const focused = toggles.indexOf(document.activeElement as HTMLElement);
  const next = focused === -1 ? toggles.find((toggle) => toggle.getBoundingClientRect().top > 64) : toggles[focused + step];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
