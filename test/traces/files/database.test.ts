import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DATABASE_TABLE_NAMES,
  DATABASE_TABLES,
  DATABASE_VIEWS,
  Database,
  DatabaseOutput,
  DatabaseRecorder,
  InputError,
  READY_QUERIES,
  ReplayRun,
  type Report,
  type RunConfigInput,
  runConfig,
  type SqlCell,
  watchRun,
} from '../../../traces/index.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';
const folder = mkdtempSync(join(tmpdir(), 'tablewalk-database-'));
afterAll(() => {
  for (const one of opened.values()) one.close();
  rmSync(folder, { recursive: true });
});

/** Replays into a database, as `replay --db` does. */
async function record(path: string, config: RunConfigInput, accessSample = 1): Promise<Report> {
  const output = new DatabaseOutput('--db', path, [SMALL]);
  let recorder: DatabaseRecorder | null = null as DatabaseRecorder | null;
  const report = await new ReplayRun([SMALL], runConfig(config), {
    onStart: (replayer, deviceName) => {
      recorder = new DatabaseRecorder(replayer, (table) => output.sink(table), { accessSample, deviceName });
      watchRun(replayer, [recorder]);
    },
    beforeReport: () => recorder?.captureEnded(),
  }).run();
  recorder?.end(report, 'a title');
  await output.commit();
  return report;
}

/** Databases that queries go to, by path. */
const opened = new Map<string, Database>();

async function ask(path: string, sql: string): Promise<Record<string, SqlCell>[]> {
  const database = opened.get(path) ?? (await Database.open(path));
  opened.set(path, database);
  const { columns, rows } = await database.query(sql);
  const all: Record<string, SqlCell>[] = [];
  for await (const some of rows()) {
    for (const row of some) all.push(Object.fromEntries(columns.map((name, at) => [name, row[at] ?? null])));
  }
  return all;
}

/** Everything that the tables hold happens in it: windows, hits, walks of what was not synced, faults. */
const EVENTFUL: RunConfigInput = {
  invalidation: { mode: 'lazy' },
  access: { pattern: 'probe' },
  table: { walk: 'non-coherent' },
  plantedBugs: { dropSync: 0.05 },
};
const parquet = join(folder, 'run');
const file = join(folder, 'run.duckdb');
let report: Report;

beforeAll(async () => {
  report = await record(parquet, EVENTFUL);
  await record(file, EVENTFUL, 10);
}, 60_000);

