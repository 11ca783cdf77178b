// Light or dark: as the system has it, unless the reader chooses. theme.css has both; `data-theme` decides.
import { createContext, use, useCallback, useEffect, useMemo, useState, type ReactNode } from "react";
import { useSystemDark } from "./useMedia";

export const THEMES = ["system", "light", "dark"] as const;
export type ThemeChoice = (typeof THEMES)[number];

export interface Theme {
  readonly choice: ThemeChoice;
  readonly dark: boolean;
  readonly choose: (choice: ThemeChoice) => void;
}

const KEPT_AS = "pulltrace-theme";
const Context = createContext<Theme>({ choice: "system", dark: false, choose: () => undefined });

export function useTheme(): Theme {
  return use(Context);
}

function kept(): ThemeChoice {
  const choice = recall(KEPT_AS);
  return THEMES.find((each) => each === choice) ?? "system";
}

export function ThemeProvider({ children }: { children: ReactNode }) {
  const [choice, setChoice] = useState(kept);
  const system = useSystemDark();

  useEffect(() => {
    document.documentElement.dataset.theme = choice;
  }, [choice]);

  const choose = useCallback((next: ThemeChoice) => {
    keep(KEPT_AS, next);
    setChoice(next);
  }, []);
  const dark = choice === "system" ? system : choice === "dark";
  const theme = useMemo(() => ({ choice, dark, choose }), [choice, dark, choose]);
  return <Context value={theme}>{children}</Context>;
}

/** A browser may forbid a page to keep anything. */
export function recall(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function keep(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Then it holds until the page is closed.
  }
}
