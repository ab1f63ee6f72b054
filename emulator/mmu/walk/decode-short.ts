import {
  type BitField,
  lowMask,
  MEDIATEK_SECTION,
  SHORT_LARGE_PAGE,
  SHORT_SECTION,
  SHORT_SMALL_PAGE,
  SHORT_SUPERSECTION,
  SHORT_TABLE,
  ShortType,
} from '../../../formats/index.ts';
import { Permission, type StageRegime } from '../regime/index.ts';
import { FaultKind } from './fault.ts';
import type { WalkState, WalkStatus } from './walk-state.ts';

/**
 * Reads one 32-bit short descriptor (Arm ARM DDI 0487 G5.4, AArch32.TranslationTableWalkSD): sections and supersections at level 1,
 * large and small pages at level 2. Domains are not checked: every domain acts as a client.
 *
 * `accessFlagFaults` doubles as SCTLR.AFE: with it AP[0] is the access flag and AP[2:1] the permission, without it AP[2:0] is.
 */

const SECTION = SHORT_SECTION.fields;
const SMALL = SHORT_SMALL_PAGE.fields;
const LARGE = SHORT_LARGE_PAGE.fields;
const TABLE = SHORT_TABLE.fields;
const EXTENDED = SHORT_SUPERSECTION.fields;
const MEDIATEK = MEDIATEK_SECTION.fields;

/** Level 1: tells a supersection from a section. Level 2: tells a small page from a large one. */
const SUPERSECTION = lowMask(SECTION.supersection);
const SMALL_PAGE = lowMask(SMALL.type);
const TABLE_BASE = lowMask(TABLE.base) | 0;

const { READ, WRITE, EXECUTE, PRIVILEGED_READ, PRIVILEGED_WRITE, PRIVILEGED_EXECUTE, ALL } = Permission;

/** Data access by AP[2:0] with AFE clear (G5.6). 100 is reserved and grants nothing. */
const ACCESS = Uint8Array.of(
  0,
  PRIVILEGED_READ | PRIVILEGED_WRITE,
  PRIVILEGED_READ | PRIVILEGED_WRITE | READ,
  PRIVILEGED_READ | PRIVILEGED_WRITE | READ | WRITE,
  0,
  PRIVILEGED_READ,
  PRIVILEGED_READ | READ,
  PRIVILEGED_READ | READ,
);

/** Data access by AP[2:1] with AFE set. */
const ACCESS_SIMPLIFIED = Uint8Array.of(
  PRIVILEGED_READ | PRIVILEGED_WRITE,
  PRIVILEGED_READ | PRIVILEGED_WRITE | READ | WRITE,
  PRIVILEGED_READ,
  PRIVILEGED_READ | READ,
);

/** PXN and NS of a table descriptor, where `hierarchical` keeps them. */
const PXN_TABLE = 1;
const NS_TABLE = 16;

/** One step of a walk over short-descriptor tables. */
export function decodeShort(walk: WalkState, regime: StageRegime, descriptor: number): WalkStatus {
  const level = walk.level;
  if ((descriptor & 3) === 0) return walk.refuse(FaultKind.TRANSLATION, level);
  if (level === 2) return page(walk, regime, descriptor);
  if ((descriptor & 3) !== ShortType.TABLE) return section(walk, regime, descriptor);
  // A table of 1 KiB: PXN in bit 2 and NS in bit 3 hold for all its pages.
  const high = mediatekHigh(regime, descriptor);
  if ((high & walk.outputHighMask) !== 0) return walk.refuse(FaultKind.ADDRESS_SIZE, level);
  walk.hierarchical = bit(descriptor, TABLE.pxn) * PXN_TABLE + bit(descriptor, TABLE.ns) * NS_TABLE;
  return walk.request(2, high, descriptor & TABLE_BASE);
}

/** Level 1: a section of 1 MiB or a supersection of 16 MiB. */
function section(walk: WalkState, regime: StageRegime, d: number): WalkStatus {
  let high = mediatekHigh(regime, d);
  const supersection = (d & SUPERSECTION) !== 0;
  // Address bits 35:32 stand in a section's base and bits 39:36 in its domain.
  if (supersection && regime.mediatekAddresses !== true) {
    high = ((d >>> EXTENDED.extended32.lsb) & 15) | (((d >>> EXTENDED.extended36.lsb) & 15) << 4);
  }
  if ((high & walk.outputHighMask) !== 0) return walk.refuse(FaultKind.ADDRESS_SIZE, walk.level);
  walk.setOutput(supersection ? 24 : 20, d, high);
  walk.attributeIndex = (((d >>> SECTION.tex.lsb) & 7) << 2) | ((d >>> SECTION.b.lsb) & 3);
  walk.shareability = bit(d, SECTION.s) << 1;
  walk.notGlobal = bit(d, SECTION.ng) !== 0;
  walk.nonSecure = bit(d, SECTION.ns) !== 0;
  const access = (bit(d, SECTION.ap2) << 2) | ((d >>> SECTION.af.lsb) & 3);
  return leaf(walk, regime, d, access, bit(d, SECTION.xn) !== 0, bit(d, SECTION.pxn) !== 0);
}

