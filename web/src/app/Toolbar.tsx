import { useMemo } from "react";
import { useCluster, useRoute, useStore } from "../data/useStore";
import { namespacesOf } from "../model/counts";
import type { View } from "../model/route";
import type { Phase } from "../model/types";
import { PHASE_WORDS } from "../model/words";
import { Icon } from "../ui/Icon";
import styles from "./Toolbar.module.css";

const STATES: Partial<Record<View, readonly Phase[]>> = {
  pulls: ["resolving", "downloading", "unpacking"],
  history: ["completed", "failed", "unknown"],
};

export const SEARCH_ID = "search";

export function Toolbar() {
  const { view, query, namespace, state } = useRoute();
  const store = useStore();
  return (
    <div className={styles.toolbar}>
      <Search />
      <Namespaces />
      {STATES[view] !== undefined && (
        <div className={styles.states} role="group" aria-label="State">
          {(["", ...STATES[view]] as const).map((value) => (
            <button key={value} type="button" aria-pressed={state === value} onClick={() => store.change({ state: value })}>
              {value === "" ? "All" : PHASE_WORDS[value].word}
            </button>
          ))}
        </div>
      )}
      {(query !== "" || namespace !== "" || state !== "") && (
        <button type="button" className={styles.clear} onClick={() => store.clearFilter()}>
          Clear filter
        </button>
      )}
    </div>
  );
}

function Namespaces() {
  const rows = useCluster("rows");
  const pods = useCluster("pods");
  const { namespace } = useRoute();
  const store = useStore();
  const names = useMemo(() => namespacesOf({ rows, pods }), [rows, pods]);
  return (
    <label className={styles.choice}>
      <span className={styles.unseen}>Namespace</span>
      <select value={namespace} onChange={(event) => store.change({ namespace: event.target.value })}>
        <option value="">All namespaces</option>
        {[...new Set([...names, ...(namespace === "" ? [] : [namespace])])].map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      <Icon name="chevron" />
    </label>
  );
}

function Search() {
  const { query } = useRoute();
  const store = useStore();
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
        value={query}
        onChange={(event) => store.change({ query: event.target.value })}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          store.change({ query: "" });
          event.currentTarget.blur();
        }}
      />
      <kbd>/</kbd>
    </div>
  );
}
