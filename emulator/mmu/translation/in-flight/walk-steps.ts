import type { StageRegime } from '../../regime/index.ts';
import { OWNER_SHIFT, tagHigh, tagLow, WALK_LEVELS } from '../../tlb/index.ts';
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
  serves,
  UPDATES_DESCRIPTOR,
  WalkStatus,
  withoutTableBits,
} from '../../walk/index.ts';
import type { Mmu } from '../index.ts';
import { type Flight, Slots } from './flight.ts';
import type { FlightClock } from './flight-clock.ts';
import { FlightState as S, WAIT } from './flight-state.ts';

/**
 * Table walks of requests in flight, one step per call: the same steps as SerialWalker's, with the ports they compete for. A
 * step returns the state to go on with at once, or WAIT.
 */
export class WalkSteps {
  readonly #mmu: Mmu;
  readonly #clock: FlightClock;
  readonly #probes: Slots;
  readonly #ipaPorts: Slots;
  /** One step of all walks per cycle. */
  readonly #steps = new Slots(1);

  readonly #walkStep: number;
  readonly #probeCycles: number;
  readonly #parallel: boolean;
  readonly #ipaCycles: number;
  readonly #holdsLeaves: boolean;
  readonly #nonFinal: boolean;
  readonly #runsAreEntries: boolean;
  readonly #leafSkipsStage2: boolean;
  readonly #ignoresProtection: boolean;
  readonly #mixesSpace: boolean;

