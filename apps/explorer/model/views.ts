/** From a rig to what the page shows of it. */

import { cacheContents, probedSets, type StageRegime, type WalkMemory } from '../../../emulator/index.ts';
import { hexText } from '../../../formats/index.ts';
import {
  type DrawnTable,
  drawTables,
  explainEntry,
  FINDING_MEANINGS,
  type NewerValue,
  narrateLook,
  narrateWalk,
  splitAddress,
  type TranslationStory,
  tableFormat,
} from '../../../traces/browser.ts';
import type { Rig, RigSpace, RigTable } from './rig.ts';
import type { CacheView, EntryView, FindingView, SpaceView, TreeView } from './snapshot.ts';

/** Tables of a tree that are shown at once, besides those on the way of the address. */
const MOST_TABLES = 24;
/** Newest findings that are shown. */
const MOST_FINDINGS = 20;
const LONGEST_TEXT = 600;

/** The tables of an address space, those on the way of `address` among them. */
export function spaceView(rig: Rig, space: RigSpace, address: bigint): SpaceView {
  const { number, title, asid, vmid, regime } = space;
  const onWay = new Set<string>();
  const way: { stage: 1 | 2; address: number; index: number }[] = [];
  if (regime !== null) {
    for (const step of narrateWalk(rig.cpuMemory, regime, address).steps) {
      if (step.kind !== 'descriptor') continue;
      onWay.add(`${step.stage} ${Number(step.pa)}`);
      way.push({ stage: step.stage, address: Number(step.address), index: step.index });
    }
  }
  return { number, title, asid, vmid, way, trees: space.tables.map((tree) => treeView(rig, tree, onWay)) };
}

function treeView(rig: Rig, tree: RigTable, onWay: ReadonlySet<string>): TreeView {
  const { stage, regime, toPa } = tree;
  const root = stageOf(tree);
  const drawn = drawTables(stageMemory(rig.cpuMemory, toPa), regime);
  const ways = [...onWay].filter((way) => way.startsWith(`${stage} `)).map((way) => Number(way.slice(2)));
  const tables = signedTables(drawn.tables, root).filter(({ pa, bytes }, at) => {
    const from = toPa(pa);
    return at < MOST_TABLES || ways.some((address) => address >= from && address < from + bytes);
  });
  return {
    stage,
    tables,
    tableCount: drawn.tables.length,
    tableBytes: drawn.tableBytes,
    mappedBytes: drawn.mappedBytes,
    leaves: drawn.leaves,
    entryBytes: root.family === 'short' ? 4 : 8,
    lastLevel: root.family === 'short' ? 2 : 3,
  };
}

/** Tables below TTBR1 have the addresses of the upper half, as signed 64-bit numbers. They come behind those below TTBR0. */
function signedTables(tables: readonly DrawnTable[], { root1 }: StageRegime): readonly DrawnTable[] {
  const first = root1 === null ? -1 : tables.findIndex(({ pa }) => pa === root1.base);
  if (root1 === null || first < 0) return tables;
  const signed = <T extends { readonly iova: number }>(one: T): T => ({
    ...one,
    iova: one.iova - 2 ** root1.inputBits,
  });
  return tables.map((table, at) => (at < first ? table : { ...signed(table), runs: table.runs.map(signed) }));
}

function stageOf({ regime }: RigTable): StageRegime {
  return (regime.stage1 ?? regime.stage2) as StageRegime;
}

/** Memory by the addresses of a stage: an IPA is where stage 2 puts it. */
function stageMemory(memory: WalkMemory, toPa: (address: number) => number): WalkMemory {
  return {
    get low() {
      return memory.low;
    },
    get high() {
      return memory.high;
    },
    read: (address, bytes) => memory.read(toPa(address), bytes),
    replace: () => false,
  };
}

function entryAt(memory: WalkMemory, pa: number, bytes: number): bigint {
  if (!memory.read(pa, bytes)) return 0n;
  return (BigInt(memory.high >>> 0) << 32n) | BigInt(memory.low >>> 0);
}

/** What the walker would meet on the way to an address, with all caches empty. */
export function lookAt(rig: Rig, space: RigSpace, address: bigint): TranslationStory | null {
  return space.regime === null ? null : narrateLook(rig.walkerMemory, space.regime, address, newerIn(rig));
}

