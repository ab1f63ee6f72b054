import {
  AccessFlag,
  type Mmu,
  neededPermissions,
  Outcome,
  type TranslatingDevice,
  type TranslationRequest,
} from '../translation/index.ts';
import { Flight } from './flight.ts';
import { type EventSubject, FlightClock, FlightEvent } from './flight-clock.ts';
import { FlightState } from './flight-state.ts';
import { FlightSteps } from './flight-steps.ts';
import type { TbuSlots } from './tbu-slots.ts';

/** What one master does in a run: an address list, with many requests in flight. */
export interface FlightJob {
  /** Interface; by default that of the job's place in the list of jobs. */
  readonly master?: number;
  readonly addresses: Float64Array;
  /** 1 for each address that is in the upper half; by default `flags` says it of all. */
  readonly upper?: Uint8Array | null;
  readonly streamId: number;
  readonly substreamId?: number;
  /** Bits of `AccessFlag`, for all accesses. */
  readonly flags?: number;
  /** Bytes of an access; 64 by default. */
  readonly size?: number;
  /** Most requests in flight. */
  readonly outstanding: number;
  /** Requestor ids, used in turn; requests of one id stay in order. 1 by default. */
  readonly ids?: number;
  /** Cycles between two requests; 1 by default. */
  readonly gap?: number;
  /** Cycle of the first request; 0 by default. */
  readonly start?: number;
  /** Stop here until nothing is in flight, call `pause`, and go on after the cycles that it returns; -1 for never. */
  readonly pauseAt?: number;
  readonly pause?: () => number;
}

/** A finished translation as {@link FlightEngine.onDone} sees it. Valid during the call. Times of `completion` and `latency` in cycles. */
export type FinishedFlight = Readonly<TranslationRequest> & Readonly<Pick<Flight, 'startTick' | 'endTick'>>;

/** A master that issues requests, and the queue in which its responses come back. */
class Generator {
  readonly master: number;
  readonly job: FlightJob;
  readonly flags: number;
  readonly size: number;
  // What follows from these for each of its requests.
  readonly stream: number;
  readonly needed: number;
  readonly write: boolean;
  readonly beats: number;
  next = 0;
  inFlight = 0;
  /** An ISSUE event is scheduled. */
  scheduled = false;
  /** The last request was refused. */
  blocked = false;
  paused = false;
  /** Ticks at which responses are ready, oldest first. */
  readonly responses: number[] = [];
  responding = false;

  constructor(master: number, job: FlightJob, mmu: Mmu) {
    this.master = master;
    this.job = job;
    this.flags = job.flags ?? AccessFlag.READ;
    this.size = job.size ?? 64;
    this.stream = mmu.caches.streamNumber(job.streamId, job.substreamId ?? -1);
    this.needed = neededPermissions(this.flags);
    this.write = (this.flags & AccessFlag.WRITE) !== 0;
    this.beats = this.write ? Math.ceil(this.size / mmu.config.tbu.portWidth) : 0;
  }
}

/**
 * Drives an MMU with many requests in flight. A discrete-event engine: who waits for what is decided event by event, in the order of
 * the reference model (last scheduled first within a tick, unfair slots, one response per tick and TBU), so that its figures
 * equal gem5's. The caches, counters and invalidations are those of the `Mmu`.
 *
 *     const engine = new FlightEngine(mmu);
 *     engine.onDone = (done) => histogram.add((done.endTick - done.startTick) / engine.period);
 *     const ticks = engine.run([{ addresses, streamId: 1, outstanding: 16 }]);
 *
 * Counters that `Mmu.counters` gives include prefetches, as the hardware would count them.
 */
export class FlightEngine {
  /** Ticks per cycle. */
  readonly period: number;
  /** Told each finished translation, in completion order; prefetches are not among them. */
  onDone: (done: FinishedFlight) => void = () => {};
  /** Told the cycles of each walk, those of prefetches too. */
  onWalk: (cycles: number) => void = () => {};

  readonly #device: TranslatingDevice;
  readonly #mmu: Mmu;
  readonly #clock: FlightClock;
  readonly #steps: FlightSteps;
  readonly #pool: Flight[] = [];
  #generators: Generator[] = [];
  #lastResponse = 0;
  /** Requests of this run without their response. */
  #unanswered = 0;

