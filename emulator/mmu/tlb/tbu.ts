import { AssociativeCache } from '../cache/index.ts';
import type { CacheConfig, MmuConfig } from '../config/index.ts';

/** A cache of an MMU configuration, or null when it is off. */
export function cacheOf(
  name: string,
  config: CacheConfig,
  machine: MmuConfig,
  byAddress: boolean,
): AssociativeCache | null {
  if (!config.enabled) return null;
  return new AssociativeCache(name, {
    entries: config.entries,
    ways: config.ways === 'full' ? config.entries : config.ways,
    holdsTables: false,
    policy: config.policy,
    seed: machine.seed,
    blocksFoundByFirstPageOnly: byAddress && machine.deviations.blocksFoundByFirstPageOnly,
    onePointerForAllSets: machine.onePointerForAllSets,
    freshEntryIsOldest: machine.freshEntryIsOldest,
  });
}

/**
 * What stands between one master and the SMMU: a port, a micro-TLB and a main TLB (Arm calls it a translation buffer unit). Entries
 * are found by stream and substream; invalidations find them by ASID and VMID.
 */
export class Tbu {
  readonly microTlb: AssociativeCache | null;
  readonly mainTlb: AssociativeCache | null;

  constructor(index: number, config: MmuConfig) {
    this.microTlb = cacheOf(`micro-TLB ${index}`, config.tbu.microTlb, config, true);
    this.mainTlb = cacheOf(`main TLB ${index}`, config.tbu.mainTlb, config, true);
  }
}
