/*
 * What is looked at, kept in the address: a change of view is a step that the browser can go back, a change within a view is
 * not. `jump` opens a row of a view and brings it before the reader.
 */
import { createContext, use, useCallback, useEffect, useMemo, useState, type ReactNode } from "react";
import { goTo, placeOf, searchOf, type Place, type View } from "../model/place";

export interface Places {
  readonly place: Place;
  readonly change: (fields: Partial<Place>) => void;
  readonly show: (view: View) => void;
  readonly jump: (view: View, id: string, fields?: Partial<Place>) => void;
  /** The row to bring before the reader; "" for none. */
  readonly target: string;
  /** It is there. */
  readonly arrived: () => void;
}

const Context = createContext<Places | null>(null);

export function usePlace(): Places {
  const places = use(Context);
  if (places === null) throw new Error("no PlaceProvider above");
  return places;
}

function write(place: Place, how: "push" | "replace") {
  const address = location.pathname + searchOf(place);
  if (how === "push") history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

export function PlaceProvider({ children }: { children: ReactNode }) {
  const [place, setPlace] = useState(() => placeOf(location.search));
  const [target, setTarget] = useState(place.open[0] ?? "");

  useEffect(() => {
    const read = () => setPlace(placeOf(location.search));
    addEventListener("popstate", read);
    return () => removeEventListener("popstate", read);
  }, []);

  const change = useCallback((fields: Partial<Place>) => {
    setPlace((before) => {
      const next = { ...before, ...fields };
      write(next, "replace");
      return next;
    });
  }, []);

  const show = useCallback((view: View) => {
    setPlace((before) => {
      const next = goTo(before, view);
      if (next !== before) write(next, "push");
      return next;
    });
    scrollTo({ top: 0 });
  }, []);

  const jump = useCallback((view: View, id: string, fields: Partial<Place> = {}) => {
    setPlace((before) => {
      // What would hide the row is left behind.
      const next = { ...goTo(before, view), query: "", namespace: "", state: "", open: [id], ...fields };
      write(next, "push");
      return next;
    });
    setTarget(id);
  }, []);

  const arrived = useCallback(() => setTarget(""), []);
  const places = useMemo(() => ({ place, change, show, jump, target, arrived }), [place, change, show, jump, target, arrived]);
  return <Context value={places}>{children}</Context>;
}
