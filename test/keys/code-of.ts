import { AntsError } from "../../keys/errors.js";

/** The code of the AntsError that an action throws; "nothing thrown" when it throws none. Other errors pass through. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof AntsError) return error.code;
    throw error;
  }
  return "nothing thrown";
}
