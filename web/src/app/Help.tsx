import { useEffect, useRef } from "react";
import styles from "./Help.module.css";
import { Icon } from "../ui/Icon";

const KEYS: readonly (readonly [string, string])[] = [
  ["/", "Search"],
  ["Esc", "Clear the search, or close this"],
  ["1 … 5", "Waiting, Pulls, Nodes, Roll-out, History"],
  ["j  k", "To the next row, to the one before (arrow keys too)"],
  ["Enter", "Open the row"],
  ["p", "Hold still, and go on"],
  ["t", "Colours: system, light, dark"],
  ["?", "This help"],
];

interface HelpProps {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly keysOn: boolean;
  readonly onKeysOn: (on: boolean) => void;
}

export function Help({ open, onClose, keysOn, onKeysOn }: HelpProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog ref={dialog} className={styles.help} aria-labelledby="help-title" onClose={onClose}>
      {open && <Content onClose={onClose} keysOn={keysOn} onKeysOn={onKeysOn} />}
    </dialog>
  );
}

function Content({ onClose, keysOn, onKeysOn }: Omit<HelpProps, "open">) {
  return (
    <>
      <div className={styles.head}>
        <h2 id="help-title">Help</h2>
        <button type="button" aria-label="Close" onClick={onClose}>
          <Icon name="cross" />
        </button>
      </div>
      <h3>Keys</h3>
      <dl className={styles.keys}>
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label className={styles.switch}>
        <input type="checkbox" checked={keysOn} onChange={(event) => onKeysOn(event.target.checked)} /> Single keys do something
      </label>
      <h3>Bars and times</h3>
      <p>
        A bar is the bytes to be fetched: dark is unpacked, the middle shade is fetched, the pale end is what has probably come since the node's last report. Layers that were on the node
        before are counted apart as cached.
      </p>
      <p>A time left is an estimate from what is ahead of a pod in its node's queue, and from how fast the node pulls and unpacks. Where it is not sure, it is a range.</p>
      <h3>How fresh it is</h3>
      <p>
        “Reconnecting”: this page does not hear the server. “Server is starting”: the server has not read the cluster yet. “Agent silent”: the server does not hear a node. What is shown then
        is the last that was heard.
      </p>
      <p>
        The same data is at <code>api/v1/pulls</code> and <code>api/v1/pods</code>, as JSON.
      </p>
    </>
  );
}
