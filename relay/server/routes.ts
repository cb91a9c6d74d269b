/** What the relay serves by HTTP: a small table of methods and paths. */
import { AntsError } from "../../keys/errors.js";
import { agentRoutes } from "./agent-routes.js";
import { didRoutes } from "./did-routes.js";
import type { Route } from "./exchange.js";
import { handleRoutes } from "./handle-routes.js";
import { logRoutes } from "./log-routes.js";
import { stateRoutes } from "./state-routes.js";
import { treeRoutes } from "./tree-routes.js";

const ROUTES: readonly Route[] = [
  ...logRoutes,
  ...agentRoutes,
  ...didRoutes,
  ...handleRoutes,
  ...treeRoutes,
  ...stateRoutes,
];

/** Finds the route. Throws `not-found`, or `method-not-allowed` (details: allowed). HEAD is served as GET. */
export function routeOf(method: string, path: string): { route: Route; params: readonly string[] } {
  const wanted = method === "HEAD" ? "GET" : method;
  const allowed: string[] = [];
  for (const route of ROUTES) {
    const match = route.path.exec(path);
    if (match === null) continue;
    if (route.method === wanted) return { route, params: match.slice(1) };
    allowed.push(route.method);
  }
  if (allowed.length > 0) {
    throw new AntsError("method-not-allowed", `${path} takes ${allowed.join(" and ")}, not ${method}`, {
      details: { allowed },
    });
  }
  throw new AntsError("not-found", `this relay serves nothing at ${path}`);
}
