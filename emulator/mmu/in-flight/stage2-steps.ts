import { OWNER_SHIFT, tagHigh, tagLow } from '../cache/index.ts';
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
  serves,
  WalkStatus,
  withoutTableBits,
} from '../walk/index.ts';
import { type Flight, Slots } from './flight.ts';
import type { FlightClock } from './flight-clock.ts';
import { FlightState as S, WAIT } from './flight-state.ts';
import type { WalkPorts } from './walk-ports.ts';

/** Stage-2 translations in flight, one step per call: of an input, of a stage-1 table, of a configuration structure. */
export class Stage2Steps {
  readonly #ports: WalkPorts;
  readonly #clock: FlightClock;
  readonly #probes: Slots;
  readonly #steps: Slots;
  readonly #ipaPorts: Slots;
  readonly #ipaCycles: number;
  readonly #nonFinal: boolean;
  readonly #ignoresProtection: boolean;
  readonly #mixesSpace: boolean;

  constructor(ports: WalkPorts) {
    const { config } = ports.mmu;
    this.#ports = ports;
    this.#clock = ports.clock;
    this.#probes = ports.probes;
    this.#steps = ports.steps;
    this.#ipaPorts = new Slots(config.ipaCache.ports);
    this.#ipaCycles = config.ipaCache.latency;
    this.#nonFinal = config.walkCache.nonFinal;
    this.#ignoresProtection = config.deviations.ignoresProtectedTableWalk;
    this.#mixesSpace = config.indexMixesAddressSpace;
  }

  /**
   * Starts a stage-2 translation that goes on with `after`; on a fault the flight leaves the walk.
   *
   * @param purpose what the address belongs to: the input itself, a stage-1 table, or a configuration structure
   */
  begin(flight: Flight, regime: StageRegime, ipa: number, purpose: FaultClass, access: number, after: number): number {
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

  /** Takes one step. */
  step(flight: Flight, state: number): number {
    const clock = this.#clock;
    const walk = flight.walk2;
    const { caches } = this.#ports.mmu;
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
        return this.#ports.probe(flight, WALK_LEVELS, walk.startLevel, S.PROBE2, S.PROBED2, S.STEP2);
      case S.PROBED2:
        return this.#probed2(flight);
      case S.STEP2:
        if (!clock.acquire(flight, this.#steps, S.STEP2)) return WAIT;
        return clock.delay(flight, this.#ports.walkStep, S.FETCH2);
      case S.FETCH2:
        clock.release(this.#steps);
        flight.address = walk.descriptorAddress;
        return this.#ports.read(flight, walk.descriptorBytes, S.GOT2);
      case S.GOT2:
        if (!clock.acquire(flight, this.#steps, S.GOT2)) return WAIT;
        return clock.delay(flight, this.#ports.walkStep, S.DECODE2);
      case S.DECODE2:
        return this.#decode2(flight);
      case S.UPDATED2:
        return this.#ports.updated(flight, walk, flight.low, flight.high, S.LEAF2, S.FETCH2);
      case S.LEAF2:
        flight.output2 = walk.outputAddress;
        flight.attributes2 = leafAttributes(walk, this.#ports.runsAreEntries ? walk.contiguousShift : walk.pageShift);
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
        return this.#ports.read(flight, walk.descriptorBytes, S.GOT2);
      }
      case S.STORE_LEAF2:
        return this.#storeLeaf2(flight);
      default:
        return this.#storeIpa(flight);
    }
  }

  #ipaFound(flight: Flight): number {
    const cache = this.#ports.mmu.caches.ipa;
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
    const found = this.#ports.look(flight, WALK_LEVELS, walk.startLevel, low2, high2, access2, normalOnly2, walk);
    this.#clock.release(this.#probes);
    if (found < 0) return flight.level < 0 ? S.STEP2 : S.PROBE2;
    const cache = this.#ports.mmu.caches.walk.sections[WALK_LEVELS + flight.level];
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
      if (flight.updates++ < MOST_UPDATES) return this.#ports.read(flight, walk.descriptorBytes, S.UPDATED2);
      walk.refuse(FaultKind.EXTERNAL_ABORT, walk.level);
      return this.#refused2(flight);
    }
    return status === WalkStatus.LEAF ? S.LEAF2 : S.STORE2;
  }

  #storeLeaf2(flight: Flight): number {
    const walk = flight.walk2;
    const { walk: caches } = this.#ports.mmu.caches;
    const section = walk.level + WALK_LEVELS;
    if (this.#caches2(flight) && this.#ports.holdsLeaves && caches.sections[section] !== null) {
      if (!this.#clock.acquire(flight, this.#probes, S.STORE_LEAF2)) return WAIT;
      const value = walk.outputAddress - flight.ipa;
      const attributes = flight.attributes2 | ENTRY.LEAF;
      caches.keep(section, walk.pageShift, flight.low2, flight.high2, value, attributes, flight.space2);
      this.#clock.release(this.#probes);
    }
    return S.IPA_STORE;
  }

  #storeIpa(flight: Flight): number {
    const cache = this.#ports.mmu.caches.ipa;
    if (cache === null) return flight.afterStage2;
    if (!this.#clock.acquire(flight, this.#ipaPorts, S.IPA_STORE)) return WAIT;
    const shift = flight.attributes2 & ENTRY.SHIFT_MASK;
    const salt = this.#salt(flight);
    const entry = cache.store(flight.low2, flight.high2, shift, salt, flight.attributes2, flight.space2, 0);
    cache.values[entry] = flight.output2 - flight.ipa;
    this.#clock.release(this.#ipaPorts);
    return flight.afterStage2;
  }

  /** Whether stage-2 walk caches serve this translation. */
  #caches2(flight: Flight): boolean {
    return flight.purpose2 === FaultClass.INPUT || this.#nonFinal;
  }

  #salt(flight: Flight): number {
    return this.#mixesSpace ? (this.#ports.mmu.caches.spaces.second[flight.space2] as number) : 0;
  }

  #refused2(flight: Flight): number {
    flight.faultIpa = flight.ipa;
    flight.faultOnUpdate = flight.purpose2 === FaultClass.TABLE && flight.afterStage2 === S.UPDATE1;
    return this.#ports.refused(flight, 2, flight.walk2.fault, flight.walk2.level);
  }
}
