import type { WalkMemory } from '../../memory/index.ts';
import { type AssociativeCache, OWNER_SHIFT } from '../cache/index.ts';
import type { MmuConfig } from '../config/index.ts';
import type { StageRegime } from '../regime/index.ts';
import type { WalkCaches } from '../tlb/index.ts';
import {
  combineAttributes,
  ENTRY,
  FaultClass,
  FaultKind,
  keepsTable,
  leafAttributes,
  MOST_UPDATES,
  READS_DESCRIPTOR,
  StageWalk,
  stage2Alone,
  UPDATES_DESCRIPTOR,
  WalkStatus,
  withoutTableBits,
} from '../walk/index.ts';
import type { TranslationRequest } from './request.ts';
import { SerialStage2 } from './serial-stage2.ts';
import { SerialSteps } from './serial-steps.ts';
import type { WalkObserver } from './walk-observer.ts';

/**
 * Whole walks, one at a time: stage 1, stage 2 or both, through the walk caches and the IPA cache, with the cycles that they take
 * when nobody competes. The results go into the request.
 *
 * The step order is that of the reference model (walk caches from the last level up, one cycle per step, a port cycle and a
 * memory round trip per descriptor); flight-engine.ts makes the same steps for many walks at once.
 */
export class SerialWalker {
  readonly #steps: SerialSteps;
  readonly #stage2: SerialStage2;
  readonly #walk = new StageWalk();
  readonly #leafSkipsStage2: boolean;

  constructor(config: MmuConfig, memory: WalkMemory, caches: WalkCaches, ipaCache: AssociativeCache | null) {
    this.#steps = new SerialSteps(config, memory, caches);
    this.#stage2 = new SerialStage2(config, this.#steps, ipaCache);
    this.#leafSkipsStage2 = config.deviations.cachedLeafSkipsStage2;
  }

  /** Cycles the last walk took. */
  get cycles(): number {
    return this.#steps.cycles;
  }

  /** Output of the last stage-2 translation. */
  get output2(): number {
    return this.#stage2.output;
  }

