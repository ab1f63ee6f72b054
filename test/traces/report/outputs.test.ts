import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  csvFiles,
  htmlReport,
  METRICS,
  ReplayRun,
  type Report,
  type RunConfigInput,
  runConfig,
  statsText,
} from '../../../traces/index.ts';
import { mismatches } from './json-schema.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';
const replay = (config: RunConfigInput = {}): Promise<Report> => new ReplayRun([SMALL], runConfig(config)).run();
/** The usual run; every test may read it, none changes it. */
const usual = replay();

/** Splits RFC 4180 text. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    rows.at(-1)?.push(quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'));
    if (end === '\r\n') rows.push([]);
  }
  return rows.slice(0, -1);
}

describe('CSV', () => {
  it('has every metric with its value, and as many cells in every row as columns', async () => {
    const report = await usual;
    const files = new Map(csvFiles(report).map(({ name, text }) => [name, readCsv(text)]));
    expect([...files.keys()]).toEqual(['metrics.csv', 'operations.csv', 'accesses.csv', 'costs.csv', 'findings.csv']);
    for (const rows of files.values()) for (const row of rows) expect(row).toHaveLength(rows[0]?.length ?? 0);
    const metrics = new Map(files.get('metrics.csv')?.map(([key, value]) => [key, value]));
    for (const { key, pick } of METRICS) expect(metrics.get(key)).toBe(String(pick(report) ?? ''));
    const sum = (by: string): number =>
      (files.get('operations.csv') ?? [])
        .filter((row) => row[0] === by && (by !== 'kind' || row[1] === 'map'))
        .reduce((total, row) => total + Number(row[3]), 0);
    expect(sum('map size')).toBe(report.capture.maps);
    expect(sum('kind')).toBe(report.capture.maps);
  });

  it('lets no text of a capture become a formula or break a row', async () => {
    const report = await usual;
    const [domain] = report.breakdown.domains;
    if (domain === undefined) throw new Error('no domain');
    for (const name of ['=cmd|x!A0', '+1', '-1', '@SUM(1)', '\t=1', 'a "quoted", name\r\nand a line']) {
      const evil = { ...report, breakdown: { ...report.breakdown, domains: [{ ...domain, devices: [name] }] } };
      const operations = csvFiles(evil).find((file) => file.name === 'operations.csv');
      const cell = readCsv(operations?.text ?? '').find((row) => row[0] === 'domain')?.[2];
      expect(cell).toBe(name.startsWith('a') ? name : `'${name}`);
    }
  });
});

describe('HTML', () => {
  it('shows what a capture wrote as text, whatever it wrote', async () => {
    const report = await usual;
    const [domain] = report.breakdown.domains;
    if (domain === undefined) throw new Error('no domain');
    const evil = '</script><script>alert(1)</script><img src=x onerror="alert(\'1\')">&';
    const kind = { kind: evil, operation: 1, domain: 0, iova: evil, detail: evil };
    const html = htmlReport(
      {
        ...report,
        breakdown: { ...report.breakdown, domains: [{ ...domain, origin: evil, devices: [evil] }] },
        sanitizer: { ...report.sanitizer, byKind: { [evil]: 1 }, findings: [kind] },
      },
      {
        seconds: [],
        liveRanges: [],
        liveBytes: [],
        tableBytes: [],
        hits: { seconds: [], any: [], micro: [] },
        latencies: [{ served: evil, counts: [] }],
        windows: { untouched: [], used: [] },
        streamNames: { 16: evil },
      },
      evil,
      { scripts: [], styles: [] },
    );
    expect(html).not.toMatch(/<script>|<img/);
    expect(html.match(/<\/script>/g)).toHaveLength(1);
    expect(html.split('&#60;img src=x onerror=&#34;').length - 1).toBe(13);
  });
});

describe('stats.txt', () => {
  it('gives each metric once, by its name, with its meaning and unit, and nan for what the run has not', async () => {
    const report = await usual;
    const lines = statsText(report)
      .split('\n')
      .filter((line) => line.startsWith('tablewalk.'));
    const names = lines.map((line) => line.split(/\s+/)[0]);
    expect(new Set(names).size).toBe(names.length);
    for (const line of lines)
      expect(line).toMatch(/^\S+ +(?:nan|[\d.e+-]+) {2}# .+ \((?:Count|Byte|Cycle|Ratio|Second)\)$/);
    for (const { key, meaning, pick } of METRICS) {
      const line = lines.find((one) => one.startsWith(`tablewalk.${key} `)) ?? '';
      expect(line.split(/\s+/)[1]).toBe(String(pick(report) ?? 'nan'));
      expect(line).toContain(meaning);
    }
  });
});

describe('the JSON Schema of a report', () => {
  const schema = JSON.parse(readFileSync('traces/report/report.schema.json', 'utf8'));

  it.each<[string, RunConfigInput]>([
    ['strict', {}],
    ['lazy with a device that probes', { invalidation: { mode: 'lazy' }, access: { pattern: 'probe' } }],
    ['sync calls left out', { table: { walk: 'non-coherent' }, plantedBugs: { dropSync: 0.05 } }],
    ['VM_BIND', { bind: { mode: 'async', runDelay: 100_000 }, table: { allocator: 'reserve' } }],
    ['Mali', { iommu: { model: 'mali' } }],
    ['SMMUv2', { iommu: { model: 'smmuv2' } }],
  ])('describes every field of a real report: %s', async (_name, config) => {
    expect(mismatches(schema, JSON.parse(JSON.stringify(await replay(config))))).toEqual([]);
  });

  it('finds what does not belong', async () => {
    const report = await usual;
    const { capture, ...rest } = report;
    expect(mismatches(schema, rest)).toEqual(['$: capture is missing']);
    expect(mismatches(schema, { ...report, capture: { ...capture, maps: 'many' } })).toEqual([
      '$.capture.maps: no integer',
    ]);
    expect(mismatches(schema, { ...report, costs: [{ side: 'gpu', name: '', count: 0, cycles: 0 }] })).toHaveLength(1);
    expect(mismatches(schema, { ...report, novel: 1 })).toEqual(['$: novel is not described']);
  });
});
