import {
  type ContextFetch,
  type ContextSource,
  type MmioDevice,
  Mmu,
  type MmuOptions,
  Outcome,
  PRESETS,
  type RegisterContexts,
  RegisterFetch,
  type StaleMarks,
  type TranslatingDevice,
  type TranslationRegime,
  type TranslationRequest,
  type WalkMemory,
} from '../../../emulator/index.ts';
import { high32, low32 } from '../../../formats/index.ts';
import type { IommuDevice } from '../../iommu.ts';
import { type RegisterPort, RegisterSpace } from '../../registers/index.ts';
import {
  CONTEXT,
  IMSAUXCTLR_S2PTE,
  IMSTR,
  IMUCTR,
  Imctr,
  Imstr,
  Imuctr,
  IPMMU_GENERATIONS,
  type IpmmuGeneration,
  MICRO_TLB,
  SYSTEM,
} from '../spec/index.ts';
import { type IpmmuConfig, type IpmmuOptions, parseIpmmuConfig } from './config.ts';
import { errorCode, faultBit } from './fault-codes.ts';
import { BYPASS, contextRegime, contextTag } from './regime.ts';
import { UnitRegisters } from './unit.ts';

/** The driver gave a micro-TLB a context that the generation does not have. */
const NO_SUCH_CONTEXT = 1;

/** Bytes from the root's registers to the first leaf's, and from one leaf's to the next. */
export const IPMMU_LEAF_STRIDE = 0x100_0000;

/** What raises the interrupt. */
const ERRORS = Imstr.TF | Imstr.PF | Imstr.ABORT | Imstr.MHIT;

/**
 * An IPMMU-VMSA system: a root, and leaves whose micro-TLBs stand before the bus masters. StreamID s is micro-TLB
 * `s % microTlbs` of leaf `s / microTlbs` (Gen2: of the root).
 *
 * Does: contexts with 32-bit LPAE tables and, on Gen3 and later, those of VMSAv8-64 with both halves, or a stage 2; micro-TLBs that
 * are off, on, or moved to another context; the flush of a context and of a micro-TLB, with the time until IMCTR.FLUSH reads as 0;
 * faults with their address, level and kind, and the interrupt.
 *
 * Assumed, since the manuals are not public: a context or micro-TLB that is off lets accesses pass unchanged; a context must be on in
 * root and leaf; the root's flush reaches the leaves' micro-TLBs, the leaf's only its own; the address registers keep the first fault
 * until IMSTR is cleared; a faulting access is aborted; all sizes and latencies.
 *
 * Does not: MHIT (no two entries ever match), the performance monitor and the PMB registers, IMBUSCR and IMSCTLR (they keep what is
 * written), ASIDs (IMUASID), fixed upper address bits (IMUCTR.FIXADD), secure contexts, attribute remapping (IMCTR.TRE).
 */
export class Ipmmu implements IommuDevice, MmioDevice, RegisterPort, ContextSource, RegisterContexts {
  readonly breakBeforeMakeLevel = 0;
  /** A flush drops all of a context: there is no other. */
  readonly invalidatesRegions = true;
  /** Each read of IMCTR that shows a flush to be over. */
  readonly tellsCompletion = true;
  readonly config: IpmmuConfig;
  readonly generation: IpmmuGeneration;
  readonly mmu: Mmu;
  /** Registers of the root, and of the leaves. */
  readonly root: UnitRegisters;
  readonly leaves: readonly UnitRegisters[];
  /** Cycle of the register accesses that follow. Each access and each delay moves it on. */
  now = 0;
  /** Told when the interrupt line changes. */
  onInterrupt: ((level: boolean) => void) | null = null;
  onResume: TranslatingDevice['onResume'] = null;
  /** Flushes of a context, and the cycles that they took. */
  flushes = 0;
  flushCycles = 0;
  /** Writes that asked for a flush, of leaf and root. */
  flushWrites = 0;
  /** Cycles of delays. */
  delayCycles = 0;

  readonly #space = new RegisterSpace();
  /** By context: cycle at which its flush is done. */
  readonly #flushedAt: Float64Array;
  /** By context, what its registers say; null where they have changed since. */
  readonly #regimes: (TranslationRegime | null)[];
  readonly #cyclesPerMicrosecond: number;
  #interrupt = false;

