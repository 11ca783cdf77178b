import { useMemo } from "react";
import { namespacesOf } from "../model/counts";
import type { View } from "../model/place";
import { Icon } from "../ui/Icon";
import { useLive } from "../data/Live";
import { usePlace } from "../data/Place";
import styles from "./Toolbar.module.css";

const STATES: Partial<Record<View, readonly { value: string; word: string }[]>> = {
  pulls: [
    { value: "resolving", word: "Resolving" },
    { value: "downloading", word: "Downloading" },
    { value: "unpacking", word: "Unpacking" },
  ],
  history: [
    { value: "completed", word: "Completed" },
    { value: "failed", word: "Failed" },
    { value: "unknown", word: "Unknown" },
  ],
};

export const SEARCH_ID = "search";

export function Toolbar() {
  const { cluster } = useLive();
  const { place, change } = usePlace();
  const { rows, pods } = cluster;
  const namespaces = useMemo(() => namespacesOf({ rows, pods }), [rows, pods]);
  const states = STATES[place.view];
  const filtered = place.query !== "" || place.namespace !== "" || place.state !== "";
  return (
    <div className={styles.toolbar}>
      <Search />
      <label className={styles.choice}>
        <span className={styles.unseen}>Namespace</span>
        <select value={place.namespace} onChange={(event) => change({ namespace: event.target.value })}>
          <option value="">All namespaces</option>
          {[...new Set([...namespaces, ...(place.namespace === "" ? [] : [place.namespace])])].map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        <Icon name="chevron" />
      </label>
      {states !== undefined && (
        <div className={styles.states} role="group" aria-label="State">
          {[{ value: "", word: "All" }, ...states].map(({ value, word }) => (
            <button key={value} type="button" aria-pressed={place.state === value} onClick={() => change({ state: value })}>
              {word}
            </button>
          ))}
        </div>
      )}
      {filtered && (
        <button type="button" className={styles.clear} onClick={() => change({ query: "", namespace: "", state: "" })}>
          Clear the filter
        </button>
      )}
    </div>
  );
}

function Search() {
  const { place, change } = usePlace();
  return (
    <div className={styles.field} role="search">
      <Icon name="search" />
      <input
        id={SEARCH_ID}
        type="search"
        aria-label="Search"
        aria-keyshortcuts="/"
        placeholder="Image, pod, node, namespace or message"
        autoComplete="off"
        spellCheck={false}
        value={place.query}
        onChange={(event) => change({ query: event.target.value })}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          change({ query: "" });
          event.currentTarget.blur();
        }}
      />
      <kbd>/</kbd>
    </div>
  );
}
