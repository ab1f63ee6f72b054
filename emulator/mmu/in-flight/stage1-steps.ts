import { OWNER_SHIFT } from '../cache/index.ts';
import type { StageRegime } from '../regime/index.ts';
import {
  combineAttributes,
  ENTRY,
  FaultClass,
  FaultKind,
  keepsTable,
  leafAttributes,
  MOST_UPDATES,
  READS_DESCRIPTOR,
  UPDATES_DESCRIPTOR,
  WalkStatus,
  withoutTableBits,
} from '../walk/index.ts';
import type { Flight, Slots } from './flight.ts';
import type { FlightClock } from './flight-clock.ts';
import { FlightState as S, WAIT } from './flight-state.ts';
import type { Stage2Steps } from './stage2-steps.ts';
import type { WalkPorts } from './walk-ports.ts';

/** Walks of stage 1 in flight, one step per call; their addresses go through {@link Stage2Steps} where there is a stage 2. */
export class Stage1Steps {
  readonly #ports: WalkPorts;
  readonly #stage2: Stage2Steps;
  readonly #clock: FlightClock;
  readonly #probes: Slots;
  readonly #steps: Slots;
  readonly #leafSkipsStage2: boolean;

  constructor(ports: WalkPorts, stage2: Stage2Steps) {
    this.#ports = ports;
    this.#stage2 = stage2;
    this.#clock = ports.clock;
    this.#probes = ports.probes;
    this.#steps = ports.steps;
    this.#leafSkipsStage2 = ports.mmu.config.deviations.cachedLeafSkipsStage2;
  }

  /** Takes one step. */
  step(flight: Flight, state: number): number {
    const clock = this.#clock;
    const walk = flight.walk1;
    switch (state) {
      case S.STAGE1: {
        const regime = flight.regime?.stage1 as StageRegime;
        if (walk.begin(regime, flight.iova, flight.upper, flight.needed) === WalkStatus.FAULT) {
          return this.#ports.refused(flight, 1, walk.fault, walk.level);
        }
        flight.high1 = flight.pageHigh | (flight.space << OWNER_SHIFT);
        flight.updates1 = 0;
        flight.ipaKnown1 = true;
        flight.level = walk.descriptorBytes === 4 ? 2 : 3;
        return S.PROBE1;
      }
      case S.PROBE1:
        return this.#ports.probe(flight, 0, walk.startLevel, S.PROBE1, S.PROBED1, S.ROOT1);
      case S.PROBED1:
        return this.#probed1(flight);
      case S.ROOT1: {
        flight.address = walk.descriptorAddress;
        const stage2 = flight.regime?.stage2 ?? null;
        if (stage2 === null || flight.walkCacheLevel >= 0) return S.STEP1;
        return this.#stage2.begin(flight, stage2, flight.address, FaultClass.TABLE, READS_DESCRIPTOR, S.TABLE1);
      }
      case S.STEP1:
        if (!clock.acquire(flight, this.#steps, S.STEP1)) return WAIT;
        return clock.delay(flight, this.#ports.walkStep, S.FETCH1);
      case S.FETCH1:
        clock.release(this.#steps);
        return this.#ports.read(flight, walk.descriptorBytes, S.GOT1);
      case S.GOT1:
        if (!clock.acquire(flight, this.#steps, S.GOT1)) return WAIT;
        return clock.delay(flight, this.#ports.walkStep, S.DECODE1);
      case S.DECODE1:
        return this.#decode1(flight);
      case S.UPDATE1:
        // Stage 2 lets the descriptor be written, too.
        return this.#ports.read(flight, walk.descriptorBytes, S.UPDATED1);
      case S.UPDATED1:
        return this.#updated1(flight);
      case S.TABLE1:
        return this.#table1(flight);
      case S.STORE1: {
        const level = walk.level - 1;
        if (this.#ports.mmu.caches.walk.sections[level] !== null) {
          if (!clock.acquire(flight, this.#probes, S.STORE1)) return WAIT;
          const attributes = walk.hierarchical << ENTRY.HIERARCHICAL_SHIFT;
          const shift = walk.entryShift(level);
          this.#ports.mmu.caches.walk.keep(
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
        return this.#ports.read(flight, walk.descriptorBytes, S.GOT1);
      }
      case S.LEAF1: {
        flight.output1 = walk.outputAddress;
        flight.attributes1 = leafAttributes(walk, this.#ports.runsAreEntries ? walk.contiguousShift : walk.pageShift);
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
    const found = this.#ports.look(
      flight,
      0,
      walk.startLevel,
      flight.pageLow,
      flight.high1,
      flight.needed,
      false,
      walk,
    );
    this.#clock.release(this.#probes);
    if (found < 0) return flight.level < 0 ? S.ROOT1 : S.PROBE1;
    const cache = this.#ports.mmu.caches.walk.sections[flight.level];
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
    if (!flight.readable) return this.#ports.refused(flight, 1, FaultKind.EXTERNAL_ABORT, walk.level);
    const status = walk.step(flight.low, flight.high);
    if (status === WalkStatus.FAULT) return this.#ports.refused(flight, 1, walk.fault, walk.level);
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
      if (flight.updates1++ === MOST_UPDATES)
        return this.#ports.refused(flight, 1, FaultKind.EXTERNAL_ABORT, walk.level);
      flight.address1 = flight.address;
      flight.readLow1 = flight.low;
      flight.readHigh1 = flight.high;
      if (stage2 === null) return S.UPDATE1;
      return this.#stage2.begin(
        flight,
        stage2,
        walk.descriptorAddress,
        FaultClass.TABLE,
        UPDATES_DESCRIPTOR,
        S.UPDATE1,
      );
    }
    flight.address = walk.descriptorAddress;
    flight.ipaKnown1 = true;
    if (stage2 === null) {
      flight.table = walk.tableBase;
      return S.STORE1;
    }
    return this.#stage2.begin(flight, stage2, flight.address, FaultClass.TABLE, READS_DESCRIPTOR, S.TABLE1);
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
      : this.#ports.read(flight, walk.descriptorBytes, S.GOT1);
  }

  /** A stage-1 leaf is known: its output goes through stage 2 when there is one. */
  #behindStage1(flight: Flight, after: number): number {
    const stage2 = flight.regime?.stage2 ?? null;
    flight.attributes2 = -1;
    if (stage2 === null) return after;
    return this.#stage2.begin(flight, stage2, flight.output1, FaultClass.INPUT, flight.needed, after);
  }

  #combine(flight: Flight): void {
    const alone = flight.attributes2 === -1;
    flight.pa = alone ? flight.output1 : flight.output2;
    flight.attributes = alone ? flight.attributes1 : combineAttributes(flight.attributes1, flight.attributes2);
  }

  #storeLeaf1(flight: Flight): number {
    const walk = flight.walk1;
    const { walk: caches } = this.#ports.mmu.caches;
    if (!this.#ports.holdsLeaves || caches.sections[walk.level] === null) return S.WALK_END;
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

  #updated1(flight: Flight): number {
    flight.address = flight.address1;
    return this.#ports.updated(flight, flight.walk1, flight.readLow1, flight.readHigh1, S.LEAF1, S.FETCH1);
  }
}
