import { cleanup } from "@testing-library/react";
import { afterEach, vi } from "vitest";

// jsdom has no EventSource; only its constants are needed, the connections are FakeEventSource.
vi.stubGlobal("EventSource", { CONNECTING: 0, OPEN: 1, CLOSED: 2 });

afterEach(cleanup);
