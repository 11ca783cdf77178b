import { createContext, use, useSyncExternalStore } from "react";
import type { Cluster } from "../model/cluster";
import type { Route } from "../model/route";
import { estimateAtMs, type State, type Store } from "./store";

export const StoreContext = createContext<Store | null>(null);

export function useStore(): Store {
  const store = use(StoreContext);
  if (store === null) throw new Error("no StoreContext above");
  return store;
}

/** `select` returns a part of the state, the same value while that part has not changed. */
export function useSelector<T>(select: (state: State) => T): T {
  const store = useStore();
  return useSyncExternalStore(store.subscribe, () => select(store.state));
}

export function useCluster<Key extends keyof Cluster>(key: Key): Cluster[Key] {
  return useSelector((state) => state.cluster[key]);
}

export function useRoute(): Route {
  return useSelector((state) => state.route);
}

/** Milliseconds on the page's clock. */
export function useNow(): number {
  return useSelector((state) => state.nowMs);
}

export function useEstimateTime(): number {
  return useSelector(estimateAtMs);
}
