/** Which configurations the short-descriptor format takes, and what follows from one: geometry and register values. */
import { type BitField, encode, high32, layout, low32, sizesOf } from '../bits/index.ts';
import { ConfigError } from '../config/index.ts';
import { type AdjustedConfig, type ConfigCheck, type Geometry, Quirk, type ShortRegisters } from '../table/index.ts';

/** log2 of what one level 1 entry covers: a section. */
export const SECTION_SHIFT = 20;
/** log2 of what one level 2 entry covers: a small page. */
export const PAGE_SHIFT = 12;
/** Bytes that one level 1 entry covers. */
export const SECTION_SIZE = 0x10_0000;
/** Bytes that one level 2 entry covers. */
export const SMALL_PAGE_SIZE = 0x1000;
/** Entries that a supersection or a large page takes. */
export const RUN_ENTRIES = 16;
/** Entries of a level 2 table. */
export const PAGE_ENTRIES = 256;
/** Bytes of a descriptor. */
export const DESCRIPTOR_BYTES = 4;
/** Bytes of a level 2 table. */
export const PAGE_TABLE_SIZE = PAGE_ENTRIES * DESCRIPTOR_BYTES;

const ADDRESS_BITS = 32;
/** With ARM_MTK_EXT: a level 1 table of up to 64 KiB, and output address bits 34:32 in the descriptors. */
const MEDIATEK_IAS = 34;
const MEDIATEK_OAS = 35;

const SIZES = 0x1000 + 0x1_0000 + 0x10_0000 + 0x100_0000;
const QUIRKS = Quirk.ARM_NS | Quirk.NO_PERMS | Quirk.ARM_MTK_EXT | Quirk.ARM_MTK_TTBR_EXT;

/** Checks a configuration in the order in which Linux looks at it. */
export function checkV7s(config: AdjustedConfig): ConfigCheck {
  const { ias, oas, quirks } = config;
  const mediatek = (quirks & Quirk.ARM_MTK_EXT) !== 0;
  const refuse = (field: string, value: unknown, allowed: string): ConfigCheck => ({
    config,
    refusal: new ConfigError(field, value, allowed),
  });
  const maxIas = mediatek ? MEDIATEK_IAS : ADDRESS_BITS;
  const maxOas = mediatek ? MEDIATEK_OAS : ADDRESS_BITS;
  // Linux has no lower bound; below one section its table would have no entries.
  if (!(ias >= SECTION_SHIFT && ias <= maxIas)) return refuse('ias', ias, `${SECTION_SHIFT} to ${maxIas}`);
  if (!(oas >= 0 && oas <= maxOas)) return refuse('oas', oas, `0 to ${maxOas}`);
  if ((quirks & ~QUIRKS) !== 0) {
    return refuse('quirks', quirks, 'a sum of ARM_NS 0x1, NO_PERMS 0x2, ARM_MTK_EXT 0x8, ARM_MTK_TTBR_EXT 0x10');
  }
  if (mediatek && (quirks & Quirk.NO_PERMS) === 0) return refuse('quirks', quirks, 'ARM_MTK_EXT with NO_PERMS');
  if ((quirks & Quirk.ARM_MTK_TTBR_EXT) !== 0 && !mediatek) {
    return refuse('quirks', quirks, 'ARM_MTK_TTBR_EXT with ARM_MTK_EXT');
  }
  if (config.contiguous) {
    return refuse('contiguous', true, 'false: large pages and supersections are what short descriptors have for it');
  }
  const pageSizes = sizesOf(config.pageSizes)
    .filter((size) => (SIZES & size) !== 0)
    .reduce((sum, size) => sum + size, 0);
  return { config: { ...config, pageSizes }, refusal: null };
}

/** The shape of a short-descriptor table: levels 1 and 2. Index 0 stands for the whole address space. */
export function v7sGeometry(ias: number): Geometry {
  const pgdBits = ias - SECTION_SHIFT;
  const bitsPerLevel = SECTION_SHIFT - PAGE_SHIFT;
  const pgdSize = 2 ** pgdBits * DESCRIPTOR_BYTES;
  return {
    granuleShift: PAGE_SHIFT,
    ias,
    startLevel: 1,
    lastLevel: 2,
    bitsPerLevel,
    pgdBits,
    pgdSize,
    shifts: [ias, SECTION_SHIFT, PAGE_SHIFT],
    blockSizes: [2 ** ias, SECTION_SIZE, SMALL_PAGE_SIZE],
    indexMasks: [0, 2 ** pgdBits - 1, PAGE_ENTRIES - 1],
    tableSizes: [0, pgdSize, PAGE_TABLE_SIZE],
  };
}