  constructor(mmu: Mmu, clock: FlightClock) {
    const { config } = mmu;
    this.#mmu = mmu;
    this.#clock = clock;
    this.#probes = new Slots(config.walkCache.ports);
    this.#ipaPorts = new Slots(config.ipaCache.ports);
    this.#walkStep = config.walkStep;
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
   * Starts a stage-2 translation that goes on with `after`; on a fault the flight leaves the walk.
   *
   * @param purpose what the address belongs to: the input itself, a stage-1 table, or a configuration structure
   */
  stage2(flight: Flight, regime: StageRegime, ipa: number, purpose: FaultClass, access: number, after: number): number {
    flight.regime2 = regime;
    flight.ipa = ipa;
    flight.purpose2 = purpose;
    flight.normalOnly2 = refusesDevice(regime, purpose) && !this.#ignoresProtection;
    flight.updates = 0;
    flight.access2 = access;
    flight.afterStage2 = after;
    flight.low2 = tagLow(ipa);
    flight.high2 = tagHigh(ipa, false) | (flight.space2 << OWNER_SHIFT);
    return S.STAGE2;
  }

  /** Takes one step of a walk. */
  step(flight: Flight, state: number): number {
    return state < S.STAGE2 ? this.#stage1Step(flight, state) : this.#stage2Step(flight, state);
  }

  #stage1Step(flight: Flight, state: number): number {
    const clock = this.#clock;
    const walk = flight.walk1;
    switch (state) {
      case S.STAGE1: {
        const regime = flight.regime?.stage1 as StageRegime;
        if (walk.begin(regime, flight.iova, flight.upper, flight.needed) === WalkStatus.FAULT) {
          return this.#refused(flight, 1, walk.fault, walk.level);
        }
        flight.high1 = flight.pageHigh | (flight.space << OWNER_SHIFT);
        flight.updates1 = 0;
        flight.ipaKnown1 = true;
        flight.level = walk.descriptorBytes === 4 ? 2 : 3;
        return S.PROBE1;
      }
      case S.PROBE1:
        return this.#probe(flight, 0, walk.startLevel, S.PROBE1, S.PROBED1, S.ROOT1);
      case S.PROBED1:
        return this.#probed1(flight);
      case S.ROOT1: {
        flight.address = walk.descriptorAddress;
        const stage2 = flight.regime?.stage2 ?? null;
        if (stage2 === null || flight.walkCacheLevel >= 0) return S.STEP1;
        return this.stage2(flight, stage2, flight.address, FaultClass.TABLE, READS_DESCRIPTOR, S.TABLE1);
      }
      case S.STEP1:
        if (!clock.acquire(flight, this.#steps, S.STEP1)) return WAIT;
        return clock.delay(flight, this.#walkStep, S.FETCH1);
      case S.FETCH1:
        clock.release(this.#steps);
        return this.#read(flight, walk.descriptorBytes, S.GOT1);
      case S.GOT1:
        if (!clock.acquire(flight, this.#steps, S.GOT1)) return WAIT;
        return clock.delay(flight, this.#walkStep, S.DECODE1);
      case S.DECODE1:
        return this.#decode1(flight);
      case S.UPDATE1:
        // Stage 2 lets the descriptor be written, too.
        return this.#read(flight, walk.descriptorBytes, S.UPDATED1);
      case S.UPDATED1:
        return this.#updated1(flight);
      case S.TABLE1:
        return this.#table1(flight);
      case S.STORE1: {
        const level = walk.level - 1;
        if (this.#mmu.caches.walk.sections[level] !== null) {
          if (!clock.acquire(flight, this.#probes, S.STORE1)) return WAIT;
          const attributes = walk.hierarchical << ENTRY.HIERARCHICAL_SHIFT;
          const shift = walk.entryShift(level);
          this.#mmu.caches.walk.keep(
            level,
            shift,
            flight.pageLow,
            flight.high1,
            flight.table,
            attributes,
            flight.space,
          );
          clock.release(this.#probes);
        }
        return this.#read(flight, walk.descriptorBytes, S.GOT1);
      }
      case S.LEAF1: {
        flight.output1 = walk.outputAddress;
        flight.attributes1 = leafAttributes(walk, this.#runsAreEntries ? walk.contiguousShift : walk.pageShift);
        return this.#behindStage1(flight, S.FINAL1);
      }
      case S.FINAL1:
        this.#combine(flight);
        return S.STORE_LEAF1;
      case S.STORE_LEAF1:
        return this.#storeLeaf1(flight);
      default:
        this.#combine(flight);
        return S.WALK_END;
    }
  }

  #probed1(flight: Flight): number {
    const walk = flight.walk1;
    const found = this.#look(flight, 0, walk.startLevel, flight.pageLow, flight.high1, flight.needed, false, walk);
    this.#clock.release(this.#probes);
    if (found < 0) return flight.level < 0 ? S.ROOT1 : S.PROBE1;
    const cache = this.#mmu.caches.walk.sections[flight.level];
    if (cache === null || cache === undefined) return S.ROOT1;
    flight.walkCacheLevel = flight.level;
    if (cache.marked !== 0) flight.staleMark = cache.marks[found] as number;
    const attributes = cache.attributesOf(found);
    const value = cache.values[found] as number;
    if ((attributes & ENTRY.LEAF) !== 0) {
      flight.output1 = flight.iova + value;
      flight.attributes1 = withoutTableBits(attributes);
      if (this.#leafSkipsStage2) {
        flight.output2 = flight.output1;
        flight.attributes2 = flight.attributes1;
        flight.pa = flight.output1;
        flight.attributes = flight.attributes1;
        return S.WALK_END;
      }
      return this.#behindStage1(flight, S.CACHED_FINAL1);
    }
    flight.ipaKnown1 = false;
    walk.resume(flight.level + 1, value, (attributes >>> ENTRY.HIERARCHICAL_SHIFT) & ENTRY.HIERARCHICAL_MASK);
    return S.ROOT1;
  }

  #decode1(flight: Flight): number {
    const walk = flight.walk1;
    this.#clock.release(this.#steps);
    if (!flight.readable) return this.#refused(flight, 1, FaultKind.EXTERNAL_ABORT, walk.level);
    const status = walk.step(flight.low, flight.high);
    if (status === WalkStatus.FAULT) return this.#refused(flight, 1, walk.fault, walk.level);
    if (status === WalkStatus.LEAF) return S.LEAF1;
    const stage2 = flight.regime?.stage2 ?? null;
    if (status === WalkStatus.UPDATE) {
      if (stage2 !== null && !flight.ipaKnown1) {
        // Stage 2 has to permit the write, so the walk begins again where it learns the address to ask for.
        flight.walkCacheLevel = -1;
        flight.ipaKnown1 = true;
        walk.restart();
        return S.ROOT1;
      }
      if (flight.updates1++ === MOST_UPDATES) return this.#refused(flight, 1, FaultKind.EXTERNAL_ABORT, walk.level);
      flight.address1 = flight.address;
      flight.readLow1 = flight.low;
      flight.readHigh1 = flight.high;
      if (stage2 === null) return S.UPDATE1;
      return this.stage2(flight, stage2, walk.descriptorAddress, FaultClass.TABLE, UPDATES_DESCRIPTOR, S.UPDATE1);
    }
    flight.address = walk.descriptorAddress;
    flight.ipaKnown1 = true;
    if (stage2 === null) {
      flight.table = walk.tableBase;
      return S.STORE1;
    }
    return this.stage2(flight, stage2, flight.address, FaultClass.TABLE, READS_DESCRIPTOR, S.TABLE1);
  }

  /** The address of the next stage-1 descriptor has been through stage 2. */
  #table1(flight: Flight): number {
    const walk = flight.walk1;
    const inTable = walk.descriptorAddress - walk.tableBase;
    flight.address = flight.output2;
    flight.table = flight.output2 - inTable;
    // Of the first table no walk cache knows the address.
    if (walk.level === walk.startLevel) return S.STEP1;
    return keepsTable(flight.attributes2, walk.granuleShift)
      ? S.STORE1
      : this.#read(flight, walk.descriptorBytes, S.GOT1);
  }

  /** A stage-1 leaf is known: its output goes through stage 2 when there is one. */
  #behindStage1(flight: Flight, after: number): number {
    const stage2 = flight.regime?.stage2 ?? null;
    flight.attributes2 = -1;
    if (stage2 === null) return after;
    return this.stage2(flight, stage2, flight.output1, FaultClass.INPUT, flight.needed, after);
  }

  #combine(flight: Flight): void {
    const alone = flight.attributes2 === -1;
    flight.pa = alone ? flight.output1 : flight.output2;
    flight.attributes = alone ? flight.attributes1 : combineAttributes(flight.attributes1, flight.attributes2);
  }

  #storeLeaf1(flight: Flight): number {
    const walk = flight.walk1;
    const { walk: caches } = this.#mmu.caches;
    if (!this.#holdsLeaves || caches.sections[walk.level] === null) return S.WALK_END;
    if (!this.#clock.acquire(flight, this.#probes, S.STORE_LEAF1)) return WAIT;
    let shift = walk.pageShift;
    let value = flight.output1 - flight.iova;
    let attributes = flight.attributes1;
    if (flight.attributes2 !== -1 && this.#leafSkipsStage2) {
      shift = flight.attributes & ENTRY.SHIFT_MASK;
      attributes = flight.attributes;
      const base = flight.output1 - (flight.iova % 2 ** walk.pageShift);
      value = base + (flight.iova % 2 ** shift) - flight.iova;
    }
    caches.keep(walk.level, shift, flight.pageLow, flight.high1, value, attributes | ENTRY.LEAF, flight.space);
    this.#clock.release(this.#probes);
    return S.WALK_END;
  }

  #stage2Step(flight: Flight, state: number): number {
    const clock = this.#clock;
    const walk = flight.walk2;
    const { caches } = this.#mmu;
    switch (state) {
      case S.STAGE2:
        if (caches.ipa === null) return S.WALK2;
        if (!clock.acquire(flight, this.#ipaPorts, S.STAGE2)) return WAIT;
        return clock.delay(flight, this.#ipaCycles, S.IPA_FOUND);
      case S.IPA_FOUND:
        return this.#ipaFound(flight);
      case S.WALK2: {
        const regime = flight.regime2 as StageRegime;
        if (walk.begin(regime, flight.ipa, false, flight.access2) === WalkStatus.FAULT) return this.#refused2(flight);
        if (!this.#caches2(flight)) return S.STEP2;
        flight.level = 3;
        return S.PROBE2;
      }
      case S.PROBE2:
        return this.#probe(flight, WALK_LEVELS, walk.startLevel, S.PROBE2, S.PROBED2, S.STEP2);
      case S.PROBED2:
        return this.#probed2(flight);
      case S.STEP2:
        if (!clock.acquire(flight, this.#steps, S.STEP2)) return WAIT;
        return clock.delay(flight, this.#walkStep, S.FETCH2);
      case S.FETCH2:
        clock.release(this.#steps);
        flight.address = walk.descriptorAddress;
        return this.#read(flight, walk.descriptorBytes, S.GOT2);
      case S.GOT2:
        if (!clock.acquire(flight, this.#steps, S.GOT2)) return WAIT;
        return clock.delay(flight, this.#walkStep, S.DECODE2);
      case S.DECODE2:
        return this.#decode2(flight);
      case S.UPDATED2:
        return this.#updated(flight, walk, flight.low, flight.high, S.LEAF2, S.FETCH2);
      case S.LEAF2:
        flight.output2 = walk.outputAddress;
        flight.attributes2 = leafAttributes(walk, this.#runsAreEntries ? walk.contiguousShift : walk.pageShift);
        if (flight.normalOnly2 && isDevice(flight.attributes2)) {
          walk.refuse(FaultKind.PERMISSION, walk.level);
          return this.#refused2(flight);
        }
        return S.STORE_LEAF2;
      case S.STORE2: {
        const section = walk.level - 1 + WALK_LEVELS;
        if (this.#caches2(flight) && caches.walk.sections[section] !== null) {
          if (!clock.acquire(flight, this.#probes, S.STORE2)) return WAIT;
          const shift = walk.entryShift(walk.level - 1);
          caches.walk.keep(section, shift, flight.low2, flight.high2, walk.tableBase, 0, flight.space2);
          clock.release(this.#probes);
        }
        flight.address = walk.descriptorAddress;
        return this.#read(flight, walk.descriptorBytes, S.GOT2);
      }
      case S.STORE_LEAF2:
        return this.#storeLeaf2(flight);
      default:
        return this.#storeIpa(flight);
    }
  }

  #ipaFound(flight: Flight): number {
    const cache = this.#mmu.caches.ipa;
    const entry = cache === null ? -1 : cache.lookup(flight.low2, flight.high2, this.#salt(flight));
    this.#clock.release(this.#ipaPorts);
    if (cache === null || entry < 0 || !serves(cache.attributesOf(entry), flight.access2, flight.normalOnly2)) {
      return S.WALK2;
    }
    if (cache.marked !== 0) flight.staleMark = cache.marks[entry] as number;
    flight.output2 = flight.ipa + (cache.values[entry] as number);
    flight.attributes2 = cache.attributesOf(entry);
    return flight.afterStage2;
  }

  #probed2(flight: Flight): number {
    const walk = flight.walk2;
    const { low2, high2, access2, normalOnly2 } = flight;
    const found = this.#look(flight, WALK_LEVELS, walk.startLevel, low2, high2, access2, normalOnly2, walk);
    this.#clock.release(this.#probes);
    if (found < 0) return flight.level < 0 ? S.STEP2 : S.PROBE2;
    const cache = this.#mmu.caches.walk.sections[WALK_LEVELS + flight.level];
    if (cache === null || cache === undefined) return S.STEP2;
    if (cache.marked !== 0) flight.staleMark = cache.marks[found] as number;
    const attributes = cache.attributesOf(found);
    const value = cache.values[found] as number;
    if ((attributes & ENTRY.LEAF) !== 0) {
      flight.output2 = flight.ipa + value;
      flight.attributes2 = withoutTableBits(attributes);
      return S.IPA_STORE;
    }
    walk.resume(flight.level + 1, value, 0);
    return S.STEP2;
  }

  #decode2(flight: Flight): number {
    const walk = flight.walk2;
    this.#clock.release(this.#steps);
    if (!flight.readable) {
      walk.refuse(FaultKind.EXTERNAL_ABORT, walk.level);
      return this.#refused2(flight);
    }
    const status = walk.step(flight.low, flight.high);
    if (status === WalkStatus.FAULT) return this.#refused2(flight);
    if (status === WalkStatus.UPDATE) {
      if (flight.updates++ < MOST_UPDATES) return this.#read(flight, walk.descriptorBytes, S.UPDATED2);
      walk.refuse(FaultKind.EXTERNAL_ABORT, walk.level);
      return this.#refused2(flight);
    }
    return status === WalkStatus.LEAF ? S.LEAF2 : S.STORE2;
  }

  #storeLeaf2(flight: Flight): number {
    const walk = flight.walk2;
    const { walk: caches } = this.#mmu.caches;
    const section = walk.level + WALK_LEVELS;
    if (this.#caches2(flight) && this.#holdsLeaves && caches.sections[section] !== null) {
      if (!this.#clock.acquire(flight, this.#probes, S.STORE_LEAF2)) return WAIT;
      const value = walk.outputAddress - flight.ipa;
      const attributes = flight.attributes2 | ENTRY.LEAF;
      caches.keep(section, walk.pageShift, flight.low2, flight.high2, value, attributes, flight.space2);
      this.#clock.release(this.#probes);
    }
    return S.IPA_STORE;
  }

  #storeIpa(flight: Flight): number {
    const cache = this.#mmu.caches.ipa;
    if (cache === null) return flight.afterStage2;
    if (!this.#clock.acquire(flight, this.#ipaPorts, S.IPA_STORE)) return WAIT;
    const shift = flight.attributes2 & ENTRY.SHIFT_MASK;
    const salt = this.#salt(flight);
    const entry = cache.store(flight.low2, flight.high2, shift, salt, flight.attributes2, flight.space2, 0);
    cache.values[entry] = flight.output2 - flight.ipa;
    this.#clock.release(this.#ipaPorts);
    return flight.afterStage2;
  }

  /** Goes to the next level that has a walk cache and waits for the probe; `missed` when there is none left. */
  #probe(flight: Flight, base: number, least: number, again: number, probed: number, missed: number): number {
    const { sections } = this.#mmu.caches.walk;
    while (flight.level >= Math.max(least, 0)) {
      const cache = sections[base + flight.level];
      if (cache !== null && cache !== undefined) {
        if (!this.#clock.acquire(flight, this.#probes, again)) return WAIT;
        return this.#clock.delay(flight, this.#probeCycles, probed);
      }
      flight.level--;
    }
    return missed;
  }

  /** The probe itself: the entry found at `flight.level`, or -1 with the level moved on (below 0 when none is left). */
  #look(
    flight: Flight,
    base: number,
    least: number,
    low: number,
    high: number,
    access: number,
    normalOnly: boolean,
    walk: Flight['walk1'],
  ): number {
    const { walk: caches } = this.#mmu.caches;
    while (flight.level >= Math.max(least, 0)) {
      const cache = caches.sections[base + flight.level];
      if (cache !== null && cache !== undefined) {
        flight.walkCacheLookups++;
        const entry = caches.lookup(base + flight.level, walk.entryShift(flight.level), low, high);
        if (entry >= 0) {
          const attributes = cache.attributesOf(entry);
          if ((attributes & ENTRY.LEAF) === 0 || serves(attributes, access, normalOnly)) return entry;
        }
      }
      flight.level--;
      if (!this.#parallel) return -1;
    }
    flight.level = -1;
    return -1;
  }

  #updated1(flight: Flight): number {
    flight.address = flight.address1;
    return this.#updated(flight, flight.walk1, flight.readLow1, flight.readHigh1, S.LEAF1, S.FETCH1);
  }

  /**
   * Hardware writes the descriptor back; when software was faster, it is read again.
   *
   * @param low the descriptor as it was read
   */
  #updated(flight: Flight, walk: Flight['walk1'], low: number, high: number, done: number, again: number): number {
    const { address } = flight;
    const { descriptorBytes, updatedLow, updatedHigh } = walk;
    if (this.#mmu.memory.replace(address, descriptorBytes, low, high, updatedLow, updatedHigh)) {
      walk.updated();
      return done;
    }
    // `again` gives a step slot back, so one is taken for it.
    this.#steps.free--;
    return again;
  }

  #read(flight: Flight, bytes: number, after: number): number {
    flight.bytes = bytes;
    flight.afterRead = after;
    return S.READ;
  }

  /** Whether stage-2 walk caches serve this translation. */
  #caches2(flight: Flight): boolean {
    return flight.purpose2 === FaultClass.INPUT || this.#nonFinal;
  }

  #salt(flight: Flight): number {
    return this.#mixesSpace ? (this.#mmu.caches.spaces.second[flight.space2] as number) : 0;
  }

  #refused2(flight: Flight): number {
    flight.faultIpa = flight.ipa;
    flight.faultOnUpdate = flight.purpose2 === FaultClass.TABLE && flight.afterStage2 === S.UPDATE1;
    return this.#refused(flight, 2, flight.walk2.fault, flight.walk2.level);
  }

  #refused(flight: Flight, stage: number, fault: FaultKind, level: number): number {
    flight.fault = fault;
    flight.faultStage = stage;
    flight.faultLevel = level;
    flight.faultClass = stage === 1 ? FaultClass.INPUT : flight.purpose2;
    // A configuration fetch holds no walk slot yet.
    return flight.faultClass === FaultClass.CONTEXT ? S.RETURN : S.WALK_END;
  }
}
