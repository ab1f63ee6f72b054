import type { Mmu } from '../translation/index.ts';
import { ENTRY, FaultClass, type FaultKind, serves } from '../walk/index.ts';
import { type Flight, Slots } from './flight.ts';
import type { FlightClock } from './flight-clock.ts';
import { FlightState as S, WAIT } from './flight-state.ts';

/** What the walks of both stages share: the ports that they compete for, probes of walk caches, reads, updates of descriptors, faults. */
export class WalkPorts {
  readonly mmu: Mmu;
  readonly clock: FlightClock;
  /** Ports of the walk caches. */
  readonly probes: Slots;
  /** One step of all walks per cycle. */
  readonly steps = new Slots(1);
  readonly walkStep: number;
  readonly holdsLeaves: boolean;
  readonly runsAreEntries: boolean;
  readonly #probeCycles: number;
  readonly #parallel: boolean;

  constructor(mmu: Mmu, clock: FlightClock) {
    const { config } = mmu;
    this.mmu = mmu;
    this.clock = clock;
    this.probes = new Slots(config.walkCache.ports);
    this.walkStep = config.walkStep;
    this.holdsLeaves = config.walkCache.holdsLeaves;
    this.runsAreEntries = config.contiguousRunIsOneEntry;
    this.#probeCycles = config.walkCache.latency;
    this.#parallel = config.walkCache.parallelLevels;
  }

  /** Goes to the next level that has a walk cache and waits for the probe; `missed` when there is none left. */
  probe(flight: Flight, base: number, least: number, again: number, probed: number, missed: number): number {
    const { sections } = this.mmu.caches.walk;
    while (flight.level >= Math.max(least, 0)) {
      const cache = sections[base + flight.level];
      if (cache !== null && cache !== undefined) {
        if (!this.clock.acquire(flight, this.probes, again)) return WAIT;
        return this.clock.delay(flight, this.#probeCycles, probed);
      }
      flight.level--;
    }
    return missed;
  }

  /** The probe itself: the entry found at `flight.level`, or -1 with the level moved on (below 0 when none is left). */
  look(
    flight: Flight,
    base: number,
    least: number,
    low: number,
    high: number,
    access: number,
    normalOnly: boolean,
    walk: Flight['walk1'],
  ): number {
    const { walk: caches } = this.mmu.caches;
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

  /**
   * Hardware writes the descriptor back; when software was faster, it is read again.
   *
   * @param low the descriptor as it was read
   */
  updated(flight: Flight, walk: Flight['walk1'], low: number, high: number, done: number, again: number): number {
    const { address } = flight;
    const { descriptorBytes, updatedLow, updatedHigh } = walk;
    if (this.mmu.memory.replace(address, descriptorBytes, low, high, updatedLow, updatedHigh)) {
      walk.updated();
      return done;
    }
    // `again` gives a step slot back, so one is taken for it.
    this.steps.free--;
    return again;
  }

  read(flight: Flight, bytes: number, after: number): number {
    flight.bytes = bytes;
    flight.afterRead = after;
    return S.READ;
  }

  refused(flight: Flight, stage: number, fault: FaultKind, level: number): number {
    flight.fault = fault;
    flight.faultStage = stage;
    flight.faultLevel = level;
    flight.faultClass = stage === 1 ? FaultClass.INPUT : flight.purpose2;
    // A configuration fetch holds no walk slot yet.
    return flight.faultClass === FaultClass.CONTEXT ? S.RETURN : S.WALK_END;
  }
}
