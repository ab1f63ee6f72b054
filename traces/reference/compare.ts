/** One figure that is not as the reference says. */
export interface FigureDifference {
  /** Dotted name, for example `stats.smmu.cfg.totalMisses`. */
  readonly figure: string;
  /** What the reference says; null where it has no such figure. */
  readonly expected: unknown;
  readonly found: unknown;
  /** found / expected - 1; null where that means nothing. */
  readonly relative: number | null;
}

/** Figures that the reference's own tool adds and that say nothing about the machine: hash of the trace file, names. */
const IGNORED = new Set(['name', 'trace.sha256']);
/** The reference prints six decimals. */
const PRINTED = 2e-6;
/** And its means come out of sums in another order. */
const ROUNDING = 1e-9;

/** Compares every figure of a reference with ours. A histogram's ties beyond its fortieth entry are equal by count. */
export function compareFigures(
  expected: Readonly<Record<string, unknown>>,
  found: Readonly<Record<string, unknown>>,
  allLatencies: ReadonlyMap<number, number>,
): FigureDifference[] {
  const differences: FigureDifference[] = [];
  compareObjects('', expected, found, differences, allLatencies);
  return differences;
}

function compareObjects(
  path: string,
  expected: Readonly<Record<string, unknown>>,
  found: Readonly<Record<string, unknown>>,
  differences: FigureDifference[],
  latencies: ReadonlyMap<number, number>,
): void {
  for (const [name, value] of Object.entries(expected)) {
    const figure = path === '' ? name : `${path}.${name}`;
    if (IGNORED.has(figure)) continue;
    const ours = found[name];
    if (figure === 'latency_histogram_top40') {
      compareLatencies(figure, value as Readonly<Record<string, number>>, latencies, differences);
    } else if (isObject(value)) {
      compareObjects(figure, value, isObject(ours) ? ours : {}, differences, latencies);
    } else if (!equal(value, ours)) {
      differences.push(difference(figure, value, ours));
    }
  }
  for (const [name, ours] of Object.entries(found)) {
    const figure = path === '' ? name : `${path}.${name}`;
    if (name in expected || figure === 'latency_histogram_top40') continue;
    // Tables that the reference leaves out altogether are not compared; an entry too many in one it has is.
    if (path !== '' && !isObject(ours)) differences.push(difference(figure, null, ours));
    else if (path === 'trace.kinds') differences.push(difference(`${figure}.n`, 0, (ours as { n: number }).n));
  }
}

function compareLatencies(
  figure: string,
  expected: Readonly<Record<string, number>>,
  latencies: ReadonlyMap<number, number>,
  differences: FigureDifference[],
): void {
  const listed = Object.entries(expected);
  for (const [cycles, count] of listed) {
    const ours = latencies.get(Number(cycles)) ?? 0;
    if (ours !== count) differences.push(difference(`${figure}.${cycles}`, count, ours));
  }
  const rarest = Math.min(...listed.map(([, count]) => count));
  for (const [cycles, count] of latencies) {
    if (Object.hasOwn(expected, cycles.toFixed(1))) continue;
    if (listed.length < 40 || count > rarest) differences.push(difference(`${figure}.${cycles}`, 0, count));
  }
}

function equal(expected: unknown, found: unknown): boolean {
  if (expected === found) return true;
  if (typeof expected !== 'number' || typeof found !== 'number') return false;
  if (Number.isInteger(expected) && Number.isInteger(found)) return false;
  const distance = Math.abs(expected - found);
  return distance <= PRINTED || distance <= ROUNDING * Math.abs(expected);
}

function difference(figure: string, expected: unknown, found: unknown): FigureDifference {
  const relative =
    typeof expected === 'number' && typeof found === 'number' && expected !== 0 ? found / expected - 1 : null;
  return { figure, expected, found: found ?? null, relative };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
