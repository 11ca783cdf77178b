// Line icons on a 16 px grid. Each has a word beside it, so screen readers skip it.
import type { ReactNode } from "react";

export type IconName =
  | "alert"
  | "arrow"
  | "auto"
  | "cached"
  | "check"
  | "chevron"
  | "clock"
  | "copy"
  | "cross"
  | "download"
  | "grid"
  | "help"
  | "history"
  | "moon"
  | "node"
  | "pause"
  | "play"
  | "question"
  | "queue"
  | "quiet"
  | "restart"
  | "search"
  | "stale"
  | "slow"
  | "sort"
  | "sun"
  | "unpack";

const SHAPES: Readonly<Record<IconName, ReactNode>> = {
  alert: <path d="M8 2.2 14.4 13.4H1.6L8 2.2Zm0 4.3v3.2m0 1.9v.1" />,
  arrow: <path d="M3 8h9.5M9 4.2 12.8 8 9 11.8" />,
  auto: <path d="M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4ZM8 2v12m1.5-11.8v11.6m1.5-10.9v10.2m1.5-8.6v7" />,
  cached: <path d="M2.8 4.2c0-1.1 2.3-2 5.2-2s5.2.9 5.2 2-2.3 2-5.2 2-5.2-.9-5.2-2Zm0 0v7.6c0 1.1 2.3 2 5.2 2s5.2-.9 5.2-2V4.2M2.8 8c0 1.1 2.3 2 5.2 2s5.2-.9 5.2-2" />,
  check: <path d="m2.8 8.6 3.4 3.4 7-7.6" />,
  chevron: <path d="m6 3.5 4.5 4.5L6 12.5" />,
  clock: <path d="M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4Zm0-9.7V8l2.3 1.7" />,
  copy: <path d="M5.5 5.5h8v8h-8zM10.5 5.3V2.5h-8v8h2.8" />,
  cross: <path d="m4 4 8 8m0-8-8 8" />,
  download: <path d="M8 2v8m-3.3-3.2L8 10.1l3.3-3.3M2.8 13.6h10.4" />,
  grid: <path d="M2.5 2.5h4.2v4.2H2.5zM9.3 2.5h4.2v4.2H9.3zM2.5 9.3h4.2v4.2H2.5zM9.3 9.3h4.2v4.2H9.3z" />,
  help: <path d="M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4ZM6.3 6.3c0-1 .8-1.6 1.7-1.6s1.7.6 1.7 1.5c0 1.3-1.7 1.3-1.7 2.6m0 2.2v.1" />,
  history: <path d="M2.3 8A5.7 5.7 0 1 0 4 4L2.3 5.7m0-3.4v3.4h3.4M8 5v3.2l2.2 1.4" />,
  moon: <path d="M13.5 9.6A5.9 5.9 0 0 1 6.4 2.5a5.9 5.9 0 1 0 7.1 7.1Z" />,
  node: <path d="M2.5 2.8h11v4.4h-11zM2.5 8.8h11v4.4h-11zM5 5h.1M5 11h.1" />,
  pause: <path d="M5.2 3v10M10.8 3v10" />,
  play: <path d="M4.5 2.8v10.4L13 8 4.5 2.8Z" />,
  question: <path d="M5.6 5.7A2.4 2.4 0 0 1 8 3.4c1.5 0 2.5.9 2.5 2.2C10.5 7.4 8 7.5 8 9.6m0 2.9v.1" />,
  queue: <path d="M2.5 3.5h7M2.5 8h7M2.5 12.5h7M12.3 4.5v7m-2-2 2 2 2-2" />,
  quiet: <path d="M13.5 9.6A5.9 5.9 0 0 1 6.4 2.5a5.9 5.9 0 1 0 7.1 7.1Z" />,
  restart: <path d="M13.4 8a5.4 5.4 0 1 1-1.6-3.8L13.4 6m0-3.8V6H9.6" />,
  search: <path d="M7 11.8a4.8 4.8 0 1 0 0-9.6 4.8 4.8 0 0 0 0 9.6Zm3.5-1.3 3.5 3.5" />,
  stale: <path d="m2 2 12 12M4.9 7.9a4.4 4.4 0 0 1 2-1.1m3.3.5c.4.2.7.4 1 .7M2.6 5.7c.6-.6 1.3-1 2-1.4m3.3-.7a7.8 7.8 0 0 1 5.5 2.1M8 11.5v.1" />,
  slow: <path d="M2 12.5a6 6 0 1 1 12 0M8 12.5 5 8.6" />,
  sort: <path d="M5 2.8v10.4m-2.6-2.6L5 13.2l2.6-2.6M11 13.2V2.8M8.4 5.4 11 2.8l2.6 2.6" />,
  sun: <path d="M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1.5v1.3m0 10.4v1.3M1.5 8h1.3m10.4 0h1.3M3.4 3.4l.9.9m7.4 7.4.9.9m0-9.2-.9.9m-7.4 7.4-.9.9" />,
  unpack: <path d="m2.2 7.3 5.8 3 5.8-3M2.2 10.7l5.8 3 5.8-3M8 1.8v5M5.9 4.9 8 7l2.1-2.1" />,
};

export function Icon({ name, className }: { name: IconName; className?: string }) {
  return (
    <svg
      className={className}
      viewBox="0 0 16 16"
      width="16"
      height="16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {SHAPES[name]}
    </svg>
  );
}
