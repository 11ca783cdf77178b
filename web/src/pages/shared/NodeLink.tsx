import { useStore } from "../../data/useStore";

/** A node's name, which leads to its row. */
export function NodeLink({ nodeName }: { nodeName: string }) {
  const store = useStore();
  return (
    <button type="button" title={`Show node ${nodeName}`} onClick={() => store.jump("nodes", nodeName)}>
      {nodeName}
    </button>
  );
}
