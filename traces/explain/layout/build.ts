/** Tables built from a few mappings, and what stands in them. */
import {
  type AllocatorTotals,
  allocIoPgtable,
  createAllocatorStack,
  errnoName,
  Gfp,
  type IoPgtable,
  type IoPgtableFormat,
  type IotlbGather,
  type LinuxVersion,
  leafSizes,
  mapReservation,
  newGather,
  PageCutter,
  Prot,
  type SplitPolicy,
  unmapReservation,
} from '../../../formats/index.ts';
import { hexText } from '../../quantity.ts';
import { DrawingBoard } from './drawing-board.ts';

/** What the tables are for. */
export interface LayoutShape {
  readonly format: IoPgtableFormat;
  readonly granuleShift: number;
  readonly ias: number;
  readonly oas: number;
  /** Walks that do not see the CPU's caches: the steps show what is cleaned. */
  readonly nonCoherent?: boolean;
  /** Kernel whose page-table code is followed; default 6.12. */
  readonly linux?: LinuxVersion;
  /** What an unmap of a part of a block does; default what that kernel does. */
  readonly split?: SplitPolicy;
  /** Sets the contiguous hint on whole runs of leaves; default not, as Linux. */
  readonly contiguous?: boolean;
  /** Where tables come from, layer by layer, as `--allocator` takes it; default straight from the board. */
  readonly allocator?: string;
}

/** One edit. */
export interface LayoutEdit {
  readonly kind: 'map' | 'unmap';
  readonly iova: number;
  /** Of a map. */
  readonly pa: number;
  readonly size: number;
  /** Linux IOMMU_* bits, of a map. */
  readonly prot: number;
}

/** Entries of a table that are alike and follow one another. */
export interface EntryRun {
  readonly first: number;
  readonly count: number;
  readonly kind: 'invalid' | 'table' | 'leaf';
  readonly iova: number;
  /** Of the first entry: what it points to. */
  readonly pa: number;
  /** Bytes that one entry maps. */
  readonly size: number;
  /** The first descriptor. */
  readonly value: string;
}

export interface DrawnTable {
  readonly pa: number;
  readonly level: number;
  readonly bytes: number;
  readonly iova: number;
  readonly runs: readonly EntryRun[];
}

export interface Layout {
  readonly tables: readonly DrawnTable[];
  readonly tableBytes: number;
  /** Leaves by their size in bytes. */
  readonly leaves: Readonly<Record<string, number>>;
  readonly mappedBytes: number;
  /** What an edit answered when it did not succeed. */
  readonly refused: readonly string[];
  readonly steps: readonly string[];
  /** Of a layout with an allocator. */
  readonly allocator?: AllocatorTotals;
}

const ROOM = 64 * 2 ** 20;
const SHORT_SIZES = 2 ** 12 + 2 ** 16 + 2 ** 20 + 2 ** 24;

/** @throws ConfigError for a shape that the format refuses, or an allocator that cannot be */
export function buildLayout(shape: LayoutShape, edits: readonly LayoutEdit[], steps: boolean): Layout {
  const board = new DrawingBoard(ROOM, steps);
  const { format, granuleShift, nonCoherent, allocator, ...given } = shape;
  const pageSizes = format === 'ARM_V7S' ? SHORT_SIZES : leafSizes(granuleShift, shape.oas);
  const stack =
    allocator === undefined
      ? null
      : createAllocatorStack(allocator, {
          system: board.system,
          memory: board.machine.memory,
          tableSize: 2 ** granuleShift,
        });
  const config = { ...given, format, pageSizes, coherentWalk: nonCoherent !== true, allocator: stack, tlb: board.tlb };
  const table = allocIoPgtable(config, board.machine, null);
  const cutter = new PageCutter(table.config.pageSizes);
  const refused: string[] = [];
  for (const [number, edit] of edits.entries()) {
    const { kind, iova, pa, size } = edit;
    board.heading(`${kind} ${hexText(iova)} ${kind === 'map' ? `${hexText(pa)} ` : ''}${hexText(size)}`);
    const needed =
      kind === 'map'
        ? mapReservation(table.geometry, iova, size)
        : unmapReservation(table.geometry, table.config.pageSizes, iova, size, table.config.split);
    const begun = stack?.beginOperation(number, needed, table) ?? true;
    const error = begun ? applyEdit(table, cutter, edit, newGather()) : 'ENOMEM, no tables to reserve';
    stack?.endOperation();
    if (kind === 'unmap') board.heading('iotlb_sync: the TLBI of what was gathered, and wait');
    if (error !== '') refused.push(`${kind} ${hexText(iova)}: ${error}`);
  }
  const made = { ...drawn(table, board), refused, steps: board.steps };
  return stack === null ? made : { ...made, allocator: stack.report().total };
}