describe('a database of a run', () => {
  it('is a Parquet file for each table, or one file, and leaves nothing else behind', () => {
    expect(readdirSync(parquet).sort()).toEqual(DATABASE_TABLE_NAMES.map((name) => `${name}.parquet`).sort());
    expect(readdirSync(folder).sort()).toEqual(['run', 'run.duckdb']);
  });

  it('holds each operation, access, finding and window, and adds up to what the report says', async () => {
    const [totals] = await ask(
      parquet,
      `select (select count(*) from operations where kind = 'map') as maps,
        (select count(*) from operations where kind = 'unmap') as unmaps,
        (select sum(cycles) from operations) as cycles,
        (select sum(wait_cycles) from operations) as waits,
        (select count(*) from accesses) as accesses, (select sum(cycles) from accesses) as device,
        (select count(*) from faults where source = 'device') as faults,
        (select max(cycles) from windows) as longest, (select sum(hits) from windows) as hits,
        (select count(*) from invalidations where scope = 'address-space') as flushes`,
    );
    const { operations } = report.breakdown;
    const cycles = Object.values(operations).reduce((sum, { total }) => sum + total, 0);
    const waits = Object.values(operations).reduce((sum, { byCause }) => sum + (byCause['wait'] ?? 0), 0);
    expect(totals).toMatchObject({
      maps: report.capture.maps,
      unmaps: report.capture.unmaps - report.capture.unmatchedUnmaps,
      accesses: report.translation.requests,
      faults: report.translation.faults,
      hits: report.sanitizer.staleTlbHits,
    });
    expect(totals?.['cycles']).toBeCloseTo(cycles, 3);
    expect(totals?.['waits']).toBeCloseTo(waits, 3);
    expect(totals?.['longest']).toBeCloseTo(report.sanitizer.longestWindow.cycles, 3);
    expect(totals?.['device']).toBeCloseTo(report.translation.cycles.total, 3);
    expect(totals?.['flushes']).toBeGreaterThan(0);
    const kinds = await ask(parquet, 'select kind, count(*) as times from findings group by kind');
    // What taking everything down finds comes after the capture's end.
    const { 'leaked-table': _leaked, ...byKind } = report.sanitizer.byKind;
    expect(Object.fromEntries(kinds.map(({ kind, times }) => [kind, times]))).toMatchObject(byKind);
  });

  it('knows the page tables of each domain, and which of them live at the end', async () => {
    const [tables] = await ask(
      parquet,
      `select count(*) as allocations, count(freed) as freed, max(level) as level,
        count(*) filter (allocated_by > coalesce(freed_by, 1e9)) as impossible from tables`,
    );
    expect(tables).toMatchObject({ allocations: report.table.allocations, level: 3, impossible: 0 });
    const [peak] = await ask(parquet, 'select max(table_bytes) as peak from operations');
    expect(peak?.['peak']).toBe(report.table.peakBytes);
    const [lowest] = await ask(parquet, 'select min(bytes) as bytes from table_memory');
    expect(lowest?.['bytes']).toBeGreaterThanOrEqual(0);
  });

  it('says what each column means, and has the metrics and the machine', async () => {
    const [described] = await ask(parquet, 'select count(*) as columns from columns where length(meaning) > 3');
    expect(described?.['columns']).toBe(
      Object.values(DATABASE_TABLES).reduce((sum, spec) => sum + Object.keys(spec).length, 0),
    );
    const [metric] = await ask(parquet, "select value, unit from metrics where key = 'descriptorsWritten'");
    expect(metric).toEqual({ value: report.table.descriptorsWritten, unit: 'count' });
    const [run] = await ask(parquet, 'select title, complete, access_sample, config from run');
    expect(run).toMatchObject({ title: 'a title', complete: true, access_sample: 1 });
    expect(JSON.parse(String(run?.['config']))).toEqual(report.config);
  });

  it('is the same in one DuckDB file, where every tenth access is kept and columns have comments', async () => {
    const [counts] = await ask(
      file,
      'select (select count(*) from operations) as operations, (select count(*) from accesses) as accesses',
    );
    const [other] = await ask(parquet, 'select count(*) as operations from operations');
    expect(counts).toEqual({
      operations: other?.['operations'],
      accesses: Math.ceil(report.translation.requests / 10),
    });
    const [comment] = await ask(
      file,
      "select comment from duckdb_columns() where table_name = 'windows' and column_name = 'hits'",
    );
    expect(comment?.['comment']).toBe(DATABASE_TABLES.windows.hits.meaning);
  });

  it('is read by other readers of Parquet too', async () => {
    const bytes = readFileSync(join(parquet, 'domains.parquet'));
    const rows = await parquetReadObjects({
      file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
      compressors: { GZIP: (page) => gunzipSync(page) },
    });
    expect(rows.map((row) => row['domain'])).toEqual(report.breakdown.domains.map(({ domain }) => domain));
  });

  it.each(READY_QUERIES)('answers: $question', async ({ sql }) => {
    expect((await ask(file, sql)).length).toBeGreaterThan(0);
    expect(await ask(parquet, sql)).not.toEqual([]);
  });

  it.each(DATABASE_VIEWS)('has the view $name', async ({ name }) => {
    const [row] = await ask(parquet, `select count(*) as rows from ${name}`);
    expect(row?.['rows']).toBeGreaterThan(0);
  });
});

describe('places and queries that cannot be', () => {
  it.each([
    ['run.db', 'a folder for Parquet files, or a file that ends in .duckdb'],
    [join('none', 'run'), 'no such folder'],
    [join('none', 'run.duckdb'), 'no such folder'],
  ])('refuses to write %s', (name, allowed) => {
    expect(() => new DatabaseOutput('--db', join(folder, name))).toThrow(allowed);
  });

  it('keeps the database that was there when a run does not end', () => {
    const before = readFileSync(join(parquet, 'operations.parquet'));
    const again = new DatabaseOutput('--db', parquet);
    again.sink('operations').write(new Uint8Array(10));
    again.abandon();
    expect(readFileSync(join(parquet, 'operations.parquet')).equals(before)).toBe(true);
    const single = new DatabaseOutput('--db', file);
    single.sink('operations').write(new Uint8Array(10));
    single.abandon();
    expect(readdirSync(folder).sort()).toEqual(['run', 'run.duckdb']);
    expect(existsSync(file)).toBe(true);
  });

  it('never lets the engine download anything by itself', async () => {
    for (const path of [parquet, file]) {
      const [row] = await ask(path, "select current_setting('autoinstall_known_extensions') as downloads");
      expect(row).toEqual({ downloads: false });
    }
  });

  it('names what is no database', async () => {
    const text = join(folder, 'text');
    writeFileSync(text, 'a text that is long enough');
    for (const path of [text, folder, join(folder, 'none')]) {
      await expect(Database.open(path)).rejects.toThrow(InputError);
    }
    rmSync(text);
  });

  it('says in one line what is wrong with a query', async () => {
    await expect(ask(parquet, 'select nothing from operations')).rejects.toThrow(/nothing/);
    await expect(ask(parquet, 'selec')).rejects.toThrow(/^[^\n]*syntax error[^\n]*$/);
    await expect(ask(file, 'create table t (i int)')).rejects.toThrow(/read-only/);
  });
});

describe('traces/report/README.md', () => {
  it.each(READY_QUERIES)('shows $name as it is', ({ name, question, sql }) => {
    expect(readFileSync('traces/report/README.md', 'utf8')).toContain(`-- ${name}: ${question}\n${sql};\n`);
  });
});