const field = (lsb: number, width: number, meaning: string, source: string): BitField => ({
  lsb,
  width,
  meaning,
  source,
});

const TTBR0_SOURCE = 'Arm ARM DDI 0487 G8.2, TTBR0 (DDI 0406C B4.1.154)';
const PRRR_SOURCE = 'Arm ARM DDI 0487 G8.2, PRRR (DDI 0406C B4.1.127)';
const NMRR_SOURCE = 'Arm ARM DDI 0487 G8.2, NMRR (DDI 0406C B4.1.110)';

/** TTBR0 in its 32-bit form. Inner cacheability stands apart: IRGN[1] in bit 0, IRGN[0] in bit 6. */
const TTBR0 = layout('TTBR0, short descriptors', 32, {
  irgn1: field(0, 1, 'IRGN[1]: inner cacheability of walks', TTBR0_SOURCE),
  s: field(1, 1, 'S: walks are shareable', TTBR0_SOURCE),
  orgn: field(3, 2, 'RGN: outer cacheability of walks', TTBR0_SOURCE),
  nos: field(5, 1, 'NOS: not outer shareable', TTBR0_SOURCE),
  irgn0: field(6, 1, 'IRGN[0]', TTBR0_SOURCE),
});

/** The fields of PRRR that are used: memory type of attributes 1, 4 and 7, and what S means for devices and normal memory. */
const PRRR = layout('PRRR', 32, {
  tr1: field(2, 2, 'memory type of attribute 1', PRRR_SOURCE),
  tr4: field(8, 2, 'memory type of attribute 4', PRRR_SOURCE),
  tr7: field(14, 2, 'memory type of attribute 7', PRRR_SOURCE),
  ds0: field(16, 1, 'device memory with S = 0 is shareable', PRRR_SOURCE),
  ds1: field(17, 1, 'device memory with S = 1 is shareable', PRRR_SOURCE),
  ns1: field(19, 1, 'normal memory with S = 1 is shareable', PRRR_SOURCE),
  nos7: field(31, 1, 'attribute 7 is inner shareable only', PRRR_SOURCE),
});

const NMRR = layout('NMRR', 32, {
  ir7: field(14, 2, 'inner cacheability of attribute 7', NMRR_SOURCE),
  or7: field(30, 2, 'outer cacheability of attribute 7', NMRR_SOURCE),
});

const MemoryType = { DEVICE: 1, NORMAL: 2 } as const;
/** Write-back, write-allocate, in TTBR and NMRR alike. */
const WRITE_BACK_ALLOCATE = 1;

const PRRR_VALUE = encode(PRRR, {
  tr1: MemoryType.DEVICE,
  tr4: MemoryType.NORMAL,
  tr7: MemoryType.NORMAL,
  ds0: 1,
  ds1: 1,
  ns1: 1,
  nos7: 1,
}).low;
const NMRR_VALUE = encode(NMRR, { ir7: WRITE_BACK_ALLOCATE, or7: WRITE_BACK_ALLOCATE }).low;

/** Register values for a table at `pgd`. MediaTek's base register has no attributes: it takes address bits 34:32 there. */
export function v7sRegisters(config: AdjustedConfig, pgd: number): ShortRegisters {
  const mediatek = (config.quirks & Quirk.ARM_MTK_EXT) !== 0;
  const attributes = config.coherentWalk
    ? encode(TTBR0, { s: 1, nos: 1, orgn: WRITE_BACK_ALLOCATE, irgn0: WRITE_BACK_ALLOCATE }).low
    : encode(TTBR0, { s: 1 }).low;
  return {
    kind: 'short',
    ttbr: (low32(pgd) | (mediatek ? high32(pgd) : attributes)) >>> 0,
    // T0SZ 0: the whole 32-bit space; EAE 0: short descriptors.
    tcr: 0,
    prrr: PRRR_VALUE,
    nmrr: NMRR_VALUE,
  };
}
