// For tests that draw: import it beside `@vitest-environment jsdom`. It adds missing parts of jsdom, and cleans the page.
import { cleanup } from "@testing-library/react";
import { afterEach, beforeEach, vi } from "vitest";

vi.stubGlobal(
  "ResizeObserver",
  class {
    observe() {}
    unobserve() {}
    disconnect() {}
  },
);
// Nothing is laid out in jsdom: every row is as high as rows are.
Object.defineProperty(HTMLElement.prototype, "offsetHeight", { configurable: true, value: 60 });

beforeEach(() => {
  history.replaceState(null, "", "/prefix/");
  localStorage.clear();
  window.scrollTo = () => undefined;
  Element.prototype.scrollIntoView = () => undefined;
  HTMLDialogElement.prototype.showModal = function open() {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function close() {
    this.open = false;
  };
});

afterEach(cleanup);
