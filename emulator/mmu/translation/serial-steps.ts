import type { WalkMemory } from '../../memory/index.ts';
import type { MmuConfig } from '../config/index.ts';
import { WALK_LEVELS, type WalkCaches } from '../tlb/index.ts';
import { ENTRY, FaultKind, type StageWalk, serves, WalkStatus } from '../walk/index.ts';
import type { TranslationRequest } from './request.ts';
import type { WalkObserver } from './walk-observer.ts';

/**
 * The steps that a whole walk takes in either stage, and the cycles that they cost when nobody competes: looks into walk caches, reads
 * of descriptors, and rewrites of them.
 */
export class SerialSteps {
  /** Cycles of the walk under way. */
  cycles = 0;
  /** Told of every step; mostly nobody is. */
  observer: WalkObserver | null = null;

  readonly memory: WalkMemory;
  readonly caches: WalkCaches;
  /** Cycles of a step of the walker. */
  readonly walkStep: number;
  /** Walk caches hold leaves. */
  readonly holdsLeaves: boolean;
  /** A contiguous run is one entry of a TLB. */
  readonly runsAreEntries: boolean;
  readonly #readCycles: number;
  /** One descriptor: the read and the step after it. */
  readonly #descriptorCycles: number;
  readonly #probeCycles: number;
  readonly #parallel: boolean;

  constructor(config: MmuConfig, memory: WalkMemory, caches: WalkCaches) {
    this.memory = memory;
    this.caches = caches;
    this.walkStep = config.walkStep;
    this.holdsLeaves = config.walkCache.holdsLeaves;
    this.runsAreEntries = config.contiguousRunIsOneEntry;
    this.#readCycles = 1 + config.memory.latency;
    this.#descriptorCycles = this.#readCycles + config.walkStep;
    this.#probeCycles = config.walkCache.latency;
    this.#parallel = config.walkCache.parallelLevels;
  }

  /** Looks through a stage's walk caches from the last level up; entry * 8 + section, or -1. */
  probe(
    request: TranslationRequest,
    walk: StageWalk,
    base: number,
    low: number,
    high: number,
    access: number,
    normalOnly: boolean,
  ): number {
    const { caches } = this;
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

  /** Reads the descriptor at physical address `pa` into `memory.low` and `memory.high`. @returns false on an external abort */
  read(request: TranslationRequest, walk: StageWalk, pa: number): boolean {
    this.cycles += this.#descriptorCycles;
    request.descriptorReads++;
    if (this.memory.read(pa, walk.descriptorBytes)) return true;
    walk.refuse(FaultKind.EXTERNAL_ABORT, walk.level);
    return false;
  }

  /**
   * Hardware access flag and dirty state: one atomic write to memory.
   *
   * @param pa where the descriptor lies
   * @param low its halves as the walk read them
   * @returns LEAF, or FAULT; where software was faster, what the walk says of the descriptor that is there now: UPDATE to try again
   */
  rewrite(request: TranslationRequest, walk: StageWalk, pa: number, low: number, high: number): WalkStatus {
    const { memory } = this;
    this.cycles += this.#readCycles;
    if (memory.replace(pa, walk.descriptorBytes, low, high, walk.updatedLow, walk.updatedHigh)) return walk.updated();
    if (!this.read(request, walk, pa)) return WalkStatus.FAULT;
    return walk.step(memory.low, memory.high);
  }

  /** Tells the observer of a descriptor that was just read. */
  tell(walk: StageWalk, level: number, address: number, pa: number, status: WalkStatus): void {
    const { low, high } = this.memory;
    this.observer?.descriptor(walk, level, address, pa, low, high, status, this.cycles);
  }

  /** Tells the observer of what a walk cache keeps now, where the level has one. */
  tellKept(section: number, leaf: boolean): void {
    const cache = this.caches.sections[section];
    if (cache !== null && cache !== undefined) {
      this.observer?.kept(section < WALK_LEVELS ? 1 : 2, section % WALK_LEVELS, leaf);
    }
  }
}
