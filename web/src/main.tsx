import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./components/App";
import { LiveProvider } from "./components/Live";
import { PlaceProvider } from "./components/Place";
import { ThemeProvider } from "./components/Theme";
import "./theme.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");

createRoot(root).render(
  <StrictMode>
    <ThemeProvider>
      <PlaceProvider>
        <LiveProvider>
          <App />
        </LiveProvider>
      </PlaceProvider>
    </ThemeProvider>
  </StrictMode>,
);
