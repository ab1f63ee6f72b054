/**
 * The five LPAE formats: which configurations each takes, what it narrows them to, and the registers that follow. The rules and
 * their order are Linux's (`io-pgtable-arm.c`), because a refused configuration shows how far it came.
 */
import {
  commonSizes,
  hasSize,
  mostBits,
  OUTPUT_SIZE_CODES,
  Shareability,
  sizesOf,
  stage2StartCode,
  TG0_CODES,
  TG1_CODES,
  WalkCacheability,
} from '../bits/index.ts';
import { ConfigError } from '../config-error.ts';
import type { ConfigCheck, FormatEntry } from '../format-entry.ts';
import {
  CPU_PAGE,
  demandsConcatenation,
  type Geometry,
  leafSizes,
  lpaeGeometry,
  MAX_CONCATENATED_TABLES,
} from '../geometry.ts';
import { type AdjustedConfig, FormatCapability, Quirk } from '../io-pgtable.ts';
import { KERNELS } from '../kernels.ts';
import { LINUX_MAIR, LINUX_MALI_MEMATTR, MaliTranstab, type Registers } from '../registers.ts';
import { WarningCode } from '../warnings.ts';
import { maliEncoding, stageOneEncoding, stageTwoEncoding } from './leaf-encoding.ts';
import { type LpaeFormat, LpaeTable } from './table.ts';

/** log2 of the only granule of 32-bit LPAE and Mali. */
const SMALL_GRANULE_SHIFT = 12;
const STAGE_ONE_QUIRKS = Quirk.ARM_NS | Quirk.ARM_TTBR1 | Quirk.ARM_OUTER_WBWA | Quirk.ARM_HD;
/** Below this Linux shifts by a negative number of bits; but not for Mali, whose walk starts at level 0 whatever the size. */
const LEAST_INPUT_BITS = 3;

const PLAIN_SHAPE = { concatenate: false, fourLevels: false } as const;

const accepted = (config: AdjustedConfig): ConfigCheck => ({ config, refusal: null });

function refused(config: AdjustedConfig, field: string, value: unknown, allowed: string): ConfigCheck {
  return { config, refusal: new ConfigError(field, value, allowed) };
}

/** Linux's choice of granule: the CPU's page size, else the largest size below it, else the smallest above. */
function chooseGranule(pageSizes: number): number {
  if (hasSize(pageSizes, CPU_PAGE)) return CPU_PAGE;
  const sizes = sizesOf(pageSizes);
  return sizes.findLast((size) => size < CPU_PAGE) ?? sizes[0] ?? 0;
}

/** Narrows page sizes to what the granule offers, and address sizes to what it reaches. */
function restrict(config: AdjustedConfig, leastBits = LEAST_INPUT_BITS): ConfigCheck {
  const granule = chooseGranule(config.pageSizes);
  const maxBits = mostBits(Math.log2(granule));
  const pageSizes = commonSizes(config.pageSizes, leafSizes(Math.log2(granule), config.oas));
  const narrowed: AdjustedConfig = {
    ...config,
    pageSizes,
    ias: Math.min(config.ias, maxBits),
    oas: Math.min(config.oas, maxBits),
  };
  if (!hasSize(pageSizes, granule))
    return refused(narrowed, 'pageSizes', config.pageSizes, 'a set with 4K, 16K or 64K');
  if (!(narrowed.ias >= leastBits)) return refused(narrowed, 'ias', config.ias, `${leastBits} to ${maxBits}`);
  return accepted(narrowed);
}

function granuleShift(config: AdjustedConfig): number {
  return Math.log2(sizesOf(config.pageSizes)[0] ?? CPU_PAGE);
}

function checkOutputSize(config: AdjustedConfig): ConfigCheck {
  if (OUTPUT_SIZE_CODES[config.oas] !== undefined) return accepted(config);
  return refused(config, 'oas', config.oas, Object.keys(OUTPUT_SIZE_CODES).join(', '));
}

/** The names of the quirks in a set, with their values. */
function quirkNames(quirks: number): string {
  const named = Object.entries(Quirk).filter(([, bit]) => (quirks & bit) !== 0);
  return named.map(([name, bit]) => `${name} 0x${bit.toString(16)}`).join(', ');
}

