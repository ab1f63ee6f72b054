import type { AssociativeCache } from './cache.ts';
import { ENTRY } from './entry-attributes.ts';
import { FaultClass } from './fault.ts';
import type { MmuConfig } from './mmu-config.ts';
import { FaultKind, Permission, type StageRegime } from './regime.ts';
import { StageWalk } from './stage-walk.ts';
import { OWNER_SHIFT, tagHigh, tagLow } from './tag.ts';
import { WALK_LEVELS, type WalkCaches } from './walk-caches.ts';
import type { WalkMemory } from './walk-memory.ts';
import { WalkStatus } from './walk-state.ts';

/** Packs what a finished walk knows of its leaf into the attributes of a TLB entry. */
export function leafAttributes(walk: StageWalk, shift: number): number {
  return (
    shift |
    (walk.permissions << ENTRY.PERMISSIONS_SHIFT) |
    (walk.memoryAttribute << ENTRY.MEMORY_SHIFT) |
    (walk.shareability << ENTRY.SHAREABILITY_SHIFT) |
    (walk.notGlobal === true ? ENTRY.NOT_GLOBAL : 0) |
    (walk.writableClean === true ? ENTRY.WRITABLE_CLEAN : 0)
  );
}

/** Attributes of both stages together: permissions of both, the smaller page, dirty state known to both. */
export function combineAttributes(stage1: number, stage2: number): number {
  const shift = Math.min(stage1 & ENTRY.SHIFT_MASK, stage2 & ENTRY.SHIFT_MASK);
  const permissions = stage1 & stage2 & (ENTRY.PERMISSIONS_MASK << ENTRY.PERMISSIONS_SHIFT);
  const rest = stage1 & ~(ENTRY.SHIFT_MASK | (ENTRY.PERMISSIONS_MASK << ENTRY.PERMISSIONS_SHIFT));
  return shift | permissions | rest | (stage2 & ENTRY.WRITABLE_CLEAN);
}

const TABLE_BITS = ENTRY.LEAF | (ENTRY.HIERARCHICAL_MASK << ENTRY.HIERARCHICAL_SHIFT);

/** Attributes of a walk-cache leaf as a TLB entry has them. */
export function withoutTableBits(attributes: number): number {
  return attributes & ~TABLE_BITS;
}

/**
 * Whole walks, one at a time: stage 1, stage 2 or both, through the walk caches and the IPA cache, with the cycles that they take
 * when nobody competes. The results stay in fields until the next walk.
 *
 * The step order is that of the reference model (walk caches from the last level up, one cycle per step, a port cycle and a
 * memory round trip per descriptor); flight-engine.ts makes the same steps for many walks at once.
 */
export class SerialWalker {
  /** Cycles the last walk took. */
  cycles = 0;
  /** Descriptors it read. */
  descriptorReads = 0;
  /** Lookups in walk caches it made. */
  cacheLookups = 0;
  /** Level of the stage-1 walk-cache entry it began from, -1 without one. */
  hitLevel = -1;
  /** Mark of a walk-cache entry it used, 0 for none; see StaleMarks. */
  mark = 0;

  /** The address to translate, set before `stage1` and `stage2`: as an argument it may cost an object. */
  input = 0;
  /** Output address. */
  output = 0;
  /** Attributes for a TLB entry; see {@link ENTRY}. */
  attributes = 0;

  fault: FaultKind = FaultKind.NONE;
  faultStage = 0;
  faultLevel = 0;
  faultClass: FaultClass = FaultClass.INPUT;
  /** The intermediate physical address of a stage-2 fault. */
  faultIpa = 0;