/** As Linux's iommu_map and iommu_unmap do it: the largest pages that fit, until all is done. Empty when it is. */
export function applyEdit(
  table: IoPgtable,
  cutter: PageCutter,
  { kind, iova, pa, size, prot }: LayoutEdit,
  gather: IotlbGather,
): string {
  if (!cutter.aligned(iova, kind === 'map' ? pa : 0, size)) return 'EINVAL, not aligned to the smallest page';
  let done = 0;
  while (done < size) {
    cutter.choose(iova + done, kind === 'map' ? pa + done : iova + done, size - done);
    if (kind === 'map') {
      const error = table.mapPages(iova + done, pa + done, cutter.pageSize, cutter.count, prot, Gfp.KERNEL);
      done += table.mapped;
      if (error !== 0) return errnoName(error);
    } else {
      const gone = table.unmapPages(iova + done, cutter.pageSize, cutter.count, gather);
      if (gone === 0) return `${done} of ${size} bytes unmapped`;
      done += gone;
    }
  }
  return '';
}

interface Leaf {
  readonly pa: number;
  readonly size: number;
}

function drawn(table: IoPgtable, board: DrawingBoard): Omit<Layout, 'refused' | 'steps'> {
  const leafAt = new Map<number, Leaf>();
  const leaves: Record<string, number> = {};
  let mappedBytes = 0;
  table.visitLeaves((_iova, pa, size, _level, _low, _high, descriptorPa) => {
    leafAt.set(descriptorPa, { pa, size });
    leaves[size] = (leaves[size] ?? 0) + 1;
    mappedBytes += size;
  });
  const bytes = table.config.format === 'ARM_V7S' ? 4 : 8;
  const tables: DrawnTable[] = [];
  let tableBytes = 0;
  table.visitTables((pa, level, size, iova) => {
    const covers = table.geometry.blockSizes[level] ?? 1;
    tables.push({ pa, level, bytes: size, iova, runs: runsOf(board, leafAt, { pa, size, iova, covers, bytes }) });
    tableBytes += size;
  });
  return { tables, tableBytes, leaves, mappedBytes };
}

interface TablePlace {
  readonly pa: number;
  readonly size: number;
  readonly iova: number;
  readonly covers: number;
  readonly bytes: number;
}

/** Folds the entries of a table: holes, and leaves that map what follows with the same attributes. */
function runsOf(board: DrawingBoard, leafAt: ReadonlyMap<number, Leaf>, place: TablePlace): EntryRun[] {
  const { pa, size, iova, covers, bytes } = place;
  const runs: EntryRun[] = [];
  let attributes = 0n;
  for (let first = 0; first < size / bytes; first++) {
    const value = board.entry(pa + first * bytes, bytes);
    const leaf = leafAt.get(pa + first * bytes);
    const last = runs.at(-1);
    const kind = value === 0n ? 'invalid' : leaf === undefined ? 'table' : 'leaf';
    // A large page of the short format stands in sixteen entries, of which the first is its leaf.
    const repeats = last?.kind === 'leaf' && kind === 'table' && value === BigInt(last.value);
    const target = leaf?.pa ?? 0;
    const own = leaf === undefined ? 0n : value - BigInt(target);
    const follows = last !== undefined && target === last.pa + last.count * covers && own === attributes;
    if (last !== undefined && last.kind === kind && (kind === 'invalid' || (kind === 'leaf' && follows))) {
      runs[runs.length - 1] = { ...last, count: last.count + 1 };
    } else if (last !== undefined && repeats) runs[runs.length - 1] = { ...last, count: last.count + 1 };
    else {
      attributes = own;
      const next = kind === 'table' ? Number(value & (bytes === 4 ? 0xffff_fc00n : 0xffff_ffff_f000n)) : target;
      runs.push({
        first,
        count: 1,
        kind,
        iova: iova + first * covers,
        pa: next,
        size: leaf?.size ?? covers,
        value: hexText(value),
      });
    }
  }
  return runs;
}

/** `map 0x40000000 0x80000000 2M rw`, `unmap 0x40000000 4k`; null for anything else. */
export function parseEdit(text: string): LayoutEdit | null {
  const [kind, ...words] = text.trim().split(/\s+/);
  if (kind !== 'map' && kind !== 'unmap') return null;
  const numbers = words.slice(0, kind === 'map' ? 3 : 2).map(bytesOf);
  const [rights = 'rw', ...more] = words.slice(numbers.length);
  if (numbers.length < (kind === 'map' ? 3 : 2) || more.length > 0 || !/^[rwxcmp]+$/.test(rights)) return null;
  if (numbers.some((number) => !Number.isSafeInteger(number) || number < 0)) return null;
  const [iova = 0, second = 0, third = 0] = numbers;
  if (kind === 'unmap') return { kind, iova, pa: 0, size: second, prot: 0 };
  let prot = rights.includes('x') ? 0 : Prot.NOEXEC;
  for (const [letter, bit] of [
    ['r', Prot.READ],
    ['w', Prot.WRITE],
    ['c', Prot.CACHE],
    ['m', Prot.MMIO],
    ['p', Prot.PRIV],
  ] as const) {
    if (rights.includes(letter)) prot |= bit;
  }
  return { kind, iova, pa: second, size: third, prot };
}

function bytesOf(text: string): number {
  const [, digits = '', unit = ''] = /^(0x[0-9a-f]+|\d+)([kmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  return digits === '' ? Number.NaN : Number(digits) * 1024 ** ['', 'k', 'm', 'g', 't'].indexOf(unit.toLowerCase());
}
