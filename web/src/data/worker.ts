// The shared worker: one feed for all pages of a browser that show the same server.
import { BROWSER, Feed, type Subscription } from "./feed";
import type { PageMessage } from "./link";

/** Pages send a keepalive every 20 s; the browser throttles hidden pages to one a minute. */
const KEEPALIVE_TIMEOUT_MS = 180_000;

let feed: Feed | null = null;

addEventListener("connect", (event) => {
  const port = (event as MessageEvent).ports[0];
  if (port === undefined) return;
  let subscription: Subscription | null = null;
  let timeout: ReturnType<typeof setTimeout> | undefined;

  function close() {
    clearTimeout(timeout);
    subscription?.close();
    subscription = null;
  }

  port.onmessage = ({ data }: MessageEvent<PageMessage>) => {
    if (data.kind === "close") {
      close();
      return;
    }
    clearTimeout(timeout);
    timeout = setTimeout(close, KEEPALIVE_TIMEOUT_MS);
    feed ??= new Feed(data.base, BROWSER);
    // A page that slept past the timeout subscribes again, and gets a whole update.
    subscription ??= feed.subscribe((update) => port.postMessage(update));
    subscription.setOpen(data.open);
    subscription.setActive(data.active);
  };
});
