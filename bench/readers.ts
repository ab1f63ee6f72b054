/**
 * What a whole reader does with a file, from the disk to events: bytes and events a second, and beside it what the form's own tool takes to
 * print the same file (`trace-cmd report` of a trace.dat, `perf script` of a perf.data, both into nothing), where it is installed. Each is the
 * median of a few runs that take turns, from opening the file on. Each file has a process of its own, whose start is not counted: what one
 * reader is like shall not depend on those before it.
 *
 *     npm run bench -- readers CAPTURE...
 *
 * Without captures it takes those of the tests; they are small, so that the start of the foreign tool is much of what it takes.
 */

import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { openCaptures } from '../traces/files/index.ts';

const RUNS = 7;
/** Set for the process of one file. */
const ALONE = 'TABLEWALK_BENCH_ALONE';
const OF_TESTS = [
  'traces/samples/medium-strict.ftrace.txt.gz',
  'test/vectors/captures/medium.trace-cmd-report.txt.gz',
  'test/vectors/captures/r6.trace.dat.gz',
  'test/vectors/captures/r7z.trace.dat.gz',
  'test/vectors/captures/perf.data.gz',
  'test/vectors/captures/qemu-smmu.small-strict.log.gz',
];

/** What prints the same: by how the file begins. */
const FOREIGN: readonly { readonly magic: string; readonly command: readonly [string, ...string[]] }[] = [
  { magic: '\x17\x08Dtracing', command: ['trace-cmd', 'report', '-i'] },
  { magic: 'PERFILE2', command: ['perf', 'script', '-i'] },
];

export async function printReaders(captures: readonly string[]): Promise<void> {
  const [only, second] = captures;
  if (only !== undefined && second === undefined && process.env[ALONE] !== undefined) return await printReader(only);
  const folder = mkdtempSync(join(tmpdir(), 'tablewalk-bench-'));
  console.log('\nReaders, whole files');
  console.log(line(['', 'MB', 'events', 'MB/s', 'events/s', 'ms', 'its own tool, ms', 'times as fast']));
  try {
    const files = captures.length > 0 ? captures : OF_TESTS.map((path) => unpacked(path, folder));
    for (const file of files) {
      const bench = [...process.execArgv, process.argv[1] ?? '', 'readers', file];
      spawnSync(process.execPath, bench, { stdio: 'inherit', env: { ...process.env, [ALONE]: '1' } });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function printReader(file: string): Promise<void> {
  const own: number[] = [];
  const foreign: number[] = [];
  let events = 0;
  for (let run = 0; run <= RUNS; run++) {
    const start = performance.now();
    events = await readAll(file);
    const read = performance.now() - start;
    const printed = printedBy(file);
    if (run === 0) continue; // the compiler has not seen the reader yet, nor the disk the file
    own.push(read);
    if (printed !== null) foreign.push(printed);
  }
  const megabytes = statSync(file).size / 1e6;
  const took = median(own);
  const other = foreign.length > 0 ? median(foreign) : null;
  console.log(
    line([
      basename(file),
      megabytes.toFixed(1),
      String(events),
      ((megabytes * 1000) / took).toFixed(0),
      ((events * 1000) / took).toFixed(0),
      took.toFixed(0),
      other === null ? '-' : other.toFixed(0),
      other === null ? '-' : (other / took).toFixed(1),
    ]),
  );
}

/** Events of a file, every one of them read. */
async function readAll(file: string): Promise<number> {
  const reader = await openCaptures([file]);
  let events = 0;
  while (await reader.fill()) while (reader.next()) events++;
  await reader.close();
  return events;
}

/** Milliseconds that the form's own tool takes to print a file; null where there is none. */
function printedBy(file: string): number | null {
  const first = Buffer.alloc(16);
  const opened = openSync(file, 'r');
  readSync(opened, first, 0, first.length, 0);
  closeSync(opened);
  const tool = FOREIGN.find(({ magic }) => first.toString('latin1').startsWith(magic));
  if (tool === undefined) return null;
  const [command, ...options] = tool.command;
  const start = performance.now();
  const { status } = spawnSync(command, [...options, file], { stdio: 'ignore' });
  const took = performance.now() - start;
  return status === 0 && printsEvents(command, [...options, file]) ? took : null;
}

const checked = new Map<string, boolean>();

/** Whether the tool prints anything of the file: an older one says nothing of what it cannot read, and that fast. */
function printsEvents(command: string, options: readonly string[]): boolean {
  const key = [command, ...options].join(' ');
  const known = checked.get(key);
  if (known !== undefined) return known;
  const { stdout } = spawnSync(command, options, { stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 2 ** 30 });
  checked.set(key, stdout.length > 1000);
  return stdout.length > 1000;
}

function unpacked(path: string, folder: string): string {
  const file = join(folder, basename(path, '.gz'));
  writeFileSync(file, gunzipSync(readFileSync(path)));
  return file;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(34) : cell.padStart(i === 6 ? 18 : 14))).join('');
}
