import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { MissCurveReport } from '../../traces/index.ts';
import { tablewalk } from './run-cli.ts';

const CAPTURE = 'traces/samples/small-strict.ftrace.txt.gz';
const FOLDER = mkdtempSync(join(tmpdir(), 'miss-curve-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));

describe('tablewalk miss-curve', () => {
  it('prints the curves of every cache, ways, page sizes and policies, and draws them', async () => {
    const page = join(FOLDER, 'curves.html');
    const what = ['--access', 'random', '--sets', '16', '--page-sizes', '4K,2M', '--policies', 'plru', '--html', page];
    const { code, stdout } = await tablewalk(['miss-curve', CAPTURE, '--preset', 'mmu-700', ...what]);
    expect(code).toBe(0);
    expect(stdout).toBe(readFileSync(new URL('golden/miss-curve.txt', import.meta.url), 'utf8'));
    const html = readFileSync(page, 'utf8');
    const { plots } = JSON.parse(/id="data">(.*)<\/script>/.exec(html)?.[1] ?? '{}');
    for (const { id, labels, columns } of plots) {
      expect(html).toContain(`<div id="${id}"`);
      expect(columns).toHaveLength(labels.length + 1);
    }
  });

  it('takes several address lists as one, and follows a sample of their pages', async () => {
    const files = ['one', 'other'].map((name) => join(FOLDER, name));
    const pages = Array.from({ length: 3000 }, (_, at) => (at * 7919) % 1024);
    for (const [at, file] of files.entries())
      writeFileSync(
        file,
        pages
          .slice(at * 1500, (at + 1) * 1500)
          .join('\n')
          .replace(/\d+/g, (page) => String(Number(page) * 4096)),
      );
    const of = async (...flags: string[]) =>
      JSON.parse(
        (await tablewalk(['miss-curve', '--list', ...files, '--json', '-', ...flags])).stdout,
      ) as MissCurveReport;
    const [exact, sampled] = [await of(), await of('--sample', '0.25')];
    const [all, some] = [exact.caches[0], sampled.caches[0]];
    expect([all?.lookups, some?.lookups]).toEqual([3000, 3000]);
    // 1024 pages over and over: nothing hits in fewer entries, everything but the first round in so many.
    expect(all?.depths).toEqual([[1024, 3000 - 1024]]);
    expect(sampled.sample).toBe(0.25);
    for (const { entries, hitRate, error } of some?.points ?? []) {
      const right = all?.points.find((point) => point.entries === entries)?.hitRate ?? hitRate;
      expect(Math.abs(hitRate - right)).toBeLessThan(Math.max(0.02, 3 * error));
    }
  });

  it.each([
    [['--page-sizes', '5K'], '--page-sizes'],
    [['--policies', 'fifo'], '--policies'],
    [['--sample', '0'], '--sample'],
    [['--sample', '0.5', '--sets', '4'], '--sample'],
    [['--sets', '3'], '--sets'],
  ])('refuses %j with one line', async (flags, option) => {
    const { code, stderr } = await tablewalk(['miss-curve', CAPTURE, ...flags]);
    expect(code).toBe(2);
    expect(stderr).toContain(option);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});
