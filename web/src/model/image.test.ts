import { describe, expect, it } from "vitest";
import { aPull } from "../testing/builders";
import { imageLabel, imageTitle } from "./image";

describe("imageTitle", () => {
  it("splits a name into path, name and tag, also with a port in it", () => {
    expect(imageTitle(aPull({ imageRef: "registry.example.com:5000/team/api:v2" }))).toEqual({
      path: "registry.example.com:5000/team/",
      name: "api",
      tag: ":v2",
      hint: "",
    });
  });

  it("shortens a digest", () => {
    const title = imageTitle(aPull({ imageRef: `ghcr.io/acme/api@sha256:${"a1".repeat(32)}` }));
    expect([title.path, title.name, title.tag]).toEqual(["ghcr.io/acme/", "api", "@sha256:a1a1a1a1a1a1"]);
  });

  it("names every candidate of an uncertain name", () => {
    const pull = aPull({
      imageRef: "docker.io/library/postgres",
      nameKnown: false,
      imageCandidates: ["docker.io/library/postgres:16", "docker.io/library/postgres:17"],
    });
    expect(imageTitle(pull).hint).toBe("one of: postgres:16, postgres:17");
  });

  it("does not call the only candidate certain", () => {
    const pull = aPull({ imageRef: "", nameKnown: false, imageCandidates: ["quay.io/a/b:1"] });
    expect(imageTitle(pull).name).toBe("probably: quay.io/a/b:1");
  });

  it("shows a pull without a name as resolving", () => {
    expect(imageTitle(aPull({ imageRef: "", nameKnown: false })).name).toBe("resolving…");
  });
});

it("labels an image in one line", () => {
  expect(imageLabel(aPull())).toBe("docker.io/library/nginx:1.27");
  expect(imageLabel(aPull({ imageRef: "", nameKnown: false }))).toBe("unnamed image");
});
