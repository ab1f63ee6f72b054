import type { WalkMemory } from '../../memory/index.ts';
import type { MmuConfig } from '../config/index.ts';
import type { StageRegime } from '../regime/index.ts';
import { type AssociativeCache, OWNER_SHIFT, tagHigh, tagLow, WALK_LEVELS, type WalkCaches } from '../tlb/index.ts';
import {
  combineAttributes,
  ENTRY,
  FaultClass,
  FaultKind,
  isDevice,
  keepsTable,
  leafAttributes,
  MOST_UPDATES,
  READS_DESCRIPTOR,
  refusesDevice,
  StageWalk,
  serves,
  stage2Alone,
  UPDATES_DESCRIPTOR,
  WalkStatus,
  withoutTableBits,
} from '../walk/index.ts';
import type { TranslationRequest } from './request.ts';
import type { WalkObserver } from './walk-observer.ts';

/**
 * Whole walks, one at a time: stage 1, stage 2 or both, through the walk caches and the IPA cache, with the cycles that they take
 * when nobody competes. The results go into the request.
 *
 * The step order is that of the reference model (walk caches from the last level up, one cycle per step, a port cycle and a
 * memory round trip per descriptor); flight-engine.ts makes the same steps for many walks at once.
 */
export class SerialWalker {
  /** Cycles the last walk took. */
  cycles = 0;
  /** Output of the last stage-2 translation. */
  output2 = 0;
  /** Told of every step; mostly nobody is. */
  observer: WalkObserver | null = null;

  readonly #memory: WalkMemory;
  readonly #caches: WalkCaches;
  readonly #ipaCache: AssociativeCache | null;
  readonly #walk1 = new StageWalk();
  readonly #walk2 = new StageWalk();
  /** Attributes of the last stage-2 translation. */
  #attributes2 = 0;

  readonly #step: number;
  readonly #readCycles: number;
  /** One descriptor: the read and the step after it. */
  readonly #descriptorCycles: number;
  readonly #probeCycles: number;
  readonly #parallel: boolean;
  readonly #ipaCycles: number;
  readonly #holdsLeaves: boolean;
  readonly #nonFinal: boolean;
  readonly #runsAreEntries: boolean;
  readonly #leafSkipsStage2: boolean;
  readonly #ignoresProtection: boolean;
  readonly #mixesSpace: boolean;

  constructor(config: MmuConfig, memory: WalkMemory, caches: WalkCaches, ipaCache: AssociativeCache | null) {
    this.#memory = memory;
    this.#caches = caches;
    this.#ipaCache = ipaCache;
    this.#step = config.walkStep;
    this.#readCycles = 1 + config.memory.latency;
    this.#descriptorCycles = this.#readCycles + this.#step;
    this.#probeCycles = config.walkCache.latency;
    this.#parallel = config.walkCache.parallelLevels;
    this.#ipaCycles = config.ipaCache.latency;
    this.#holdsLeaves = config.walkCache.holdsLeaves;
    this.#nonFinal = config.walkCache.nonFinal;
    this.#runsAreEntries = config.contiguousRunIsOneEntry;
    this.#leafSkipsStage2 = config.deviations.cachedLeafSkipsStage2;
    this.#ignoresProtection = config.deviations.ignoresProtectedTableWalk;
    this.#mixesSpace = config.indexMixesAddressSpace;
  }

