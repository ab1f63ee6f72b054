import { type AssociativeCache, OWNER_SHIFT, tagHigh, tagLow } from '../cache/index.ts';
import type { MmuConfig } from '../config/index.ts';
import type { StageRegime } from '../regime/index.ts';
import { WALK_LEVELS } from '../tlb/index.ts';
import {
  ENTRY,
  FaultClass,
  FaultKind,
  isDevice,
  leafAttributes,
  MOST_UPDATES,
  refusesDevice,
  StageWalk,
  serves,
  WalkStatus,
  withoutTableBits,
} from '../walk/index.ts';
import type { TranslationRequest } from './request.ts';
import type { SerialSteps } from './serial-steps.ts';

/** Stage-2 translations, one at a time: of an input, of a stage-1 table, of a configuration structure. */
export class SerialStage2 {
  /** Output of the last translation. */
  output = 0;
  /** Its packed attributes. */
  attributes = 0;

  readonly #steps: SerialSteps;
  readonly #ipaCache: AssociativeCache | null;
  readonly #walk = new StageWalk();
  readonly #ipaCycles: number;
  readonly #nonFinal: boolean;
  readonly #ignoresProtection: boolean;
  readonly #mixesSpace: boolean;

  constructor(config: MmuConfig, steps: SerialSteps, ipaCache: AssociativeCache | null) {
    this.#steps = steps;
    this.#ipaCache = ipaCache;
    this.#ipaCycles = config.ipaCache.latency;
    this.#nonFinal = config.walkCache.nonFinal;
    this.#ignoresProtection = config.deviations.ignoresProtectedTableWalk;
    this.#mixesSpace = config.indexMixesAddressSpace;
  }

  /**
   * Translates an intermediate physical address to `output` and `attributes`; on a fault the request says which.
   *
   * @param purpose what the address belongs to: the input itself, a stage-1 table, or a configuration structure
   */
  translate(
    request: TranslationRequest,
    regime: StageRegime,
    space2: number,
    vmid: number,
    ipa: number,
    purpose: FaultClass,
    access: number,
  ): boolean {
    const steps = this.#steps;
    const low = tagLow(ipa);
    const high = tagHigh(ipa, false) | (space2 << OWNER_SHIFT);
    const salt = this.#mixesSpace ? vmid : 0;
    const normalOnly = refusesDevice(regime, purpose) && !this.#ignoresProtection;
    const ipaCache = this.#ipaCache;
    if (ipaCache !== null) {
      steps.cycles += this.#ipaCycles;
      const entry = ipaCache.lookup(low, high, salt);
      const served = entry >= 0 && serves(ipaCache.attributesOf(entry), access, normalOnly);
      if (steps.observer !== null) steps.observer.asked('IPA cache', 2, -1, served, steps.cycles);
      if (served) {
        if (ipaCache.marked !== 0) request.staleMark = ipaCache.marks[entry] as number;
        this.output = ipa + (ipaCache.values[entry] as number);
        this.attributes = ipaCache.attributesOf(entry);
        return true;
      }
    }
    const walk = this.#walk;
    const begun = walk.begin(regime, ipa, false, access);
    if (steps.observer !== null) steps.observer.begin(walk, purpose);
    if (begun === WalkStatus.FAULT) return this.#refused(request, ipa, purpose);
    const cached = purpose === FaultClass.INPUT || this.#nonFinal;
    const from = cached ? steps.probe(request, walk, WALK_LEVELS, low, high, access, normalOnly) : -1;
    if (from >= 0) {
      const section = from & 7;
      const cache = steps.caches.sections[section] as AssociativeCache;
      const entry = from >>> 3;
      if (cache.marked !== 0) request.staleMark = cache.marks[entry] as number;
      const attributes = cache.attributesOf(entry);
      if ((attributes & ENTRY.LEAF) !== 0) {
        this.output = ipa + (cache.values[entry] as number);
        this.attributes = withoutTableBits(attributes);
        this.#storeIpa(low, high, salt, ipa, space2);
        return true;
      }
      walk.resume(section - WALK_LEVELS + 1, cache.values[entry] as number, 0);
    }
    steps.cycles += steps.walkStep;
    for (;;) {
      const descriptor = walk.descriptorAddress;
      if (!steps.read(request, walk, descriptor)) return this.#refused(request, ipa, purpose);
      const { level: readLevel } = walk;
      let status = walk.step(steps.memory.low, steps.memory.high);
      if (steps.observer !== null) steps.tell(walk, readLevel, descriptor, descriptor, status);
      if (status === WalkStatus.UPDATE) status = this.#update(request, descriptor);
      if (status === WalkStatus.FAULT) return this.#refused(request, ipa, purpose);
      if (status === WalkStatus.LEAF) break;
      if (cached) {
        const level = walk.level - 1;
        steps.caches.keep(level + WALK_LEVELS, walk.entryShift(level), low, high, walk.tableBase, 0, space2);
        if (steps.observer !== null) steps.tellKept(level + WALK_LEVELS, false);
      }
    }
    const shift = steps.runsAreEntries ? walk.contiguousShift : walk.pageShift;
    this.output = walk.outputAddress;
    this.attributes = leafAttributes(walk, shift);
    if (normalOnly && isDevice(this.attributes)) {
      walk.refuse(FaultKind.PERMISSION, walk.level);
      return this.#refused(request, ipa, purpose);
    }
    if (cached && steps.holdsLeaves) {
      const value = walk.outputAddress - ipa;
      const attributes = this.attributes | ENTRY.LEAF;
      steps.caches.keep(walk.level + WALK_LEVELS, walk.pageShift, low, high, value, attributes, space2);
      if (steps.observer !== null) steps.tellKept(walk.level + WALK_LEVELS, true);
    }
    this.#storeIpa(low, high, salt, ipa, space2);
    return true;
  }

  #storeIpa(low: number, high: number, salt: number, ipa: number, space2: number): void {
    if (this.#ipaCache === null) return;
    const shift = this.attributes & ENTRY.SHIFT_MASK;
    const entry = this.#ipaCache.store(low, high, shift, salt, this.attributes, space2, 0);
    this.#ipaCache.values[entry] = this.output - ipa;
  }

  /** Hardware access flag and dirty state, tried again when software was faster. */
  #update(request: TranslationRequest, descriptor: number): WalkStatus {
    const steps = this.#steps;
    const walk = this.#walk;
    for (let updates = 0; updates < MOST_UPDATES; updates++) {
      const status = steps.rewrite(request, walk, descriptor, steps.memory.low, steps.memory.high);
      if (status !== WalkStatus.UPDATE) return status;
    }
    return walk.refuse(FaultKind.EXTERNAL_ABORT, walk.level);
  }

  #refused(request: TranslationRequest, ipa: number, purpose: FaultClass): false {
    request.fault = this.#walk.fault;
    request.faultStage = 2;
    request.faultLevel = this.#walk.level;
    request.faultClass = purpose;
    request.faultIpa = ipa;
    return false;
  }
}
