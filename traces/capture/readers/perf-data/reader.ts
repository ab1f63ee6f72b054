import type { CaptureNotes } from '../../events/index.ts';
import { clearCall, EventKind, TraceEvent } from '../../events/index.ts';
import { type Block, MemoryAccess, ZstdStream } from '../../sources/index.ts';
import type { EventStream } from '../form.ts';
import { RecordDecoder } from '../record-decoder.ts';
import { TimeOrder } from '../time-order.ts';
import { readTracingData } from '../trace-dat/index.ts';
import { type Attribute, idOffset, idText, LEAST_ATTRIBUTE, readAttribute, SampleParts, u64 } from './attributes.ts';
import { type FileParts, LARGEST_TRACING_DATA } from './file-parts.ts';

const NANOSECONDS = 1e9;
const HEADER = 8;

/** Types of records (`include/uapi/linux/perf_event.h`; those above 63 are perf's own, `tools/lib/perf/include/perf/event.h`). */
const RecordType = {
  LOST: 2,
  SAMPLE: 9,
  LOST_SAMPLES: 13,
  ATTRIBUTE: 64,
  TRACING_DATA: 66,
  FINISHED_ROUND: 68,
  AUXTRACE: 71,
  COMPRESSED: 81,
  COMPRESSED2: 83,
} as const;
/** Behind the header of the one that says how much of it is data. */
const COMPRESSED2_SIZE = 8;

/** The records of a perf.data in the order of their times, as `perf script` gives them. */
export class PerfDataReader implements EventStream {
  event = new TraceEvent();
  readonly #notes: CaptureNotes;
  readonly #bytes: AsyncGenerator<Block>;
  #decoder: RecordDecoder | null = null;
  readonly #attributes = new Map<string, Attribute>();
  #first: Attribute | null = null;
  readonly #parts = new SampleParts();
  readonly #order = new TimeOrder();
  /** Samples are read into this one. */
  readonly #sample = new TraceEvent();
  #zstd: ZstdStream | null = null;
  /** Part of a record that is not whole yet: of the file, and of what was compressed. */
  #rest: Uint8Array = new Uint8Array(0);
  #unpackedRest: Uint8Array = new Uint8Array(0);
  /** Data behind a record that is passed over. */
  #skip = 0;
  /** Tracing data that is being gathered; null when none is. */
  #tracing: { readonly size: number; readonly pieces: Uint8Array[]; have: number } | null = null;
  #offset = 0;
  #time = 0;
  #ended = false;

  constructor(bytes: AsyncGenerator<Block>, notes: CaptureNotes, parts: FileParts | null) {
    this.#bytes = bytes;
    this.#notes = notes;
    notes.stats.clock = 'seconds';
    if (parts === null) return;
    this.#decoder = new RecordDecoder(notes, true, parts.formats);
    for (const [ids, attribute] of parts.attributes) this.#addAttribute(ids, attribute);
  }

  get namedDomains(): number {
    return this.#notes.domains.size;
  }

  async fill(): Promise<boolean> {
    if (this.#ended) return false;
    const { value, done } = await this.#bytes.next();
    if (done === true) {
      this.#ended = true;
      if (this.#rest.length > 0 || this.#tracing !== null || this.#skip > 0) this.#damaged('the file ends in a record');
      if (this.#unpackedRest.length > 0) this.#damaged('the compressed data ends in a record');
      this.#order.end();
      return true;
    }
    this.#notes.stats.bytes += value.bytes.length;
    await this.#take(value.bytes);
    if (value.damage !== '') this.#damaged(value.damage);
    return true;
  }

  next(): boolean {
    return this.#order.take(this.event);
  }

  async close(): Promise<void> {
    this.#zstd?.close();
    this.#zstd = null;
    await this.#bytes.return(undefined);
  }

  #addAttribute(ids: readonly string[], attribute: Attribute): void {
    this.#first ??= attribute;
    for (const id of ids) this.#attributes.set(id, attribute);
  }

  /** Takes the next bytes of the file apart. */
  async #take(block: Uint8Array): Promise<void> {
    const bytes = joined(this.#rest, block);
    let at = 0;
    while (at < bytes.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      if (this.#tracing !== null) {
        at += await this.#gather(bytes.subarray(at));
        continue;
      }
      const size = recordSize(bytes, at);
      if (size === null) break;
      if (size < HEADER) {
        this.#damaged(`a record of ${size} bytes`);
        this.#skip = Number.POSITIVE_INFINITY;
        break;
      }
      if (at + size > bytes.length) break;
      await this.#record(bytes, at, size);
      this.#offset += size;
      at += size;
    }
    this.#rest = this.#skip > 0 ? new Uint8Array(0) : bytes.slice(at);
  }

  /** One whole record of the file itself. */
  async #record(bytes: Uint8Array, at: number, size: number): Promise<void> {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const type = view.getUint32(at, true);
    const data = bytes.subarray(at + HEADER, at + size);
    switch (type) {
      case RecordType.COMPRESSED:
        await this.#unpack(data);
        return;
      case RecordType.COMPRESSED2: {
        const length = view.getUint32(at + HEADER, true);
        await this.#unpack(data.subarray(COMPRESSED2_SIZE, COMPRESSED2_SIZE + length));
        return;
      }
      case RecordType.ATTRIBUTE:
        if (size >= HEADER + LEAST_ATTRIBUTE) this.#attributeRecord(view, at, size);
        break;
      case RecordType.TRACING_DATA: {
        const length = size >= HEADER + 4 ? view.getUint32(at + HEADER, true) : 0;
        if (length > LARGEST_TRACING_DATA) this.#damaged(`event formats of ${length} bytes`);
        else if (length > 0) this.#tracing = { size: length, pieces: [], have: 0 };
        break;
      }
      case RecordType.AUXTRACE:
        this.#skip = size >= HEADER + 8 ? u64(view, at + HEADER) : 0;
        break;
      default:
        this.#plain(view, at, size, type);
        return;
    }
    this.#notes.stats.lines++;
    this.#notes.stats.notEvents++;
  }

  /** Gathers the event formats of a pipe, which stand behind their record, filled up to eight bytes. @returns bytes taken */
  async #gather(bytes: Uint8Array): Promise<number> {
    const tracing = this.#tracing;
    if (tracing === null) return 0;
    const part = bytes.slice(0, tracing.size - tracing.have);
    tracing.pieces.push(part);
    tracing.have += part.length;
    if (tracing.have < tracing.size) return part.length;
    this.#tracing = null;
    const { formats } = await readTracingData(this.#notes.file, new MemoryAccess(tracing.pieces));
    this.#decoder = new RecordDecoder(this.#notes, true, formats);
    this.#skip = (8 - (tracing.size % 8)) % 8;
    return part.length;
  }

  /** `struct perf_record_header_attr`: the attributes, as long as they say, then the numbers of the event. */
  #attributeRecord(view: DataView, at: number, size: number): void {
    const start = at + HEADER;
    const length = view.getUint32(start + 4, true);
    const ids: string[] = [];
    for (let id = start + length; length >= LEAST_ATTRIBUTE && id + 8 <= at + size; id += 8) ids.push(idText(view, id));
    this.#addAttribute(ids, readAttribute(view, start));
  }

