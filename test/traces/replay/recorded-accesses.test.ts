import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../formats/index.ts';
import {
  InputError,
  ReplayRun,
  type Report,
  type RunConfigInput,
  renderReport,
  runConfig,
} from '../../../traces/index.ts';
import { mismatches } from '../report/json-schema.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';
const LOG = 'test/vectors/captures/qemu-smmu.small-strict.log.gz';
const folder = mkdtempSync(join(tmpdir(), 'tablewalk-recorded-'));
afterAll(() => rmSync(folder, { recursive: true }));
const text = gunzipSync(readFileSync(LOG)).toString('latin1');

function replay(capture: string, accesses: string, config: RunConfigInput = {}): Promise<Report> {
  return new ReplayRun([capture], runConfig({ access: { pattern: 'none' }, ...config }), { accesses }).run();
}

function changedLog(change: (line: string) => string | null): string {
  const path = join(folder, 'changed.log');
  writeFileSync(
    path,
    text
      .split('\n')
      .map(change)
      .filter((line) => line !== null)
      .join('\n'),
  );
  return path;
}

describe("accesses of an IOMMU's own log, made on our machine", () => {
  it('come out as in the log, one by one, though no line of the capture names a domain', async () => {
    const report = await replay(SMALL, LOG);
    const recorded = report.recordedAccesses;
    expect(recorded).toMatchObject({ accesses: 1436, right: 1401, after: 35, otherAddress: 0, refused: 0, wrong: [] });
    expect(recorded?.clock).toMatchObject({ by: 'invalidations', of: 242 });
    expect(report.translation.requests).toBe(1401);
    // Every stream is where the log says that its mappings are.
    const streams = Object.fromEntries(report.breakdown.streams.map((one) => [one.stream, one.accesses.faults]));
    expect(streams).toEqual({ 16: 0, 24: 0, 32: 0, 40: 0, 48: 0, 56: 0, 256: 0, 512: 0 });
    const schema = JSON.parse(readFileSync('traces/report/report.schema.json', 'utf8'));
    expect(mismatches(schema, JSON.parse(JSON.stringify(report)))).toEqual([]);
    expect(renderReport(report, { title: '', color: false })).toContain(
      'as in the log       1,401  100.0 % of the rest',
    );
  });

  it('agree in their rights and faults too, where a capture names domains and protections', async () => {
    const report = await replay(
      'traces/samples/vfio-dump.ftrace.txt.gz',
      'test/vectors/captures/qemu-smmu.vfio-dump.log.gz',
    );
    expect(report.recordedAccesses).toMatchObject({
      accesses: 17_232,
      right: 17_039,
      after: 193,
      otherRights: 0,
      faults: 10_240,
      faultsAgreed: 10_240,
    });
    expect(report.translation.faults).toBe(10_240);
  });

  it('that say something else than the tables are told, with their line', async () => {
    let at = 0;
    let changed = 0;
    const log = changedLog((line) => {
      at++;
      if (changed > 0 || !line.includes('smmuv3_translate_success') || at < 3000) return line;
      changed = at;
      return line.replace(/translated=0x[0-9a-f]+/, 'translated=0x7777040');
    });
    const { recordedAccesses } = await replay(SMALL, log);
    expect(recordedAccesses).toMatchObject({ right: 1400, otherAddress: 1 });
    expect(recordedAccesses?.wrong).toMatchObject([{ line: changed, pa: 0x7777040 }]);
  });

  it('of a lazy kernel, whose log has no invalidations of ranges, are joined by the first access to each mapping', async () => {
    const exact = await replay(SMALL, LOG);
    const log = changedLog((line) => (line.includes('range_inval') ? null : line));
    const { recordedAccesses } = await replay(SMALL, log);
    expect(recordedAccesses?.clock.by).toBe('accesses');
    // Without invalidations nothing tells whose unmaps are: a few are guessed wrongly.
    expect(recordedAccesses?.right).toBeGreaterThan(1300);
    const difference = (recordedAccesses?.clock.offset ?? 0) - (exact.recordedAccesses?.clock.offset ?? 0);
    expect(Math.abs(difference)).toBeLessThan(0.0002);
  });

  it('find stale translations that a driver leaves behind', async () => {
    const honest = await replay(SMALL, LOG);
    const bad = await replay(SMALL, LOG, { plantedBugs: { skipInvalidation: 1 } });
    expect(honest.sanitizer.staleTlbHits).toBe(0);
    expect(bad.sanitizer.staleTlbHits).toBeGreaterThan(0);
    expect(bad.recordedAccesses?.otherAddress).toBeGreaterThan(0);
  });

  it('of another run are told or refused', async () => {
    // One kernel boots much the same each time: what comes after tells.
    const other = await replay('traces/samples/vfio-dump.ftrace.txt.gz', LOG);
    expect(renderReport(other, { title: '', color: false })).toContain('Is the log of the same run?');
    await expect(
      replay(
        'traces/samples/dma-dump.ftrace.txt.gz',
        changedLog((line) => line.replace(/addr=0x|iova=0x/, '$&7')),
      ),
    ).rejects.toThrow(InputError);
    expect(() => new ReplayRun([SMALL, SMALL], runConfig(), { accesses: LOG })).toThrow(ConfigError);
    expect(() => new ReplayRun(['-'], runConfig(), { accesses: LOG })).toThrow(/files: the log and its capture/);
  });
});
