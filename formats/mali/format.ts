/**
 * ARM_MALI_LPAE, the page tables of Midgard and early Bifrost GPUs: walks of four levels whatever the input size, leaves without an
 * access flag, and no quirks (Linux `io-pgtable-arm.c`, the Mali part; panfrost).
 */
import { Shareability } from '../bits/index.ts';
import { LpaeType, MALI_LEAF } from '../descriptors/index.ts';
import {
  attributeIndex,
  checkQuirks,
  encodingTable,
  type LeafEncoding,
  type LpaeFormat,
  lpaeEntry,
  refused,
  restrict,
  SMALL_GRANULE_SHIFT,
  smallGranule,
} from '../lpae/index.ts';
import {
  type AdjustedConfig,
  type ConfigCheck,
  LINUX_MALI_MEMATTR,
  lpaeGeometry,
  MaliTranstab,
  Prot,
} from '../table/index.ts';

const EXECUTE_NEVER = 3;

/** Leaves: no access flag, and shareability always beyond the GPU. */
const ENCODING: LeafEncoding = encodingTable(MALI_LEAF, LpaeType.BLOCK, (prot) => ({
  read: (prot & Prot.READ) === 0 ? 0 : 1,
  write: (prot & Prot.WRITE) === 0 ? 0 : 1,
  attrIndx: attributeIndex(prot),
  sh: Shareability.OUTER,
  xn: (prot & Prot.NOEXEC) === 0 ? 0 : EXECUTE_NEVER,
}));

function check(config: AdjustedConfig): ConfigCheck {
  const quirks = checkQuirks(config, 0);
  if (quirks !== null) return quirks;
  if (config.contiguous) return refused(config, 'contiguous', true, 'false: Mali has no contiguous hint');
  if (!(config.ias <= 48)) return refused(config, 'ias', config.ias, 'at most 48');
  if (!(config.oas <= 40)) return refused(config, 'oas', config.oas, 'at most 40');
  return restrict(smallGranule(config), 0);
}

function shape(config: AdjustedConfig): LpaeFormat {
  const shared = config.coherentWalk ? MaliTranstab.SHARE_OUTER : 0;
  return {
    geometry: lpaeGeometry({ ias: config.ias, granuleShift: SMALL_GRANULE_SHIFT, fourLevels: true }),
    encoding: ENCODING,
    // TRANSTAB's low twelve bits are modes (panfrost_regs.h). Linux asks for less all the same where the pgd has one entry: its own
    // allocator gives a page.
    pgdAlignment: 2 ** SMALL_GRANULE_SHIFT,
    registers: (pgd) => ({
      kind: 'mali',
      transtab: pgd + MaliTranstab.MODE_TABLE + MaliTranstab.READ_INNER + shared,
      memattr: LINUX_MALI_MEMATTR,
    }),
  };
}

/** Mali's row of the registry. */
export const MALI_FORMAT = lpaeEntry(check, shape);
