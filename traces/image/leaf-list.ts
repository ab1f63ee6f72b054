import {
  LeafEnumerator,
  Permission,
  type StageRegime,
  type StageWalk,
  type TranslationRegime,
  type WalkMemory,
} from '../../emulator/index.ts';
import {
  type DescriptorLayout,
  decodeField,
  descriptorLayout,
  type IoPgtableFormat,
  Quirk,
} from '../../formats/index.ts';
import { hexText } from '../quantity.ts';

/**
 * One leaf, in the form of the leaf lists that come with page-table dumps: one JSON object per line. The attribute fields are the
 * descriptor's bits as they stand; `perm` is what leaf and tables together let a device do with data.
 */
export interface LeafRecord {
  readonly sid: number;
  readonly asid: number;
  /** Hexadecimal; of the upper half the whole 64-bit address. */
  readonly iova: string;
  readonly pa: string;
  /** Bytes. With two stages: what one page of each has in common. */
  readonly size: number;
  readonly level: number;
  /** "r", "w", "rw" or "". */
  readonly perm: string;
  readonly pte: string;
  /** AttrIndx; at stage 2 MemAttr; of a short descriptor TEX, C and B. */
  readonly attridx: number;
  readonly ns: number;
  /** AP[2:1]; at stage 2 and for Mali the two permission bits. */
  readonly ap: number;
  readonly sh: number;
  readonly af: number;
  readonly ng: number;
  readonly dbm: number;
  readonly cont: number;
  readonly pxn: number;
  readonly xn: number;
  /** SubstreamID, where there is one. */
  readonly ssid?: number;
  /** VMID, where stage 2 takes part. */
  readonly vmid?: number;
  /** In the list of a replay: the capture does not name the domain, so whose leaf it is was inferred. No field of the descriptor. */
  readonly inferred?: true;
}

/** Whose leaves are listed. */
export interface LeafOwner {
  readonly sid: number;
  /** -1 without one. */
  readonly ssid: number;
  readonly regime: TranslationRegime;
}

/** What an enumeration met besides leaves. */
export interface LeafScan {
  leaves: number;
  /** Tables reached, by level; a shared one counts each time. */
  readonly tablesByLevel: number[];
  /** Addresses of the tables, each once. */
  readonly tables: Set<number>;
  /** Tables left out because they had been reached too often. */
  repeatedTables: number;
  unreadableTables: number;
}

export function newLeafScan(): LeafScan {
  return { leaves: 0, tablesByLevel: [0, 0, 0, 0], tables: new Set(), repeatedTables: 0, unreadableTables: 0 };
}

/** Gives every leaf of an owner to `each`, in address order, lower half first. Adds what it met to `scan`. */
export function forEachLeafRecord(
  memory: WalkMemory,
  owner: LeafOwner,
  scan: LeafScan,
  each: (leaf: LeafRecord) => void,
): void {
  const enumerator = new LeafEnumerator(memory);
  const stage = owner.regime.stage1 ?? owner.regime.stage2;
  if (stage === null) return;
  const layouts = new LeafLayouts(stage);
  for (const upper of [false, true]) {
    enumerator.forEachLeaf(owner.regime, upper, {
      leaf(iova, pa, shift, walk, low, high) {
        scan.leaves++;
        each(leafRecord(owner, stage, layouts, upper, iova, pa, shift, walk, low, high));
      },
      table(level, _iova, pa) {
        scan.tablesByLevel[level] = (scan.tablesByLevel[level] ?? 0) + 1;
        scan.tables.add(pa);
      },
    });
  }
  scan.repeatedTables += enumerator.repeatedTables;
  scan.unreadableTables += enumerator.unreadableTables;
}

/** Layouts of a stage's leaves: each is made once, because tables have millions of leaves. */
class LeafLayouts {
  readonly #format: IoPgtableFormat;
  readonly #quirks: number;
  /** What a layout follows from, besides level and type: bit 18 of a short descriptor tells a supersection. */
  readonly #kindBit: number;
  readonly #made: (DescriptorLayout | undefined)[] = [];