  /** @throws ConfigError */
  constructor(parts: { config?: IpmmuOptions; mmu?: MmuOptions; memory: WalkMemory }) {
    const config = parseIpmmuConfig(parts.config ?? {});
    const generation = IPMMU_GENERATIONS[config.generation];
    this.config = config;
    this.generation = generation;
    this.#cyclesPerMicrosecond = config.cyclesPerMicrosecond;
    this.#flushedAt = new Float64Array(generation.contexts);
    this.#regimes = new Array<TranslationRegime | null>(generation.contexts).fill(null);
    this.root = this.#unit(0, -1);
    this.leaves = generation.hasLeaves
      ? Array.from({ length: config.leaves }, (_, leaf) => this.#unit(IPMMU_LEAF_STRIDE * (leaf + 1), leaf))
      : [];
    // Contexts lie in registers: what a cache would hold of them could be stale.
    const asked: MmuOptions = parts.mmu ?? PRESETS['ipmmu-assumed'];
    const mmu = {
      ...asked,
      configurationCache: { enabled: false },
      // A flush drops all of a context.
      deviations: { ...asked.deviations, globalPagesBelongToAsid: true },
    };
    this.mmu = new Mmu(mmu, parts.memory, this);
  }

  /** StreamIDs are below this. */
  get streams(): number {
    return Math.max(this.leaves.length, 1) * this.generation.microTlbs;
  }

  /** The interrupt line: some context that may raise it has a fault. */
  get interrupt(): boolean {
    return this.#interrupt;
  }

  read32(offset: number): number {
    this.now += this.config.accessCycles;
    return this.#space.read32(offset);
  }

  write32(offset: number, value: number): void {
    this.now += this.config.accessCycles;
    this.#space.write32(offset, value);
  }

  read64(offset: number, halves: Uint32Array): void {
    halves[0] = this.read32(offset);
    halves[1] = this.read32(offset + 4);
  }

  write64(offset: number, low: number, high: number): void {
    this.write32(offset, low);
    this.write32(offset + 4, high);
  }

  delay(microseconds: number): void {
    const cycles = microseconds * this.#cyclesPerMicrosecond;
    this.now += cycles;
    this.delayCycles += cycles;
  }

  translate(request: TranslationRequest): boolean {
    this.mmu.translate(request);
    return this.settle(request, false);
  }

  admit(): boolean {
    return true;
  }

  settle(request: TranslationRequest, _inFlight: boolean): boolean {
    if (request.outcome === Outcome.OK) return true;
    if (request.contextFault === 0) this.#recordFault(request);
    return request.refuse(Outcome.ABORTED);
  }

  newFetch(): ContextFetch {
    return new RegisterFetch(this);
  }

  contextFaultOf(_streamId: number): number {
    return NO_SUCH_CONTEXT;
  }

  get stale(): StaleMarks {
    return this.mmu.stale;
  }

  regimeOf(streamId: number): TranslationRegime | null {
    const regime = this.contextOf(streamId);
    return regime === BYPASS ? null : regime;
  }

  /** What the registers say of a stream, {@link BYPASS} where they say nothing; null for a context that does not exist. */
  contextOf(streamId: number): TranslationRegime | null {
    const { microTlbs } = this.generation;
    const leaf = this.leaves[Math.floor(streamId / microTlbs)] ?? null;
    const unit = leaf ?? this.root;
    if (streamId >= this.streams) return BYPASS;
    const control = unit.microTlbs.get(MICRO_TLB.IMUCTR, streamId % microTlbs);
    if ((control & Imuctr.MMUEN) === 0) return BYPASS;
    const context = (control & Imuctr.TTSEL) >>> IMUCTR.TTSEL.lsb;
    if (context >= this.generation.contexts) return null;
    return this.#isOn(unit, context) && this.#isOn(this.root, context) ? this.#regime(context) : BYPASS;
  }

  #isOn(unit: UnitRegisters, context: number): boolean {
    return (unit.contexts.get(CONTEXT.IMCTR, context) & Imctr.MMUEN) !== 0;
  }

