/**
 * Measuring: each row is the median of several runs of some work, next to a baseline loop that does the least possible work of
 * the same shape, run alternately in the same process, so that their ratio holds on any machine.
 */

/** One thing to measure. */
export interface Benchmark {
  readonly name: string;
  /** What one item is: "PTE", "call", "translation". */
  readonly unit: string;
  /** Items in one run of {@link work}, and of {@link baseline}. */
  readonly items: number;
  /** Undoes or prepares what a run needs; not timed. */
  prepare?(): void;
  work(): void;
  baseline(): void;
  /** What the same takes elsewhere, in ns per item, for comparison: measured natively or a target. */
  readonly reference?: number;
}

/** A measured benchmark. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  /** Nanoseconds per item, the median over the runs. */
  readonly nanoseconds: number;
  /** Nanoseconds per item of the baseline loop. */
  readonly baseline: number;
  readonly reference: number | null;
}

const RUNS = 41;
/** Enough for the optimising compiler to have seen everything and to have settled. */
const WARM_UP_RUNS = 30;

/** Runs a benchmark. */
export function measure(benchmark: Benchmark): Row {
  const work: number[] = [];
  const baseline: number[] = [];
  for (let run = 0; run < WARM_UP_RUNS + RUNS; run++) {
    benchmark.prepare?.();
    const worked = time(() => benchmark.work());
    const least = time(() => benchmark.baseline());
    if (run < WARM_UP_RUNS) continue;
    work.push(worked / benchmark.items);
    baseline.push(least / benchmark.items);
  }
  const { name, unit } = benchmark;
  const reference = benchmark.reference ?? null;
  return { name, unit, nanoseconds: median(work), baseline: median(baseline), reference };
}

function time(work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start);
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Measures a group of benchmarks and prints it as a table. */
export function printGroup(title: string, benchmarks: readonly Benchmark[]): void {
  console.log(`\n${title}`);
  console.log(line(['', 'ns per item', 'baseline ns', 'ratio', 'native ns']));
  for (const benchmark of benchmarks) {
    const row = measure(benchmark);
    console.log(
      line([
        `${row.name}, per ${row.unit}`,
        row.nanoseconds.toFixed(2),
        row.baseline.toFixed(2),
        (row.nanoseconds / row.baseline).toFixed(1),
        row.reference === null ? '' : String(row.reference),
      ]),
    );
  }
}

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(56) : cell.padStart(13))).join('');
}
