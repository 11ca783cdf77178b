import { useEffect, useRef } from "react";
import { useSelector, useStore } from "../data/useStore";
import { Icon } from "../ui/Icon";
import styles from "./Help.module.css";

const KEYS: readonly (readonly [string, string])[] = [
  ["/", "Search"],
  ["Esc", "Clear the search, or close this help"],
  ["1 … 5", "Waiting, Pulls, Nodes, Rollout, History"],
  ["j  k", "Next row, previous row (or arrow keys)"],
  ["Enter", "Open the row"],
  ["p", "Pause or resume"],
  ["t", "Theme: system, light, dark"],
  ["?", "This help"],
];

export function Help({ open, onClose }: { open: boolean; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog ref={dialog} className={styles.help} aria-labelledby="help-title" onClose={onClose}>
      {open && <Content onClose={onClose} />}
    </dialog>
  );
}

function Content({ onClose }: { onClose: () => void }) {
  const store = useStore();
  const shortcuts = useSelector((state) => state.shortcuts);
  return (
    <>
      <div className={styles.head}>
        <h2 id="help-title">Help</h2>
        <button type="button" aria-label="Close" onClick={onClose}>
          <Icon name="cross" />
        </button>
      </div>
      <h3>Keyboard shortcuts</h3>
      <dl className={styles.keys}>
        {KEYS.map(([key, meaning]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <label className={styles.switch}>
        <input type="checkbox" checked={shortcuts} onChange={(event) => store.setShortcuts(event.target.checked)} /> Enable keyboard shortcuts
      </label>
      <h3>Bars and estimates</h3>
      <p>
        A bar shows the bytes to download. The dark part is unpacked, the middle part downloaded, and the pale end estimated since the node&apos;s last report. Layers that were on the node before
        the pull count as cached, outside the bar.
      </p>
      <p>
        A time left is an estimate from the node&apos;s queue and from the rates of its downloads and unpacking. An uncertain estimate is a range. Images queued behind a stalled pull have no
        estimate.
      </p>
      <h3>Freshness</h3>
      <p>
        “Reconnecting”: the page has no connection to the server. “Server is starting”: the server has not read the cluster yet. “agent not reporting”: the node&apos;s last report is stale. The page keeps the
        last data in each case.
      </p>
      <p>
        The same data as JSON: <code>api/v1/pulls</code> and <code>api/v1/pods</code>.
      </p>
    </>
  );
}