  /** Descriptors are those of a stage 2. */
  get #stage2Format(): boolean {
    return (this.root.system.get(SYSTEM.IMSAUXCTLR) & IMSAUXCTLR_S2PTE) !== 0;
  }

  #regime(context: number): TranslationRegime {
    let regime = this.#regimes[context] ?? null;
    if (regime === null) {
      regime = contextRegime(this.generation, this.root.contexts, context, this.#stage2Format);
      this.#regimes[context] = regime;
    }
    return regime;
  }

  /** @param leaf which leaf it is; -1 for the root */
  #unit(base: number, leaf: number): UnitRegisters {
    const isRoot = leaf < 0;
    const changed = isRoot ? { written: (context: number) => this.#changed(context) } : {};
    return new UnitRegisters(this.generation, this.#space, base, {
      contexts: {
        IMCTR: {
          read: (context) => {
            const control = this.#unitAt(leaf).contexts.get(CONTEXT.IMCTR, context);
            if (!isRoot) return control;
            if (this.now < (this.#flushedAt[context] as number)) return control | Imctr.FLUSH;
            this.mmu.invalidation.observer?.completed?.();
            return control;
          },
          write: (value, context) => {
            this.#writeControl(leaf, context, value);
            return value & ~Imctr.FLUSH;
          },
          written: (context) => {
            if (isRoot) this.#changed(context);
            this.#updateInterrupt();
          },
        },
        IMTTBCR: changed,
        IMTTLBR0: changed,
        IMTTUBR0: changed,
        IMTTLBR1: changed,
        IMTTUBR1: changed,
        IMMAIR0: changed,
        IMMAIR1: changed,
        IMSTR: { written: () => this.#updateInterrupt() },
      },
      microTlbs: {
        IMUCTR: {
          write: (value) => value & ~Imuctr.FLUSH,
          // A micro-TLB that is off is not looked into, and one that was off knows nothing: its entries go with every change.
          written: (microTlb) => this.#dropMicroTlb(leaf, microTlb),
        },
      },
      system: { IMSAUXCTLR: { written: () => this.#regimes.fill(null) } },
    });
  }

  #unitAt(leaf: number): UnitRegisters {
    return this.leaves[leaf] ?? this.root;
  }

  /** Registers of the root say otherwise than before. Translations that are cached stay until a flush. */
  #changed(context: number): void {
    this.#regimes[context] = null;
  }

  /** IMCTR is written: it may turn the context on or off, and flush it. */
  #writeControl(leaf: number, context: number, value: number): void {
    const before = this.#unitAt(leaf).contexts.get(CONTEXT.IMCTR, context);
    const switched = ((before ^ value) & Imctr.MMUEN) !== 0;
    const flush = (value & Imctr.FLUSH) !== 0;
    if (flush) this.flushWrites++;
    if (leaf >= 0) {
      if (switched || flush) this.#dropMicroTlbs(leaf, context);
      return;
    }
    if (switched) for (let each = 0; each < Math.max(this.leaves.length, 1); each++) this.#dropMicroTlbs(each, context);
    if (!flush) return;
    const { invalidation } = this.mmu;
    const tag = contextTag(context);
    const dropped = this.#stage2Format ? invalidation.byVmid(tag, true) : invalidation.byAsid(tag, 0);
    const cycles = dropped + invalidation.sync(this.now, this.mmu.busyUntil);
    this.#flushedAt[context] = this.now + cycles;
    this.flushes++;
    this.flushCycles += cycles;
  }

  /** Drops what the micro-TLBs of a leaf (Gen2: the root) hold that use `context`. */
  #dropMicroTlbs(leaf: number, context: number): void {
    const { microTlbs } = this.#unitAt(leaf);
    for (let each = 0; each < microTlbs.instances; each++) {
      const control = microTlbs.get(MICRO_TLB.IMUCTR, each);
      if ((control & Imuctr.TTSEL) >>> IMUCTR.TTSEL.lsb === context) this.#dropMicroTlb(leaf, each);
    }
  }

  #dropMicroTlb(leaf: number, microTlb: number): void {
    // The root of a system with leaves has the registers, but no masters.
    if (leaf < 0 && this.generation.hasLeaves) return;
    const stream = Math.max(leaf, 0) * this.generation.microTlbs + microTlb;
    this.mmu.invalidation.streams(stream, stream);
  }

  #recordFault(request: TranslationRequest): void {
    const { microTlbs } = this.generation;
    const unit = this.#unitAt(this.leaves.length > 0 ? Math.floor(request.streamId / microTlbs) : -1);
    const control = unit.microTlbs.get(MICRO_TLB.IMUCTR, request.streamId % microTlbs);
    const context = (control & Imuctr.TTSEL) >>> IMUCTR.TTSEL.lsb;
    const { contexts } = this.root;
    const before = contexts.get(CONTEXT.IMSTR, context);
    if ((before & ERRORS) === 0) {
      contexts.set(CONTEXT.IMELAR, low32(request.iova), context);
      contexts.set(CONTEXT.IMEUAR, high32(request.iova), context);
      contexts.setField(CONTEXT.IMSTR, IMSTR.ERRLVL, request.faultLevel, context);
      contexts.setField(CONTEXT.IMSTR, IMSTR.ERRCODE, errorCode(request.fault), context);
    }
    contexts.set(CONTEXT.IMSTR, contexts.get(CONTEXT.IMSTR, context) | faultBit(request.fault), context);
    this.#updateInterrupt();
  }

  #updateInterrupt(): void {
    let level = false;
    const { contexts } = this.root;
    for (let context = 0; context < contexts.instances; context++) {
      if ((contexts.get(CONTEXT.IMCTR, context) & Imctr.INTEN) === 0) continue;
      level ||= (contexts.get(CONTEXT.IMSTR, context) & ERRORS) !== 0;
    }
    if (level === this.#interrupt) return;
    this.#interrupt = level;
    this.onInterrupt?.(level);
  }
}
