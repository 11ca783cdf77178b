import { useSyncExternalStore } from "react";

function query(text: string): MediaQueryList | null {
  return typeof matchMedia === "undefined" ? null : matchMedia(text);
}

function useMedia(text: string): boolean {
  return useSyncExternalStore(
    (changed) => {
      const list = query(text);
      list?.addEventListener("change", changed);
      return () => list?.removeEventListener("change", changed);
    },
    () => query(text)?.matches ?? false,
  );
}

export function useNarrow(): boolean {
  return useMedia("(max-width: 900px)");
}

export function useSystemDark(): boolean {
  return useMedia("(prefers-color-scheme: dark)");
}
