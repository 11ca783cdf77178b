// Names of images. An uncertain name never looks certain.
import type { Pull } from "./types";

export interface ImageTitle {
  /** "docker.io/library/": a narrow column may cut it. */
  readonly path: string;
  /** "nginx" */
  readonly name: string;
  /** ":1.27" or "@sha256:2e7d2c03a950"; "" if unknown. */
  readonly tag: string;
  /** "one of: nginx:1.26, nginx:1.27"; "" if the name is certain. */
  readonly hint: string;
}

// Path, name, tag: the path ends with the last slash before a digest; a port's colon is in the path.
const PARTS = /^((?:[^@]*\/)?)([^@:]*)(.*)$/s;
const DIGEST = /@(sha256:[0-9a-f]{12})[0-9a-f]+$/;

function partsOf(image: string) {
  const [, path = "", name = "", tag = ""] = PARTS.exec(image) ?? [];
  return { path, name, tag: tag.replace(DIGEST, "@$1") };
}

export function imageTitle(pull: Pull): ImageTitle {
  const hint = candidatesHint(pull);
  if (pull.imageRef === "") return { path: "", name: hint === "" ? "resolving…" : hint, tag: "", hint: "" };
  return { ...partsOf(pull.imageRef), hint };
}

/** Return the name within a sentence: "pytorch:2.4" of "docker.io/pytorch/pytorch:2.4". */
export function shortImage(image: string): string {
  const { name, tag } = partsOf(image);
  return name + tag === "" ? "an image" : name + tag;
}

export function shortPull(pull: Pull): string {
  return pull.imageRef !== "" ? shortImage(pull.imageRef) : shortImage(pull.imageCandidates[0] ?? pull.pods[0]?.image ?? "");
}

function candidatesHint(pull: Pull): string {
  if (pull.nameKnown || pull.imageCandidates.length === 0) return "";
  const names = pull.imageCandidates.map((name) => withoutRepository(name, pull.imageRef));
  return names.length === 1 ? `probably: ${names.join("")}` : `one of: ${names.join(", ")}`;
}

/** Return a candidate's last part if the repository stands beside it: "nginx:1.27". */
function withoutRepository(name: string, repository: string): string {
  const slash = repository.lastIndexOf("/");
  return repository !== "" && name.startsWith(repository) ? name.slice(slash + 1) : name;
}

/** Return one line for labels, tooltips and announcements. */
export function imageLabel(pull: Pull): string {
  const { path, name, tag, hint } = imageTitle(pull);
  if (pull.imageRef === "") return pull.imageCandidates.length === 0 ? "unnamed image" : name;
  return hint === "" ? path + name + tag : `${path}${name}${tag} (${hint})`;
}

export function pullLabel(pull: Pull): string {
  return `${imageLabel(pull)} on ${pull.nodeName}`;
}
