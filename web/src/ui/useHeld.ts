// No row moves away from under the pointer: while somebody points into a list (or is in it with the keyboard), its order stays.
import { useMemo, useState } from "react";

export interface Hold {
  readonly held: boolean;
  readonly handlers: {
    onPointerMove(event: { pointerType: string }): void;
    onPointerLeave(): void;
    onFocus(): void;
    onBlur(event: { currentTarget: Element; relatedTarget: EventTarget | null }): void;
  };
}

export function useHold(): Hold {
  const [pointed, setPointed] = useState(false);
  const [focused, setFocused] = useState(false);
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
  return { held: pointed || focused, handlers };
}

/** The order that was wanted last, or, while held, the one before with what is new added to it. */
export function useHeld<T>(wanted: T, held: boolean, merge: (before: T, wanted: T) => T): T {
  const [before, setBefore] = useState(wanted);
  const order = held ? merge(before, wanted) : wanted;
  if (JSON.stringify(order) !== JSON.stringify(before)) setBefore(order);
  return order;
}
