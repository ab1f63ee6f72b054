/** What it takes to read a result again: by a browser, as protobuf, as a database. Each is the milliseconds of one reading. */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inflateSync } from 'node:zlib';
import { PbfReader } from 'pbf';
import { openBrowser } from '../../test/apps/explorer/browser.ts';
import { Database, READY_QUERIES } from '../../traces/index.ts';

const PAGE_LOADS = 5;
/** Fields of Perfetto's `Trace` and `TracePacket`. */
const PACKET = 1;
const COMPRESSED_PACKETS = 50;

/** From the address to the page with its plots drawn, the median of a few loads. */
export async function loadPage(path: string): Promise<number> {
  const browser = await openBrowser();
  try {
    const took: number[] = [];
    for (let load = 0; load <= PAGE_LOADS; load++) {
      const page = await browser.newPage();
      const start = performance.now();
      await page.goto(pathToFileURL(resolve(path)).href, { waitUntil: 'load' });
      await page.waitForSelector('canvas');
      // The first is the browser's own start.
      if (load > 0) took.push(performance.now() - start);
      await page.close();
    }
    return took.sort((a, b) => a - b)[PAGE_LOADS >> 1] ?? Number.NaN;
  } finally {
    await browser.close();
  }
}

/** Every packet unpacked and every field of it passed. @returns milliseconds, packets and bytes unpacked */
export function decodeTimeline(path: string): {
  readonly took: number;
  readonly packets: number;
  readonly bytes: number;
} {
  const start = performance.now();
  const counts = { packets: 0, bytes: 0 };
  decodePackets(readFileSync(path), counts);
  return { took: performance.now() - start, ...counts };
}

function decodePackets(bytes: Uint8Array, counts: { packets: number; bytes: number }): void {
  counts.bytes += bytes.length;
  const trace = new PbfReader(bytes);
  while (trace.nextField() === PACKET) {
    const end = trace.readVarint() + trace.pos;
    while (trace.pos < end) {
      const field = trace.nextField(end);
      if (field === COMPRESSED_PACKETS) decodePackets(inflateSync(trace.readBytes()), counts);
      else trace.skip(trace.type);
    }
    counts.packets++;
  }
}

/** Opened, and asked the first of the ready queries. */
export async function askDatabase(path: string): Promise<number> {
  const start = performance.now();
  const database = await Database.open(path);
  const { rows } = await database.query(READY_QUERIES[0]?.sql ?? '');
  for await (const _some of rows()) {
    // Every row is read.
  }
  database.close();
  return performance.now() - start;
}
