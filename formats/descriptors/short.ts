/**
 * Short descriptors (VMSAv7, VMSAv8-32): 32 bits, two levels. Level 1 has tables, sections (1 MiB) and supersections (16 MiB);
 * level 2 has large pages (64 KiB) and small pages (4 KiB). Supersections and large pages stand in sixteen equal entries.
 *
 * Memory attributes are TEX, C and B. With TEX remap (SCTLR.TRE), TEX[0], C and B are an index into PRRR and NMRR. Access
 * permissions are AP[2:0]; with SCTLR.AFE, AP[0] is the access flag and AP[2:1] the permissions, which is how Linux uses them.
 */
import { type BitField, type DescriptorLayout, layout } from '../bits/index.ts';

const FORMAT = 'Arm ARM DDI 0487 G5.4 (DDI 0406C B3.5.1)';
const PERMISSIONS = 'Arm ARM DDI 0487 G5.6 (DDI 0406C B3.7.1)';
const ATTRIBUTES = 'Arm ARM DDI 0487 G5.7 (DDI 0406C B3.8.3)';
const MEDIATEK = 'Linux drivers/iommu/io-pgtable-arm-v7s.c, ARM_MTK_EXT';

/** Values of the two lowest bits. Bit 0 of a section or small page is PXN or XN, so that 3 is a leaf as well. */
export const ShortType = { INVALID: 0, TABLE: 1, LARGE_PAGE: 1, SECTION: 2, SMALL_PAGE: 2 } as const;

const bit = (lsb: number, meaning: string, source: string, values?: Readonly<Record<number, string>>): BitField =>
  values === undefined ? { lsb, width: 1, meaning, source } : { lsb, width: 1, meaning, source, values };

const type = (of: number, what: string): BitField => ({
  lsb: 0,
  width: 2,
  meaning: 'descriptor type',
  values: { 0: 'invalid', [of]: what },
  source: FORMAT,
});

/** The type of a leaf whose bit 0 is an execute-never bit. */
const leafType = (what: string): BitField => bit(1, 'descriptor type', FORMAT, { 0: 'not this kind', 1: what });

const base = (lsb: number, meaning: string): BitField => ({
  lsb,
  width: 32 - lsb,
  meaning,
  address: true,
  source: FORMAT,
});

const xn = (lsb: number): BitField =>
  bit(lsb, 'XN: no execution at any privilege', PERMISSIONS, { 0: 'executable', 1: 'never executed' });
const pxn = (lsb: number): BitField =>
  bit(lsb, 'PXN: no execution at privileged level', PERMISSIONS, { 0: 'executable', 1: 'never executed' });

const B = bit(2, 'B: with TEX and C, the memory type', ATTRIBUTES);
const C = bit(3, 'C: with TEX and B, the memory type', ATTRIBUTES);

const domain: BitField = {
  lsb: 5,
  width: 4,
  meaning: 'domain, an index into DACR',
  source: 'Arm ARM DDI 0487 G5.6.4 (DDI 0406C B3.7.3)',
};

/** Attributes stand in the same order in all leaves, from `lsb` on; TEX alone is elsewhere in a large page. */
const permissions = (lsb: number, tex: number) => ({
  af: bit(lsb, 'AP[0]: access flag', PERMISSIONS, { 0: 'the first access faults', 1: 'accessed' }),
  ap1: bit(lsb + 1, 'AP[1]: unprivileged access', PERMISSIONS, { 0: 'privileged only', 1: 'at every level' }),
  ap2: bit(lsb + 5, 'AP[2]: write protection', PERMISSIONS, { 0: 'read and write', 1: 'read-only' }),
  ...attributes(lsb, tex),
});

const attributes = (lsb: number, tex: number) => ({
  tex: {
    lsb: tex,
    width: 3,
    meaning: 'TEX: with C and B, the memory type',
    values: { 0: 'strongly ordered, device or plain cacheable', 1: 'normal memory' },
    source: ATTRIBUTES,
  },
  s: bit(lsb + 6, 'S: shareable', ATTRIBUTES, { 0: 'not shared', 1: 'shared' }),
  ng: bit(lsb + 7, 'nG: not global', FORMAT, { 0: 'global', 1: 'of one ASID' }),
});

const nonSecure = (lsb: number): BitField =>
  bit(lsb, 'NS: output address space', FORMAT, { 0: 'secure', 1: 'non-secure' });

const implementation = bit(9, 'implementation defined', FORMAT);
const superBit = (what: string): BitField => bit(18, 'section or supersection', FORMAT, { 0: 'section', 1: what });

/** MediaTek's bits 34:32 of the address, in places of permission bits that its hardware has not. */
const mediatek = {
  pa32: bit(9, 'bit 32 of the address', MEDIATEK),
  pa33: bit(4, 'bit 33 of the address', MEDIATEK),
  pa34: bit(5, 'bit 34 of the address', MEDIATEK),
};

/** Level 1, a table of 256 entries. */
export const SHORT_TABLE = layout('short descriptor, level 1 table', 32, {
  type: type(ShortType.TABLE, 'table'),
  pxn: pxn(2),
  ns: nonSecure(3),
  domain,
  implementation,
  base: base(10, 'address of the level 2 table'),
});

