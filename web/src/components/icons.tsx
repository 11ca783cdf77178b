// Line icons on a 16 px grid, in the colour of the text beside them. Each stands beside its word and is hidden from
// screen readers.
import type { ReactNode } from "react";

export type IconName =
  | "alert"
  | "cached"
  | "check"
  | "chevron"
  | "clock"
  | "cross"
  | "download"
  | "layers"
  | "node"
  | "pod"
  | "question"
  | "quiet"
  | "restart"
  | "search"
  | "silent"
  | "unpack";

const SHAPES: Readonly<Record<IconName, ReactNode>> = {
  alert: <path d="M8 2.2 14.4 13.4H1.6L8 2.2Zm0 4.3v3.2m0 1.9v.1" />,
  cached: <path d="M2.8 4.2c0-1.1 2.3-2 5.2-2s5.2.9 5.2 2-2.3 2-5.2 2-5.2-.9-5.2-2Zm0 0v7.6c0 1.1 2.3 2 5.2 2s5.2-.9 5.2-2V4.2M2.8 8c0 1.1 2.3 2 5.2 2s5.2-.9 5.2-2" />,
  check: <path d="m2.8 8.6 3.4 3.4 7-7.6" />,
  chevron: <path d="m6 3.5 4.5 4.5L6 12.5" />,
  clock: <path d="M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4Zm0-9.7V8l2.3 1.7" />,
  cross: <path d="m4 4 8 8m0-8-8 8" />,
  download: <path d="M8 2v8m-3.3-3.2L8 10.1l3.3-3.3M2.8 13.6h10.4" />,
  layers: <path d="m8 2 6 3-6 3-6-3 6-3ZM2 8l6 3 6-3M2 11l6 3 6-3" />,
  node: <path d="M2.5 2.8h11v4.4h-11zM2.5 8.8h11v4.4h-11zM5 5h.1M5 11h.1" />,
  pod: <path d="m8 1.8 5.6 3.1v6.2L8 14.2l-5.6-3.1V4.9L8 1.8Zm0 6.3 5.5-3.1M8 8.1 2.5 5M8 8.1v6" />,
  question: <path d="M5.6 5.7A2.4 2.4 0 0 1 8 3.4c1.5 0 2.5.9 2.5 2.2C10.5 7.4 8 7.5 8 9.6m0 2.9v.1" />,
  quiet: <path d="M13.5 9.6A5.9 5.9 0 0 1 6.4 2.5a5.9 5.9 0 1 0 7.1 7.1Z" />,
  restart: <path d="M13.4 8a5.4 5.4 0 1 1-1.6-3.8L13.4 6m0-3.8V6H9.6" />,
  search: <path d="M7 11.8a4.8 4.8 0 1 0 0-9.6 4.8 4.8 0 0 0 0 9.6Zm3.5-1.3 3.5 3.5" />,
  silent: <path d="m2 2 12 12M4.9 7.9a4.4 4.4 0 0 1 2-1.1m3.3.5c.4.2.7.4 1 .7M2.6 5.7c.6-.6 1.3-1 2-1.4m3.3-.7a7.8 7.8 0 0 1 5.5 2.1M8 11.5v.1" />,
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
