import type { WalkMemory } from '../../emulator/index.ts';
import { forEachLeafRecord, type LeafOwner, type LeafRecord, type LeafScan, newLeafScan } from './leaf-list.ts';

/** One line of a summary: so many leaves, so many bytes. */
export interface LeafShare {
  leaves: number;
  bytes: number;
}

/** What the tables of an image hold, in figures. */
export interface ImageSummary {
  /** Streams that have tables. */
  streams: number;
  /** Address spaces: streams with different first-level tables. */
  spaces: number;
  leaves: number;
  bytes: number;
  /** By leaf size in bytes. */
  readonly leavesBySize: Record<string, LeafShare>;
  /** By permission: "r", "w", "rw", "". */
  readonly leavesByPermission: Record<string, LeafShare>;
  /** By memory attribute index. */
  readonly leavesByAttribute: Record<string, LeafShare>;
  /** Table pages, each once, and how often tables were reached, by level. */
  tables: number;
  readonly tablesByLevel: number[];
  /** Leaves that carry the contiguous hint. */
  contiguousLeaves: number;
  /**
   * Runs: neighbouring leaves of one size and attributes whose addresses follow each other on both sides; the share of leaves in
   * runs as long as a contiguous run of the granule says what the hint could save.
   */
  runs: number;
  longestRun: number;
  /** Runs by length, in powers of two: index i counts runs of 2^i to 2^(i+1) - 1 leaves. */
  readonly runsByLog2Length: number[];
  repeatedTables: number;
  unreadableTables: number;
}

/** Sums up the leaves of several owners. Owners that share their tables are listed each, and their tables counted once. */
export function summarise(
  memory: WalkMemory,
  owners: Iterable<LeafOwner>,
  each: (leaf: LeafRecord) => void = () => {},
): ImageSummary {
  const scan: LeafScan = newLeafScan();
  const spaces = new Set<number>();
  const summary: ImageSummary = {
    streams: 0,
    spaces: 0,
    leaves: 0,
    bytes: 0,
    leavesBySize: {},
    leavesByPermission: {},
    leavesByAttribute: {},
    tables: 0,
    tablesByLevel: scan.tablesByLevel,
    contiguousLeaves: 0,
    runs: 0,
    longestRun: 0,
    runsByLog2Length: [],
    repeatedTables: 0,
    unreadableTables: 0,
  };
  for (const owner of owners) {
    const runs = new RunCounter(summary);
    summary.streams++;
    const stage = owner.regime.stage1 ?? owner.regime.stage2;
    spaces.add(stage?.root0?.base ?? stage?.root1?.base ?? -1);
    forEachLeafRecord(memory, owner, scan, (leaf) => {
      summary.leaves++;
      summary.bytes += leaf.size;
      add(summary.leavesBySize, String(leaf.size), leaf.size);
      add(summary.leavesByPermission, leaf.perm, leaf.size);
      add(summary.leavesByAttribute, String(leaf.attridx), leaf.size);
      if (leaf.cont !== 0) summary.contiguousLeaves++;
      runs.next(leaf);
      each(leaf);
    });
    runs.end();
  }
  summary.spaces = spaces.size;
  summary.tables = scan.tables.size;
  summary.repeatedTables = scan.repeatedTables;
  summary.unreadableTables = scan.unreadableTables;
  return summary;
}

function add(shares: Record<string, LeafShare>, key: string, bytes: number): void {
  let share = shares[key];
  if (share === undefined) {
    share = { leaves: 0, bytes: 0 };
    shares[key] = share;
  }
  share.leaves++;
  share.bytes += bytes;
}

/** Finds runs in leaves that come in address order. */
class RunCounter {
  readonly #summary: ImageSummary;
  #length = 0;
  #iova = 0n;
  #pa = 0n;
  #kind = '';

  constructor(summary: ImageSummary) {
    this.#summary = summary;
  }

  next(leaf: LeafRecord): void {
    const iova = BigInt(leaf.iova);
    const pa = BigInt(leaf.pa);
    const kind = `${leaf.size} ${leaf.perm} ${leaf.attridx} ${leaf.sh} ${leaf.pxn} ${leaf.xn} ${leaf.ng}`;
    if (this.#length === 0 || iova !== this.#iova || pa !== this.#pa || kind !== this.#kind) {
      this.end();
      this.#kind = kind;
    }
    this.#length++;
    this.#iova = iova + BigInt(leaf.size);
    this.#pa = pa + BigInt(leaf.size);
  }

  end(): void {
    if (this.#length === 0) return;
    const summary = this.#summary;
    summary.runs++;
    summary.longestRun = Math.max(summary.longestRun, this.#length);
    const log2 = Math.floor(Math.log2(this.#length));
    while (summary.runsByLog2Length.length <= log2) summary.runsByLog2Length.push(0);
    summary.runsByLog2Length[log2] = (summary.runsByLog2Length[log2] ?? 0) + 1;
    this.#length = 0;
  }
}
