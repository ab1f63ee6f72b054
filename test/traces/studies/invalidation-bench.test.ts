import { describe, expect, it } from 'vitest';
import { benchInvalidation, sharedQueueUnmap } from '../../../traces/index.ts';

describe('the published prices of invalidation', () => {
  const tables = benchInvalidation();

  it.each(tables.flatMap(({ name, rows }) => rows.map((row) => [`${name}: ${row.what}`, row] as const)))(
    '%s is met within a fifth',
    (_, row) => {
      expect(Math.abs(row.error)).toBeLessThan(0.2);
      expect(row.error).toBeCloseTo(row.ours / row.published - 1);
    },
  );

  it('one flush per 2 MiB beats one command per page by the factor that was measured, more than ten', () => {
    const rows = tables.find(({ name }) => name === 'sm8150')?.rows ?? [];
    const of = (what: string): number => rows.find((row) => row.what === what)?.ours ?? Number.NaN;
    for (const mib of [2, 16, 32]) {
      expect(
        of(`unmap ${mib} MiB, one TLBI per page`) / of(`unmap ${mib} MiB, one ASID flush per 2 MiB`),
      ).toBeGreaterThan(10);
    }
  });

  it('more CPUs on one queue make each of them slower, out of proportion', () => {
    const total = (cpus: number): number => sharedQueueUnmap(cpus).insert + sharedQueueUnmap(cpus).sync;
    expect(total(32)).toBeGreaterThan(2 * total(16));
    expect(total(64)).toBeGreaterThan(2 * total(32));
  });
});
