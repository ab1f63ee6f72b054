/** What creation derives for the translation registers, one shape per family of formats. */

/** Translation control of a stage 1 (SMMU CD / TCR_EL1): encoded field values, not whole registers. */
export interface StageOneControl {
  /** Output size, encoded: 0 = 32 bits, 1 = 36, 2 = 40, 3 = 42, 4 = 44, 5 = 48, 6 = 52. */
  readonly ips: number;
  /** Granule, encoded: TG0 has 0 = 4K, 1 = 64K, 2 = 16K; TG1 has 1 = 16K, 2 = 4K, 3 = 64K. */
  readonly tg: number;
  /** Shareability of walks: 2 = outer, 3 = inner. */
  readonly sh: number;
  /** Outer cacheability of walks: 0 = none, 1 = write-back, write-allocate. */
  readonly orgn: number;
  /** Inner cacheability of walks. */
  readonly irgn: number;
  /** 64 less the input size in bits. */
  readonly tsz: number;
}

/** Translation control of a stage 2 (SMMU STE / VTCR_EL2). */
export interface StageTwoControl {
  /** Output size, encoded as `ips`. */
  readonly ps: number;
  readonly tg: number;
  readonly sh: number;
  readonly orgn: number;
  readonly irgn: number;
  /** SL0: the first level, encoded by granule (Arm ARM D8.2.5). */
  readonly sl: number;
  readonly tsz: number;
}

export interface StageOneRegisters {
  readonly kind: 'stage-1';
  /** Address of the first-level table, as it is: not in the register's packed form. */
  readonly ttbr: number;
  readonly tcr: StageOneControl;
  /** Attribute bytes 0 to 3 of MAIR, byte 0 lowest. */
  readonly mairLow: number;
  /** Attribute bytes 4 to 7 of MAIR. Linux leaves ones here by sign extension; no leaf uses them. */
  readonly mairHigh: number;
}

export interface StageTwoRegisters {
  readonly kind: 'stage-2';
  readonly vttbr: number;
  readonly vtcr: StageTwoControl;
}

export interface MaliRegisters {
  readonly kind: 'mali';
  /** Table address with the mode bits in its low bits. */
  readonly transtab: number;
  /** Attribute bytes, byte 0 lowest; the upper four are zero. */
  readonly memattr: number;
}

/** Short-descriptor registers, whole. */
export interface ShortRegisters {
  readonly kind: 'short';
  readonly ttbr: number;
  readonly tcr: number;
  readonly prrr: number;
  readonly nmrr: number;
}

export type Registers = StageOneRegisters | StageTwoRegisters | MaliRegisters | ShortRegisters;

/**
 * What Linux puts into MAIR_EL1: normal non-cacheable, normal write-back, device nGnRE, and normal inner non-cacheable with outer
 * write-back. The last byte's sign extends into the upper half.
 */
export const LINUX_MAIR = { low: 0xf404ff44, high: 0xffffffff } as const;

/** What Linux puts into Mali's MEMATTR: implementation-defined caching, write-allocate, implementation-defined caching. */
export const LINUX_MALI_MEMATTR = 0x888d88;

/** Low bits of Mali's TRANSTAB. */
export const MaliTranstab = {
  /** Address mode: walk a table. */
  MODE_TABLE: 3,
  /** Reads of tables are cached inside the GPU. */
  READ_INNER: 4,
  /** Tables are shared with the CPU's caches. */
  SHARE_OUTER: 16,
} as const;
