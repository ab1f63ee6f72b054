/**
 * What the results of a long run weigh, and how long it takes to read them again. A capture of a million maps and unmaps is replayed with
 * `--html`, `--perfetto` and `--db`; then the page is opened in a browser (where there is a chromium), the timeline is decoded, and each
 * database is asked a question. Takes a few minutes, and 2 GB of disk.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHROMIUM } from '../../test/apps/explorer/browser.ts';
import { writeCapture } from './capture.ts';
import { askDatabase, decodeTimeline, loadPage } from './readings.ts';

const OPERATIONS = 1_000_000;

export async function printOutputs(): Promise<void> {
  spawnSync('npm', ['run', '--silent', 'build:cli'], { stdio: 'inherit' });
  const folder = mkdtempSync(join(tmpdir(), 'tablewalk-bench-'));
  const at = (name: string): string => join(folder, name);
  try {
    const capture = at('capture.txt');
    const operations = await writeCapture(capture, OPERATIONS);
    console.log(`\nResults of a run of ${operations.toLocaleString('en')} maps and unmaps`);
    console.log(line(['', 'MB', 'replay, s', 'read again, ms', '']));
    const alone = replay(capture);
    console.log(line(['none', '-', alone.toFixed(0), '-', 'the replay alone']));

    const html = at('report.html');
    const page = replay(capture, '--html', html);
    const load = CHROMIUM === '' ? '-' : (await loadPage(html)).toFixed(0);
    console.log(line(['--html', sizeOf(html), page.toFixed(0), load, 'opened in chromium, plots drawn']));

    const perfetto = at('run.pftrace');
    const timeline = replay(capture, '--perfetto', perfetto);
    const { took, packets, bytes } = decodeTimeline(perfetto);
    const inside = `unpacked and decoded: ${packets.toLocaleString('en')} packets, ${megabytes(bytes)} MB`;
    console.log(line(['--perfetto', sizeOf(perfetto), timeline.toFixed(0), took.toFixed(0), inside]));

    for (const name of ['run', 'run.duckdb']) {
      const db = at(name);
      const written = replay(capture, '--db', db);
      const form = name === 'run' ? '--db FOLDER (Parquet)' : '--db FILE.duckdb';
      const asked = (await askDatabase(db)).toFixed(0);
      console.log(line([form, sizeOf(db), written.toFixed(0), asked, 'opened and asked who maps most']));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Replays on the command line with an option that writes a result. @returns seconds */
function replay(capture: string, ...result: readonly string[]): number {
  const start = performance.now();
  const run = spawnSync(process.execPath, ['dist/tablewalk.js', 'replay', capture, ...result], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (run.status !== 0) throw new Error(`replay ${result.join(' ')} ends with ${run.status}`);
  return (performance.now() - start) / 1000;
}

/** Megabytes of a file, or of all in a folder. */
function sizeOf(path: string): string {
  if (!existsSync(path)) return '-';
  if (!statSync(path).isDirectory()) return megabytes(statSync(path).size);
  return megabytes(readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0));
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 10e6 ? 2 : 0);
}

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(24) : i === 4 ? `  ${cell}` : cell.padStart(15))).join('');
}
