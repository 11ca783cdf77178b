// How an image is called on the page. A name that is not certain is never shown as if it were.
import type { Pull } from "../api/types";

export interface ImageTitle {
  /** "docker.io/library/": may be shortened when there is no room. */
  readonly path: string;
  /** "nginx:1.27": what people look for. */
  readonly name: string;
  /** "one of: nginx:1.26, nginx:1.27"; "" when the name is certain. */
  readonly hint: string;
}

const DIGEST = /@(sha256:[0-9a-f]{12})[0-9a-f]+$/;

export function imageTitle(pull: Pull): ImageTitle {
  const hint = candidatesHint(pull);
  if (pull.imageRef === "") return { path: "", name: hint === "" ? "resolving…" : hint, hint: "" };
  const short = pull.imageRef.replace(DIGEST, "@$1");
  const slash = short.split("@", 1)[0]?.lastIndexOf("/") ?? -1;
  return { path: short.slice(0, slash + 1), name: short.slice(slash + 1), hint };
}

function candidatesHint(pull: Pull): string {
  if (pull.nameKnown || pull.imageCandidates.length === 0) return "";
  const names = pull.imageCandidates.map((name) => withoutRepository(name, pull.imageRef));
  return names.length === 1 ? `probably: ${names.join("")}` : `one of: ${names.join(", ")}`;
}

/** Beside its repository a candidate needs no more than its last part: "nginx:1.27". */
function withoutRepository(name: string, repository: string): string {
  const slash = repository.lastIndexOf("/");
  return repository !== "" && name.startsWith(repository) ? name.slice(slash + 1) : name;
}

/** One line for labels, tooltips and announcements. */
export function imageLabel(pull: Pull): string {
  const { path, name, hint } = imageTitle(pull);
  if (pull.imageRef === "") return hint === "" && pull.imageCandidates.length === 0 ? "unnamed image" : name;
  return hint === "" ? path + name : `${path}${name} (${hint})`;
}
