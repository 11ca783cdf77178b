import { useMemo, useState } from "react";
import { heldOrder } from "../model/sorting";

export interface SteadyOrder {
  readonly order: readonly string[];
  readonly handlers: {
    onPointerMove(event: { pointerType: string }): void;
    onPointerLeave(): void;
    onFocus(): void;
    onBlur(event: { currentTarget: Element; relatedTarget: EventTarget | null }): void;
  };
}

/** Return the order of rows, which keeps its place under the pointer and the keyboard's focus. */
export function useSteadyOrder(wanted: readonly string[]): SteadyOrder {
  const [pointed, setPointed] = useState(false);
  const [focused, setFocused] = useState(false);
  const [before, setBefore] = useState(wanted);
  const handlers = useMemo(
    () => ({
      // A finger that scrolls does not point.
      onPointerMove: (event: { pointerType: string }) => setPointed(event.pointerType === "mouse"),
      onPointerLeave: () => setPointed(false),
      onFocus: () => setFocused(true),
      onBlur: (event: { currentTarget: Element; relatedTarget: EventTarget | null }) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setFocused(false);
      },
    }),
    [],
  );
  const order = useMemo(() => (pointed || focused ? heldOrder(before, wanted) : wanted), [pointed, focused, before, wanted]);
  if (!isSame(order, before)) setBefore(order);
  return { order, handlers };
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((id, index) => id === b[index]));
}
