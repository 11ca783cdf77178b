import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { LiveProvider } from "./data/Live";
import { PlaceProvider } from "./data/Place";
import { ThemeProvider } from "./ui/Theme";
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