  constructor(stage: StageRegime) {
    this.#format = tableFormat(stage);
    this.#quirks = tableQuirks(stage);
    this.#kindBit = stage.family === 'short' ? 18 : 0;
  }

  of(level: number, low: number): DescriptorLayout {
    const key = 8 * level + 2 * (low & 3) + ((low >>> this.#kindBit) & 1);
    const known = this.#made[key];
    if (known !== undefined) return known;
    const made = descriptorLayout(this.#format, level, low, this.#quirks);
    this.#made[key] = made;
    return made;
  }
}

function leafRecord(
  owner: LeafOwner,
  stage: StageRegime,
  layouts: LeafLayouts,
  upper: boolean,
  iova: number,
  pa: number,
  shift: number,
  walk: StageWalk,
  low: number,
  high: number,
): LeafRecord {
  // Permissions as the walk found them are those of the leaf under its tables; a clean page with DBM is not writable yet.
  const { READ, WRITE, PRIVILEGED_READ, PRIVILEGED_WRITE } = Permission;
  const reads = (walk.permissions & (READ | PRIVILEGED_READ)) !== 0;
  const writes = (walk.permissions & (WRITE | PRIVILEGED_WRITE)) !== 0 && !walk.writableClean;
  const { regime } = owner;
  const layout = layouts.of(walk.level, low);
  const field = (...names: string[]): number => {
    for (const name of names) {
      const found = layout.fields[name];
      if (found !== undefined) return decodeField(found, low, high);
    }
    return 0;
  };
  // Stage 2 and Mali have one field of two bits where stage 1 has PXN and XN.
  const never = !('pxn' in layout.fields) && layout.bits === 64 ? field('xn') : -1;
  return {
    sid: owner.sid,
    asid: regime.asid,
    iova: wholeAddress(iova, upper, stage),
    pa: hexText(pa),
    size: 2 ** shift,
    level: walk.level,
    perm: `${reads ? 'r' : ''}${writes ? 'w' : ''}`,
    pte: `0x${(BigInt(low >>> 0) + (BigInt(high >>> 0) << 32n)).toString(16)}`,
    attridx: walk.attributeIndex,
    ns: field('ns'),
    ap: field('apUnprivileged', 's2apRead', 'read', 'ap1') + 2 * field('apReadOnly', 's2apWrite', 'write', 'ap2'),
    sh: walk.shareability,
    af: Number(walk.accessFlag),
    ng: Number(walk.notGlobal),
    dbm: Number(walk.dirtyModifier),
    cont: walk.contiguousShift > walk.pageShift ? 1 : 0,
    pxn: never < 0 ? field('pxn') : never & 1,
    xn: never < 0 ? field('uxn', 'xn') : never >> 1,
    ...(owner.ssid >= 0 ? { ssid: owner.ssid } : {}),
    ...(regime.stage2 === null ? {} : { vmid: regime.vmid }),
  };
}

/** The io-pgtable format whose descriptors a stage reads. */
export function tableFormat(stage: StageRegime): IoPgtableFormat {
  if (stage.family === 'mali') return 'ARM_MALI_LPAE';
  if (stage.family === 'short') return 'ARM_V7S';
  if (stage.aarch32 === true) return stage.stage === 1 ? 'ARM_32_LPAE_S1' : 'ARM_32_LPAE_S2';
  return stage.stage === 1 ? 'ARM_64_LPAE_S1' : 'ARM_64_LPAE_S2';
}

/** The quirks that change what its descriptors look like. */
export function tableQuirks(stage: StageRegime): number {
  return stage.mediatekAddresses === true ? Quirk.ARM_MTK_EXT : 0;
}

/** The address as software writes it: in the upper half all bits above the input size are ones. */
export function wholeAddress(address: number, upper: boolean, stage: StageRegime): string {
  if (!upper) return hexText(address);
  const bits = stage.family === 'short' || stage.aarch32 === true ? 32n : 64n;
  const size = BigInt(stage.root1?.inputBits ?? 0);
  return `0x${((1n << bits) - (1n << size) + BigInt(address)).toString(16)}`;
}
