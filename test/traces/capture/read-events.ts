import { NameTable } from '../../../traces/capture/events/names.ts';
import { CaptureNotes } from '../../../traces/capture/events/notes.ts';
import { FtraceParser } from '../../../traces/capture/readers/ftrace-text/reader.ts';
import { TextStream } from '../../../traces/capture/readers/text-stream.ts';
import { CaptureStats, copyEvent, openCaptures, TraceEvent } from '../../../traces/index.ts';

export interface ReadBack {
  readonly events: TraceEvent[];
  readonly stats: CaptureStats;
  readonly devices: NameTable;
}

/** Reads captures whole, events copied. */
export async function readCaptures(
  paths: readonly string[],
  options: Parameters<typeof openCaptures>[1] = {},
): Promise<ReadBack> {
  const reader = await openCaptures(paths, options);
  const events: TraceEvent[] = [];
  while (await reader.fill()) {
    while (reader.next()) events.push(copyOf(reader.event));
  }
  return { events, stats: reader.stats, devices: reader.devices };
}

/** Reads text cut into chunks of these sizes (the last size repeats). */
export function readText(
  text: string | Uint8Array,
  chunkSizes: readonly number[] = [65_536],
  strict = false,
): ReadBack {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  const stats = new CaptureStats();
  const devices = new NameTable();
  const notes = new CaptureNotes('text', stats, devices, strict, 'line');
  const reader = new TextStream(notes, new TraceEvent(), null, (lines) => new FtraceParser(lines, notes));
  const events: TraceEvent[] = [];
  let at = 0;
  let chunk = 0;
  while (at < bytes.length) {
    const size = chunkSizes[Math.min(chunk++, chunkSizes.length - 1)] ?? 1;
    // A copy of its own, so that reading beyond the chunk would show.
    reader.feed(bytes.slice(at, at + size));
    while (reader.next()) events.push(copyOf(reader.event));
    at += size;
  }
  reader.end();
  while (reader.next()) events.push(copyOf(reader.event));
  return { events, stats, devices };
}

/** A stream over one chunk per element, to stand for standard input. */
export async function* chunksOf(...chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk;
}

export function copyOf(event: TraceEvent): TraceEvent {
  const copy = new TraceEvent();
  copyEvent(event, copy);
  return copy;
}
