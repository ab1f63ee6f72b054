import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../../../emulator/time/event-queue.ts';
import { Ring } from '../../../emulator/time/ring.ts';

/** The same, as slowly and plainly as can be: a list, searched for the earliest tick and of that the newest event. */
class PlainQueue {
  now = 0;
  readonly #events: { tick: number; kind: number; order: number }[] = [];
  #order = 0;

  schedule(tick: number, kind: number): void {
    this.#events.push({ tick, kind, order: this.#order++ });
  }

  next(): number {
    const [first] = this.#events.sort((a, b) => a.tick - b.tick || b.order - a.order);
    if (first === undefined) return -1;
    this.#events.shift();
    this.now = first.tick;
    return first.kind;
  }
}

const periods = fc.constantFrom(1000, 500, 1250, 1000 / 3, 1);
const steps = fc.array(
  fc.record({
    takes: fc.nat(3),
    // Now, edges near and far, ticks within a cycle, and what lies beyond the wheel.
    after: fc.array(
      fc.record({
        cycles: fc.constantFrom(0, 0, 1, 1, 2, 7, 100, 1023, 1024, 5000, 20000),
        ticks: fc.constantFrom(0, 0, 0, 1, 333),
      }),
      { maxLength: 4 },
    ),
  }),
  { minLength: 1, maxLength: 60 },
);

describe('the event queue', () => {
  it('gives events by tick, and of one tick the newest first, as a plain list does', () => {
    fc.assert(
      fc.property(periods, steps, (period, list) => {
        const queue = new EventQueue<number>(period);
        const plain = new PlainQueue();
        let kind = 0;
        const take = (): void => {
          const had = queue.next();
          expect(had ? queue.kind : -1).toBe(plain.next());
          if (had) expect([queue.now, queue.subject]).toEqual([plain.now, queue.kind]);
        };
        for (const { takes, after } of list) {
          for (const { cycles, ticks } of after) {
            const tick =
              cycles === 0 ? queue.now + ticks : Math.ceil(queue.now / period) * period + cycles * period + ticks;
            queue.schedule(tick, kind, kind);
            plain.schedule(tick, kind++);
          }
          for (let taken = 0; taken < takes; taken++) take();
        }
        while (queue.size > 0) take();
        expect(queue.next()).toBe(false);
      }),
      { numRuns: 300, seed: 5 },
    );
  });

  it('knows the clock edge of now', () => {
    const queue = new EventQueue<null>(1000);
    queue.schedule(2001, 0, null);
    queue.schedule(5000, 0, null);
    queue.next();
    expect(queue.edge).toBe(3000);
    queue.next();
    expect(queue.edge).toBe(5000);
  });

  it('grows with the number of events', () => {
    const queue = new EventQueue<number>(10);
    for (let at = 0; at < 3000; at++) queue.schedule(at * 7, 0, at);
    for (let at = 0; at < 3000; at++) {
      queue.next();
      expect(queue.subject).toBe(at);
    }
  });
});

describe('a ring', () => {
  it('is first in, first out, however it grows', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200 }), (pushes) => {
        const ring = new Ring<number>();
        const list: number[] = [];
        for (const [at, push] of pushes.entries()) {
          if (push) {
            ring.push(at);
            list.push(at);
          } else {
            expect(ring.first()).toBe(list[0] ?? null);
            expect(ring.shift()).toBe(list.shift() ?? null);
          }
          expect(ring.length).toBe(list.length);
        }
      }),
      { numRuns: 100, seed: 6 },
    );
  });
});
