import { InputError } from '../../../input-error.ts';
import { type Block, MemoryAccess, type RandomAccess } from '../../byte-source.ts';
import { clearCall, EventKind, TraceEvent } from '../../event.ts';
import type { CaptureNotes } from '../../notes.ts';
import { ZstdStream } from '../../zstd.ts';
import type { EventFormat } from '../event-format.ts';
import type { EventStream } from '../form.ts';
import { RecordDecoder } from '../record-decoder.ts';
import { TimeOrder } from '../time-order.ts';
import { readTracingData } from '../trace-dat/layout.ts';
import { type Attribute, idOffset, LEAST_ATTRIBUTE, readAttribute, SampleParts } from './attributes.ts';

const TWO_TO_32 = 2 ** 32;
const NANOSECONDS = 1e9;
/** Bytes of a file read at a time. */
const BATCH = 262_144;
const HEADER = 8;
/** The formats of all events of a kernel are 3 MB. */
const LARGEST_TRACING_DATA = 2 ** 28;

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

/** The formats and attributes of a file, which stand apart from its records; a pipe has them among the records. */
export interface FileParts {
  readonly formats: readonly EventFormat[];
  readonly attributes: readonly (readonly [ids: readonly string[], attribute: Attribute])[];
}

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

function u64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * TWO_TO_32 + view.getUint32(at, true);
}

/** A number of 64 bits as something that can be compared. */
function idText(view: DataView, at: number): string {
  return `${view.getUint32(at + 4, true)}.${view.getUint32(at, true)}`;
}

function joined(front: Uint8Array, back: Uint8Array): Uint8Array {
  if (front.length === 0) return back;
  const both = new Uint8Array(front.length + back.length);
  both.set(front);
  both.set(back, front.length);
  return both;
}

const FEATURE_TRACING_DATA = 1;
const MOST_ATTRIBUTES = 65_536;

/** Reads the parts of a perf.data file that stand apart, and finds its records. @throws InputError */
export async function readFileParts(
  file: string,
  access: RandomAccess,
): Promise<{ readonly parts: FileParts; readonly records: AsyncGenerator<Block> }> {
  const fail = (found: string): never => {
    throw new InputError(file, '', found, 'a whole perf.data, as perf record writes it');
  };
  const at = async (offset: number, length: number): Promise<DataView> => {
    const bytes = (await access.read(offset, length)).slice();
    return bytes.length < length ? fail('the end of the file in its header') : new DataView(bytes.buffer);
  };
  const header = await at(0, 104);
  const attributeSize = u64(header, 16);
  const [attributesAt, attributesSize, dataAt, dataSize] = [24, 32, 40, 48].map((offset) => u64(header, offset)) as [
    number,
    number,
    number,
    number,
  ];
  // perf writes the size when it ends; 0 is left by one that was killed.
  if (dataSize === 0) fail('no data (perf record did not end by itself)');
  const count = attributesSize / attributeSize;
  if (!(attributeSize >= LEAST_ATTRIBUTE + 16 && attributeSize <= 4096 && count <= MOST_ATTRIBUTES)) {
    fail('impossible sizes in its header');
  }
  const attributes: [string[], Attribute][] = [];
  for (let index = 0; index < Math.floor(count); index++) {
    const view = await at(attributesAt + index * attributeSize, attributeSize);
    const idsAt = u64(view, attributeSize - 16);
    const idsSize = Math.min(u64(view, attributeSize - 8), 8 * MOST_ATTRIBUTES);
    const ids = await at(idsAt, idsSize);
    attributes.push([
      Array.from({ length: Math.floor(idsSize / 8) }, (_, id) => idText(ids, 8 * id)),
      readAttribute(view, 0),
    ]);
  }
  const formats: EventFormat[] = [];
  const features = header.getUint32(72, true);
  if (((features >>> FEATURE_TRACING_DATA) & 1) === 1) {
    // The sections of the features follow the data, in the order of their bits.
    const section = await at(dataAt + dataSize + 16 * (features & 1), 16);
    const place = u64(section, 0);
    const size = u64(section, 8);
    if (size > LARGEST_TRACING_DATA) fail(`event formats of ${size} bytes`);
    const bytes = (await access.read(place, size)).slice();
    formats.push(...(await readTracingData(file, new MemoryAccess([bytes]))).formats);
  }
  return { parts: { formats, attributes }, records: blocksOf(access, dataAt, dataSize) };
}

async function* blocksOf(access: RandomAccess, start: number, size: number): AsyncGenerator<Block> {
  try {
    let at = start;
    while (at < start + size) {
      const bytes = await access.read(at, Math.min(BATCH, start + size - at));
      if (bytes.length === 0) {
        yield { bytes: new Uint8Array(0), damage: 'the file ends before its data does' };
        return;
      }
      yield { bytes, damage: '' };
      at += bytes.length;
    }
  } finally {
    await access.close();
  }
}

/** The records of a pipe: everything behind its header. */
export async function* withoutHeader(blocks: AsyncGenerator<Block>, header: number): AsyncGenerator<Block> {
  let left = header;
  try {
    for await (const { bytes, damage } of blocks) {
      const dropped = Math.min(left, bytes.length);
      left -= dropped;
      yield { bytes: bytes.subarray(dropped), damage };
    }
  } finally {
    await blocks.return(undefined);
  }
}
