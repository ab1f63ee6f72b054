import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../../../emulator/index.ts';

describe('LatencyHistogram', () => {
  it('tells nothing of nothing', () => {
    const none = new LatencyHistogram();
    expect([none.count, none.mean, none.percentile(0.5), none.max]).toEqual([0, 0, 0, 0]);
  });

  it('gives the percentile of a sorted list, exactly, for latencies below 32768 cycles', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(32767), { minLength: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (latencies, p) => {
          const histogram = new LatencyHistogram();
          for (const latency of latencies) histogram.add(latency);
          const sorted = [...latencies].sort((a, b) => a - b);
          const rank = Math.max(1, Math.ceil(p * sorted.length));
          expect(histogram.percentile(p)).toBe(sorted[rank - 1]);
          expect(histogram.max).toBe(sorted.at(-1));
          expect(histogram.mean).toBeCloseTo(latencies.reduce((a, b) => a + b) / latencies.length, 6);
        },
      ),
    );
  });

  it('is within 1.2 percent for longer latencies, and never beyond the maximum', () => {
    fc.assert(
      fc.property(fc.double({ min: 32768, max: 1e12, noNaN: true }), (latency) => {
        const histogram = new LatencyHistogram();
        histogram.add(latency);
        const told = histogram.percentile(0.99);
        expect(told).toBeLessThanOrEqual(latency);
        expect(Math.abs(told - latency) / latency).toBeLessThan(0.012);
      }),
    );
  });

  it('lists every latency with its count', () => {
    const histogram = new LatencyHistogram();
    for (const latency of [2, 2, 5, 131, 131, 131]) histogram.add(latency);
    expect([...histogram.entries()]).toEqual([
      [2, 2],
      [5, 1],
      [131, 3],
    ]);
  });
});