  async #unpack(packed: Uint8Array): Promise<void> {
    this.#zstd ??= await ZstdStream.open();
    for (const piece of this.#zstd.decode(packed)) {
      const bytes = joined(this.#unpackedRest, piece);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      let at = 0;
      for (;;) {
        const size = recordSize(bytes, at);
        if (size === null || at + size > bytes.length) break;
        if (size < HEADER) {
          this.#damaged(`a record of ${size} bytes in compressed data`);
          at = bytes.length;
          break;
        }
        this.#plain(view, at, size, view.getUint32(at, true));
        at += size;
      }
      this.#unpackedRest = bytes.slice(at);
    }
    if (this.#zstd.failure !== '') this.#damaged(this.#zstd.failure);
  }

  /** A record that needs nothing to be waited for. */
  #plain(view: DataView, at: number, size: number, type: number): void {
    const { stats } = this.#notes;
    stats.lines++;
    const end = at + size;
    const start = at + HEADER;
    switch (type) {
      case RecordType.SAMPLE:
        this.#sampleRecord(view, start, end);
        return;
      case RecordType.LOST:
      case RecordType.LOST_SAMPLES: {
        const counts = type === RecordType.LOST ? start + 8 : start;
        if (counts + 8 > end) break;
        const sample = this.#sample;
        clearCall(sample);
        if (this.#first !== null) this.#parts.readTrailer(this.#first, view, counts + 8, end);
        sample.kind = EventKind.LOST;
        sample.count = u64(view, counts);
        this.#hold();
        return;
      }
      case RecordType.FINISHED_ROUND:
        this.#order.round();
        break;
    }
    stats.notEvents++;
  }

  #sampleRecord(view: DataView, start: number, end: number): void {
    const attribute = this.#attributeOf(view, start, end);
    if (attribute === null || !this.#parts.read(attribute, view, start, end)) {
      this.#damaged(attribute === null ? 'a sample of no known event' : 'a sample shorter than its parts', false);
      return;
    }
    const sample = this.#sample;
    const { rawAt, rawEnd } = this.#parts;
    const decoder = this.#decoder;
    if (!attribute.tracepoint || rawEnd === rawAt || decoder === null) {
      if (attribute.tracepoint && decoder === null) this.#notes.stats.withoutFormat++;
      clearCall(sample);
      sample.kind = EventKind.OTHER;
      sample.context = -1;
    } else if (!decoder.decode(view, rawAt, rawEnd, sample)) {
      this.#damaged(decoder.reason, false);
      return;
    }
    this.#hold();
  }

  /** Puts the sample in its order, with the time and place of {@link #parts}. */
  #hold(): void {
    const sample = this.#sample;
    const { time, cpu, thread } = this.#parts;
    if (time >= 0) this.#time = time / NANOSECONDS;
    sample.time = this.#time;
    sample.cpu = cpu;
    sample.pid = thread;
    if (sample.kind === EventKind.LOST) sample.context = -1;
    sample.line = this.#notes.stats.lines;
    this.#order.hold(sample);
  }

  #attributeOf(view: DataView, start: number, end: number): Attribute | null {
    const first = this.#first;
    if (first === null) return null;
    const offset = idOffset(first);
    if (offset < 0 || start + offset + 8 > end) return first;
    return this.#attributes.get(idText(view, start + offset)) ?? (this.#attributes.size === 0 ? first : null);
  }

  #damaged(reason: string, always = true): void {
    // What is damaged outside a record is one more.
    if (always) this.#notes.stats.lines++;
    this.#notes.damaged(this.#notes.stats.lines, this.#offset, reason, always);
  }
}

/** Bytes of the record at `at`, or null if its header is not whole. */
function recordSize(bytes: Uint8Array, at: number): number | null {
  if (at + HEADER > bytes.length) return null;
  return (bytes[at + 6] as number) + 256 * (bytes[at + 7] as number);
}

function joined(front: Uint8Array, back: Uint8Array): Uint8Array {
  if (front.length === 0) return back;
  const both = new Uint8Array(front.length + back.length);
  both.set(front);
  both.set(back, front.length);
  return both;
}
