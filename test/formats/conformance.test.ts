/** Every vector of the real page-table code, Linux 6.12 and 6.1: return values, events in order, bytes of every table. */
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ConformanceRun, describeMismatch } from '../../traces/index.ts';

const GOLDEN = new URL('../vectors/golden/', import.meta.url);
const files = readdirSync(GOLDEN).filter((name) => name.endsWith('.jsonl.gz'));

describe('conformance with the real page-table code', () => {
  // One run for all files: warnings must correspond one to one across them.
  const run = new ConformanceRun();

  for (const file of files) {
    it(`${file}: every case matches`, async () => {
      const text = gunzipSync(readFileSync(new URL(file, GOLDEN))).toString();
      const result = await run.runLines(file, text.split('\n'));
      expect(result.shown.flatMap((mismatch) => describeMismatch(mismatch)).join('\n')).toBe('');
      expect(result.mismatches).toBe(0);
      expect(result.cases).toBeGreaterThan(0);
    });
  }

  it('has run all 7,017 cases', () => {
    expect(run.total().cases).toBe(7017);
  });
});
