/** Tables as they stand in a memory, drawn as those are that were built for drawing. */
import {
  LeafEnumerator,
  type StageRegime,
  type StageWalk,
  type TranslationRegime,
  type WalkMemory,
} from '../../../emulator/index.ts';
import { hexText } from '../../quantity.ts';
import type { DrawnTable, EntryRun, Layout } from './build.ts';

/** A table that is being filled in. */
interface OpenTable {
  readonly pa: number;
  readonly level: number;
  readonly iova: number;
  /** Bytes that one entry maps. */
  readonly covers: number;
  readonly bytes: number;
  readonly entries: number;
  readonly runs: EntryRun[];
  /** The entry after the last one that is drawn. */
  next: number;
}

/**
 * Draws the tables of a translation, whatever access flag and permissions say. With two stages the tables are those of stage 1, and
 * each leaf is what one page of each stage has in common.
 *
 * Does not: draw entries that are neither 0 nor valid apart from those that are 0.
 */
export function drawTables(memory: WalkMemory, regime: TranslationRegime): Layout {
  const stage = regime.stage1 ?? regime.stage2;
  const tables: DrawnTable[] = [];
  const leaves: Record<string, number> = {};
  const shared = new Set<number>();
  let tableBytes = 0;
  let mappedBytes = 0;
  if (stage === null) return { tables, tableBytes, leaves, mappedBytes, refused: [], steps: [] };
  const enumerator = new LeafEnumerator(memory);
  for (const upper of [false, true]) {
    const open: OpenTable[] = [];
    const closeTo = (level: number): void => {
      while ((open.at(-1)?.level ?? -1) >= level) fillUp(open.pop() as OpenTable, Number.POSITIVE_INFINITY);
    };
    enumerator.forEachLeaf(regime, upper, {
      table(level, iova, pa) {
        closeTo(level);
        const parent = open.at(-1);
        const shape = shapeOf(stage, upper, level);
        if (parent !== undefined) {
          const index = Math.floor((iova - parent.iova) / parent.covers);
          fillUp(parent, index);
          const value = entryAt(memory, parent.pa + index * shape.entryBytes, shape.entryBytes);
          parent.runs.push({
            first: index,
            count: 1,
            kind: 'table',
            iova,
            pa,
            size: parent.covers,
            value: hexText(value),
          });
          parent.next = index + 1;
        }
        const { covers, entries, entryBytes } = shape;
        const table: OpenTable = { pa, level, iova, covers, bytes: entries * entryBytes, entries, runs: [], next: 0 };
        open.push(table);
        tables.push(table);
        if (!shared.has(pa)) tableBytes += table.bytes;
        shared.add(pa);
      },
      leaf(iova, pa, shift, walk, low, high) {
        closeTo(walk.level + 1);
        const size = 2 ** shift;
        leaves[size] = (leaves[size] ?? 0) + 1;
        mappedBytes += size;
        const table = open.at(-1);
        if (table !== undefined) addLeaf(table, iova, pa, size, walk, low, high);
      },
    });
    closeTo(0);
  }
  return { tables, tableBytes, leaves, mappedBytes, refused: [], steps: [] };
}

function addLeaf(
  table: OpenTable,
  iova: number,
  pa: number,
  size: number,
  walk: StageWalk,
  low: number,
  high: number,
): void {
  const first = Math.floor((iova - table.iova) / table.covers);
  // Of a leaf that stage 2 cuts, and of one that stands in sixteen entries, the rest of the entries is already drawn.
  const count = Math.max(1, Math.round(size / table.covers));
  fillUp(table, first);
  const value = (BigInt(high >>> 0) << 32n) + BigInt(low >>> 0);
  const last = table.runs.at(-1);
  const attributes = value - BigInt(walk.outputAddress - (walk.outputAddress % size));
  if (
    last?.kind === 'leaf' &&
    last.size === size &&
    last.first + last.count === first &&
    last.pa + last.count * table.covers === pa &&
    BigInt(last.value) - BigInt(last.pa) === attributes
  ) {
    table.runs[table.runs.length - 1] = { ...last, count: last.count + count };
  } else table.runs.push({ first, count, kind: 'leaf', iova, pa, size, value: hexText(value) });
  table.next = Math.max(table.next, first + count);
}

/** Draws what is missing before entry `index` as invalid. */
function fillUp(table: OpenTable, index: number): void {
  const end = Math.min(index, table.entries);
  if (end <= table.next) return;
  const { next, iova, covers } = table;
  table.runs.push({
    first: next,
    count: end - next,
    kind: 'invalid',
    iova: iova + next * covers,
    pa: 0,
    size: covers,
    value: '0x0',
  });
  table.next = end;
}

/** How large a table of a level is, and what its entries map. */
function shapeOf(
  stage: StageRegime,
  upper: boolean,
  level: number,
): { covers: number; entries: number; entryBytes: number } {
  const root = upper ? stage.root1 : stage.root0;
  const granuleShift = root?.granuleShift ?? 12;
  const short = stage.family === 'short';
  const shift = short ? (level === 1 ? 20 : 12) : granuleShift + (3 - level) * (granuleShift - 3);
  const first = level === root?.startLevel;
  const bits = first ? Math.max((root?.inputBits ?? 0) - shift, 0) : short ? 8 : granuleShift - 3;
  return { covers: 2 ** shift, entries: 2 ** bits, entryBytes: short ? 4 : 8 };
}

function entryAt(memory: WalkMemory, pa: number, bytes: number): bigint {
  return memory.read(pa, bytes) ? (BigInt(memory.high >>> 0) << 32n) + BigInt(memory.low >>> 0) : 0n;
}
