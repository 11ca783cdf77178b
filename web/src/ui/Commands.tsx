import { useEffect, useRef, useState } from "react";
import type { Command } from "../model/kubectl";
import { Icon } from "./Icon";
import styles from "./Commands.module.css";

export function Commands({ commands }: { commands: readonly Command[] }) {
  if (commands.length === 0) return null;
  return (
    <ul className={styles.commands} aria-label="Commands">
      {commands.map(({ label, line }) => (
        <li key={line}>
          <span className={styles.label}>{label}</span>
          <code className={styles.line}>{line}</code>
          <CopyButton text={line} label={`Copy the command: ${line}`} />
        </li>
      ))}
    </ul>
  );
}

const COPIED_MS = 1_500;

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);

  async function copy() {
    await writeClipboard(text);
    setCopied(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setCopied(false), COPIED_MS);
  }

  return (
    <button type="button" className={styles.copy} aria-label={label} title={label} onClick={() => void copy()}>
      <Icon name={copied ? "check" : "copy"} />
      <span>{copied ? "Copied" : "Copy"}</span>
    </button>
  );
}

/** Browsers have a clipboard API only on HTTPS and localhost. */
async function writeClipboard(text: string) {
  const clipboard = navigator.clipboard as Clipboard | undefined;
  if (clipboard !== undefined) {
    await clipboard.writeText(text);
    return;
  }
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- an insecure origin has nothing else
  document.execCommand("copy");
  field.remove();
}
