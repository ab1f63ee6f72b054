/** How an input address is cut into one index per level and an offset. */
import { type IoPgtableFormat, lpaeGeometry } from '../../../formats/index.ts';
import { hexText } from '../../quantity.ts';
import { bitsOf } from './structure.ts';

export interface SplitPart {
  /** Level of the table that the bits are an index into; null for the offset in the page. */
  readonly level: number | null;
  readonly lsb: number;
  readonly width: number;
  readonly index: number;
  /** Offset of the entry in its table, in bytes; for the offset, the offset. */
  readonly offset: number;
  /** Bytes that one entry of the table covers; 1 for the offset. */
  readonly covers: number;
}

export interface AddressSplit {
  readonly iova: string;
  readonly ias: number;
  readonly granule: number;
  /** First-level tables joined into one (stage 2). */
  readonly joined: number;
  /** Highest bits first. */
  readonly parts: readonly SplitPart[];
  /** Bits of the address above the input size: a walk of the lower half refuses them. Empty when there are none. */
  readonly beyond: string;
}

export interface SplitShape {
  readonly format: IoPgtableFormat;
  readonly granuleShift: number;
  readonly ias: number;
}

const MOST_JOINED_BITS = 4;

/** @param iova at most 64 bits */
export function splitIova(iova: bigint, shape: SplitShape): AddressSplit {
  const { cuts, joined, pageShift, entryBytes } = shape.format === 'ARM_V7S' ? shortCuts(shape) : lpaeCuts(shape);
  const parts: SplitPart[] = cuts.map(({ level, lsb, width }) => {
    const index = Number(bitsOf(iova, lsb, width));
    return { level, lsb, width, index, offset: index * entryBytes, covers: 2 ** lsb };
  });
  const offset = Number(bitsOf(iova, 0, pageShift));
  parts.push({ level: null, lsb: 0, width: pageShift, index: offset, offset, covers: 1 });
  const above = iova >> BigInt(shape.ias);
  return {
    iova: hexText(iova),
    ias: shape.ias,
    granule: 2 ** pageShift,
    joined,
    parts,
    beyond: above === 0n ? '' : hexText(above << BigInt(shape.ias)),
  };
}

interface Cuts {
  readonly cuts: readonly { readonly level: number; readonly lsb: number; readonly width: number }[];
  readonly joined: number;
  readonly pageShift: number;
  readonly entryBytes: number;
}

/** VMSAv7 short descriptors: 4,096 entries of 1 MiB, each a table of 256 pages (DDI 0406 B3.5). */
function shortCuts({ ias }: SplitShape): Cuts {
  const cuts = [
    { level: 1, lsb: 20, width: Math.max(ias - 20, 0) },
    { level: 2, lsb: 12, width: 8 },
  ];
  return { cuts, joined: 1, pageShift: 12, entryBytes: 4 };
}

function lpaeCuts({ format, granuleShift, ias }: SplitShape): Cuts {
  const shape = { ias, granuleShift, fourLevels: format === 'ARM_MALI_LPAE' };
  const plain = lpaeGeometry(shape);
  const stageTwo = format === 'ARM_64_LPAE_S2' || format === 'ARM_32_LPAE_S2';
  // As Linux does up to 6.18: wherever joining saves a level.
  const joins = stageTwo && plain.startLevel < plain.lastLevel && plain.pgdBits <= MOST_JOINED_BITS;
  const { startLevel, lastLevel, pgdBits, bitsPerLevel, shifts } = joins
    ? lpaeGeometry({ ...shape, concatenate: true })
    : plain;
  const cuts = [];
  for (let level = startLevel; level <= lastLevel; level++) {
    const lsb = shifts[level] ?? 0;
    const width = level === startLevel ? pgdBits : bitsPerLevel;
    // A Mali walks four levels whatever the input size: what is above it is no index.
    cuts.push({ level, lsb, width: Math.max(0, Math.min(width, ias - lsb)) });
  }
  return { cuts, joined: joins ? 2 ** plain.pgdBits : 1, pageShift: granuleShift, entryBytes: 8 };
}