  /**
   * Translates `request.iova` through stage 1, and stage 2 if there is one, and writes what comes out into the request.
   *
   * @param low tag words of the address
   * @param page the high one, without owner
   * @param space number of the address space (ASID and VMID)
   * @param space2 number of the VMID's stage-2 space
   * @param access bits of `Permission` that the access needs
   * @returns false on a fault
   */
  stage1(
    request: TranslationRequest,
    stage1: StageRegime,
    stage2: StageRegime | null,
    low: number,
    page: number,
    space: number,
    space2: number,
    vmid: number,
    upper: boolean,
    access: number,
  ): boolean {
    this.cycles = 0;
    const { iova } = request;
    const walk = this.#walk1;
    walk.inputAddress = iova;
    const checked = walk.check(stage1, upper, access);
    if (this.observer !== null) this.observer.begin(walk, FaultClass.INPUT);
    if (checked === WalkStatus.FAULT) return this.#refused1(request);
    const high = page | (space << OWNER_SHIFT);

    // The lowest level that a walk cache knows spares all levels above it.
    const from = this.#probe(request, walk, 0, low, high, access, false);
    /** Address of the descriptor to read next. */
    let descriptor = 0;
    let cacheable = true;
    /** A walk cache knows where a table lies, but not its address before stage 2. */
    let ipaKnown = true;
    if (from >= 0) {
      const section = from & 7;
      const cache = this.#caches.sections[section] as AssociativeCache;
      const entry = from >>> 3;
      request.walkCacheLevel = section;
      if (cache.marked !== 0) request.staleMark = cache.marks[entry] as number;
      const attributes = cache.attributesOf(entry);
      if ((attributes & ENTRY.LEAF) !== 0) {
        const output = iova + (cache.values[entry] as number);
        const behind = this.#leafSkipsStage2 ? null : stage2;
        return this.#finish1(request, output, withoutTableBits(attributes), behind, space2, vmid, access);
      }
      const table = cache.values[entry] as number;
      walk.hierarchical = (attributes >>> ENTRY.HIERARCHICAL_SHIFT) & ENTRY.HIERARCHICAL_MASK;
      walk.request(section + 1, (table / 2 ** 32) | 0, table | 0);
      descriptor = walk.descriptorAddress;
      ipaKnown = stage2 === null;
    } else {
      walk.requestRoot();
      descriptor = walk.descriptorAddress;
      if (stage2 !== null) {
        if (!this.#stage2(request, stage2, space2, vmid, descriptor, FaultClass.TABLE, READS_DESCRIPTOR)) return false;
        descriptor = this.output2;
      }
    }

    this.cycles += this.#step;
    const memory = this.#memory;
    for (;;) {
      this.cycles += this.#descriptorCycles;
      request.descriptorReads++;
      if (!memory.read(descriptor, walk.descriptorBytes)) {
        walk.refuse(FaultKind.EXTERNAL_ABORT, walk.level);
        return this.#refused1(request);
      }
      const { level: readLevel } = walk;
      const seenAt = this.observer === null ? 0 : walk.descriptorAddress;
      let status = walk.step(memory.low, memory.high);
      if (this.observer !== null) this.#tell(walk, readLevel, seenAt, descriptor, status);
      if (status === WalkStatus.LEAF) break;
      if (status === WalkStatus.UPDATE) {
        if (!ipaKnown && stage2 !== null) {
          // Stage 2 has to permit the write, so the walk begins again where it learns the address to ask for.
          ipaKnown = true;
          request.walkCacheLevel = -1;
          walk.restart();
          const root = walk.descriptorAddress;
          if (!this.#stage2(request, stage2, space2, vmid, root, FaultClass.TABLE, READS_DESCRIPTOR)) return false;
          descriptor = this.output2;
          this.cycles += this.#step;
          continue;
        }
        status = this.#update(request, walk, descriptor, stage2, space2, vmid);
        if (status === WalkStatus.UPDATE) return false;
        if (status === WalkStatus.LEAF) break;
      }
      if (status === WalkStatus.FAULT) return this.#refused1(request);
      ipaKnown = true;
      let table = walk.tableBase;
      descriptor = walk.descriptorAddress;
      if (stage2 !== null) {
        if (!this.#stage2(request, stage2, space2, vmid, descriptor, FaultClass.TABLE, READS_DESCRIPTOR)) return false;
        cacheable = keepsTable(this.#attributes2, walk.granuleShift);
        table = this.output2 - (descriptor - table);
        descriptor = this.output2;
      }
      if (cacheable) {
        const level = walk.level - 1;
        const attributes = walk.hierarchical << ENTRY.HIERARCHICAL_SHIFT;
        this.#caches.keep(level, walk.entryShift(level), low, high, table, attributes, space);
        if (this.observer !== null) this.#tellKept(level, false);
      }
    }

    const shift = this.#runsAreEntries === true ? walk.contiguousShift : walk.pageShift;
    const attributes1 = leafAttributes(walk, shift);
    const output1 = walk.outputAddress;
    if (stage2 === null) {
      request.pa = output1;
      request.attributes = attributes1;
    } else if (!this.#finish1(request, output1, attributes1, stage2, space2, vmid, access)) return false;
    const section = walk.level;
    const cache = this.#caches.sections[section];
    if (this.#holdsLeaves !== true || cache === null || cache === undefined) return true;
    if (this.observer !== null) this.#tellKept(section, true);
    if (stage2 === null || this.#leafSkipsStage2 !== true) {
      const entry = this.#caches.store(section, walk.pageShift, low, high, attributes1 | ENTRY.LEAF, space);
      cache.values[entry] = output1 - iova;
    } else {
      // The base of the stage-1 leaf is kept with the page size of both stages.
      const both = request.attributes & ENTRY.SHIFT_MASK;
      const base = output1 - (iova % 2 ** walk.pageShift);
      const entry = this.#caches.store(section, both, low, high, request.attributes | ENTRY.LEAF, space);
      cache.values[entry] = base + (iova % 2 ** both) - iova;
    }
    return true;
  }

  /** Translates `request.iova` through stage 2 alone. */
  stage2(request: TranslationRequest, stage2: StageRegime, space2: number, vmid: number, access: number): boolean {
    this.cycles = 0;
    if (!this.#stage2(request, stage2, space2, vmid, request.iova, FaultClass.INPUT, access)) return false;
    request.pa = this.output2;
    request.attributes = stage2Alone(this.#attributes2);
    return true;
  }

  /** Stage-2 translation of a configuration structure's address, to `output2`: not final, class CONTEXT. */
  stage2OfContext(
    request: TranslationRequest,
    stage2: StageRegime,
    space2: number,
    vmid: number,
    ipa: number,
  ): boolean {
    this.cycles = 0;
    return this.#stage2(request, stage2, space2, vmid, ipa, FaultClass.CONTEXT, READS_DESCRIPTOR);
  }

  /** Stage 2 behind a finished stage 1; sets `pa` and `attributes` of the request. */
  #finish1(
    request: TranslationRequest,
    output1: number,
    attributes1: number,
    stage2: StageRegime | null,
    space2: number,
    vmid: number,
    access: number,
  ): boolean {
    request.pa = output1;
    request.attributes = attributes1;
    if (stage2 === null) return true;
    if (!this.#stage2(request, stage2, space2, vmid, output1, FaultClass.INPUT, access)) return false;
    request.pa = this.output2;
    request.attributes = combineAttributes(attributes1, this.#attributes2);
    return true;
  }

  /** @param purpose what the address belongs to: the input itself, a stage-1 table, or a configuration structure */
  #stage2(
    request: TranslationRequest,
    regime: StageRegime,
    space2: number,
    vmid: number,
    ipa: number,
    purpose: FaultClass,
    access: number,
  ): boolean {
    const low = tagLow(ipa);
    const high = tagHigh(ipa, false) | (space2 << OWNER_SHIFT);
    const salt = this.#mixesSpace ? vmid : 0;
    const normalOnly = refusesDevice(regime, purpose) && !this.#ignoresProtection;
    const ipaCache = this.#ipaCache;
    if (ipaCache !== null) {
      this.cycles += this.#ipaCycles;
      const entry = ipaCache.lookup(low, high, salt);
      const served = entry >= 0 && serves(ipaCache.attributesOf(entry), access, normalOnly);
      if (this.observer !== null) this.observer.asked('IPA cache', 2, -1, served, this.cycles);
      if (served) {
        if (ipaCache.marked !== 0) request.staleMark = ipaCache.marks[entry] as number;
        this.output2 = ipa + (ipaCache.values[entry] as number);
        this.#attributes2 = ipaCache.attributesOf(entry);
        return true;
      }
    }
    const walk = this.#walk2;
    const begun = walk.begin(regime, ipa, false, access);
    if (this.observer !== null) this.observer.begin(walk, purpose);
    if (begun === WalkStatus.FAULT) return this.#refused2(request, walk, ipa, purpose);
    const cached = purpose === FaultClass.INPUT || this.#nonFinal;
    const from = cached ? this.#probe(request, walk, WALK_LEVELS, low, high, access, normalOnly) : -1;
    if (from >= 0) {
      const section = from & 7;
      const cache = this.#caches.sections[section] as AssociativeCache;
      const entry = from >>> 3;
      if (cache.marked !== 0) request.staleMark = cache.marks[entry] as number;
      const attributes = cache.attributesOf(entry);
      if ((attributes & ENTRY.LEAF) !== 0) {
        this.output2 = ipa + (cache.values[entry] as number);
        this.#attributes2 = withoutTableBits(attributes);
        this.#storeIpa(low, high, salt, ipa, space2);
        return true;
      }
      walk.resume(section - WALK_LEVELS + 1, cache.values[entry] as number, 0);
    }
    this.cycles += this.#step;
    for (;;) {
      this.cycles += this.#descriptorCycles;
      request.descriptorReads++;
      const descriptor = walk.descriptorAddress;
      if (!this.#memory.read(descriptor, walk.descriptorBytes)) {
        walk.refuse(FaultKind.EXTERNAL_ABORT, walk.level);
        return this.#refused2(request, walk, ipa, purpose);
      }
      const { level: readLevel } = walk;
      let status = walk.step(this.#memory.low, this.#memory.high);
      if (this.observer !== null) this.#tell(walk, readLevel, descriptor, descriptor, status);
      if (status === WalkStatus.UPDATE) status = this.#update(request, walk, descriptor, null, 0, 0);
      if (status === WalkStatus.FAULT) return this.#refused2(request, walk, ipa, purpose);
      if (status === WalkStatus.LEAF) break;
      if (cached) {
        const level = walk.level - 1;
        this.#caches.keep(level + WALK_LEVELS, walk.entryShift(level), low, high, walk.tableBase, 0, space2);
        if (this.observer !== null) this.#tellKept(level + WALK_LEVELS, false);
      }
    }
    const shift = this.#runsAreEntries ? walk.contiguousShift : walk.pageShift;
    this.output2 = walk.outputAddress;
    this.#attributes2 = leafAttributes(walk, shift);
    if (normalOnly && isDevice(this.#attributes2)) {
      walk.refuse(FaultKind.PERMISSION, walk.level);
      return this.#refused2(request, walk, ipa, purpose);
    }
    if (cached && this.#holdsLeaves) {
      const value = walk.outputAddress - ipa;
      const attributes = this.#attributes2 | ENTRY.LEAF;
      this.#caches.keep(walk.level + WALK_LEVELS, walk.pageShift, low, high, value, attributes, space2);
      if (this.observer !== null) this.#tellKept(walk.level + WALK_LEVELS, true);
    }
    this.#storeIpa(low, high, salt, ipa, space2);
    return true;
  }

  /** Tells the observer of a descriptor that was just read. */
  #tell(walk: StageWalk, level: number, address: number, pa: number, status: WalkStatus): void {
    const { low, high } = this.#memory;
    this.observer?.descriptor(walk, level, address, pa, low, high, status, this.cycles);
  }

  /** Tells the observer of what a walk cache keeps now, where the level has one. */
  #tellKept(section: number, leaf: boolean): void {
    const cache = this.#caches.sections[section];
    if (cache !== null && cache !== undefined) {
      this.observer?.kept(section < WALK_LEVELS ? 1 : 2, section % WALK_LEVELS, leaf);
    }
  }

  #storeIpa(low: number, high: number, salt: number, ipa: number, space2: number): void {
    if (this.#ipaCache === null) return;
    const shift = this.#attributes2 & ENTRY.SHIFT_MASK;
    const entry = this.#ipaCache.store(low, high, shift, salt, this.#attributes2, space2, 0);
    this.#ipaCache.values[entry] = this.output2 - ipa;
  }

  /** Looks through a stage's walk caches from the last level up; entry * 8 + section, or -1. */
  #probe(
    request: TranslationRequest,
    walk: StageWalk,
    base: number,
    low: number,
    high: number,
    access: number,
    normalOnly: boolean,
  ): number {
    const caches = this.#caches;
    const { sections } = caches;
    const { startLevel } = walk;
    let probed = 0;
    let found = -1;
    for (let level = walk.descriptorBytes === 4 ? 2 : 3; level >= startLevel && level >= 0; level--) {
      const section = base + level;
      const cache = sections[section];
      if (cache === null || cache === undefined) continue;
      probed++;
      const entry = caches.lookup(section, walk.entryShift(level), low, high);
      if (entry < 0) continue;
      const attributes = cache.attributesOf(entry);
      if ((attributes & ENTRY.LEAF) !== 0 && !serves(attributes, access, normalOnly)) continue;
      found = entry * 8 + section;
      break;
    }
    request.walkCacheLookups += probed;
    this.cycles += (this.#parallel === true ? Math.min(probed, 1) : probed) * this.#probeCycles;
    if (this.observer !== null && probed > 0) {
      const stage = base === 0 ? 1 : 2;
      this.observer.asked('walk cache', stage, found < 0 ? -1 : (found & 7) - base, found >= 0, this.cycles);
    }
    return found;
  }

  /**
   * Hardware access flag and dirty state: an atomic write to memory, tried again when software was faster.
   *
   * @param stage2 what the descriptor's address goes through: it has to permit the write
   * @returns LEAF; FAULT of this stage; UPDATE when stage 2 refused the write, and the request says so
   */
  #update(
    request: TranslationRequest,
    walk: StageWalk,
    descriptor: number,
    stage2: StageRegime | null,
    space2: number,
    vmid: number,
  ): WalkStatus {
    const memory = this.#memory;
    for (let updates = 0; updates < MOST_UPDATES; updates++) {
      const { low, high } = memory;
      if (stage2 !== null) {
        const ipa = walk.descriptorAddress;
        if (!this.#stage2(request, stage2, space2, vmid, ipa, FaultClass.TABLE, UPDATES_DESCRIPTOR)) {
          request.faultOnUpdate = true;
          return WalkStatus.UPDATE;
        }
      }
      this.cycles += this.#readCycles;
      if (memory.replace(descriptor, walk.descriptorBytes, low, high, walk.updatedLow, walk.updatedHigh)) {
        return walk.updated();
      }
      this.cycles += this.#descriptorCycles;
      request.descriptorReads++;
      if (!memory.read(descriptor, walk.descriptorBytes)) break;
      const status = walk.step(memory.low, memory.high);
      if (status !== WalkStatus.UPDATE) return status;
    }
    return walk.refuse(FaultKind.EXTERNAL_ABORT, walk.level);
  }

  #refused1(request: TranslationRequest): false {
    request.fault = this.#walk1.fault;
    request.faultStage = 1;
    request.faultLevel = this.#walk1.level;
    request.faultClass = FaultClass.INPUT;
    return false;
  }

  #refused2(request: TranslationRequest, walk: StageWalk, ipa: number, purpose: FaultClass): false {
    request.fault = walk.fault;
    request.faultStage = 2;
    request.faultLevel = walk.level;
    request.faultClass = purpose;
    request.faultIpa = ipa;
    return false;
  }
}
