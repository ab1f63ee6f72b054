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

  it('flushes 10 ms after the first entry, however many follow', () => {
    const { queue, log } = logged(256);
    queue.add(1, 1, 5);
    queue.add(2, 1, 5.009);
    expect(queue.advance(5.0099)).toBe(false);
    expect(queue.advance(5.01)).toBe(true);
    expect(log).toEqual(['flush', 'free 1 1', 'free 2 1']);
    expect(queue.deadline).toBe(Number.POSITIVE_INFINITY);
    queue.add(3, 1, 6);
    expect(queue.deadline).toBeCloseTo(6.01);
  });

  it('keeps its timer running through a flush of a full ring, as Linux does', () => {
    const { queue, log } = logged(2);
    queue.add(1, 1, 0);
    queue.add(2, 1, 0.001);
    expect(log).toEqual(['flush', 'free 1 1']);
    expect(queue.advance(0.01)).toBe(true);
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
    expect(() => new FlushQueue({ timeout: 0 }, owner)).toThrow(/flushQueue.timeout/);
  });
});
