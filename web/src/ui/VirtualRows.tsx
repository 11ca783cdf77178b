/*
 * A list that draws only the rows in the window. A short list is drawn whole, so that the browser's search finds all rows.
 */
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { useSelector, useStore } from "../data/useStore";
import styles from "./VirtualRows.module.css";

const MAX_WHOLE = 60;
const OVERSCAN = 6;
const HEADER_PX = 64;

interface VirtualRowsProps<T> {
  readonly label: string;
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  readonly estimatePx: (row: T) => number;
  /** Content of one `li`. */
  readonly render: (row: T) => ReactNode;
  /** The row's name for screen readers; "" for none. */
  readonly labelOf: (row: T) => string;
  readonly className?: string | undefined;
}

export function VirtualRows<T>(props: VirtualRowsProps<T>) {
  return props.rows.length <= MAX_WHOLE ? <WholeRows {...props} /> : <WindowRows {...props} />;
}

function WholeRows<T>({ label, rows, keyOf, render, labelOf, className }: VirtualRowsProps<T>) {
  const target = useSelector((state) => state.target);
  const store = useStore();
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    if (target === "" || !rows.some((row) => keyOf(row) === target)) return;
    scrollToRow(list.current, target);
    store.clearTarget();
  }, [target, rows, keyOf, store]);
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
  const target = useSelector((state) => state.target);
  const store = useStore();
  const list = useRef<HTMLUListElement>(null);
  const [topPx, setTopPx] = useState(0);
  useLayoutEffect(() => {
    const measure = () => setTopPx(list.current === null ? 0 : Math.round(list.current.getBoundingClientRect().top + window.scrollY));
    measure();
    // Content above the list moves it, and changes the height of the page.
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    return () => observer.disconnect();
  }, []);
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
      scrollToRow(list.current, target);
      store.clearTarget();
    }, 150);
    return () => clearTimeout(timer);
  }, [target, rows, keyOf, store, virtual]);

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

function scrollToRow(list: HTMLElement | null, key: string) {
  const row = [...(list?.children ?? [])].find((each) => each instanceof HTMLElement && each.dataset.row === key);
  row?.scrollIntoView({ block: "center" });
  row?.querySelector<HTMLElement>("button[data-toggle]")?.focus({ preventScroll: true });
}
