/*
 * A long list of which only what is in the window is drawn. Short lists are drawn whole: the browser's own search then
 * finds everything in them.
 */
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { usePlace } from "../data/Place";
import styles from "./VirtualRows.module.css";

const WHOLE_UP_TO = 60;
const OVERSCAN = 6;
/** The header stays on top of the rows. */
const HEADER_PX = 64;

interface VirtualRowsProps<T> {
  readonly label: string;
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  readonly estimatePx: (row: T) => number;
  /** Content of one `li`. */
  readonly render: (row: T) => ReactNode;
  /** What a screen reader calls the row; "" for none. */
  readonly labelOf: (row: T) => string;
  readonly className?: string | undefined;
}

export function VirtualRows<T>(props: VirtualRowsProps<T>) {
  return props.rows.length <= WHOLE_UP_TO ? <WholeRows {...props} /> : <WindowRows {...props} />;
}

function WholeRows<T>({ label, rows, keyOf, render, labelOf, className }: VirtualRowsProps<T>) {
  const { target, arrived } = usePlace();
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    if (target === "" || !rows.some((row) => keyOf(row) === target)) return;
    bringUp(list.current, target);
    arrived();
  }, [target, rows, keyOf, arrived]);
  return (
    <ul ref={list} className={className} aria-label={label}>
      {rows.map((row) => (
        <li key={keyOf(row)} data-row={keyOf(row)} aria-label={labelOf(row) || undefined}>
          {render(row)}
        </li>
      ))}
    </ul>
  );
}

function WindowRows<T>({ label, rows, keyOf, estimatePx, render, labelOf, className }: VirtualRowsProps<T>) {
  const { target, arrived } = usePlace();
  const list = useRef<HTMLUListElement>(null);
  const [topPx, setTopPx] = useState(0);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- whatever stands above may have grown; it is set only when it has
  useLayoutEffect(() => {
    const top = list.current === null ? 0 : list.current.getBoundingClientRect().top + window.scrollY;
    setTopPx((before) => (Math.abs(before - top) < 1 ? before : top));
  });
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: (index) => {
      const row = rows[index];
      return row === undefined ? 0 : estimatePx(row);
    },
    getItemKey: (index) => {
      const row = rows[index];
      return row === undefined ? index : keyOf(row);
    },
    overscan: OVERSCAN,
    scrollMargin: topPx,
    scrollPaddingStart: HEADER_PX,
    useFlushSync: false,
  });
  useEffect(() => {
    if (target === "") return;
    const index = rows.findIndex((row) => keyOf(row) === target);
    if (index === -1) return;
    virtual.scrollToIndex(index, { align: "center" });
    const timer = setTimeout(() => {
      bringUp(list.current, target);
      arrived();
    }, 150);
    return () => clearTimeout(timer);
  }, [target, rows, keyOf, arrived, virtual]);

  return (
    <ul ref={list} className={`${className ?? ""} ${styles.window ?? ""}`} style={{ height: virtual.getTotalSize() }} aria-label={label}>
      {virtual.getVirtualItems().map(({ index, key, start }) => {
        const row = rows[index];
        if (row === undefined) return null;
        return (
          <li
            key={key}
            ref={virtual.measureElement}
            data-index={index}
            data-row={keyOf(row)}
            aria-label={labelOf(row) || undefined}
            aria-setsize={rows.length}
            aria-posinset={index + 1}
            style={{ transform: `translateY(${start - topPx}px)` }}
          >
            {render(row)}
          </li>
        );
      })}
    </ul>
  );
}

function bringUp(list: HTMLElement | null, key: string) {
  const row = [...(list?.children ?? [])].find((each) => each instanceof HTMLElement && each.dataset.row === key);
  row?.scrollIntoView({ block: "center" });
  row?.querySelector<HTMLElement>("button[data-toggle]")?.focus({ preventScroll: true });
}
