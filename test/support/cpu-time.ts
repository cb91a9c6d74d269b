/**
 * How many milliseconds of processor time this process spends in `work`. A bound on what an input may cost is set on this,
 * far above what it takes and far below what the mistake would take: the wall clock measures who else uses the machine.
 */
export function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
