/**
 * Vectors of the real page-table code, Linux 6.1, 6.12 and 7.3: return values, events in order, bytes of every table. Every fourth case
 * of the large files runs here; `tablewalk conform` and `npm run soak` run all 10,743.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ConformanceRun, describeMismatch } from '../../../traces/index.ts';

const GOLDEN = new URL('../../vectors/golden/', import.meta.url);
const files = readdirSync(GOLDEN).filter((name) => name.endsWith('.jsonl.gz'));
/** Files with more cases than this are sampled. */
const LARGE = 80;

describe('conformance with the real page-table code', () => {
  // One run for all files: warnings must correspond one to one across them.
  const run = new ConformanceRun();
  let found = 0;

  for (const file of files) {
    it(`${file}: every case matches`, async () => {
      const text = gunzipSync(readFileSync(new URL(file, GOLDEN))).toString();
      const lines = text.split('\n').filter((line) => line !== '');
      found += lines.length;
      const sample = lines.length > LARGE ? lines.filter((_, i) => i % 4 === 0) : lines;
      const result = await run.runLines(file, sample);
      expect(result.shown.flatMap((mismatch) => describeMismatch(mismatch)).join('\n')).toBe('');
      expect(result.mismatches).toBe(0);
      expect(result.cases).toBe(sample.length);
    });
  }

  it('has found all 10,743 cases', () => {
    expect(found).toBe(10_743);
  });
});
