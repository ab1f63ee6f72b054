import { describe, expect, it } from 'vitest';
import { validate } from '../../../../traces/index.ts';

const report = validate();
const rows = report.tables.flatMap((table) => table.rows.map((row) => ({ ...row, table: table.name })));
const of = (table: string, what: string): number =>
  rows.find((row) => row.table === table && row.what === what)?.ours ?? Number.NaN;

describe('the published figures beside the model', () => {
  it('meets what was fitted to within 4 %', () => {
    const fitted = rows.filter(({ standing }) => standing === 'fitted');
    expect(fitted.length).toBeGreaterThan(20);
    for (const { what, error } of fitted) expect(Math.abs(error), what).toBeLessThan(0.04);
  });

  it('says of each row by how much it misses, and the mean of the predicted ones alone', () => {
    for (const { ours, published, error } of rows) expect(error).toBe(ours / published - 1);
    const errors = rows.filter(({ standing }) => standing === 'predicted').map(({ error }) => Math.abs(error));
    expect(report.predicted.rows).toBe(errors.length);
    expect(report.predicted.meanAbsoluteError).toBeCloseTo(errors.reduce((sum, one) => sum + one, 0) / errors.length);
  });

  it('fits nothing to Morello and Grace', () => {
    const named = rows.filter(({ table }) => table === 'morello' || table === 'grace');
    expect(named).toHaveLength(16);
    expect(new Set(named.map(({ standing }) => standing))).toEqual(new Set(['predicted']));
  });

  it('explains every table with a prediction that misses by more than a quarter', () => {
    for (const { name, rows: of, misses } of report.tables) {
      if (of.some(({ error }) => Math.abs(error) > 0.25)) expect(misses, name).toBeDefined();
    }
  });

  it('predicts whole unmaps of 16 to 64 CPUs on one queue within a fifth', () => {
    const whole = rows.filter(({ table, what }) => table === 'hi1620' && what.includes('whole'));
    expect(whole.filter(({ standing }) => standing === 'predicted')).toHaveLength(3);
    for (const { error } of whole) expect(Math.abs(error)).toBeLessThan(0.2);
  });

  it('one flush per 2 MiB beats one command per page by the factor that was measured, more than ten', () => {
    for (const mib of [2, 16, 32]) {
      const byAddress = of('sm8150', `unmap ${mib} MiB, one TLBI per page`);
      expect(byAddress / of('sm8150', `unmap ${mib} MiB, one ASID flush per 2 MiB`)).toBeGreaterThan(10);
    }
  });

  it('counts the syncs of a split exactly, as they were read from the code', () => {
    const counts = rows.filter(({ table, unit }) => table === 'split' && unit === 'count');
    expect(counts.map(({ ours }) => ours)).toEqual([511, 1023]);
  });

  it('gives the same figures every time, as plain JSON', () => {
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });
});
