// The state of the page in its address: a user can send it, and it survives a reload.

export const VIEWS = ["waiting", "pulls", "nodes", "rollout", "history"] as const;
export type View = (typeof VIEWS)[number];

export interface Route {
  readonly view: View;
  /** The words of the search. */
  readonly query: string;
  readonly namespace: string;
  /** A phase or an outcome. */
  readonly state: string;
  /** A column, after a minus if reversed; "" for the view's own order. */
  readonly sort: string;
  /** The ids of opened rows. */
  readonly open: readonly string[];
  /** The workload of the rollout view. */
  readonly workload: string;
}

export const HOME: Route = { view: "waiting", query: "", namespace: "", state: "", sort: "", open: [], workload: "" };
export const NO_FILTER = { query: "", namespace: "", state: "" } as const;

const MAX_OPEN = 20;

export function parseRoute(search: string): Route {
  const fields = new URLSearchParams(search);
  const view = fields.get("view") as View | null;
  return {
    view: view !== null && VIEWS.includes(view) ? view : HOME.view,
    query: fields.get("q") ?? "",
    namespace: fields.get("ns") ?? "",
    state: fields.get("state") ?? "",
    sort: fields.get("sort") ?? "",
    open: fields.getAll("open").slice(0, MAX_OPEN),
    workload: fields.get("workload") ?? "",
  };
}

/** Return the address's search part without defaults; "" for the home view. */
export function formatRoute(route: Route): string {
  const fields = new URLSearchParams();
  if (route.view !== HOME.view) fields.set("view", route.view);
  if (route.query !== "") fields.set("q", route.query);
  if (route.namespace !== "") fields.set("ns", route.namespace);
  if (route.state !== "") fields.set("state", route.state);
  if (route.sort !== "") fields.set("sort", route.sort);
  if (route.workload !== "") fields.set("workload", route.workload);
  for (const id of route.open.slice(-MAX_OPEN)) fields.append("open", id);
  // A query may contain slashes, and they are easier to read.
  const text = fields.toString().replaceAll("%2F", "/");
  return text === "" ? "" : `?${text}`;
}

/** Return the route to another view: it keeps the search and the namespace, all else belongs to one view. */
export function toView(route: Route, view: View): Route {
  return view === route.view ? route : { ...HOME, view, query: route.query, namespace: route.namespace };
}

export function toggled(open: readonly string[], id: string): string[] {
  return open.includes(id) ? open.filter((each) => each !== id) : [...open, id].slice(-MAX_OPEN);
}
