/*
 * A page's end of the feed. Browsers keep at most six connections to a server open, so pages share one stream in a
 * worker; where there is none, or it does not start, a page has a feed of its own.
 */
import { Feed, type FeedSeams, type Update, type Viewer } from "./feed";
import { fetchText } from "./nodes";
import { BROWSER_STREAM } from "./stream";

const HERE_MS = 20_000;
const START_WAIT_MS = 4_000;

/** What a page tells the worker. */
export type FromPage =
  | { readonly kind: "here"; readonly base: string; readonly watching: boolean; readonly open: readonly string[] }
  | { readonly kind: "bye" };

export function openLink(onUpdate: (update: Update) => void, seams?: FeedSeams): Viewer {
  if (seams !== undefined) return new Feed(document.baseURI, seams).join(onUpdate);
  if (typeof SharedWorker === "undefined") return ownFeed(onUpdate);
  try {
    return sharedFeed(onUpdate);
  } catch {
    return ownFeed(onUpdate);
  }
}

function ownFeed(onUpdate: (update: Update) => void): Viewer {
  return new Feed(document.baseURI, { ...BROWSER_STREAM, fetchText }).join(onUpdate);
}

function sharedFeed(onUpdate: (update: Update) => void): Viewer {
  const worker = new SharedWorker(new URL("./worker.ts", import.meta.url), { type: "module", name: "pulltrace" });
  let watching = true;
  let open: readonly string[] = [];
  let instead: Viewer | null = null;

  function say(message: FromPage) {
    worker.port.postMessage(message);
  }
  const here = () => say({ kind: "here", base: document.baseURI, watching, open });
  const bye = () => say({ kind: "bye" });

  function giveUp() {
    if (instead !== null) return;
    stop();
    instead = ownFeed(onUpdate);
    instead.setOpen(open);
    instead.setWatching(watching);
  }
  function stop() {
    clearTimeout(startWait);
    clearInterval(timer);
    removeEventListener("pagehide", bye);
    removeEventListener("pageshow", here);
    bye();
    worker.port.close();
  }

  const startWait = setTimeout(giveUp, START_WAIT_MS);
  const timer = setInterval(here, HERE_MS);
  worker.onerror = giveUp;
  worker.port.onmessage = ({ data }: MessageEvent<Update>) => {
    clearTimeout(startWait);
    onUpdate(data);
  };
  addEventListener("pagehide", bye);
  addEventListener("pageshow", here);
  here();

  return {
    setWatching(next) {
      watching = next;
      if (instead === null) here();
      else instead.setWatching(next);
    },
    setOpen(next) {
      open = next;
      if (instead === null) here();
      else instead.setOpen(next);
    },
    leave() {
      if (instead === null) stop();
      else instead.leave();
    },
  };
}