/** Level 2: a large page of 64 KiB or a small page of 4 KiB. */
function page(walk: WalkState, regime: StageRegime, d: number): WalkStatus {
  const small = (d & SMALL_PAGE) !== 0;
  const high = mediatekHigh(regime, d);
  if ((high & walk.outputHighMask) !== 0) return walk.refuse(FaultKind.ADDRESS_SIZE, walk.level);
  walk.setOutput(small ? 12 : 16, d, high);
  walk.attributeIndex = (((d >>> (small ? SMALL.tex.lsb : LARGE.tex.lsb)) & 7) << 2) | ((d >>> SMALL.b.lsb) & 3);
  walk.shareability = bit(d, SMALL.s) << 1;
  walk.notGlobal = bit(d, SMALL.ng) !== 0;
  walk.nonSecure = (walk.hierarchical & NS_TABLE) !== 0;
  const access = (bit(d, SMALL.ap2) << 2) | ((d >>> SMALL.af.lsb) & 3);
  const never = bit(d, small ? SMALL.xn : LARGE.xn) !== 0;
  return leaf(walk, regime, d, access, never, (walk.hierarchical & PXN_TABLE) !== 0);
}

function leaf(
  walk: WalkState,
  regime: StageRegime,
  descriptor: number,
  access: number,
  never: boolean,
  privilegedNever: boolean,
): WalkStatus {
  walk.contiguousShift = walk.pageShift;
  walk.memoryAttribute = regime.memoryAttributes[walk.attributeIndex & 7] ?? 0;
  walk.dirtyModifier = false;
  walk.writableClean = false;
  walk.accessFlag = true;
  let permissions: number = ALL;
  if (regime.mediatekAddresses !== true) {
    if (regime.accessFlagFaults) {
      walk.accessFlag = (access & 1) !== 0;
      permissions = ACCESS_SIMPLIFIED[access >>> 1] as number;
    } else {
      permissions = ACCESS[access] as number;
    }
    if (!never) {
      // Executing needs the right to read (G5.6); WXN takes it from what can be written.
      const wxn = regime.writeExecuteNever;
      const data = permissions;
      if ((data & READ) !== 0 && !(wxn && (data & WRITE) !== 0)) permissions |= EXECUTE;
      const privileged = (data & PRIVILEGED_READ) !== 0 && !privilegedNever;
      if (privileged && !(wxn && (data & PRIVILEGED_WRITE) !== 0)) permissions |= PRIVILEGED_EXECUTE;
    }
  }
  walk.permissions = permissions;
  return walk.finishLeaf(regime, descriptor, 0, descriptor, 0);
}

/**
 * MediaTek's extension: three more address bits in place of permission and execute-never bits, which that
 * hardware lacks (Linux ARM_MTK_EXT).
 */
function mediatekHigh(regime: StageRegime, d: number): number {
  if (regime.mediatekAddresses !== true) return 0;
  return bit(d, MEDIATEK.pa32) | (bit(d, MEDIATEK.pa33) << 1) | (bit(d, MEDIATEK.pa34) << 2);
}

/** A field of one bit. */
function bit(descriptor: number, field: BitField): number {
  return (descriptor >>> field.lsb) & 1;
}

/**
 * The eight attribute bytes, in MAIR encoding, that TEX remapping selects from PRRR and NMRR (G8.2, with SCTLR.TRE set), for
 * `StageRegime.memoryAttributes`.
 */
export function remappedAttributes(prrr: number, nmrr: number): number[] {
  const cacheability = [0b0100, 0b1111, 0b1010, 0b1110];
  const bytes: number[] = [];
  for (let n = 0; n < 8; n++) {
    const type = (prrr >>> (2 * n)) & 3;
    if (type !== 2) {
      // 00 strongly ordered is Device-nGnRnE, 01 device is Device-nGnRE.
      bytes.push(type === 1 ? 0x04 : 0x00);
      continue;
    }
    const inner = cacheability[(nmrr >>> (2 * n)) & 3] ?? 0;
    const outer = cacheability[(nmrr >>> (2 * n + 16)) & 3] ?? 0;
    bytes.push((outer << 4) | inner);
  }
  return bytes;
}
