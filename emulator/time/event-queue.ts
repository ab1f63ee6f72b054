/**
 * Events of a discrete simulation by time. Events of the same tick come out last in, first out, as gem5's event queue has them: its
 * order decides who gets a port first, so a model that wants its figures must share it.
 *
 * A binary heap over typed arrays; an event is a number and a subject.
 */
export class EventQueue<Subject> {
  /** Tick of the event that is being served. */
  now = 0;
  size = 0;
  /** Number and subject of the event that `next` took out. */
  kind = 0;
  subject: Subject | null = null;
  #ticks = new Float64Array(1024);
  #orders = new Float64Array(1024);
  #kinds = new Int32Array(1024);
  readonly #subjects: (Subject | null)[] = [];
  #order = 0;

  /** @param tick not before `now` */
  schedule(tick: number, kind: number, subject: Subject): void {
    if (this.size === this.#ticks.length) this.#grow();
    const order = ++this.#order;
    const ticks = this.#ticks;
    const orders = this.#orders;
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      // The new event is the latest, so among equals it goes first.
      if ((ticks[parent] as number) < tick) break;
      this.#move(parent, at);
      at = parent;
    }
    ticks[at] = tick;
    orders[at] = order;
    this.#kinds[at] = kind;
    this.#subjects[at] = subject;
  }

  /** Takes the next event out into `now`, `kind` and `subject`; false when there is none. */
  next(): boolean {
    if (this.size === 0) return false;
    this.now = this.#ticks[0] as number;
    this.kind = this.#kinds[0] as number;
    this.subject = this.#subjects[0] as Subject;
    const last = --this.size;
    if (last > 0) this.#sink(last);
    return true;
  }

  /** Puts the event at `from` into the hole at the top and lets it sink. */
  #sink(from: number): void {
    const ticks = this.#ticks;
    const orders = this.#orders;
    const tick = ticks[from] as number;
    const order = orders[from] as number;
    const kind = this.#kinds[from] as number;
    const subject = this.#subjects[from] as Subject;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.size) break;
      const other = child + 1;
      if (other < this.size && this.#before(other, ticks[child] as number, orders[child] as number)) child = other;
      if (!this.#before(child, tick, order)) break;
      this.#move(child, at);
      at = child;
    }
    ticks[at] = tick;
    orders[at] = order;
    this.#kinds[at] = kind;
    this.#subjects[at] = subject;
  }

  #before(at: number, tick: number, order: number): boolean {
    const own = this.#ticks[at] as number;
    return own < tick || (own === tick && (this.#orders[at] as number) > order);
  }

  #move(from: number, to: number): void {
    this.#ticks[to] = this.#ticks[from] as number;
    this.#orders[to] = this.#orders[from] as number;
    this.#kinds[to] = this.#kinds[from] as number;
    this.#subjects[to] = this.#subjects[from] as Subject;
  }

  #grow(): void {
    const length = this.#ticks.length * 2;
    const ticks = new Float64Array(length);
    ticks.set(this.#ticks);
    this.#ticks = ticks;
    const orders = new Float64Array(length);
    orders.set(this.#orders);
    this.#orders = orders;
    const kinds = new Int32Array(length);
    kinds.set(this.#kinds);
    this.#kinds = kinds;
  }
}
