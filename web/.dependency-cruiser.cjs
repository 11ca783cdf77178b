// A room imports only from rooms before it. The order is the data flow: values, the stream and the store, components.
const PAGES = ["waiting", "pulls", "nodes", "rollout", "history"].map((page) => `src/pages/${page}/`);
const ROOMS = [["src/model/"], ["src/data/"], ["src/ui/"], ["src/pages/shared/"], PAGES, ["src/app/"]];
const below = ROOMS.flatMap((room, index) =>
  room.map((folder) => ({
    name: `${folder} imports only from rooms before it`,
    severity: "error",
    from: { path: `^${folder}`, pathNot: "\\.test\\.tsx?$" },
    to: { path: [...room.filter((other) => other !== folder), ...ROOMS.slice(index + 1).flat(), "src/testing/"].map((each) => `^${each}`) },
  })),
);

module.exports = {
  forbidden: [{ name: "no circles", severity: "error", from: {}, to: { circular: true } }, ...below],
  // Imports of types count too.
  options: { tsPreCompilationDeps: true, tsConfig: { fileName: "tsconfig.json" }, doNotFollow: { path: "node_modules" } },
};
