/** What it costs to read a capture: text to events, and events to domains. Single-threaded, without decompression. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { NameTable } from '../traces/capture/names.ts';
import { CaptureNotes } from '../traces/capture/notes.ts';
import { FtraceParser } from '../traces/capture/readers/ftrace-text/reader.ts';
import { TextStream } from '../traces/capture/readers/text-stream.ts';
import { CaptureStats, copyEvent, DomainTracker, TraceEvent } from '../traces/index.ts';
import type { Benchmark } from './harness.ts';

const SAMPLE = 'traces/samples/medium-strict.ftrace.txt.gz';
const BLOCK = 262_144;
/** 200 MB/s, the aim for text. */
const AIM = 200;
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

export function traceBenchmarks(): Benchmark[] {
  const text = new Uint8Array(gunzipSync(readFileSync(SAMPLE)));
  const events: TraceEvent[] = [];
  parse(text, (event) => {
    const copy = new TraceEvent();
    copyEvent(event, copy);
    events.push(copy);
  });
  const bytesPerEvent = text.length / events.length;
  let tracker = new DomainTracker();
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
      name: 'infer the domain',
      unit: 'event',
      items: events.length,
      prepare() {
        tracker = new DomainTracker();
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
