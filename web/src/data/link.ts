/*
 * A page's subscription to the feed. A browser opens at most six connections to a server, so its pages share one stream in
 * a worker. Without a worker that starts in time, the page loads the feed's code and runs a feed of its own.
 */
import type { Update } from "../model/cluster";
import type { Subscription } from "./feed";

const KEEPALIVE_MS = 20_000;
const START_TIMEOUT_MS = 4_000;

/** A page's message to the worker. */
export type PageMessage =
  | { readonly kind: "keepalive"; readonly base: string; readonly active: boolean; readonly open: readonly string[] }
  | { readonly kind: "close" };

export function openLink(onUpdate: (update: Update) => void): Subscription {
  let active = true;
  let open: readonly string[] = [];
  let closed = false;
  let link: Subscription | null = null;

  async function openFeed() {
    link?.close();
    const { BROWSER, Feed } = await import("./feed");
    if (closed) return;
    link = new Feed(document.baseURI, BROWSER).subscribe(onUpdate);
    link.setOpen(open);
    link.setActive(active);
  }

  try {
    link = openWorker(onUpdate, () => void openFeed());
  } catch {
    void openFeed();
  }
  return {
    setActive: (next) => {
      active = next;
      link?.setActive(next);
    },
    setOpen: (next) => {
      open = next;
      link?.setOpen(next);
    },
    close: () => {
      closed = true;
      link?.close();
    },
  };
}

/** Throw if the browser has no shared workers. `onFailure`: the worker fails, or does not start in time. */
function openWorker(onUpdate: (update: Update) => void, onFailure: () => void): Subscription {
  const worker = new SharedWorker(new URL("./worker.ts", import.meta.url), { type: "module", name: "pulltrace" });
  let active = true;
  let open: readonly string[] = [];

  const post = (message: PageMessage) => worker.port.postMessage(message);
  const keepAlive = () => post({ kind: "keepalive", base: document.baseURI, active, open });
  const close = () => post({ kind: "close" });

  const startTimeout = setTimeout(onFailure, START_TIMEOUT_MS);
  const timer = setInterval(keepAlive, KEEPALIVE_MS);
  worker.onerror = onFailure;
  worker.port.onmessage = ({ data }: MessageEvent<Update>) => {
    clearTimeout(startTimeout);
    onUpdate(data);
  };
  addEventListener("pagehide", close);
  addEventListener("pageshow", keepAlive);
  keepAlive();

  return {
    setActive: (next) => {
      active = next;
      keepAlive();
    },
    setOpen: (next) => {
      open = next;
      keepAlive();
    },
    close: () => {
      clearTimeout(startTimeout);
      clearInterval(timer);
      worker.onerror = null;
      removeEventListener("pagehide", close);
      removeEventListener("pageshow", keepAlive);
      close();
      worker.port.close();
    },
  };
}
