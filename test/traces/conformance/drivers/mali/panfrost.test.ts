/** Every vector of panfrost, Linux 6.12 and 7.3: every register access, io-pgtable call, return value and state. */
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ConformanceRun, describeMismatch } from '../../../../../traces/index.ts';

const FOLDER = 'test/vectors/mmio/panfrost/';
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.jsonl.gz'));

describe('conformance with the real panfrost', () => {
  const run = new ConformanceRun();

  it.each(files)('%s: every case matches', async (file) => {
    const text = gunzipSync(readFileSync(FOLDER + file)).toString();
    const result = await run.runLines(FOLDER + file, text.split('\n'));
    expect(result.shown.flatMap((mismatch) => describeMismatch(mismatch)).join('\n')).toBe('');
    expect(result.mismatches).toBe(0);
  });

  it('has run all 1,720 cases', () => {
    expect(run.total().cases).toBe(1720);
  });
});
