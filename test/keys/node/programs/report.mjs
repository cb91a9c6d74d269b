/** Runs an action and prints what came of it as one line of JSON: {"ok": value} or {"code", "message", "hint"}. */
export async function report(action) {
  try {
    console.log(JSON.stringify({ ok: (await action()) ?? true }));
  } catch (error) {
    const { code, message, hint } = error;
    console.log(JSON.stringify({ code, message, hint }));
  }
}