function checkQuirks(config: AdjustedConfig, known: number): ConfigCheck | null {
  if ((config.quirks & ~known) === 0) return null;
  const allowed = known === 0 ? `0: ${config.format} has none` : `a sum of ${quirkNames(known)}`;
  return refused(config, 'quirks', config.quirks, allowed);
}

function checkStageOne(config: AdjustedConfig): ConfigCheck {
  const quirks = checkQuirks(config, STAGE_ONE_QUIRKS | (KERNELS[config.linux].noWarn ? Quirk.NO_WARN : 0));
  if (quirks !== null) return quirks;
  const narrowed = restrict(config);
  if (narrowed.refusal !== null) return narrowed;
  if (config.contiguous && (config.quirks & Quirk.ARM_HD) !== 0) {
    // Hardware may mark any one leaf of a run dirty for all of them; the scan looks at each leaf alone.
    return refused(narrowed.config, 'contiguous', true, 'false with ARM_HD');
  }
  if (config.coherentWalk && (config.quirks & Quirk.ARM_OUTER_WBWA) !== 0) {
    return refused(narrowed.config, 'quirks', config.quirks, 'ARM_OUTER_WBWA only with a walk that is not coherent');
  }
  return checkOutputSize(narrowed.config);
}

function checkStageTwo(config: AdjustedConfig): ConfigCheck {
  const { noWarn, stage2ForceWriteBack } = KERNELS[config.linux];
  const quirks = checkQuirks(config, (noWarn ? Quirk.NO_WARN : 0) | (stage2ForceWriteBack ? Quirk.ARM_S2FWB : 0));
  if (quirks !== null) return quirks;
  const narrowed = restrict(config);
  const sized = narrowed.refusal === null ? checkOutputSize(narrowed.config) : narrowed;
  if (sized.refusal !== null || firstTables(sized.config) <= MAX_CONCATENATED_TABLES) return sized;
  const { ias, oas } = sized.config;
  const allowed = `a size that needs at most ${MAX_CONCATENATED_TABLES} joined tables with oas ${oas}`;
  return { ...refused(sized.config, 'ias', ias, allowed), warning: WarningCode.TOO_MANY_CONCATENATED };
}

/** First-level tables that a stage 2 must join; 1 where it need not. */
function firstTables(config: AdjustedConfig): number {
  const shift = granuleShift(config);
  const { startLevel, pgdBits } = lpaeGeometry({ ...PLAIN_SHAPE, ias: config.ias, granuleShift: shift });
  if (KERNELS[config.linux].concatenates !== 'where demanded') return 1;
  return demandsConcatenation(shift, startLevel, config.ias, config.oas) ? 2 ** pgdBits : 1;
}

/** Whether the tables of a stage 2 are joined. Without joining the walk starts at `startLevel` with `pgdBits` bits. */
function joinsTables(config: AdjustedConfig, { granuleShift: shift, startLevel, pgdBits }: Geometry): boolean {
  if (KERNELS[config.linux].concatenates === 'where demanded') {
    return demandsConcatenation(shift, startLevel, config.ias, config.oas);
  }
  return startLevel === 0 && 2 ** pgdBits <= MAX_CONCATENATED_TABLES;
}

function checkMali(config: AdjustedConfig): ConfigCheck {
  const quirks = checkQuirks(config, 0);
  if (quirks !== null) return quirks;
  if (config.contiguous) return refused(config, 'contiguous', true, 'false: Mali has no contiguous hint');
  if (!(config.ias <= 48)) return refused(config, 'ias', config.ias, 'at most 48');
  if (!(config.oas <= 40)) return refused(config, 'oas', config.oas, 'at most 40');
  return restrict(smallGranule(config), 0);
}

/** 32-bit LPAE and Mali have the 4 KiB granule only. */
function smallGranule(config: AdjustedConfig): AdjustedConfig {
  return { ...config, pageSizes: commonSizes(config.pageSizes, leafSizes(SMALL_GRANULE_SHIFT, config.oas)) };
}

/** A 32-bit LPAE format is the 64-bit one with smaller addresses and one granule. */
function limited(ias: number, oas: number, check: (config: AdjustedConfig) => ConfigCheck) {
  return (config: AdjustedConfig): ConfigCheck => {
    if (!(config.ias <= ias)) return refused(config, 'ias', config.ias, `at most ${ias}`);
    if (!(config.oas <= oas)) return refused(config, 'oas', config.oas, `at most ${oas}`);
    return check(smallGranule(config));
  };
}

