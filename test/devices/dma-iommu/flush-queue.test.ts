import { describe, expect, it } from 'vitest';
import { FlushQueue } from '../../../devices/dma-iommu/flush-queue.ts';

/** A queue whose owner writes down what happens. */
function logged(entries: number): { queue: FlushQueue; log: string[] } {
  const log: string[] = [];
  const queue = new FlushQueue(
    { entries },
    { flush: () => log.push('flush'), release: (iova, size) => log.push(`free ${iova} ${size}`) },
  );
  return { queue, log };
}

describe('FlushQueue', () => {
  it('invalidates once and then frees everything, oldest first, when the ring is full', () => {
    const { queue, log } = logged(4);
    for (let i = 0; i < 3; i++) queue.add(i, 10 + i, 0);
    expect(log).toEqual([]);
    queue.add(3, 13, 0);
    expect(log).toEqual(['flush', 'free 0 10', 'free 1 11', 'free 2 12']);
    expect(queue.pending).toBe(1);
    expect(queue.fullFlushes).toBe(1);
  });

  it('flushes at the tick after 10 ms of whole ticks, however many follow', () => {
    const { queue, log } = logged(256);
    queue.add(1, 1, 5.001);
    queue.add(2, 1, 5.009);
    // Tick 1250, 2.5 ticks rounded up, and one more: tick 1254.
    expect(queue.deadline).toBeCloseTo(5.016, 12);
    expect(queue.advance(5.0159)).toBe(false);
    expect(queue.advance(5.016)).toBe(true);
    expect(log).toEqual(['flush', 'free 1 1', 'free 2 1']);
    expect(queue.deadline).toBe(Number.POSITIVE_INFINITY);
    queue.add(3, 1, 6);
    expect(queue.deadline).toBeCloseTo(6.016);
  });

  it.each([
    [100, 5.02],
    [250, 5.016],
    [300, 1504 / 300],
    [1000, 5.011],
  ])('counts ticks of 1 / %i s', (hz, deadline) => {
    const queue = new FlushQueue({ hz }, { flush: () => {}, release: () => {} });
    queue.add(1, 1, 5.0001);
    expect(queue.deadline).toBeCloseTo(deadline, 12);
  });

  it('has a ring for each CPU: one flush covers all, and each CPU gives back its own when it comes by', () => {
    const freed: string[] = [];
    let flushes = 0;
    const queue = new FlushQueue(
      { entries: 4 },
      { flush: () => flushes++, release: (iova, _size, cpu) => freed.push(`${iova} on ${cpu}`) },
    );
    for (const iova of [10, 11, 12]) queue.add(iova, 1, 0, 1);
    for (const iova of [20, 21, 22]) queue.add(iova, 1, 0, 2);
    expect(flushes).toBe(0);
    queue.add(13, 1, 0, 1);
    expect(flushes).toBe(1);
    expect(freed).toEqual(['10 on 1', '11 on 1', '12 on 1']);
    // The full ring of CPU 2 was flushed with it: no other flush.
    queue.add(23, 1, 0, 2);
    expect(flushes).toBe(1);
    expect(freed.slice(3)).toEqual(['20 on 2', '21 on 2', '22 on 2']);
    // The timer gives back what is left on the CPU that started it.
    queue.advance(1);
    expect(freed.slice(6)).toEqual(['13 on 1', '23 on 1']);
  });

  it('flushes at once when an address proves that it was flushed', () => {
    const { queue, log } = logged(8);
    queue.add(1, 1, 0);
    queue.prove();
    expect(log).toEqual(['flush', 'free 1 1']);
    expect(queue).toMatchObject({ provenFlushes: 1, timerFlushes: 0, deadline: Number.POSITIVE_INFINITY });
  });

  it('keeps its timer running through a flush of a full ring, as Linux does', () => {
    const { queue, log } = logged(2);
    queue.add(1, 1, 0);
    queue.add(2, 1, 0.001);
    expect(log).toEqual(['flush', 'free 1 1']);
    expect(queue.advance(0.016)).toBe(true);
    expect(log).toEqual(['flush', 'free 1 1', 'flush', 'free 2 1']);
  });

  it('drains on teardown, and does nothing when empty', () => {
    const { queue, log } = logged(8);
    queue.drain();
    expect(log).toEqual([]);
    queue.add(1, 1, 0);
    queue.drain();
    expect(log).toEqual(['flush', 'free 1 1']);
    expect(queue.advance(99)).toBe(false);
  });

  it('names the wrong field', () => {
    const owner = { flush: () => {}, release: () => {} };
    expect(() => new FlushQueue({ entries: 100 }, owner)).toThrow(/flushQueue.entries.*power of two/);
    expect(() => new FlushQueue({ hz: 0 }, owner)).toThrow(/flushQueue.hz/);
    expect(() => new FlushQueue({ timeout: 0 }, owner)).toThrow(/flushQueue.timeout/);
  });
});
