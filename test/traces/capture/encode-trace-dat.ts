import { deflateSync } from 'node:zlib';

/** A record of the ring buffer. */
export interface RingRecord {
  /** Nanoseconds, or ticks of the clock. */
  readonly time: number;
  readonly data: Uint8Array;
  /** Events lost before it: starts a new page that says so. -1 is an unknown number. */
  readonly lost?: number;
  /** Stands in a discarded record in front of it. */
  readonly discarded?: boolean;
}

export interface TraceDatSpec {
  readonly version: 6 | 7;
  readonly compression?: 'none' | 'zlib';
  readonly littleEndian?: boolean;
  readonly pageSize?: number;
  readonly clock?: string;
  /** Further options by number, as text. */
  readonly options?: readonly (readonly [number, Uint8Array | string])[];
  /** Format files by system. */
  readonly formats: Readonly<Record<string, readonly string[]>>;
  /** Records by instance and CPU. */
  readonly instances: readonly { readonly name: string; readonly cpus: readonly (readonly RingRecord[])[] }[];
}

/** Bytes that grow. */
export class Writer {
  readonly littleEndian: boolean;
  readonly #bytes: number[] = [];

  constructor(littleEndian = true) {
    this.littleEndian = littleEndian;
  }

  get length(): number {
    return this.#bytes.length;
  }

  number(value: number | bigint, size: number): this {
    const wide = BigInt.asUintN(64, BigInt(value));
    for (let index = 0; index < size; index++) {
      const shift = 8n * BigInt(this.littleEndian ? index : size - 1 - index);
      this.#bytes.push(Number((wide >> shift) & 0xffn));
    }
    return this;
  }

