import type { CaptureNotes } from '../../events/index.ts';
import { clearCall, EventKind, TraceEvent, UNKNOWN } from '../../events/index.ts';
import type { RandomAccess } from '../../sources/index.ts';
import type { EventStream } from '../form.ts';
import { RecordDecoder } from '../record-decoder.ts';
import { CpuLane, Step } from './cpu-lane.ts';
import { CpuPages } from './cpu-pages.ts';
import type { BufferPlace, TickScale, TraceDat } from './trace-dat.ts';

/** Clocks that count something else than nanoseconds. */
const COUNTING_CLOCKS: readonly string[] = ['counter', 'uptime', 'x86-tsc', 'ppc-tb', 'x86-cycles'];
const NANOSECONDS = 1e9;

/** The records of all CPUs of a trace.dat, merged by time as `trace-cmd report` does: at equal times, the CPU of the lower number goes first. */
export class TraceDatReader implements EventStream {
  event = new TraceEvent();
  readonly #notes: CaptureNotes;
  readonly #access: RandomAccess;
  readonly #lanes: readonly CpuLane[];
  readonly #decoder: RecordDecoder;
  readonly #timeOffset: number;
  readonly #scale: TickScale | null;
  readonly #counts: boolean;
  /** Lanes with something to tell. */
  #live: CpuLane[] = [];
  /** The lane that is read, until its time passes {@link #until}. */
  #lane: CpuLane | null = null;
  #until = 0;
  /** Instance whose events count: that of the first event of interest. */
  #instance = UNKNOWN;

  constructor(access: RandomAccess, dat: TraceDat, notes: CaptureNotes) {
    this.#access = access;
    this.#notes = notes;
    const cpus = dat.buffers.reduce((sum, buffer) => sum + buffer.cpus.length, 0);
    this.#lanes = dat.buffers.flatMap((buffer, instance) => lanesOf(buffer, instance, access, dat, cpus));
    this.#decoder = new RecordDecoder(notes, dat.littleEndian, dat.formats);
    this.#timeOffset = dat.timeOffset;
    this.#scale = dat.tickScale;
    const clock = dat.buffers[0]?.clock ?? '';
    this.#counts = COUNTING_CLOCKS.includes(clock) && dat.tickScale === null;
    notes.stats.clock = this.#counts ? 'ticks' : 'seconds';
  }

  get namedDomains(): number {
    return this.#notes.domains.size;
  }

  async fill(): Promise<boolean> {
    const empty = this.#lanes.filter((lane) => !lane.ended && lane.step === Step.EMPTY);
    for (const lane of empty) {
      while (!lane.ended && lane.step === Step.EMPTY) {
        await lane.load();
        this.#notes.stats.bytes += lane.view.byteLength;
      }
    }
    this.#live = this.#lanes.filter((lane) => lane.step !== Step.EMPTY);
    this.#lane = null;
    return empty.length > 0 && (this.#live.length > 0 || this.#lanes.some((lane) => !lane.ended));
  }

  next(): boolean {
    for (;;) {
      let lane = this.#lane;
      if (lane === null || lane.time > this.#until) lane = this.#choose();
      if (lane === null) return false;
      const told = this.#tell(lane);
      if (lane.step === Step.EMPTY) {
        this.#lane = null;
        // Nothing may overtake what this CPU has not shown yet.
        if (lane.ended) this.#live = this.#live.filter((one) => one !== lane);
      }
      if (told) return true;
    }
  }

  close(): Promise<void> {
    return this.#access.close();
  }

  /** The lane with the earliest record; null while a lane has to be loaded first. */
  #choose(): CpuLane | null {
    let first: CpuLane | null = null;
    let until = Number.POSITIVE_INFINITY;
    for (const lane of this.#live) {
      if (lane.step === Step.EMPTY) {
        this.#lane = null;
        return null;
      }
      if (first === null || lane.time < first.time) {
        if (first !== null) until = Math.min(until, first.time - SMALLEST);
        first = lane;
      } else if (lane.time < until) until = lane.time;
    }
    this.#lane = first;
    this.#until = until;
    return first;
  }

  /** Takes what the lane stands at, and moves it on; whether it was an event. */
  #tell(lane: CpuLane): boolean {
    const { event } = this;
    const { stats } = this.#notes;
    stats.lines++;
    event.line = stats.lines;
    event.cpu = lane.cpu;
    event.time = this.#seconds(lane.time);
    const { step } = lane;
    if (step === Step.RECORD) {
      const whole = this.#decoder.decode(lane.view, lane.at, lane.end, event);
      const offset = lane.at;
      lane.advance();
      if (!whole) {
        this.#notes.damaged(event.line, offset, this.#decoder.reason);
        return false;
      }
      if (event.kind === EventKind.OTHER) return true;
      if (this.#instance === UNKNOWN) this.#instance = lane.instance;
      if (lane.instance === this.#instance) return true;
      stats.otherInstances++;
      return false;
    }
    if (step === Step.DAMAGE) {
      const { reason } = lane;
      this.#notes.damaged(event.line, lane.at, `${reason} (CPU ${lane.cpu})`, lane.ended);
      if (lane.ended) lane.step = Step.EMPTY;
      else lane.advance();
      return false;
    }
    clearCall(event);
    event.kind = EventKind.LOST;
    event.count = lane.lost < 0 ? UNKNOWN : lane.lost;
    event.pid = UNKNOWN;
    event.context = -1;
    lane.advance();
    return true;
  }

  #seconds(ticks: number): number {
    if (this.#counts) return ticks;
    const scale = this.#scale;
    const nanoseconds = scale === null ? ticks : scale.offset + (ticks * scale.multiplier) / 2 ** scale.shift;
    return (nanoseconds + this.#timeOffset) / NANOSECONDS;
  }
}

/** Less than any two times of a clock that counts in whole numbers differ by. */
const SMALLEST = 0.5;

function lanesOf(
  buffer: BufferPlace,
  instance: number,
  access: RandomAccess,
  dat: TraceDat,
  cpus: number,
): readonly CpuLane[] {
  const { pageSize } = buffer;
  const { littleEndian, commitOffset, commitSize, dataOffset } = dat;
  const shape = { pageSize, littleEndian, commitOffset, commitSize, dataOffset };
  const compression = buffer.compressed ? dat.compression : null;
  return buffer.cpus.map(
    (place) =>
      new CpuLane(place.cpu, instance, shape, new CpuPages(access, place, pageSize, compression, littleEndian, cpus)),
  );
}
