import {
  allocIoPgtable,
  ConfigError,
  commonSizes,
  hasSize,
  type IoPgtableConfig,
  leafSizes,
  type Machine,
  PageCutter,
  PLAIN_BITS,
  Quirk,
} from '../../../../formats/index.ts';
import type { DomainConfig } from '../../../iommu.ts';
import type { DriverConfig } from '../config.ts';
import { InvalidationArray, type Invalidator, RangeCover } from '../invalidation/index.ts';
import { KERNEL_TRAITS } from '../kernel.ts';
import type { ProbedSmmu } from '../start/index.ts';
import type { DomainStage, Smmuv3Domain } from './domain.ts';
import { Identifiers } from './identifiers.ts';

/** Makes and frees address spaces: tables that the SMMU can walk, and tags of their own in its TLBs. */
export class Domains {
  readonly #probed: ProbedSmmu;
  readonly #machine: Machine;
  readonly #config: DriverConfig;
  readonly #invalidator: Invalidator;
  readonly #asids: Identifiers;
  readonly #vmids: Identifiers;

  constructor(probed: ProbedSmmu, machine: Machine, config: DriverConfig, invalidator: Invalidator) {
    this.#probed = probed;
    this.#machine = machine;
    this.#config = config;
    this.#invalidator = invalidator;
    this.#asids = new Identifiers('asid', probed.features.asidBits);
    this.#vmids = new Identifiers('vmid', probed.features.vmidBits);
  }

  /**
   * Makes an address space: a table and a tag. Without a format it is stage 1 where the SMMU has it; page and address sizes are
   * those of the SMMU, and where several granules are left, the table narrows them as Linux does.
   * @throws ConfigError, also for a table that this SMMU cannot walk, or TableMemoryError without memory for the first level.
   */
  create(asked: DomainConfig = {}, options: { readonly nestParent?: boolean } = {}): Smmuv3Domain {
    const { features } = this.#probed;
    const format = asked.format ?? (features.stage1 ? 'ARM_64_LPAE_S1' : 'ARM_64_LPAE_S2');
    if (format !== 'ARM_64_LPAE_S1' && format !== 'ARM_64_LPAE_S2') {
      throw new ConfigError(
        'table.format',
        format,
        'ARM_64_LPAE_S1 or ARM_64_LPAE_S2: the tables that an SMMUv3 walks',
      );
    }
    const stage: DomainStage = format === 'ARM_64_LPAE_S1' ? 'stage-1' : 'stage-2';
    if (!(stage === 'stage-1' ? features.stage1 : features.stage2)) {
      throw new ConfigError('table.format', format, 'a stage that the SMMU has');
    }
    const { coherent, nesting, forceWriteBack } = this.#probed;
    const { kernel } = this.#config;
    if (options.nestParent === true && !(nesting && KERNEL_TRAITS[kernel].nestParents)) {
      throw new ConfigError('table.nestParent', true, 'false: this SMMU, or this kernel, has no nested domains');
    }
    const coherentWalk = asked.coherentWalk ?? coherent;
    if (coherentWalk && !coherent) {
      throw new ConfigError('table.coherentWalk', true, 'false: the walks of this SMMU do not snoop');
    }
    if (((asked.quirks ?? 0) & Quirk.ARM_HD) !== 0 && features.hardwareUpdate < 2) {
      throw new ConfigError('table.quirks', asked.quirks, 'no ARM_HD: this SMMU does not mark pages dirty');
    }
    const domain: { -readonly [K in keyof Smmuv3Domain]?: Smmuv3Domain[K] } = {};
    const table = allocIoPgtable(
      {
        linux: kernel,
        ...asked,
        quirks: (asked.quirks ?? 0) | (options.nestParent === true && forceWriteBack ? Quirk.ARM_S2FWB : 0),
        format,
        ...this.#sizes(asked, stage),
        coherentWalk,
        tlb: this.#invalidator,
      },
      this.#machine,
      domain,
    );
    const cutter = new PageCutter(table.config.pageSizes);
    domain.table = table;
    domain.stage = stage;
    domain.tag = stage === 'stage-1' ? this.#asids.take() : this.#vmids.take();
    domain.asid = stage === 'stage-1' ? domain.tag : 0;
    domain.vmid = stage === 'stage-1' ? 0 : domain.tag;
    domain.upper = (table.config.quirks & Quirk.ARM_TTBR1) !== 0;
    domain.nestParent = options.nestParent ?? false;
    domain.attachments = new Set();
    domain.atsUsers = 0;
    domain.invalidations = new InvalidationArray();
    domain.cutter = cutter;
    const { useRanges, rangePolicy } = this.#config;
    const ranges = features.rangeInvalidation && useRanges;
    domain.cover = new RangeCover(Math.log2(cutter.smallest), ranges, rangePolicy === 'covering');
    domain.mapped = 0;
    return domain as Smmuv3Domain;
  }

  /** Page and address sizes of a table, defaults filled in (Linux `arm_smmu_domain_finalise`). */
  #sizes(asked: DomainConfig, stage: DomainStage): Pick<IoPgtableConfig, 'pageSizes' | 'ias' | 'oas'> {
    const { granules, outputBits, inputBits52 } = this.#probed.features;
    const { intermediateBits } = this.#probed;
    const offered = granules.reduce((sum, granule) => sum + leafSizes(granule, outputBits), 0);
    const pageSizes = asked.pageSizes === undefined ? offered : commonSizes(asked.pageSizes, offered);
    if (!granules.some((granule) => hasSize(pageSizes, 2 ** granule))) {
      const names = granules.map((granule) => `${2 ** (granule - 10)}K`).join(', ');
      throw new ConfigError('table.pageSizes', asked.pageSizes, `a set with a granule of the SMMU: ${names}`);
    }
    const within = (field: 'ias' | 'oas', most: number): number => {
      const bits = asked[field] ?? most;
      if (bits > most) throw new ConfigError(`table.${field}`, bits, `at most ${most}, what the SMMU has`);
      return bits;
    };
    const virtualBits = Math.min(inputBits52 ? 52 : PLAIN_BITS, this.#config.virtualAddressBits);
    // The input of stage 2 is what stage 1 could have put out.
    return stage === 'stage-2'
      ? { pageSizes, ias: within('ias', intermediateBits), oas: within('oas', outputBits) }
      : { pageSizes, ias: within('ias', virtualBits), oas: within('oas', intermediateBits) };
  }

  /** Frees the table (which flushes the TLB) and the tag. Detach its streams first. */
  free(domain: Smmuv3Domain): void {
    domain.table.free();
    if (domain.stage === 'stage-1') this.#asids.release(domain.tag);
    else this.#vmids.release(domain.tag);
  }
}
