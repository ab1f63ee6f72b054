import {
  type AssociativeCache,
  InvalidationPort,
  type Mmu,
  MmuCaches,
  type MmuOptions,
  type ReplacementPolicy,
} from '../../../emulator/index.ts';

/** Caches of one policy and one size, which are asked what the real ones are asked. */
export class PolicyCaches {
  readonly policy: ReplacementPolicy;
  readonly entries: number;
  readonly caches: MmuCaches;
  readonly port: InvalidationPort;

  /** @param entries of every TLB and of the IPA cache, fully associative */
  constructor(config: Mmu['config'], policy: ReplacementPolicy, entries: number) {
    const one = { entries, ways: 'full', policy } as const;
    const { microTlb, mainTlb } = config.tbu;
    const sized: Partial<MmuOptions> = {
      tbu: { ...config.tbu, microTlb: { ...microTlb, ...one }, mainTlb: { ...mainTlb, ...one } },
      tlb: { ...config.tlb, ...one },
      ipaCache: { ...config.ipaCache, ...one },
      walkCache: { ...config.walkCache, enabled: false },
    };
    this.policy = policy;
    this.entries = entries;
    this.caches = new MmuCaches({ ...config, ...sized } as ConstructorParameters<typeof MmuCaches>[0]);
    this.port = new InvalidationPort(this.caches.config, this.caches);
  }
}

/** One cache of {@link PolicyCaches}, with its name. */
export interface PolicyCache {
  readonly policy: ReplacementPolicy;
  readonly cache: AssociativeCache;
}