/** Cacheability and shareability of walks. */
function walkAttributes(config: AdjustedConfig): { sh: number; orgn: number; irgn: number } {
  const { NONE, WRITE_BACK_ALLOCATE } = WalkCacheability;
  if (config.coherentWalk) return { sh: Shareability.INNER, orgn: WRITE_BACK_ALLOCATE, irgn: WRITE_BACK_ALLOCATE };
  const outer = (config.quirks & Quirk.ARM_OUTER_WBWA) !== 0;
  return { sh: Shareability.OUTER, orgn: outer ? WRITE_BACK_ALLOCATE : NONE, irgn: NONE };
}

function stageOne(config: AdjustedConfig): LpaeFormat {
  const shift = granuleShift(config);
  const upper = (config.quirks & Quirk.ARM_TTBR1) !== 0;
  const geometry = lpaeGeometry({ ...PLAIN_SHAPE, ias: config.ias, granuleShift: shift });
  return {
    geometry,
    encoding: stageOneEncoding(config.quirks),
    pgdAlignment: geometry.pgdSize,
    registers: (pgd): Registers => ({
      kind: 'stage-1',
      ttbr: pgd,
      tcr: {
        ips: OUTPUT_SIZE_CODES[config.oas] ?? 0,
        tg: (upper ? TG1_CODES : TG0_CODES)[shift] ?? 0,
        ...walkAttributes(config),
        tsz: 64 - config.ias,
      },
      mairLow: LINUX_MAIR.low,
      mairHigh: LINUX_MAIR.high,
    }),
  };
}

function stageTwo(config: AdjustedConfig): LpaeFormat {
  const shift = granuleShift(config);
  const shape = { ...PLAIN_SHAPE, ias: config.ias, granuleShift: shift };
  const plain = lpaeGeometry(shape);
  const geometry = joinsTables(config, plain) ? lpaeGeometry({ ...shape, concatenate: true }) : plain;
  return {
    geometry,
    encoding: stageTwoEncoding(config.quirks),
    pgdAlignment: geometry.pgdSize,
    registers: (pgd): Registers => ({
      kind: 'stage-2',
      vttbr: pgd,
      vtcr: {
        ps: OUTPUT_SIZE_CODES[config.oas] ?? 0,
        tg: TG0_CODES[shift] ?? 0,
        ...walkAttributes(config),
        sl: stage2StartCode(shift, geometry.startLevel),
        tsz: 64 - config.ias,
      },
    }),
  };
}

function mali(config: AdjustedConfig): LpaeFormat {
  const shared = config.coherentWalk ? MaliTranstab.SHARE_OUTER : 0;
  return {
    geometry: lpaeGeometry({ ...PLAIN_SHAPE, ias: config.ias, granuleShift: SMALL_GRANULE_SHIFT, fourLevels: true }),
    encoding: maliEncoding(),
    // TRANSTAB's low twelve bits are modes (panfrost_regs.h). Linux up to 6.12 asks for 8 bytes all the same where the pgd has one
    // entry: its own allocator gives a page.
    pgdAlignment: 2 ** SMALL_GRANULE_SHIFT,
    registers: (pgd): Registers => ({
      kind: 'mali',
      transtab: pgd + MaliTranstab.MODE_TABLE + MaliTranstab.READ_INNER + shared,
      memattr: LINUX_MALI_MEMATTR,
    }),
  };
}

function entry(
  check: (config: AdjustedConfig) => ConfigCheck,
  shape: (config: AdjustedConfig) => LpaeFormat,
): FormatEntry {
  return {
    capabilities: FormatCapability.CUSTOM_ALLOCATOR,
    check,
    create: (config, machine, cookie) => new LpaeTable(config, shape(config), machine, cookie),
  };
}

/** The LPAE rows of the registry. */
export const LPAE_FORMATS = {
  ARM_64_LPAE_S1: entry(checkStageOne, stageOne),
  ARM_64_LPAE_S2: entry(checkStageTwo, stageTwo),
  ARM_32_LPAE_S1: entry(limited(32, 40, checkStageOne), stageOne),
  ARM_32_LPAE_S2: entry(limited(40, 40, checkStageTwo), stageTwo),
  ARM_MALI_LPAE: entry(checkMali, mali),
} as const;
