import { vi } from "vitest";

// Neither Node nor jsdom has an EventSource; only its constants are needed, the connections are FakeEventSource.
vi.stubGlobal("EventSource", { CONNECTING: 0, OPEN: 1, CLOSED: 2 });
