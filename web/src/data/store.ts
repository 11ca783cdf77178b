/*
 * The page's one store: the cluster, the clock, the route and the user's choices. Components read it with selectors
 * (useStore.ts), so a change draws only its readers.
 */
import { applyUpdate, EMPTY, type Cluster, type Update } from "../model/cluster";
import { formatRoute, NO_FILTER, parseRoute, toggled, toView, type Route, type View } from "../model/route";
import { steadyNowMs } from "./clock";
import type { Subscription } from "./feed";
import { readShortcuts, readTheme, writeShortcuts, writeTheme, type Theme } from "./settings";

const TICK_MS = 500;
const STEP_MS = 1_000;

export interface State {
  readonly cluster: Cluster;
  /** The time of the pause; null while the page is not paused. */
  readonly pausedAtMs: number | null;
  readonly nowMs: number;
  /** The cluster at the last whole second, for views that are too costly or too restless to draw more often. */
  readonly step: Step;
  readonly route: Route;
  /** The row to scroll to; "" for none. */
  readonly target: string;
  readonly theme: Theme;
  /** Whether single keys are shortcuts. */
  readonly shortcuts: boolean;
}

export interface Step {
  readonly cluster: Cluster;
  readonly atMs: number;
}

/** Return the time of the estimates: it stops while the page is paused or the connection is lost. */
export function estimateAtMs({ cluster, pausedAtMs, nowMs }: Pick<State, "cluster" | "pausedAtMs" | "nowMs">): number {
  return pausedAtMs ?? (cluster.connection.kind === "lost" ? cluster.connection.sinceMs : nowMs);
}

function nextStep(step: Step, state: State): Step {
  const atMs = Math.floor(estimateAtMs(state) / STEP_MS) * STEP_MS;
  const { cluster } = state;
  const same = step.atMs === atMs && step.cluster.loaded === cluster.loaded && step.cluster.connection === cluster.connection;
  return same ? step : { cluster, atMs };
}

export class Store {
  state: State;
  private readonly listeners = new Set<() => void>();
  private subscription: Subscription | null = null;

  /** `openFeed` subscribes the page to the feed: `openLink`. */
  constructor(private readonly openFeed: (onUpdate: (update: Update) => void) => Subscription) {
    const route = parseRoute(location.search);
    this.state = {
      cluster: EMPTY,
      pausedAtMs: null,
      nowMs: steadyNowMs(),
      step: { cluster: EMPTY, atMs: 0 },
      route,
      target: route.open[0] ?? "",
      theme: readTheme(),
      shortcuts: readShortcuts(),
    };
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Follow the feed, the clock and the browser until the returned function is called. */
  start(): () => void {
    const subscription = this.openFeed((update) => this.set({ cluster: applyUpdate(this.state.cluster, update) }));
    this.subscription = subscription;
    subscription.setOpen(this.state.route.open);
    const timer = setInterval(() => {
      if (!document.hidden) this.set({ nowMs: steadyNowMs() });
    }, TICK_MS);
    const visibility = () => this.follow();
    const back = () => this.setRoute(parseRoute(location.search));
    document.addEventListener("visibilitychange", visibility);
    addEventListener("popstate", back);
    this.follow();
    this.applyTheme();
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", visibility);
      removeEventListener("popstate", back);
      this.subscription = null;
      subscription.close();
    };
  }

  setPaused(paused: boolean): void {
    this.set({ pausedAtMs: paused ? steadyNowMs() : null });
    this.follow();
  }

  setTheme(theme: Theme): void {
    writeTheme(theme);
    this.set({ theme });
    this.applyTheme();
  }

  setShortcuts(shortcuts: boolean): void {
    writeShortcuts(shortcuts);
    this.set({ shortcuts });
  }

  /** Change the route within a view: the browser's way back skips it. */
  change(fields: Partial<Route>): void {
    this.setRoute({ ...this.state.route, ...fields });
    history.replaceState(null, "", this.address());
  }

  toggle(id: string): void {
    this.change({ open: toggled(this.state.route.open, id) });
  }

  clearFilter(): void {
    this.change(NO_FILTER);
  }

  show(view: View): void {
    const next = toView(this.state.route, view);
    if (next !== this.state.route) this.push(next);
    scrollTo({ top: 0 });
  }

  /** Open a row of a view and scroll to it; the filter, which may hide it, is cleared. */
  jump(view: View, id: string, fields: Partial<Route> = {}): void {
    this.push({ ...toView(this.state.route, view), ...NO_FILTER, open: [id], ...fields });
    this.set({ target: id });
  }

  clearTarget(): void {
    this.set({ target: "" });
  }

  private push(route: Route): void {
    this.setRoute(route);
    history.pushState(null, "", this.address());
  }

  private setRoute(route: Route): void {
    this.set({ route });
    this.subscription?.setOpen(route.open);
  }

  private address(): string {
    return location.pathname + formatRoute(this.state.route);
  }

  private follow(): void {
    this.subscription?.setActive(this.state.pausedAtMs === null && !document.hidden);
  }

  /** theme.css has both themes. */
  private applyTheme(): void {
    document.documentElement.dataset.theme = this.state.theme;
  }

  private set(fields: Partial<State>): void {
    const state = { ...this.state, ...fields };
    this.state = { ...state, step: nextStep(state.step, state) };
    for (const listener of this.listeners) listener();
  }
}
