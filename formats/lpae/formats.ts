/** The four architectural LPAE formats: what each checks, its geometry and its registers (Linux `io-pgtable-arm.c`). */
import { OUTPUT_SIZE_CODES, stage2StartCode, TG0_CODES, TG1_CODES } from '../bits/index.ts';
import {
  type AdjustedConfig,
  type ConfigCheck,
  demandsConcatenation,
  FormatCapability,
  type FormatEntry,
  type Geometry,
  KERNELS,
  LINUX_MAIR,
  lpaeGeometry,
  MAX_CONCATENATED_TABLES,
  Quirk,
  WarningCode,
} from '../table/index.ts';
import {
  checkOutputSize,
  checkQuirks,
  granuleShift,
  refused,
  restrict,
  smallGranule,
  walkAttributes,
} from './config.ts';
import { stageOneEncoding, stageTwoEncoding } from './leaf-encoding.ts';
import { type LpaeFormat, LpaeTable } from './table.ts';

const STAGE_ONE_QUIRKS = Quirk.ARM_NS | Quirk.ARM_TTBR1 | Quirk.ARM_OUTER_WBWA | Quirk.ARM_HD;

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
  if (sized.refusal !== null) return sized;
  const plain = lpaeGeometry({ ias: sized.config.ias, granuleShift: granuleShift(sized.config) });
  if (!joinsTables(sized.config, plain) || 2 ** plain.pgdBits <= MAX_CONCATENATED_TABLES) return sized;
  const { ias, oas } = sized.config;
  const allowed = `a size that needs at most ${MAX_CONCATENATED_TABLES} joined tables with oas ${oas}`;
  return { ...refused(sized.config, 'ias', ias, allowed), warning: WarningCode.TOO_MANY_CONCATENATED };
}

/** Whether the first-level tables of a stage 2 are joined, whose geometry without joining is `plain`. */
function joinsTables(config: AdjustedConfig, { granuleShift: shift, startLevel, pgdBits }: Geometry): boolean {
  if (KERNELS[config.linux].concatenates === 'where demanded') {
    return demandsConcatenation(shift, startLevel, config.ias, config.oas);
  }
  return startLevel === 0 && 2 ** pgdBits <= MAX_CONCATENATED_TABLES;
}

/** A 32-bit LPAE format is the 64-bit one with smaller addresses and one granule. */
function limited(ias: number, oas: number, check: (config: AdjustedConfig) => ConfigCheck) {
  return (config: AdjustedConfig): ConfigCheck => {
    if (!(config.ias <= ias)) return refused(config, 'ias', config.ias, `at most ${ias}`);
    if (!(config.oas <= oas)) return refused(config, 'oas', config.oas, `at most ${oas}`);
    return check(smallGranule(config));
  };
}

function stageOne(config: AdjustedConfig): LpaeFormat {
  const shift = granuleShift(config);
  const upper = (config.quirks & Quirk.ARM_TTBR1) !== 0;
  const geometry = lpaeGeometry({ ias: config.ias, granuleShift: shift });
  return {
    geometry,
    encoding: stageOneEncoding(config.quirks),
    pgdAlignment: geometry.pgdSize,
    registers: (pgd) => ({
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
  const shape = { ias: config.ias, granuleShift: shift };
  const plain = lpaeGeometry(shape);
  const geometry = joinsTables(config, plain) ? lpaeGeometry({ ...shape, concatenate: true }) : plain;
  return {
    geometry,
    encoding: stageTwoEncoding(config.quirks),
    pgdAlignment: geometry.pgdSize,
    registers: (pgd) => ({
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

/** A row of the registry whose tables are LPAE tables of a shape. */
export function lpaeEntry(
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
  ARM_64_LPAE_S1: lpaeEntry(checkStageOne, stageOne),
  ARM_64_LPAE_S2: lpaeEntry(checkStageTwo, stageTwo),
  ARM_32_LPAE_S1: lpaeEntry(limited(32, 40, checkStageOne), stageOne),
  ARM_32_LPAE_S2: lpaeEntry(limited(40, 40, checkStageTwo), stageTwo),
} as const;