  /** Who is told of every step from now on; null for nobody. */
  watch(observer: WalkObserver | null): void {
    this.#steps.observer = observer;
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
    const steps = this.#steps;
    steps.cycles = 0;
    const { iova } = request;
    const walk = this.#walk;
    walk.inputAddress = iova;
    const checked = walk.check(stage1, upper, access);
    if (steps.observer !== null) steps.observer.begin(walk, FaultClass.INPUT);
    if (checked === WalkStatus.FAULT) return this.#refused(request);
    const high = page | (space << OWNER_SHIFT);

    // The lowest level that a walk cache knows spares all levels above it.
    const from = steps.probe(request, walk, 0, low, high, access, false);
    /** Address of the descriptor to read next. */
    let descriptor = 0;
    let cacheable = true;
    /** A walk cache knows where a table lies, but not its address before stage 2. */
    let ipaKnown = true;
    if (from >= 0) {
      const section = from & 7;
      const cache = steps.caches.sections[section] as AssociativeCache;
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
        if (!this.#stage2.translate(request, stage2, space2, vmid, descriptor, FaultClass.TABLE, READS_DESCRIPTOR))
          return false;
        descriptor = this.#stage2.output;
      }
    }

    steps.cycles += steps.walkStep;
    const { caches, memory } = steps;
    for (;;) {
      if (!steps.read(request, walk, descriptor)) return this.#refused(request);
      const { level: readLevel } = walk;
      const seenAt = steps.observer === null ? 0 : walk.descriptorAddress;
      let status = walk.step(memory.low, memory.high);
      if (steps.observer !== null) steps.tell(walk, readLevel, seenAt, descriptor, status);
      if (status === WalkStatus.LEAF) break;
      if (status === WalkStatus.UPDATE) {
        if (!ipaKnown && stage2 !== null) {
          // Stage 2 has to permit the write, so the walk begins again where it learns the address to ask for.
          ipaKnown = true;
          request.walkCacheLevel = -1;
          walk.restart();
          const root = walk.descriptorAddress;
          if (!this.#stage2.translate(request, stage2, space2, vmid, root, FaultClass.TABLE, READS_DESCRIPTOR))
            return false;
          descriptor = this.#stage2.output;
          steps.cycles += steps.walkStep;
          continue;
        }
        status = this.#update(request, descriptor, stage2, space2, vmid);
        if (status === WalkStatus.UPDATE) return false;
        if (status === WalkStatus.LEAF) break;
      }
      if (status === WalkStatus.FAULT) return this.#refused(request);
      ipaKnown = true;
      let table = walk.tableBase;
      descriptor = walk.descriptorAddress;
      if (stage2 !== null) {
        if (!this.#stage2.translate(request, stage2, space2, vmid, descriptor, FaultClass.TABLE, READS_DESCRIPTOR))
          return false;
        cacheable = keepsTable(this.#stage2.attributes, walk.granuleShift);
        table = this.#stage2.output - (descriptor - table);
        descriptor = this.#stage2.output;
      }
      if (cacheable) {
        const level = walk.level - 1;
        const attributes = walk.hierarchical << ENTRY.HIERARCHICAL_SHIFT;
        caches.keep(level, walk.entryShift(level), low, high, table, attributes, space);
        if (steps.observer !== null) steps.tellKept(level, false);
      }
    }

    const shift = steps.runsAreEntries === true ? walk.contiguousShift : walk.pageShift;
    const attributes1 = leafAttributes(walk, shift);
    const output1 = walk.outputAddress;
    if (stage2 === null) {
      request.pa = output1;
      request.attributes = attributes1;
    } else if (!this.#finish1(request, output1, attributes1, stage2, space2, vmid, access)) return false;
    const section = walk.level;
    const cache = caches.sections[section];
    if (steps.holdsLeaves !== true || cache === null || cache === undefined) return true;
    if (steps.observer !== null) steps.tellKept(section, true);
    if (stage2 === null || this.#leafSkipsStage2 !== true) {
      const entry = caches.store(section, walk.pageShift, low, high, attributes1 | ENTRY.LEAF, space);
      cache.values[entry] = output1 - iova;
    } else {
      // The base of the stage-1 leaf is kept with the page size of both stages.
      const both = request.attributes & ENTRY.SHIFT_MASK;
      const base = output1 - (iova % 2 ** walk.pageShift);
      const entry = caches.store(section, both, low, high, request.attributes | ENTRY.LEAF, space);
      cache.values[entry] = base + (iova % 2 ** both) - iova;
    }
    return true;
  }

  /** Translates `request.iova` through stage 2 alone. */
  stage2(request: TranslationRequest, stage2: StageRegime, space2: number, vmid: number, access: number): boolean {
    this.#steps.cycles = 0;
    if (!this.#stage2.translate(request, stage2, space2, vmid, request.iova, FaultClass.INPUT, access)) return false;
    request.pa = this.#stage2.output;
    request.attributes = stage2Alone(this.#stage2.attributes);
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
    this.#steps.cycles = 0;
    return this.#stage2.translate(request, stage2, space2, vmid, ipa, FaultClass.CONTEXT, READS_DESCRIPTOR);
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
    if (!this.#stage2.translate(request, stage2, space2, vmid, output1, FaultClass.INPUT, access)) return false;
    request.pa = this.#stage2.output;
    request.attributes = combineAttributes(attributes1, this.#stage2.attributes);
    return true;
  }

  /**
   * Hardware access flag and dirty state, tried again when software was faster.
   *
   * @param stage2 what the descriptor's address goes through: it has to permit the write
   * @returns LEAF; FAULT of this stage; UPDATE when stage 2 refused the write, and the request says so
   */
  #update(
    request: TranslationRequest,
    descriptor: number,
    stage2: StageRegime | null,
    space2: number,
    vmid: number,
  ): WalkStatus {
    const steps = this.#steps;
    const walk = this.#walk;
    for (let updates = 0; updates < MOST_UPDATES; updates++) {
      const { low, high } = steps.memory;
      if (stage2 !== null) {
        const ipa = walk.descriptorAddress;
        if (!this.#stage2.translate(request, stage2, space2, vmid, ipa, FaultClass.TABLE, UPDATES_DESCRIPTOR)) {
          request.faultOnUpdate = true;
          return WalkStatus.UPDATE;
        }
      }
      const status = steps.rewrite(request, walk, descriptor, low, high);
      if (status !== WalkStatus.UPDATE) return status;
    }
    return walk.refuse(FaultKind.EXTERNAL_ABORT, walk.level);
  }

  #refused(request: TranslationRequest): false {
    request.fault = this.#walk.fault;
    request.faultStage = 1;
    request.faultLevel = this.#walk.level;
    request.faultClass = FaultClass.INPUT;
    return false;
  }
}