/** Tells what the CPU sees at an address where the walker sees something else. */
function newerIn(rig: Rig): NewerValue {
  return (pa, low, high) => {
    const { cpuMemory } = rig;
    if (!cpuMemory.read(pa, 8)) return null;
    // What a short descriptor's word is read with, and marks that only software reads, are no difference.
    const same = cpuMemory.low >>> 0 === low && ((cpuMemory.high ^ high) & ~0x0780_0000) === 0;
    return same || rig.walkerMemory === cpuMemory ? null : `0x${entryAt(cpuMemory, pa, 8).toString(16)}`;
  };
}

/** Where the descriptor is that a walk of an address reads at a level of stage 1 (or of the only stage); -1 where it does not get there. */
export function descriptorPa(rig: Rig, space: RigSpace, address: bigint, level: number): number {
  if (space.regime === null) return -1;
  const first = space.regime.stage1 === null ? 2 : 1;
  const { steps } = narrateWalk(rig.cpuMemory, space.regime, address);
  const step = steps.find((one) => one.kind === 'descriptor' && one.stage === first && one.level === level);
  return step?.kind === 'descriptor' ? Number(step.pa) : -1;
}

/** One descriptor of a table. */
export function entryView(rig: Rig, space: RigSpace, stage: 1 | 2, tablePa: number, index: number): EntryView | null {
  const tree = space.tables.find((one) => one.stage === stage);
  if (tree === undefined) return null;
  const { regime, toPa } = tree;
  const root = stageOf(tree);
  const bytes = root.family === 'short' ? 4 : 8;
  const drawn = drawTables(stageMemory(rig.cpuMemory, toPa), regime);
  const table = signedTables(drawn.tables, root).find(({ pa }) => pa === tablePa);
  if (table === undefined || !(index >= 0 && index < table.bytes / bytes)) return null;
  const { level, iova } = table;
  const granuleShift = root.root0?.granuleShift ?? root.root1?.granuleShift ?? 12;
  const covers = 2 ** (bytes === 4 ? 20 - 8 * (level - 1) : granuleShift + (3 - level) * (granuleShift - 3));
  const at = toPa(tablePa) + index * bytes;
  const value = entryAt(rig.walkerMemory, at, bytes);
  const seen = entryAt(rig.cpuMemory, at, bytes);
  return {
    stage,
    level,
    index,
    pa: hexText(at),
    iova: `0x${BigInt.asUintN(64, BigInt(iova + index * covers)).toString(16)}`,
    covers,
    structure: explainEntry(value, { format: tableFormat(root), level, granuleShift }),
    newer: seen === value ? null : hexText(seen),
  };
}

/** The caches that the device's accesses go through, and where a lookup of the address would look. */
export function cacheViews({ device }: Rig, space: RigSpace | undefined, address: bigint): CacheView[] {
  const { caches } = device.mmu;
  const half = space?.regime == null ? null : splitAddress(space.regime, address);
  const iova = half?.address ?? Number(BigInt.asUintN(52, address));
  const stages = space?.tables.map(({ stage }) => stage) ?? [1, 2];
  const all = [
    ...caches.tbus.flatMap(({ microTlb, mainTlb }) => [microTlb, mainTlb]),
    caches.tlb,
    ...caches.walk.arrays,
    caches.ipa,
    caches.configuration,
  ].filter((cache) => cache !== null);
  return cacheContents(caches)
    .map((contents, at): CacheView => {
      const cache = all[at];
      const isConfiguration = contents.role === 'configuration cache';
      return {
        ...contents,
        probed: cache === undefined || isConfiguration ? [] : probedSets(cache, iova, half?.upper),
      };
    })
    .filter(({ role, entries, name }) => {
      if (entries.length > 0) return true;
      // Of TBUs that nobody uses, and of stages that there are not, nothing is ever seen.
      if (role === 'walk cache') return !/S\d/.test(name) || stages.some((stage) => name.includes(`S${stage}`));
      return !/TLB \d+$/.test(name) || name.endsWith(' 0');
    });
}

export function findingViews({ findings }: Rig): FindingView[] {
  return findings.slice(-MOST_FINDINGS).map(({ kind, detail, iova, level }) => ({
    kind,
    meaning: FINDING_MEANINGS[kind],
    detail: detail.slice(0, LONGEST_TEXT),
    iova: hexText(iova),
    level: level ?? null,
  }));
}
