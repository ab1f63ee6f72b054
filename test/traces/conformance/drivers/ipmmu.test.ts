/** Every vector of the real IPMMU drivers: each register access in order, and what came of it. */
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ConformanceRun, describeMismatch } from '../../../../traces/index.ts';

const VECTORS = new URL('../../../vectors/mmio/ipmmu/', import.meta.url);
const lines = (file: string): string[] =>
  gunzipSync(readFileSync(new URL(file, VECTORS)))
    .toString()
    .trim()
    .split('\n');

describe('conformance with the real IPMMU drivers', () => {
  const run = new ConformanceRun();

  for (const file of readdirSync(VECTORS).filter((name) => name.endsWith('.jsonl.gz'))) {
    it(`${file}: every case matches`, async () => {
      const result = await run.runLines(file, lines(file));
      expect(result.shown.flatMap((mismatch) => describeMismatch(mismatch)).join('\n')).toBe('');
      expect(result.mismatches).toBe(0);
    });
  }

  it('has run all 360 cases with their 16,189 operations', () => {
    expect(run.total()).toMatchObject({ cases: 360, ops: 16189 });
  });

  it('finds a register access that is missing, one too many, and one with another value', async () => {
    const [first = ''] = lines('scenarios.xen-4.12.jsonl.gz');
    const write = '["w32","0x28","0x4ff44"]';
    expect(first).toContain(write);
    const altered = [
      first.replace(`${write},`, ''),
      first.replace(write, `${write},${write}`),
      first.replace(write, write.replace('0x4ff44', '0x4ff45')),
    ];
    const { mismatches } = await new ConformanceRun().runLines('altered', altered);
    expect(mismatches).toBe(3);
  });
});
