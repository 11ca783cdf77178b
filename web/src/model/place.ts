// What is looked at, in the address of the page: it can be sent to somebody, and survives a reload.

export const VIEWS = ["waiting", "pulls", "nodes", "rollout", "history"] as const;
export type View = (typeof VIEWS)[number];

export interface Place {
  readonly view: View;
  /** Words to look for. */
  readonly query: string;
  readonly namespace: string;
  /** A phase or an outcome. */
  readonly state: string;
  /** A column; "" for the view's own order. A minus before it turns it round. */
  readonly sort: string;
  /** The ids of opened rows. */
  readonly open: readonly string[];
  /** The workload that the roll-out view shows. */
  readonly workload: string;
}

export const HOME: Place = { view: "waiting", query: "", namespace: "", state: "", sort: "", open: [], workload: "" };

const MOST_OPEN = 20;

export function placeOf(search: string): Place {
  const fields = new URLSearchParams(search);
  const view = fields.get("view") as View | null;
  return {
    view: view !== null && VIEWS.includes(view) ? view : HOME.view,
    query: fields.get("q") ?? "",
    namespace: fields.get("ns") ?? "",
    state: fields.get("state") ?? "",
    sort: fields.get("sort") ?? "",
    open: fields.getAll("open").slice(0, MOST_OPEN),
    workload: fields.get("workload") ?? "",
  };
}

/** "" for the home view; what is as at first is left out. */
export function searchOf(place: Place): string {
  const fields = new URLSearchParams();
  if (place.view !== HOME.view) fields.set("view", place.view);
  if (place.query !== "") fields.set("q", place.query);
  if (place.namespace !== "") fields.set("ns", place.namespace);
  if (place.state !== "") fields.set("state", place.state);
  if (place.sort !== "") fields.set("sort", place.sort);
  if (place.workload !== "") fields.set("workload", place.workload);
  for (const id of place.open.slice(-MOST_OPEN)) fields.append("open", id);
  // Slashes may stand in a query, and are easier to read.
  const text = fields.toString().replaceAll("%2F", "/");
  return text === "" ? "" : `?${text}`;
}

/** To another view the words and the namespace go along, the rest is the view's own. */
export function goTo(place: Place, view: View): Place {
  return view === place.view ? place : { ...HOME, view, query: place.query, namespace: place.namespace };
}

export function toggled(open: readonly string[], id: string): string[] {
  return open.includes(id) ? open.filter((each) => each !== id) : [...open, id].slice(-MOST_OPEN);
}
