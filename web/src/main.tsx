import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./components/App";
import { PullsProvider } from "./components/PullsProvider";
import "./theme.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");

createRoot(root).render(
  <StrictMode>
    <PullsProvider>
      <App />
    </PullsProvider>
  </StrictMode>,
);
