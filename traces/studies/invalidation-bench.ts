import { FixedContexts, Mmu, PRESETS, type WalkMemory } from '../../emulator/index.ts';
import { SM8150_FIT, unmapBuffer } from './sm8150.ts';

/**
 * What an invalidation costs, against what people have measured and published. No vendor and no paper gives the price of a single TLBI or
 * walk, only of whole operations; so the parameters here are set so that the totals come out, and how they split is assumed.
 */

/** One published figure and ours. */
export interface InvalidationRow {
  readonly what: string;
  /** Nanoseconds, as published. */
  readonly published: number;
  /** Nanoseconds of the model: at 1 GHz a cycle is one. */
  readonly ours: number;
  /** ours / published - 1. */
  readonly error: number;
}

/** A published table. */
export interface InvalidationTable {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  /** What was set so that the totals come out. */
  readonly calibrated: string;
  readonly rows: readonly InvalidationRow[];
}

/** Walks are not part of these measurements. */
const NO_MEMORY: WalkMemory = { low: 0, high: 0, read: () => false, replace: () => false };

/** Nanoseconds of a write that a CPU polls on, and of one way to the memory of another socket. Assumed. */
const MSI_WRITE = 90;
const REMOTE_HOP = 135;

/**
 * A command queue that many CPUs share. All of them pull at the same cache lines, those that insert and those that poll for completion, so
 * each gets one of N turns: a phase that takes `alone` ns for one CPU takes N turns when they are the bottleneck. Every further contender
 * also makes an insertion fail more often, which lengthens the turns. Fitted to hi1620; assumed.
 */
const SHARED_QUEUE = {
  /** Nanoseconds of unmap and insertion, and of the wait for the SYNC, with no competitor. */
  insertAlone: 1060,
  syncAlone: 900,
  /** Nanoseconds of a turn with the line, and what each contender adds to it. */
  insertTurn: 206,
  insertRetry: 6.3,
  syncTurn: 252,
} as const;

/** Time of one strict unmap when `cpus` CPUs do the same: until its commands are in the queue, and until its SYNC is complete. */
export function sharedQueueUnmap(cpus: number): { readonly insert: number; readonly sync: number } {
  const { insertAlone, syncAlone, insertTurn, insertRetry, syncTurn } = SHARED_QUEUE;
  return {
    insert: Math.max(insertAlone, cpus * (insertTurn + insertRetry * cpus)),
    sync: Math.max(syncAlone, cpus * syncTurn),
  };
}

/** All published tables with our figures beside them. */
export function benchInvalidation(): InvalidationTable[] {
  return [syncTable(), perAddressTable(), threadsTable()];
}

function row(what: string, published: number, ours: number): InvalidationRow {
  return { what, published, ours, error: ours / published - 1 };
}

function syncTable(): InvalidationTable {
  const mmu = new Mmu(PRESETS['mmu-600-agilex5'], NO_MEMORY, new FixedContexts());
  const sync = mmu.invalidation.sync(0);
  return {
    name: 'sync',
    title: 'CMD_SYNC on an empty queue',
    source: 'arm-kernel list',
    calibrated: 'invalidation.broadcast, invalidation.sync; the MSI write and the hop to a remote node',
    rows: [
      row('waking by SEV', 190, sync),
      row('polling on the MSI', 280, sync + MSI_WRITE),
      row('polling, queue on the remote node', 550, sync + MSI_WRITE + 2 * REMOTE_HOP),
    ],
  };
}

function perAddressTable(): InvalidationTable {
  const rows: InvalidationRow[] = [];
  const published = [
    { mib: 2, byAddress: 67_000, byAsid: 5_400 },
    { mib: 16, byAddress: 518_000, byAsid: 27_000 },
    { mib: 32, byAddress: 1_033_000, byAsid: 52_000 },
  ];
  for (const { mib, byAddress } of published) {
    rows.push(row(`unmap ${mib} MiB, one TLBI per page`, byAddress, unmapBuffer(mib, false).nanoseconds));
  }
  for (const { mib, byAsid } of published) {
    rows.push(row(`unmap ${mib} MiB, one ASID flush per 2 MiB`, byAsid, unmapBuffer(mib, true).nanoseconds));
  }
  return {
    name: 'sm8150',
    title: 'SM8150 SMMUv2: per-address TLBI against flushing the ASID',
    source: 'iommu list, 2021',
    calibrated: SM8150_FIT,
    rows,
  };
}

function threadsTable(): InvalidationTable {
  const published = [
    { cpus: 1, total: 1_960, sync: 900 },
    { cpus: 16, total: 8_900, sync: 4_000 },
    { cpus: 32, total: 22_000, sync: 6_900 },
    { cpus: 64, total: 61_000, sync: 16_700 },
    { cpus: 96, total: 102_000, sync: 24_400 },
  ];
  return {
    name: 'hi1620',
    title: 'hi1620: a strict unmap with many CPUs on one command queue',
    source: 'arm-kernel list, cmdq series',
    calibrated: 'turns on the shared queue',
    rows: published.flatMap(({ cpus, total, sync }) => {
      const ours = sharedQueueUnmap(cpus);
      const name = cpus === 1 ? '1 CPU' : `${cpus} CPUs`;
      return [
        row(`${name}, whole unmap`, total, ours.insert + ours.sync),
        row(`${name}, waiting for CMD_SYNC`, sync, ours.sync),
      ];
    }),
  };
}
