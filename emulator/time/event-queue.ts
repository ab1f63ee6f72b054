/**
 * Events of a discrete simulation by time. Events of the same tick come out last in, first out, as gem5's event queue has them: its
 * order decides who gets a port first, so a model that wants its figures must share it.
 *
 * A wheel with one bucket per cycle. A bucket is a list in the order in which its events come out: by tick, and of one tick the newest
 * first. Nearly every event of a cycle is due at its clock edge, the first tick that it can have, so it goes to the front of the list;
 * the few within a cycle (answers of a memory that takes no whole number of cycles, one response per tick) look for their place.
 * Events beyond the wheel's horizon wait in a list of their own and move into their bucket before anything newer can.
 */

/** Buckets of the wheel: cycles that it sees ahead. A memory access and a hop fit in with room to spare. */
const CYCLES = 1024;
const WORDS = CYCLES / 32;
const NONE = -1;

export class EventQueue<Subject> {
  /** Tick of the event that is being served. */
  now = 0;
  /** First clock edge that is not before `now`. */
  edge = 0;
  size = 0;
  /** Number and subject of the event that `next` took out. */
  kind = 0;
  subject: Subject | null = null;
  readonly #period: number;
  /** Cycle that `now` is in. */
  #cycle = 0;

  // The wheel: first event of each bucket, and a bit for each bucket that has one.
  readonly #heads = new Int32Array(CYCLES).fill(NONE);
  readonly #filled = new Int32Array(WORDS);
  // Events: tick, number, subject and the next one of the bucket; free ones are chained too.
  #ticks = new Float64Array(256);
  #kinds = new Int32Array(256);
  #nexts = new Int32Array(256);
  readonly #subjects: (Subject | null)[] = [];
  #free = NONE;
  #used = 0;
  /** Events beyond the horizon, oldest first, and the first cycle of one of them. */
  readonly #far: number[] = [];
  #farCycle = Number.POSITIVE_INFINITY;

  /** @param period ticks of a cycle */
  constructor(period: number) {
    this.#period = period;
  }

  /** @param tick not before `now` */
  schedule(tick: number, kind: number, subject: Subject): void {
    let event = this.#free;
    if (event === NONE) {
      event = this.#used++;
      if (event === this.#nexts.length) this.#grow();
    } else {
      this.#free = this.#nexts[event] as number;
    }
    this.#ticks[event] = tick;
    this.#kinds[event] = kind;
    this.#subjects[event] = subject;
    this.size++;
    const cycle = Math.floor(tick / this.#period);
    if (cycle < this.#cycle + CYCLES) {
      this.#insert(event, tick, cycle);
      return;
    }
    this.#far.push(event);
    if (cycle < this.#farCycle) this.#farCycle = cycle;
  }

  /** Takes the next event out into `now`, `edge`, `kind` and `subject`; false when there is none. */
  next(): boolean {
    if (this.size === 0) return false;
    const heads = this.#heads;
    let bucket = this.#cycle & (CYCLES - 1);
    let event = heads[bucket] as number;
    if (event === NONE) {
      this.#advance();
      bucket = this.#cycle & (CYCLES - 1);
      event = heads[bucket] as number;
    }
    const tick = this.#ticks[event] as number;
    if (tick !== this.now) {
      this.now = tick;
      this.edge = Math.ceil(tick / this.#period) * this.#period;
    }
    this.kind = this.#kinds[event] as number;
    this.subject = this.#subjects[event] as Subject;
    const next = this.#nexts[event] as number;
    heads[bucket] = next;
    if (next === NONE) this.#filled[bucket >>> 5] = (this.#filled[bucket >>> 5] as number) & ~(1 << (bucket & 31));
    this.#nexts[event] = this.#free;
    this.#free = event;
    this.size--;
    return true;
  }

  /** Puts an event into its bucket: before the first that is not earlier. */
  #insert(event: number, tick: number, cycle: number): void {
    const ticks = this.#ticks;
    const nexts = this.#nexts;
    const bucket = cycle & (CYCLES - 1);
    let next = this.#heads[bucket] as number;
    if (next === NONE || (ticks[next] as number) >= tick) {
      if (next === NONE) this.#filled[bucket >>> 5] = (this.#filled[bucket >>> 5] as number) | (1 << (bucket & 31));
      this.#heads[bucket] = event;
      nexts[event] = next;
      return;
    }
    let before = next;
    next = nexts[before] as number;
    while (next !== NONE && (ticks[next] as number) < tick) {
      before = next;
      next = nexts[before] as number;
    }
    nexts[before] = event;
    nexts[event] = next;
  }

  /** Goes to the next cycle that has an event; there is one. */
  #advance(): void {
    const ahead = this.#nextFilled();
    if (ahead < 0) this.#cycle = this.#farCycle;
    else this.#cycle += ahead;
    if (this.#farCycle < this.#cycle + CYCLES) this.#moveNear();
  }

  /** Cycles from this one to the next with an event in the wheel, or -1. */
  #nextFilled(): number {
    const filled = this.#filled;
    const from = this.#cycle & (CYCLES - 1);
    let word = from >>> 5;
    let bits = (filled[word] as number) & (-1 << (from & 31));
    for (let looked = 0; looked <= WORDS; looked++) {
      if (bits !== 0) {
        const bucket = (word << 5) + (31 - Math.clz32(bits & -bits));
        return (bucket - from) & (CYCLES - 1);
      }
      word = (word + 1) & (WORDS - 1);
      bits = filled[word] as number;
    }
    return NONE;
  }

  /** Moves the far events that the wheel can hold by now, oldest first, so that a newer one of the same tick goes before them. */
  #moveNear(): void {
    const far = this.#far;
    this.#farCycle = Number.POSITIVE_INFINITY;
    let kept = 0;
    for (const event of far) {
      const tick = this.#ticks[event] as number;
      const cycle = Math.floor(tick / this.#period);
      if (cycle < this.#cycle + CYCLES) {
        this.#insert(event, tick, cycle);
        continue;
      }
      far[kept++] = event;
      if (cycle < this.#farCycle) this.#farCycle = cycle;
    }
    far.length = kept;
  }

  #grow(): void {
    const length = this.#nexts.length * 2;
    const ticks = new Float64Array(length);
    ticks.set(this.#ticks);
    this.#ticks = ticks;
    const kinds = new Int32Array(length);
    kinds.set(this.#kinds);
    this.#kinds = kinds;
    const nexts = new Int32Array(length);
    nexts.set(this.#nexts);
    this.#nexts = nexts;
  }
}
