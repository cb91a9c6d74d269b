import { AntsError } from "../../../keys/errors.js";
import type { Dial } from "../../../src/client/socket/socket.js";

/** Simulations have a network of their own; whoever gets here forgot to hand it in. */
export const dial: Dial = async (url) => {
  throw new AntsError("internal", `a simulation dialled ${url} for real`);
};