  /**
   * @param device the device whose MMU it drives, or an MMU without one
   * @param period ticks per SMMU cycle
   */
  constructor(device: TranslatingDevice, period = 1000) {
    const { mmu } = device;
    const { memory } = mmu.config;
    this.period = period;
    this.#device = device;
    this.#mmu = mmu;
    this.#clock = new FlightClock(period, memory.latency, memory.bandwidth);
    this.#clock.onAccepted = () => this.#tellRefused();
    this.#steps = new FlightSteps(mmu, this.#clock, {
      admitted: (flight) => device.admit(flight),
      translated: (flight) => this.#translated(flight),
      responded: (flight) => this.#respond(this.#generators[flight.master] as Generator),
      prefetch: (from, iova) => this.#prefetch(from, iova),
      retired: (flight) => this.#pool.push(flight),
      walked: (ticks) => this.onWalk(ticks / period),
    });
  }

  /**
   * Runs the jobs until each has its last response, each on its own TBU, or until all that is left is stalled and nobody resumes it.
   * Prefetches that are still under way then, and stalled requests, go on in the next run.
   *
   * @returns tick of the last response
   */
  run(jobs: FlightJob | readonly FlightJob[]): number {
    const list = Array.isArray(jobs) ? (jobs as readonly FlightJob[]) : [jobs as FlightJob];
    this.#generators = [];
    const from = this.#clock.now;
    for (const [index, job] of list.entries()) {
      const master = job.master ?? index;
      const generator = new Generator(master, job, this.#mmu);
      this.#generators[master] = generator;
      this.#issueAt(generator, from + (job.start ?? 0) * this.period);
    }
    const { queue } = this.#clock;
    this.#device.onResume = (request, outcome) => this.#resume(request as Flight, outcome);
    this.#unanswered = list.reduce((sum, job) => sum + job.addresses.length, 0);
    while (this.#unanswered > 0 && queue.next()) this.#serve(queue.kind, queue.subject as EventSubject);
    return this.#lastResponse;
  }

  /** Serves one event. A method of its own: the engine optimises it once, where a loop is optimised anew in each run. */
  #serve(kind: number, subject: EventSubject): void {
    switch (kind) {
      case FlightEvent.WAKE:
        this.#steps.run(subject as Flight);
        break;
      case FlightEvent.ANSWER:
        this.#steps.run(this.#clock.answer());
        this.#clock.answered();
        break;
      case FlightEvent.MEMORY_FREE:
        this.#clock.free();
        break;
      case FlightEvent.RESPOND:
        this.#deliver(subject as Generator);
        break;
      case FlightEvent.RETRY:
        this.#retry(subject as Generator);
        break;
      default:
        (subject as Generator).scheduled = false;
        this.#issue(subject as Generator);
    }
  }

  /** A translation is finished. @returns whether its access goes on to memory */
  #translated(flight: Flight): boolean {
    const mmu = this.#mmu;
    const cycles = (flight.endTick - flight.startTick) / this.period;
    flight.latency = cycles;
    flight.completion = flight.endTick / this.period;
    mmu.totalLatency += cycles;
    mmu.busyUntil = flight.completion;
    // The device may have refused it before the MMU saw it.
    let passed = flight.outcome === Outcome.OK;
    if (passed) {
      if (!flight.translated) {
        mmu.faults++;
        flight.pa = 0;
        flight.outcome = Outcome.ABORTED;
      }
      passed = this.#device.settle(flight, true);
    }
    this.onDone(flight);
    return passed;
  }

  /** Software has answered for a request that was stalled. */
  #resume(flight: Flight, outcome: Outcome): void {
    flight.outcome = outcome;
    flight.resumed = true;
    this.#clock.delay(flight, 1, outcome === Outcome.OK ? FlightState.STALLED : FlightState.ENDED);
  }

  /** A free flight, at its first step. */
  #flight(): Flight {
    const flight = this.#pool.pop() ?? new Flight();
    flight.reset();
    flight.state = FlightState.DEVICE_PORT;
    return flight;
  }

  /** A master's turn: sends its next request if it may, and comes back after its gap. */
  #issue(generator: Generator): void {
    const { job } = generator;
    if (generator.blocked || generator.inFlight >= job.outstanding || generator.next >= job.addresses.length) return;
    if (generator.next === (job.pauseAt ?? -1) && !generator.paused) {
      if (generator.inFlight > 0) return;
      generator.paused = true;
      const cycles = job.pause === undefined ? 0 : job.pause();
      this.#issueAt(generator, this.#clock.now + cycles * this.period);
      return;
    }
    if (!this.#send(generator)) {
      generator.blocked = true;
      return;
    }
    this.#comeBack(generator);
  }

  #comeBack(generator: Generator): void {
    const { job } = generator;
    if (generator.inFlight >= job.outstanding || generator.next >= job.addresses.length) return;
    if (!generator.scheduled) this.#issueAt(generator, this.#clock.edge(job.gap ?? 1));
  }

  #issueAt(generator: Generator, tick: number): void {
    generator.scheduled = true;
    this.#clock.queue.schedule(tick, FlightEvent.ISSUE, generator);
  }

  /** Offers the next request to the TBU; false when it has no slot. */
  #send(generator: Generator): boolean {
    const shared = this.#steps.tbus[generator.master] as TbuSlots;
    const { write, beats } = generator;
    if (shared.free === 0 || shared.freeBeats < beats) {
      shared.refused = true;
      return false;
    }
    shared.free--;
    shared.freeBeats -= beats;
    const { job } = generator;
    const flight = this.#flight();
    flight.master = generator.master;
    const upper = (generator.flags & AccessFlag.UPPER) !== 0 || job.upper?.[generator.next] === 1;
    flight.locate(job.addresses[generator.next] as number, upper);
    flight.flags = upper ? generator.flags | AccessFlag.UPPER : generator.flags;
    flight.start = this.#clock.now / this.period;
    flight.streamId = job.streamId;
    flight.substreamId = job.substreamId ?? -1;
    flight.stream = generator.stream;
    flight.needed = generator.needed;
    flight.size = generator.size;
    flight.write = write;
    flight.beats = beats;
    flight.order = generator.next % (job.ids ?? 1);
    generator.next++;
    generator.inFlight++;
    this.#mmu.requests++;
    this.#steps.run(flight);
    return true;
  }

  #prefetch(from: Flight, iova: number): void {
    const shared = this.#steps.tbus[from.master] as TbuSlots;
    if (shared.free === 0) return;
    shared.free--;
    const flight = this.#flight();
    flight.prefetch = true;
    flight.master = from.master;
    flight.locate(iova, from.upper);
    flight.streamId = from.streamId;
    flight.substreamId = from.substreamId;
    flight.stream = from.stream;
    flight.flags = AccessFlag.PRIVILEGED | AccessFlag.PREFETCH | (from.upper ? AccessFlag.UPPER : 0);
    flight.needed = neededPermissions(flight.flags);
    flight.size = 0;
    flight.write = false;
    flight.beats = 0;
    this.#clock.delay(flight, 1, FlightState.DEVICE_PORT);
  }

  /** Memory accepted something: refused masters are told at the next edge. */
  #tellRefused(): void {
    for (const shared of this.#steps.tbus) {
      if (!shared.refused) continue;
      shared.refused = false;
      const generator = this.#generators[this.#steps.tbus.indexOf(shared)];
      if (generator !== undefined) this.#clock.queue.schedule(this.#clock.edge(1), FlightEvent.RETRY, generator);
    }
  }

  #retry(generator: Generator): void {
    if (!generator.blocked) return;
    generator.blocked = false;
    if (!this.#send(generator)) {
      generator.blocked = true;
      return;
    }
    this.#comeBack(generator);
  }

  /** A response becomes ready at the next clock edge; a queue sends one per tick. */
  #respond(generator: Generator): void {
    const when = this.#clock.edge(1);
    generator.responses.push(when);
    if (!generator.responding) this.#respondAt(generator, when);
  }

  #respondAt(generator: Generator, tick: number): void {
    generator.responding = true;
    this.#clock.queue.schedule(Math.max(tick, this.#clock.now + 1), FlightEvent.RESPOND, generator);
  }

  #deliver(generator: Generator): void {
    generator.responding = false;
    generator.responses.shift();
    generator.inFlight--;
    this.#unanswered--;
    this.#lastResponse = this.#clock.now;
    if (!generator.scheduled && !generator.blocked && generator.next < generator.job.addresses.length) {
      this.#issueAt(generator, this.#clock.edge(generator.job.gap ?? 1));
    }
    const [next] = generator.responses;
    if (next !== undefined) this.#respondAt(generator, next);
  }
}