  text(text: string, zero = true): this {
    for (const char of text) this.#bytes.push(char.charCodeAt(0));
    if (zero) this.#bytes.push(0);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  align(size: number): this {
    while (this.#bytes.length % size !== 0) this.#bytes.push(0);
    return this;
  }

  /** Overwrites a number written before. */
  patch(at: number, value: number, size: number): void {
    const patch = new Writer(this.littleEndian).number(value, size).done();
    for (const [index, byte] of patch.entries()) this.#bytes[at + index] = byte;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

const PAGE_HEADER = `\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;
\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;
\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;
`;
const DELTA = 2 ** 27;

/** The pages of one CPU, as the kernel's ring buffer fills them. */
export function ringPages(records: readonly RingRecord[], pageSize: number, littleEndian: boolean): Uint8Array[] {
  const pages: Uint8Array[] = [];
  let body = new Writer(littleEndian);
  let pageTime = 0;
  let last = 0;
  let lost: number | undefined;
  const finish = (): void => {
    if (body.length === 0) return;
    const stored = lost !== undefined && lost >= 0 && body.length + 24 <= pageSize;
    const flags = (lost === undefined ? 0 : 2 ** 31) + (stored ? 2 ** 30 : 0);
    const page = new Writer(littleEndian)
      .number(pageTime, 8)
      .number(body.length + flags, 8)
      .bytes(body.done());
    if (stored) page.number(lost as number, 8);
    pages.push(page.align(pageSize).done());
    body = new Writer(littleEndian);
  };
  for (const record of records) {
    const one = (delta: number): Uint8Array => ringRecord(record, delta, littleEndian);
    const room = pageSize - 16 - body.length;
    if (body.length === 0 || record.lost !== undefined || one(record.time - last).length > room) {
      finish();
      lost = record.lost;
      pageTime = record.time;
      last = record.time;
    }
    body.bytes(one(record.time - last));
    last = record.time;
  }
  finish();
  return pages;
}

function ringRecord(record: RingRecord, delta: number, littleEndian: boolean): Uint8Array {
  const out = new Writer(littleEndian);
  const header = (type: number, difference: number): void => {
    out.number(littleEndian ? difference * 32 + type : type * DELTA + difference, 4);
  };
  let rest = delta;
  if (rest >= DELTA) {
    header(30, rest % DELTA);
    out.number(Math.floor(rest / DELTA), 4);
    rest = 0;
  }
  if (record.discarded === true && rest > 0) {
    header(29, rest);
    out.number(8, 4).number(0xdeadbeef, 4);
    rest = 0;
  }
  const padded = new Writer(littleEndian).bytes(record.data).align(4).done();
  if (padded.length <= 112) header(padded.length / 4, rest);
  else {
    header(0, rest);
    out.number(padded.length + 4, 4);
  }
  return out.bytes(padded).done();
}

/** Writes a trace.dat as trace-cmd does. */
export function encodeTraceDat(spec: TraceDatSpec): Uint8Array {
  const { version, compression = 'none', littleEndian = true, pageSize = 4096, clock = 'local', options = [] } = spec;
  const out = new Writer(littleEndian);
  out.number(0x17, 1).number(0x08, 1).number(0x44, 1).text('tracing', false).text(String(version));
  out
    .number(littleEndian ? 0 : 1, 1)
    .number(8, 1)
    .number(pageSize, 4);
  const headerInfo = new Writer(littleEndian);
  for (const [name, text] of [
    ['header_page', PAGE_HEADER],
    ['header_event', '# compressed entry header\n'],
  ] as const) {
    headerInfo.text(name).number(text.length, 8).text(text, false);
  }
  const eventFormats = new Writer(littleEndian).number(Object.keys(spec.formats).length, 4);
  for (const [system, files] of Object.entries(spec.formats)) {
    eventFormats.text(system).number(files.length, 4);
    for (const file of files) eventFormats.number(file.length, 8).text(file, false);
  }
  const data = spec.instances.map(({ cpus }) => cpus.map((records) => ringPages(records, pageSize, littleEndian)));
  const allOptions: (readonly [number, Uint8Array])[] = [
    [4, new Writer(littleEndian).text(`global [${clock}] boot`).done()],
    ...options.map(
      ([id, value]) => [id, typeof value === 'string' ? new Writer(littleEndian).text(value).done() : value] as const,
    ),
  ];
  if (version === 6) {
    out.bytes(headerInfo.done()).number(0, 4).bytes(eventFormats.done());
    out.number(0, 4).number(0, 4).number(0, 8);
    out.number(spec.instances[0]?.cpus.length ?? 0, 4).text('options  ');
    const places: number[] = [];
    for (const [id, value] of allOptions) out.number(id, 2).number(value.length, 4).bytes(value);
    for (const { name } of spec.instances.slice(1)) {
      out.number(3, 2).number(8 + name.length + 1, 4);
      places.push(out.length);
      out.number(0, 8).text(name);
    }
    out.number(0, 2);
    const tables: number[] = [];
    for (const [index, { cpus }] of spec.instances.entries()) {
      if (index > 0) out.patch(places[index - 1] as number, out.length, 8);
      out.text('flyrecord');
      tables.push(out.length);
      for (const _ of cpus) out.number(0, 8).number(0, 8);
    }
    for (const [index, cpus] of data.entries()) {
      for (const [cpu, pages] of cpus.entries()) {
        out.align(pageSize);
        out.patch((tables[index] as number) + 16 * cpu, out.length, 8);
        out.patch((tables[index] as number) + 16 * cpu + 8, pages.length * pageSize, 8);
        for (const page of pages) out.bytes(page);
      }
    }
    return out.done();
  }
  out.text(compression).text(compression === 'none' ? '' : '1.0');
  const firstOptions = out.length;
  out.number(0, 8);
  const places = [16, 17, 18].map(
    (id) =>
      [
        id,
        section(
          out,
          id,
          compression,
          id === 16 ? headerInfo.done() : id === 18 ? eventFormats.done() : new Uint8Array(4),
        ),
      ] as const,
  );
  const optionBytes = new Writer(littleEndian);
  for (const [id, place] of places) optionBytes.number(id, 2).number(8, 4).number(place, 8);
  for (const [id, value] of allOptions) optionBytes.number(id, 2).number(value.length, 4).bytes(value);
  for (const [index, cpus] of data.entries()) {
    const start = out.length;
    out
      .number(3, 2)
      .number(compression === 'none' ? 0 : 1, 2)
      .number(0, 4)
      .number(0, 8);
    const option = new Writer(littleEndian)
      .number(start, 8)
      .text(spec.instances[index]?.name ?? '')
      .text(clock);
    option.number(pageSize, 4).number(cpus.length, 4);
    for (const [cpu, pages] of cpus.entries()) {
      if (compression === 'none') out.align(pageSize);
      const at = out.length;
      if (compression === 'none') for (const page of pages) out.bytes(page);
      else {
        // Two pages in a chunk.
        const chunks = Array.from({ length: Math.ceil(pages.length / 2) }, (_, chunk) =>
          Buffer.concat(pages.slice(2 * chunk, 2 * chunk + 2)),
        );
        out.number(chunks.length, 4);
        for (const chunk of chunks) {
          const packed = deflateSync(chunk);
          out.number(packed.length, 4).number(chunk.length, 4).bytes(packed);
        }
      }
      option
        .number(cpu, 4)
        .number(at, 8)
        .number(out.length - at, 8);
    }
    out.patch(start + 8, out.length - start - 16, 8);
    optionBytes.number(3, 2).number(option.length, 4).bytes(option.done());
  }
  optionBytes.number(0, 2).number(8, 4).number(0, 8);
  out.patch(firstOptions, out.length, 8);
  section(out, 0, compression, optionBytes.done());
  return out.done();
}

/** Writes a section and tells where it begins. */
function section(out: Writer, id: number, compression: 'none' | 'zlib', content: Uint8Array): number {
  const at = out.length;
  out
    .number(id, 2)
    .number(compression === 'none' ? 0 : 1, 2)
    .number(0, 4);
  if (compression === 'none') {
    out.number(content.length, 8).bytes(content);
    return at;
  }
  const packed = deflateSync(content);
  out
    .number(packed.length + 8, 8)
    .number(packed.length, 4)
    .number(content.length, 4)
    .bytes(packed);
  return at;
}
