import { LiveRanges } from '../emulator/index.ts';
import { allocIoPgtable, Gfp, Prng } from '../formats/index.ts';
import { CountingFlush, newMachine } from './page-table/machines.ts';
import { PAGE, PROT } from './page-table/span.ts';

/** Operations that are timed at each size. */
const TIMED = 100_000;
const ROUNDS = 3;

/** What one operation costs beside so many things that stand already. */
interface Growth {
  readonly name: string;
  readonly sizes: readonly number[];
  /** Makes so many things. @returns what does {@link TIMED} operations beside them */
  prepare(size: number): () => void;
}

/** A place below `2 ** bits` for each number, in an order without pattern (multiplicative hashing, Knuth 6.4). */
function placeOf(at: number, bits: number): number {
  return (Math.imul(at, 0x9e37_79b1) >>> 0) >>> (32 - bits);
}

/** A range put between two others at a random place, and taken away again. */
function liveRanges(size: number): () => void {
  const ranges = new LiveRanges();
  const random = new Prng(1);
  // Twice as many places as ranges, in ascending order: the blocks are filled as by a long run of maps.
  for (let at = 0; at < size; at++) ranges.insert(2 * at * PAGE, (2 * at + 1) * PAGE, at);
  return () => {
    for (let done = 0; done < TIMED; done += 2) {
      const place = (2 * random.below(size) + 1) * PAGE;
      ranges.insert(place, place + PAGE, 0);
      ranges.remove(place, place + PAGE);
    }
  };
}

/** Ranges put at new places all over a set, so that its blocks are cut again and again. */
function freshRanges(size: number): () => void {
  const ranges = new LiveRanges();
  for (let at = 0; at < size; at++) ranges.insert(64 * at * PAGE, (64 * at + 1) * PAGE, at);
  let round = 0;
  const bits = Math.floor(Math.log2(size));
  return () => {
    round++;
    for (let at = 0; at < TIMED; at++) {
      const start = (64 * placeOf(at, bits) + round + ROUNDS * Math.floor(at / 2 ** bits) + 1) * PAGE;
      if (!ranges.overlaps(start, start + PAGE)) ranges.insert(start, start + PAGE, 0);
    }
  };
}

/** A page in each of so many tables of the last level. */
function tables(size: number): () => void {
  const machine = newMachine();
  const config = {
    format: 'ARM_64_LPAE_S1',
    pageSizes: PAGE,
    ias: 48,
    oas: 48,
    tlb: new CountingFlush(),
  } as const;
  const table = allocIoPgtable(config, machine, null);
  const reach = 2 ** 21;
  for (let at = 0; at < size; at++) table.mapPages(at * reach, PAGE, PAGE, 1, PROT, Gfp.KERNEL);
  const random = new Prng(1);
  return () => {
    for (let done = 0; done < TIMED; done += 2) {
      const iova = random.below(size) * reach + PAGE;
      table.mapPages(iova, PAGE, PAGE, 1, PROT, Gfp.KERNEL);
      table.unmapPages(iova, PAGE, 1, null);
    }
  };
}

/** So many page tables, one for each domain, of which one is used at a time. */
function domains(size: number): () => void {
  const machine = newMachine();
  const all = Array.from({ length: size }, () => ({
    ranges: new LiveRanges(),
    table: allocIoPgtable(
      { format: 'ARM_64_LPAE_S1', pageSizes: PAGE, ias: 48, oas: 48, tlb: new CountingFlush() },
      machine,
      null,
    ),
  }));
  for (const { table } of all) table.mapPages(0, PAGE, PAGE, 1, PROT, Gfp.KERNEL);
  const random = new Prng(1);
  return () => {
    for (let done = 0; done < TIMED; done += 2) {
      const one = all[random.below(size)];
      if (one === undefined) continue;
      one.ranges.insert(PAGE, 2 * PAGE, 0);
      one.table.mapPages(PAGE, PAGE, PAGE, 1, PROT, Gfp.KERNEL);
      one.table.unmapPages(PAGE, PAGE, 1, null);
      one.ranges.remove(PAGE, 2 * PAGE);
    }
  };
}

const GROWTHS: readonly Growth[] = [
  {
    name: 'live ranges: put in and taken out again',
    sizes: [10_000, 100_000, 1_000_000, 10_000_000],
    prepare: liveRanges,
  },
  { name: 'live ranges: put in at new places', sizes: [10_000, 100_000, 1_000_000, 10_000_000], prepare: freshRanges },
  // A table takes 4 KiB of this machine's memory: a million of them would take 4 GiB.
  { name: 'last-level tables: a page mapped and unmapped', sizes: [1000, 10_000, 100_000], prepare: tables },
  { name: 'domains: a page mapped and unmapped', sizes: [100, 1000, 10_000], prepare: domains },
];

/**
 * What an operation costs beside ten times as many things, and ten times as many again, by the processor's time: at most the logarithm of their
 * number should show, and what the processor's caches do no longer hold.
 *
 * Does not: a million tables at once, which take 4 GiB.
 */
export function printGrowth(): void {
  console.log('\nGrowth: ns of processor time per operation, the least of three rounds');
  for (const { name, sizes, prepare } of GROWTHS) {
    let first = 0;
    for (const size of sizes) {
      const work = prepare(size);
      work();
      let least = Number.POSITIVE_INFINITY;
      for (let round = 0; round < ROUNDS; round++) {
        const { user } = process.cpuUsage();
        work();
        least = Math.min(least, ((process.cpuUsage().user - user) * 1000) / TIMED);
      }
      if (first === 0) first = least;
      const cells = [size.toLocaleString('en'), least.toFixed(0), `${(least / first).toFixed(1)}x`];
      console.log(name.padEnd(52) + cells.map((cell) => cell.padStart(14)).join(''));
    }
  }
}
