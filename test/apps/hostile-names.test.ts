import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTimeline } from '../traces/report/decode-perfetto.ts';
import { tablewalk } from './run-cli.ts';

/** What a capture may call its devices and tasks: markup, a formula, quotes, a control byte of terminals, no end. */
const NAMES = [
  '<img/src=x><script>alert</script>',
  "=cmd|'/C'!A0",
  "@SUM(A1'`$x;&lt;",
  'red\u009b31m\u007f',
  'x'.repeat(10_000),
  '../../etc/passwd',
];
const folder = mkdtempSync(join(tmpdir(), 'tablewalk-names-'));
const capture = join(folder, '=1 <img src=x>"\u001b[31m\r\n\u202e.txt');
const out = (name: string): string => join(folder, 'out', name);
const read = (name: string): string => readFileSync(out(name), 'utf8');

beforeAll(async () => {
  const hex = (value: number): string => `0x${value.toString(16).padStart(16, '0')}`;
  const lines = NAMES.flatMap((name, at) => {
    const start = 0xf000_0000 + at * 0x10_0000;
    const range = `iova=${hex(start)} - ${hex(start + 0x1000)}`;
    return [
      `add_device_to_group: IOMMU: groupID=${at} device=${name}`,
      `attach_device_to_domain: IOMMU: device=${name}`,
      `map: IOMMU: ${range} paddr=${hex(0x8000_0000 + start)} size=4096`,
      `unmap: IOMMU: ${range} size=4096 unmapped_size=4096`,
      `map: IOMMU: ${range} paddr=${hex(0x8000_0000 + start)} size=4096`,
      `io_page_fault: IOMMU: driver=${name} device=${name} iova=${hex(start + 0x5000)} flags=0x0000`,
      `${name}: not an event`,
    ].map((text, line) => `  ${name}-4${at} [000] ..... 1.0${10 + at}${line}00: ${text}\n`);
  });
  lines.push(`  ${NAMES[0]}-1 [000] ..... 2.000000: map: IOMMU: ${NAMES[1]}\n`);
  writeFileSync(capture, Buffer.from(lines.join(''), 'latin1'));
  mkdirSync(join(folder, 'out'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('names that a capture chose to do harm', () => {
  it('move no cursor, break no line and flood nothing on the terminal, whatever command shows them', async () => {
    for (const args of [
      ['replay', capture, '--drop-sync', '1', '--walk', 'non-coherent', '--access', 'probe'],
      ['check', capture, '--drop-sync', '1', '--walk', 'non-coherent', '--access', 'probe'],
      ['compare', capture, '--vary', 'allocator=page,pool'],
      ['why', capture],
      ['tables', capture],
      ['miss-curve', capture],
      ['replay', join(folder, 'none\u001b[31m\n')],
    ]) {
      const { stdout, stderr } = await tablewalk(args);
      expect(stdout + stderr, args[0]).not.toBe('');
      expect(`${stdout}${stderr}`.match(/(?!\n)[\p{Cc}\u2028-\u202e\u2066-\u2069]/u), args.join(' ')).toBeNull();
      expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThan(1500);
      expect(stdout.split('\n').filter((line) => line.startsWith('.txt'))).toEqual([]);
    }
  });

  it('come through JSON, CSV, databases and timelines letter by letter, and are text in pages and spreadsheets', async () => {
    const outputs = [
      '--json',
      out('r.json'),
      '--csv',
      out('csv'),
      '--stats',
      out('stats.txt'),
      '--html',
      out('r.html'),
    ];
    const more = ['--perfetto', out('r.pftrace'), '--db', out('db'), '--leaves', out('leaves')];
    expect((await tablewalk(['replay', capture, ...outputs, ...more])).code).toBe(0);
    expect((await tablewalk(['compare', capture, '--vary', 'seed=1,2', '--html', out('c.html')])).code).toBe(0);
    const domains: { devices: string[] }[] = JSON.parse(read('r.json')).breakdown.domains;
    expect(domains.map(({ devices }) => devices[0])).toEqual(NAMES);
    for (const line of read('leaves').trim().split('\n')) JSON.parse(line);
    const operations = read(join('csv', 'operations.csv'));
    expect(operations).toContain(`,'=cmd|'/C'!A0,`);
    for (const name of readdirSync(out('csv'))) expect(read(join('csv', name))).not.toMatch(/(^|,)"?[=@\t]/m);
    // No name of a capture stands in it, so that scripts can rely on its keys.
    for (const name of NAMES) expect(read('stats.txt')).not.toContain(name);
    for (const page of ['r.html', 'c.html']) {
      expect(read(page)).not.toMatch(/<img|<script>alert|(?![\t\n\r])\p{Cc}/u);
      expect(read(page)).toContain('&#60;img src=x&#62;');
    }
    const [parquet = ''] = readdirSync(out('db')).filter((name) => name.startsWith('domains'));
    const bytes = readFileSync(join(out('db'), parquet));
    const rows = await parquetReadObjects({
      file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
      compressors: { GZIP: (page) => gunzipSync(page) },
    });
    expect(rows.map(({ devices }) => devices)).toEqual(NAMES);
    const { slices } = readTimeline(readFileSync(out('r.pftrace')));
    for (const name of NAMES) expect(JSON.stringify(slices)).toContain(JSON.stringify(name).slice(1, -1));
  });
});
