import type { Mmu } from '../translation/index.ts';
import { type Flight, Slots } from './flight.ts';
import type { FlightClock } from './flight-clock.ts';
import { FlightState as S, WAIT } from './flight-state.ts';
import { SmmuSteps } from './smmu-steps.ts';
import { Stage1Steps } from './stage1-steps.ts';
import { Stage2Steps } from './stage2-steps.ts';
import type { FlightEnds, TbuSlots } from './tbu-slots.ts';
import { TbuSteps } from './tbu-steps.ts';
import { WalkPorts } from './walk-ports.ts';

/** Requests in flight, one step per call: at the TBUs, in the SMMU, in a table walk. */
export class FlightSteps {
  /** What each TBU shares among its requests. */
  readonly tbus: readonly TbuSlots[];
  readonly #tbus: TbuSteps;
  readonly #smmu: SmmuSteps;
  readonly #stage1: Stage1Steps;
  readonly #stage2: Stage2Steps;

  constructor(mmu: Mmu, clock: FlightClock, ends: FlightEnds) {
    const requestPort = new Slots(1);
    const ports = new WalkPorts(mmu, clock);
    this.#stage2 = new Stage2Steps(ports);
    this.#stage1 = new Stage1Steps(ports, this.#stage2);
    this.#tbus = new TbuSteps(mmu, clock, ends, requestPort);
    this.#smmu = new SmmuSteps(mmu, clock, ends, this.#stage2, requestPort);
    this.tbus = this.#tbus.slots;
  }

  /** Runs a flight until it has to wait. */
  run(flight: Flight): void {
    let { state } = flight;
    while (state !== WAIT) {
      if (state >= S.STAGE2) state = this.#stage2.step(flight, state);
      else if (state >= S.STAGE1) state = this.#stage1.step(flight, state);
      else if (state < S.LINK || (state >= S.MAIN_STORE && state < S.READ)) state = this.#tbus.step(flight, state);
      else state = this.#smmu.step(flight, state);
    }
  }
}
