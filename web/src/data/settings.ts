// The user's choices, kept by the browser.

const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export function nextTheme(theme: Theme): Theme {
  return THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
}

const THEME_KEY = "pulltrace-theme";
const SHORTCUTS_OFF_KEY = "pulltrace-keys-off";

export function readTheme(): Theme {
  const value = read(THEME_KEY);
  return THEMES.find((theme) => theme === value) ?? "system";
}

export function writeTheme(theme: Theme): void {
  write(THEME_KEY, theme);
}

export function readShortcuts(): boolean {
  return read(SHORTCUTS_OFF_KEY) !== "yes";
}

export function writeShortcuts(on: boolean): void {
  write(SHORTCUTS_OFF_KEY, on ? "no" : "yes");
}

/** A browser may forbid a page to store anything. */
function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Then the choice holds until the page is closed.
  }
}
