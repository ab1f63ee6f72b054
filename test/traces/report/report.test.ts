import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  checkReport,
  type FileReplayOptions,
  ReplayRun,
  type Report,
  type RunConfigInput,
  renderCheck,
  renderReport,
  runConfig,
} from '../../../traces/index.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';

/** Replays plain map and unmap lines of 16 KiB each, at times that are written as given. */
function replayLines(times: readonly string[], config: RunConfigInput = {}, options: FileReplayOptions = {}) {
  const lines = times.map((time, at) => {
    const iova = `0x${(2 ** 28 + Math.floor(at / 2) * 0x4000).toString(16)}`;
    const end = `0x${(2 ** 28 + Math.floor(at / 2) * 0x4000 + 0x4000).toString(16)}`;
    const range = `iova=${iova} - ${end}`;
    const call =
      at % 2 === 0
        ? `map: IOMMU: ${range} paddr=0x80000000 size=16384`
        : `unmap: IOMMU: ${range} size=16384 unmapped_size=16384`;
    return `   kworker/3:1-40      [003] .....  ${time}: ${call}`;
  });
  const stdin = (async function* () {
    yield new TextEncoder().encode(`${lines.join('\n')}\n`);
  })();
  return new ReplayRun(['-'], runConfig(config), { stdin, ...options }).run();
}

const seconds = (count: number): string[] => Array.from({ length: count }, (_, at) => (1 + at / 1000).toFixed(6));

describe('a report', () => {
  it('names what made it and the captures', async () => {
    const report = await new ReplayRun([SMALL], runConfig(), { limit: 20 }).run();
    const { name, version } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(report.tool).toEqual({ name, version });
    expect(report.captures).toEqual([SMALL]);
  });

  it('says of a finding when it was, on which CPU, and whose device it concerns', async () => {
    const config = runConfig({ invalidation: { mode: 'lazy' }, access: { pattern: 'probe' } });
    const report = await new ReplayRun([SMALL], config, { limit: 60 }).run();
    const named = report.sanitizer.findings.filter(({ devices }) => devices !== undefined);
    expect(named[0]).toMatchObject({ line: 32, cpu: 0, devices: ['0000:00:02.0', '0000:01:00.0'] });
    expect(named[0]?.time).toBeCloseTo(6.087101, 6);
    // Windows that lazy mode means would not be listed.
    const strict = { ...report, config: runConfig() };
    const text = renderCheck(checkReport(strict, [SMALL]), { color: false, most: 5 });
    expect(text).toContain('(0000:00:02.0, 0000:01:00.0)');
    expect(text).toContain('line 32 of the capture at 6.087101 on CPU 0');
  });

  it('tells costs apart by domain, size and stream, the dearest first', async () => {
    const report = await new ReplayRun([SMALL], runConfig()).run();
    const text = renderReport(report, { title: SMALL, color: false });
    const lines = text.slice(text.indexOf('CPU time by domain')).split('\n').slice(1, 6);
    const shares = lines.map((line) => Number(/([\d.]+) %/.exec(line)?.[1]));
    expect(shares).toEqual([...shares].sort((a, b) => b - a));
    expect(text).toContain('CPU time by size');
    expect(text).toContain('device time by stream');
  });

  it('shows the prices of VM_BIND jobs as constants', async () => {
    const report = await new ReplayRun([SMALL], runConfig({ bind: { mode: 'async' } }), { limit: 40 }).run();
    expect(renderReport(report, { title: '', color: false })).toMatch(
      /constants +500 cycles to prepare, 744 cycles to run/,
    );
  });

  it('costs the CPU the same nanoseconds at every clock', async () => {
    const spent = async (clockMHz: number): Promise<number> => {
      const { software } = await new ReplayRun([SMALL], runConfig({ clockMHz }), { limit: 200 }).run();
      return ((software.cycles.edit + software.cycles.allocation) * 1000) / clockMHz;
    };
    const [slow, usual, fast] = [await spent(500), await spent(1000), await spent(2000)];
    expect(slow).toBeCloseTo(usual, 2);
    expect(fast).toBeCloseTo(usual, 2);
  });
});

describe('what a report remarks', () => {
  const remarksOf = (report: Report): string => report.capture.remarks.join(' ');

  it('a granule that every address and size is a multiple of', async () => {
    expect(remarksOf(await replayLines(seconds(40)))).toContain('--granule 16k');
    expect(remarksOf(await replayLines(seconds(40), { table: { granule: '16k' } }))).toBe('');
    expect(remarksOf(await replayLines(seconds(4)))).toBe('');
  });

  it('a clock that counts', async () => {
    const ticks = seconds(8).map((_, at) => String(1000 + at));
    const report = await replayLines(ticks);
    expect(remarksOf(report)).toContain('counts ticks');
    expect(renderReport(report, { title: '', color: false })).toContain('counts ticks');
    await expect(replayLines(ticks, { invalidation: { mode: 'lazy' } })).rejects.toThrow(/invalidation\.mode.*ticks/);
  });

  it('calls that contradict the inferred domains, by their lines', async () => {
    const call = (time: number, text: string): string =>
      `   kworker/3:1-40      [003] .....  ${time.toFixed(6)}: ${text}`;
    // The map of the second half is missing.
    const lines = [
      call(1, 'map: IOMMU: iova=0x10000000 - 0x10004000 paddr=0x80000000 size=16384'),
      call(2, 'unmap: IOMMU: iova=0x10000000 - 0x10008000 size=32768 unmapped_size=32768'),
    ];
    const stdin = (async function* () {
      yield new TextEncoder().encode(`${lines.join('\n')}\n`);
    })();
    const report = await new ReplayRun(['-'], runConfig(), { stdin }).run();
    expect(remarksOf(report)).toContain('1 call contradicts the inferred domains, or the capture lost events (line 2)');
    expect(renderReport(report, { title: '', color: false })).toContain('1 call contradicts');
    expect(remarksOf(await replayLines(seconds(4)))).toBe('');
  });

  it('an end that never came', async () => {
    expect(remarksOf(await replayLines(seconds(4), {}, { until: 99 }))).toContain('--until 99 is after the last event');
    expect(remarksOf(await replayLines(seconds(4), {}, { until: 1.001 }))).toBe('');
  });
});
