// The shared worker: one feed for all pages of a browser that show the same server.
import { Feed, type Viewer } from "./feed";
import type { FromPage } from "./link";
import { fetchText } from "./nodes";
import { BROWSER_STREAM } from "./stream";

/** Pages say every 20 s that they are there; hidden ones are throttled to a minute by the browser. */
const GONE_AFTER_MS = 180_000;

let feed: Feed | null = null;

addEventListener("connect", (event) => {
  const port = (event as MessageEvent).ports[0];
  if (port === undefined) return;
  let viewer: Viewer | null = null;
  let gone: ReturnType<typeof setTimeout> | undefined;

  function leave() {
    clearTimeout(gone);
    viewer?.leave();
    viewer = null;
  }

  port.onmessage = ({ data }: MessageEvent<FromPage>) => {
    if (data.kind === "bye") {
      leave();
      return;
    }
    clearTimeout(gone);
    gone = setTimeout(leave, GONE_AFTER_MS);
    feed ??= new Feed(data.base, { ...BROWSER_STREAM, fetchText });
    // Also after it was taken for gone (a page that slept comes back), and then with everything.
    viewer ??= feed.join((update) => port.postMessage(update));
    viewer.setOpen(data.open);
    viewer.setWatching(data.watching);
  };
});