/** Level 1, 1 MiB. */
export const SHORT_SECTION = layout('short descriptor, section', 32, {
  pxn: pxn(0),
  type: leafType('section or supersection'),
  b: B,
  c: C,
  xn: xn(4),
  domain,
  implementation,
  ...permissions(10, 12),
  supersection: superBit('supersection'),
  ns: nonSecure(19),
  base: base(20, 'output address'),
});

/** Level 1, 16 MiB in sixteen equal entries. */
export const SHORT_SUPERSECTION = layout('short descriptor, supersection', 32, {
  pxn: pxn(0),
  type: leafType('section or supersection'),
  b: B,
  c: C,
  xn: xn(4),
  extended36: { lsb: 5, width: 4, meaning: 'bits 39:36 of the output address', source: FORMAT },
  implementation,
  ...permissions(10, 12),
  supersection: superBit('supersection'),
  ns: nonSecure(19),
  extended32: { lsb: 20, width: 4, meaning: 'bits 35:32 of the output address', source: FORMAT },
  base: base(24, 'output address'),
});

/** Level 2, 64 KiB in sixteen equal entries. */
export const SHORT_LARGE_PAGE = layout('short descriptor, large page', 32, {
  type: type(ShortType.LARGE_PAGE, 'large page'),
  b: B,
  c: C,
  ...permissions(4, 12),
  xn: xn(15),
  base: base(16, 'output address'),
});

/** Level 2, 4 KiB. */
export const SHORT_SMALL_PAGE = layout('short descriptor, small page', 32, {
  xn: xn(0),
  type: leafType('small page'),
  b: B,
  c: C,
  ...permissions(4, 6),
  base: base(12, 'output address'),
});

/** MediaTek's level 1 table (with ARM_MTK_TTBR_EXT its address has 35 bits). */
const MEDIATEK_TABLE = layout('MediaTek short descriptor, level 1 table', 32, {
  type: type(ShortType.TABLE, 'table'),
  ns: nonSecure(3),
  ...mediatek,
  base: base(10, 'address of the level 2 table, bits 31:10'),
});

/** MediaTek's section: no permissions, no domain. */
export const MEDIATEK_SECTION = layout('MediaTek short descriptor, section', 32, {
  type: leafType('section or supersection'),
  b: B,
  c: C,
  ...mediatek,
  ...attributes(10, 12),
  supersection: superBit('supersection'),
  ns: nonSecure(19),
  base: base(20, 'output address, bits 31:20'),
});

/** MediaTek's supersection: 35 address bits, unlike the architecture's 40. */
const MEDIATEK_SUPERSECTION = layout('MediaTek short descriptor, supersection', 32, {
  type: leafType('section or supersection'),
  b: B,
  c: C,
  ...mediatek,
  ...attributes(10, 12),
  supersection: superBit('supersection'),
  ns: nonSecure(19),
  base: base(24, 'output address, bits 31:24'),
});

const MEDIATEK_LARGE_PAGE = layout('MediaTek short descriptor, large page', 32, {
  type: type(ShortType.LARGE_PAGE, 'large page'),
  b: B,
  c: C,
  ...mediatek,
  ...attributes(4, 12),
  base: base(16, 'output address, bits 31:16'),
});

export const MEDIATEK_SMALL_PAGE = layout('MediaTek short descriptor, small page', 32, {
  type: leafType('small page'),
  b: B,
  c: C,
  ...mediatek,
  ...attributes(4, 6),
  base: base(12, 'output address, bits 31:12'),
});

/** The layouts of one dialect. */
interface Dialect {
  readonly table: DescriptorLayout;
  readonly section: DescriptorLayout;
  readonly supersection: DescriptorLayout;
  readonly largePage: DescriptorLayout;
  readonly smallPage: DescriptorLayout;
}

const ARCHITECTURE: Dialect = {
  table: SHORT_TABLE,
  section: SHORT_SECTION,
  supersection: SHORT_SUPERSECTION,
  largePage: SHORT_LARGE_PAGE,
  smallPage: SHORT_SMALL_PAGE,
};

const MEDIATEK_DIALECT: Dialect = {
  table: MEDIATEK_TABLE,
  section: MEDIATEK_SECTION,
  supersection: MEDIATEK_SUPERSECTION,
  largePage: MEDIATEK_LARGE_PAGE,
  smallPage: MEDIATEK_SMALL_PAGE,
};

/**
 * The layout of the descriptor `word` found at `level` (1 or 2), or null when it is invalid.
 * @param mediatek true for tables with ARM_MTK_EXT.
 */
export function shortLayout(word: number, level: number, mediatek: boolean): DescriptorLayout | null {
  const dialect = mediatek ? MEDIATEK_DIALECT : ARCHITECTURE;
  const low = word & 3;
  if (low === ShortType.INVALID) return null;
  if (level === 2) return low === ShortType.LARGE_PAGE ? dialect.largePage : dialect.smallPage;
  if (low === ShortType.TABLE) return dialect.table;
  return (word & (2 ** SHORT_SECTION.fields.supersection.lsb)) !== 0 ? dialect.supersection : dialect.section;
}
