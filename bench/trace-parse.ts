/** What it costs to read a capture: text to events, and events to domains. Single-threaded, without decompression. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { ringPages, Writer } from '../test/traces/capture/encode-trace-dat.ts';
import { NameTable } from '../traces/capture/events/names.ts';
import { CaptureNotes } from '../traces/capture/events/notes.ts';
import { parseEventFormat } from '../traces/capture/readers/event-format.ts';
import { FtraceParser } from '../traces/capture/readers/ftrace-text/reader.ts';
import { RecordDecoder } from '../traces/capture/readers/record-decoder.ts';
import { TextStream } from '../traces/capture/readers/text-stream.ts';
import { CpuLane, Step } from '../traces/capture/readers/trace-dat/cpu-lane.ts';
import { CpuPages } from '../traces/capture/readers/trace-dat/cpu-pages.ts';
import { CaptureStats, copyEvent, DomainTracker, EventKind, MemoryAccess, TraceEvent } from '../traces/index.ts';
import type { Benchmark } from './harness.ts';

const SAMPLE = 'traces/samples/medium-strict.ftrace.txt.gz';
const BLOCK = 262_144;
/** Megabytes of text a second, and million records a second: the aims. */
const AIM = 450;
const RECORD_AIM = 1.5;
/** Keeps results alive, so that no loop is optimised away. */
const sink = new Float64Array(1);

/** Reads the text and hands every event to `use`; how many there were. */
function parse(text: Uint8Array, use: (event: TraceEvent) => void): number {
  const notes = new CaptureNotes(SAMPLE, new CaptureStats(), new NameTable(), false, 'line');
  const reader = new TextStream(notes, new TraceEvent(), null, (lines) => new FtraceParser(lines, notes));
  let events = 0;
  for (let at = 0; at < text.length; at += BLOCK) {
    reader.feed(text.subarray(at, at + BLOCK));
    while (reader.next()) {
      use(reader.event);
      events++;
    }
  }
  return events;
}

const FORMAT = ['u64 iova', 'u64 paddr', 'size_t size']
  .map((field, index) => `\tfield:${field};\toffset:${8 + 8 * index};\tsize:8;\tsigned:0;\n`)
  .join('');
const COMMON =
  '\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n';

/** The maps and unmaps as pages of a ring buffer, a part of which is written often enough to be the whole. */
function ringOf(events: readonly TraceEvent[]): { readonly pages: Uint8Array; readonly records: number } {
  const records = events
    .filter(({ kind, size }) => kind <= EventKind.UNMAP && size > 0)
    .slice(0, 5000)
    .map((event) => {
      const out = new Writer()
        .number(event.kind === EventKind.MAP ? 100 : 101, 2)
        .number(0, 2)
        .number(event.pid, 4);
      out.number(event.iova, 8).number(Math.max(0, event.pa), 8).number(event.size, 8);
      return { time: Math.round(event.time * 1e9), data: out.done() };
    });
  return { pages: new Uint8Array(Buffer.concat(ringPages(records, 4096, true))), records: records.length };
}

/** Takes every record of the pages apart and gives its event to `use`. */
function decode(pages: Uint8Array, use: (event: TraceEvent) => void): void {
  const shape = { pageSize: 4096, littleEndian: true, commitOffset: 8, commitSize: 8, dataOffset: 16 };
  const none = new CpuPages(new MemoryAccess([]), { cpu: 0, offset: 0, size: 0 }, 4096, null, true, 1);
  const lane = new CpuLane(0, 0, shape, none);
  const formats = [
    parseEventFormat('iommu', `name: map\nID: 100\nformat:\n${COMMON}${FORMAT}`),
    parseEventFormat('iommu', `name: unmap\nID: 101\nformat:\n${COMMON}${FORMAT.replace('paddr', 'unused')}`),
  ].filter((format) => format !== null);
  const notes = new CaptureNotes(SAMPLE, new CaptureStats(), new NameTable(), false, 'record');
  const decoder = new RecordDecoder(notes, true, formats);
  const event = new TraceEvent();
  for (lane.open(pages); lane.step === Step.RECORD; lane.advance()) {
    if (decoder.decode(lane.view, lane.at, lane.end, event)) use(event);
  }
}

export function traceBenchmarks(): Benchmark[] {
  const text = new Uint8Array(gunzipSync(readFileSync(SAMPLE)));
  const events: TraceEvent[] = [];
  parse(text, (event) => {
    const copy = new TraceEvent();
    copyEvent(event, copy);
    events.push(copy);
  });
  const ring = ringOf(events);
  const bytesPerEvent = text.length / events.length;
  let tracker = new DomainTracker(() => {});
  return [
    {
      name: `parse ftrace text, ${bytesPerEvent.toFixed(0)} bytes an event (aim: ${AIM} MB/s)`,
      unit: 'event',
      items: events.length,
      reference: Math.round((bytesPerEvent * 1000) / AIM),
      work() {
        parse(text, (event) => {
          sink[0] = event.iova;
        });
      },
      // The least a reader can do: look at every byte once.
      baseline() {
        let sum = 0;
        for (let at = 0; at < text.length; at++) sum += text[at] as number;
        sink[0] = sum;
      },
    },
    {
      name: `decode trace.dat records (aim: ${RECORD_AIM} million/s)`,
      unit: 'event',
      items: ring.records,
      reference: Math.round(1000 / RECORD_AIM),
      work() {
        decode(ring.pages, (event) => {
          sink[0] = event.iova;
        });
      },
      baseline() {
        let sum = 0;
        for (let at = 0; at < ring.pages.length; at++) sum += ring.pages[at] as number;
        sink[0] = sum;
      },
    },
    {
      name: 'infer the domain',
      unit: 'event',
      items: events.length,
      prepare() {
        tracker = new DomainTracker(() => {});
      },
      work() {
        for (const event of events) tracker.take(event);
      },
      baseline() {
        let sum = 0;
        for (const event of events) sum += event.iova + event.size;
        sink[0] = sum;
      },
    },
  ];
}