  readonly #memory: WalkMemory;
  readonly #caches: WalkCaches;
  readonly #ipaCache: AssociativeCache | null;
  readonly #walk1 = new StageWalk();
  readonly #walk2 = new StageWalk();
  // What stage 2 found.
  #output2 = 0;
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
    this.#leafSkipsStage2 = config.faults.cachedLeafSkipsStage2;
    this.#mixesSpace = config.indexMixesAddressSpace;
  }

  /** Forgets the last walk's results. */
  #reset(): void {
    this.cycles = 0;
    this.descriptorReads = 0;
    this.cacheLookups = 0;
    this.hitLevel = -1;
    this.mark = 0;
    this.fault = FaultKind.NONE;
    this.faultIpa = 0;
  }

  /**
   * Translates `input` through stage 1, and stage 2 if there is one.
   *
   * @param low tag words of `input`
   * @param page the high one, without owner
   * @param space number of the address space (ASID and VMID)
   * @param space2 number of the VMID's stage-2 space
   * @param access bits of `Permission` that the access needs
   * @returns false on a fault
   */
  stage1(
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
    this.#reset();
    const iova = this.input;
    const walk = this.#walk1;
    walk.inputAddress = iova;
    if (walk.check(stage1, upper, access) === WalkStatus.FAULT) return this.#refused1();
    const high = page | (space << OWNER_SHIFT);

    // The lowest level that a walk cache knows spares all levels above it.
    const from = this.#probe(walk, 0, low, high, access);
    /** Address of the descriptor to read next. */
    let descriptor = 0;
    let cacheable = true;
    if (from >= 0) {
      const section = from & 7;
      const cache = this.#caches.sections[section] as AssociativeCache;
      const entry = from >>> 3;
      this.hitLevel = section;
      if (cache.marked !== 0) this.mark = cache.marks[entry] as number;
      const attributes = cache.attributesOf(entry);
      if ((attributes & ENTRY.LEAF) !== 0) {
        const output = iova + (cache.values[entry] as number);
        const behind = this.#leafSkipsStage2 ? null : stage2;
        return this.#finish1(output, withoutTableBits(attributes), behind, space2, vmid, access);
      }
      const table = cache.values[entry] as number;
      walk.hierarchical = (attributes >>> ENTRY.HIERARCHICAL_SHIFT) & ENTRY.HIERARCHICAL_MASK;
      walk.request(section + 1, (table / 2 ** 32) | 0, table | 0);
      descriptor = walk.descriptorAddress;
    } else {
      walk.requestRoot();
      descriptor = walk.descriptorAddress;
      if (stage2 !== null) {
        if (!this.#stage2(stage2, space2, vmid, descriptor, false, Permission.READ)) return this.#refusedTable();
        descriptor = this.#output2;
      }
    }

    this.cycles += this.#step;
    const memory = this.#memory;
    for (;;) {
      this.cycles += this.#descriptorCycles;
      this.descriptorReads++;
      if (!memory.read(descriptor, walk.descriptorBytes)) {
        walk.refuse(FaultKind.EXTERNAL_ABORT, walk.level);
        return this.#refused1();
      }
      let status = walk.step(memory.low, memory.high);
      if (status === WalkStatus.LEAF) break;
      if (status === WalkStatus.UPDATE) status = this.#update(walk, descriptor);
      if (status === WalkStatus.LEAF) break;
      if (status === WalkStatus.FAULT) return this.#refused1();
      if (status !== WalkStatus.READ) continue;
      let table = walk.tableBase;
      descriptor = walk.descriptorAddress;
      if (stage2 !== null) {
        if (!this.#stage2(stage2, space2, vmid, descriptor, false, Permission.READ)) return this.#refusedTable();
        // The table lies in one piece when the stage-2 page is at least as large.
        cacheable = (this.#attributes2 & ENTRY.SHIFT_MASK) >= walk.granuleShift;
        table = this.#output2 - (descriptor - table);
        descriptor = this.#output2;
      }
      if (cacheable) {
        const level = walk.level - 1;
        const attributes = walk.hierarchical << ENTRY.HIERARCHICAL_SHIFT;
        this.#caches.keep(level, walk.entryShift(level), low, high, table, attributes, space);
      }
    }

    const shift = this.#runsAreEntries === true ? walk.contiguousShift : walk.pageShift;
    const attributes1 = leafAttributes(walk, shift);
    const output1 = walk.outputAddress;
    if (stage2 === null) {
      this.output = output1;
      this.attributes = attributes1;
    } else if (!this.#finish1(output1, attributes1, stage2, space2, vmid, access)) return false;
    const section = walk.level;
    const cache = this.#caches.sections[section];
    if (this.#holdsLeaves !== true || cache === null || cache === undefined) return true;
    if (stage2 === null || this.#leafSkipsStage2 !== true) {
      const entry = this.#caches.store(section, walk.pageShift, low, high, attributes1 | ENTRY.LEAF, space);
      cache.values[entry] = output1 - iova;
    } else {
      // The base of the stage-1 leaf is kept with the page size of both stages.
      const both = this.attributes & ENTRY.SHIFT_MASK;
      const base = output1 - (iova % 2 ** walk.pageShift);
      const entry = this.#caches.store(section, both, low, high, this.attributes | ENTRY.LEAF, space);
      cache.values[entry] = base + (iova % 2 ** both) - iova;
    }
    return true;
  }

  /** Translates `input` through stage 2 alone. */
  stage2(stage2: StageRegime, space2: number, vmid: number, access: number): boolean {
    this.#reset();
    this.faultClass = FaultClass.INPUT;
    if (!this.#stage2(stage2, space2, vmid, this.input, true, access)) return false;
    this.output = this.#output2;
    this.attributes = this.#attributes2 | ENTRY.STAGE2_ONLY | ENTRY.NOT_GLOBAL;
    return true;
  }

  /** Stage-2 translation of a configuration structure's address: not final, class CONTEXT. */
  stage2OfContext(stage2: StageRegime, space2: number, vmid: number, ipa: number): boolean {
    this.#reset();
    this.faultClass = FaultClass.CONTEXT;
    if (!this.#stage2(stage2, space2, vmid, ipa, false, Permission.READ)) return false;
    this.output = this.#output2;
    return true;
  }

  /** Stage 2 behind a finished stage 1; sets `output` and `attributes`. */
  #finish1(
    output1: number,
    attributes1: number,
    stage2: StageRegime | null,
    space2: number,
    vmid: number,
    access: number,
  ): boolean {
    this.output = output1;
    this.attributes = attributes1;
    if (stage2 === null) return true;
    this.faultClass = FaultClass.INPUT;
    if (!this.#stage2(stage2, space2, vmid, output1, true, access)) return false;
    this.output = this.#output2;
    this.attributes = combineAttributes(attributes1, this.#attributes2);
    return true;
  }

  #stage2(regime: StageRegime, space2: number, vmid: number, ipa: number, final: boolean, access: number): boolean {
    const low = tagLow(ipa);
    const high = tagHigh(ipa, false) | (space2 << OWNER_SHIFT);
    const salt = this.#mixesSpace ? vmid : 0;
    const ipaCache = this.#ipaCache;
    if (ipaCache !== null) {
      this.cycles += this.#ipaCycles;
      const entry = ipaCache.lookup(low, high, salt);
      if (entry >= 0 && permits(ipaCache.attributesOf(entry), access)) {
        if (ipaCache.marked !== 0) this.mark = ipaCache.marks[entry] as number;
        this.#output2 = ipa + (ipaCache.values[entry] as number);
        this.#attributes2 = ipaCache.attributesOf(entry);
        return true;
      }
    }
    const walk = this.#walk2;
    if (walk.begin(regime, ipa, false, access) === WalkStatus.FAULT) return this.#refused2(walk, ipa);
    const cached = final || this.#nonFinal;
    const from = cached ? this.#probe(walk, WALK_LEVELS, low, high, access) : -1;
    if (from >= 0) {
      const section = from & 7;
      const cache = this.#caches.sections[section] as AssociativeCache;
      const entry = from >>> 3;
      if (cache.marked !== 0) this.mark = cache.marks[entry] as number;
      const attributes = cache.attributesOf(entry);
      if ((attributes & ENTRY.LEAF) !== 0) {
        this.#output2 = ipa + (cache.values[entry] as number);
        this.#attributes2 = withoutTableBits(attributes);
        this.#storeIpa(low, high, salt, ipa, space2);
        return true;
      }
      walk.resume(section - WALK_LEVELS + 1, cache.values[entry] as number, 0);
    }
    this.cycles += this.#step;
    for (;;) {
      this.cycles += this.#descriptorCycles;
      this.descriptorReads++;
      const descriptor = walk.descriptorAddress;
      if (!this.#memory.read(descriptor, walk.descriptorBytes)) {
        walk.refuse(FaultKind.EXTERNAL_ABORT, walk.level);
        return this.#refused2(walk, ipa);
      }
      let status = walk.step(this.#memory.low, this.#memory.high);
      if (status === WalkStatus.UPDATE) status = this.#update(walk, descriptor);
      if (status === WalkStatus.FAULT) return this.#refused2(walk, ipa);
      if (status === WalkStatus.LEAF) break;
      if (cached) {
        const level = walk.level - 1;
        this.#caches.keep(level + WALK_LEVELS, walk.entryShift(level), low, high, walk.tableBase, 0, space2);
      }
    }
    const shift = this.#runsAreEntries ? walk.contiguousShift : walk.pageShift;
    this.#output2 = walk.outputAddress;
    this.#attributes2 = leafAttributes(walk, shift);
    if (cached && this.#holdsLeaves) {
      const value = walk.outputAddress - ipa;
      const attributes = this.#attributes2 | ENTRY.LEAF;
      this.#caches.keep(walk.level + WALK_LEVELS, walk.pageShift, low, high, value, attributes, space2);
    }
    this.#storeIpa(low, high, salt, ipa, space2);
    return true;
  }

  #storeIpa(low: number, high: number, salt: number, ipa: number, space2: number): void {
    if (this.#ipaCache === null) return;
    const shift = this.#attributes2 & ENTRY.SHIFT_MASK;
    const entry = this.#ipaCache.store(low, high, shift, salt, this.#attributes2, space2, 0);
    this.#ipaCache.values[entry] = this.#output2 - ipa;
  }

  /** Looks through a stage's walk caches from the last level up; entry * 8 + section, or -1. */
  #probe(walk: StageWalk, base: number, low: number, high: number, access: number): number {
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
      // A leaf that does not permit the access is walked again: only the walk can say why, or mark the page dirty.
      if ((attributes & ENTRY.LEAF) !== 0 && !permits(attributes, access)) continue;
      found = entry * 8 + section;
      break;
    }
    this.cacheLookups += probed;
    this.cycles += (this.#parallel === true ? Math.min(probed, 1) : probed) * this.#probeCycles;
    return found;
  }

  /** Hardware access flag and dirty state: an atomic write to memory, tried again when software was faster. */
  #update(walk: StageWalk, descriptor: number): WalkStatus {
    const memory = this.#memory;
    for (;;) {
      this.cycles += this.#readCycles;
      const { low, high } = memory;
      if (memory.replace(descriptor, walk.descriptorBytes, low, high, walk.updatedLow, walk.updatedHigh)) {
        return walk.updated();
      }
      this.cycles += this.#readCycles + this.#step;
      this.descriptorReads++;
      if (!memory.read(descriptor, walk.descriptorBytes)) return walk.refuse(FaultKind.EXTERNAL_ABORT, walk.level);
      const status = walk.step(memory.low, memory.high);
      if (status !== WalkStatus.UPDATE) return status;
    }
  }

  #refused1(): boolean {
    this.fault = this.#walk1.fault;
    this.faultStage = 1;
    this.faultLevel = this.#walk1.level;
    this.faultClass = FaultClass.INPUT;
    return false;
  }

  #refused2(walk: StageWalk, ipa: number): boolean {
    this.fault = walk.fault;
    this.faultStage = 2;
    this.faultLevel = walk.level;
    this.faultIpa = ipa;
    return false;
  }

  /** Stage 2 refused the address of a stage-1 table. */
  #refusedTable(): boolean {
    this.faultClass = FaultClass.TABLE;
    return false;
  }
}

/** Whether an entry serves an access: its permissions suffice, and a write finds the dirty state recorded. */
export function permits(attributes: number, access: number): boolean {
  if (((attributes >>> ENTRY.PERMISSIONS_SHIFT) & access) !== access) return false;
  return (attributes & ENTRY.WRITABLE_CLEAN) === 0 || (access & (Permission.WRITE | Permission.PRIVILEGED_WRITE)) === 0;
}
