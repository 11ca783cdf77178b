/*
 * A page's subscription to the feed. A browser opens at most six connections to a server, so its pages share one stream in
 * a worker. A page has a feed of its own if there is no worker, or if the worker does not start.
 */
import type { Update } from "../model/cluster";
import { BROWSER, Feed, type FeedSeams, type Subscription } from "./feed";

const KEEPALIVE_MS = 20_000;
const START_TIMEOUT_MS = 4_000;

/** A page's message to the worker. */
export type PageMessage =
  | { readonly kind: "keepalive"; readonly base: string; readonly active: boolean; readonly open: readonly string[] }
  | { readonly kind: "close" };

export function openLink(onUpdate: (update: Update) => void, seams?: FeedSeams): Subscription {
  const ownFeed = () => new Feed(document.baseURI, seams ?? BROWSER).subscribe(onUpdate);
  if (seams !== undefined || typeof SharedWorker === "undefined") return ownFeed();
  try {
    return openWorker(onUpdate, ownFeed);
  } catch {
    return ownFeed();
  }
}

function openWorker(onUpdate: (update: Update) => void, ownFeed: () => Subscription): Subscription {
  const worker = new SharedWorker(new URL("./worker.ts", import.meta.url), { type: "module", name: "pulltrace" });
  let active = true;
  let open: readonly string[] = [];
  let fallback: Subscription | null = null;

  const post = (message: PageMessage) => worker.port.postMessage(message);
  const keepAlive = () => post({ kind: "keepalive", base: document.baseURI, active, open });
  const close = () => post({ kind: "close" });

  function fallBack() {
    if (fallback !== null) return;
    stop();
    fallback = ownFeed();
    fallback.setOpen(open);
    fallback.setActive(active);
  }
  function stop() {
    clearTimeout(startTimeout);
    clearInterval(timer);
    removeEventListener("pagehide", close);
    removeEventListener("pageshow", keepAlive);
    close();
    worker.port.close();
  }

  const startTimeout = setTimeout(fallBack, START_TIMEOUT_MS);
  const timer = setInterval(keepAlive, KEEPALIVE_MS);
  worker.onerror = fallBack;
  worker.port.onmessage = ({ data }: MessageEvent<Update>) => {
    clearTimeout(startTimeout);
    onUpdate(data);
  };
  addEventListener("pagehide", close);
  addEventListener("pageshow", keepAlive);
  keepAlive();

  return {
    setActive(next) {
      active = next;
      if (fallback === null) keepAlive();
      else fallback.setActive(next);
    },
    setOpen(next) {
      open = next;
      if (fallback === null) keepAlive();
      else fallback.setOpen(next);
    },
    close() {
      if (fallback === null) stop();
      else fallback.close();
    },
  };
}
