/**
 * The parts of a trace.dat around the trace data, of the file versions 6 and 7 (trace-cmd.dat.v6(5), trace-cmd.dat.v7(5)): how the records
 * look, which buffers there are, and where the data of each CPU lies.
 */

import { meaningOf } from '../../events/index.ts';
import type { RandomAccess } from '../../sources/index.ts';
import { MemoryAccess } from '../../sources/index.ts';
import { type EventFormat, parseEventFormat, parseFields } from '../event-format.ts';
import { BinaryReader } from './binary-reader.ts';
import { type Compression, compressionOf, inflateWhole } from './compression.ts';
import type { BufferPlace, CpuPlace, TickScale, TraceDat } from './trace-dat.ts';

/** Options of trace-cmd that matter here, by number. */
const OptionId = {
  DONE: 0,
  DATE: 1,
  BUFFER: 3,
  TRACECLOCK: 4,
  OFFSET: 7,
  TSC2NSEC: 14,
  HEADER_INFO: 16,
  FTRACE_EVENTS: 17,
  EVENT_FORMATS: 18,
  KALLSYMS: 19,
  CMDLINES: 21,
  BUFFER_TEXT: 22,
} as const;

const SECTION_COMPRESSED = 1;
const SECTION_HEADER = 16;
const SECTION_STRINGS = 15;
/** The magic number: 17 08 44 "tracing". */
const MAGIC_LENGTH = 10;
/** More than any machine has. */
const MOST_CPUS = 65_536;
/** More sections of options than anybody writes; a chain of them that bites its tail ends here. */
const MOST_SECTIONS = 1024;
const LARGEST_PAGE = 2 ** 24;

/** Reads everything but the trace data. @throws InputError */
export async function readLayout(file: string, access: RandomAccess): Promise<TraceDat> {
  const reader = new BinaryReader(file, access);
  reader.at = MAGIC_LENGTH;
  const version = Number(await reader.text());
  if (version !== 6 && version !== 7) reader.fail(`a trace.dat of version ${version} (versions 6 and 7 are read)`);
  reader.littleEndian = (await reader.u8()) === 0;
  await reader.u8(); // bytes in a long of the recorder
  const pageSize = checkedPage(reader, await reader.u32());
  const parts = new Parts(file, reader, version, pageSize);
  await (version === 6 ? parts.readVersion6() : parts.readVersion7());
  return parts.result();
}

/** What a perf.data has of a trace.dat: the formats, behind the same magic number. @throws InputError */
export async function readTracingData(
  file: string,
  access: RandomAccess,
): Promise<Pick<TraceDat, 'littleEndian' | 'formats'>> {
  const reader = new BinaryReader(file, access);
  reader.at = MAGIC_LENGTH;
  await reader.text(); // version
  reader.littleEndian = (await reader.u8()) === 0;
  await reader.u8(); // bytes in a long
  const parts = new Parts(file, reader, 6, checkedPage(reader, await reader.u32()));
  await parts.readFormats();
  return parts.result();
}

function checkedPage(reader: BinaryReader, size: number): number {
  const valid = size >= 512 && size <= LARGEST_PAGE && Number.isInteger(Math.log2(size));
  return valid ? size : reader.fail(`a page size of ${size}`);
}

/** Gathers the parts in the order in which the file has them. */
class Parts {
  readonly #file: string;
  readonly #reader: BinaryReader;
  readonly #version: number;
  readonly #pageSize: number;
  #compression: Compression = 'none';
  #commitOffset = 8;
  #commitSize = 8;
  #dataOffset = 16;
  readonly #formats: EventFormat[] = [];
  readonly #buffers: BufferPlace[] = [];
  #clock = 'local';
  #timeOffset = 0;
  #tickScale: TickScale | null = null;
  #end = 0;

  constructor(file: string, reader: BinaryReader, version: number, pageSize: number) {
    this.#file = file;
    this.#reader = reader;
    this.#version = version;
    this.#pageSize = pageSize;
  }

  result(): TraceDat {
    return {
      version: this.#version,
      littleEndian: this.#reader.littleEndian,
      compression: this.#compression,
      commitOffset: this.#commitOffset,
      commitSize: this.#commitSize,
      dataOffset: this.#dataOffset,
      formats: this.#formats,
      buffers: this.#buffers,
      timeOffset: this.#timeOffset,
      tickScale: this.#tickScale,
      end: this.#end,
    };
  }

  async readFormats(): Promise<void> {
    await this.#headerInfo(this.#reader);
    await this.#ftraceFormats(this.#reader);
    await this.#eventFormats(this.#reader);
  }

  async readVersion6(): Promise<void> {
    const reader = this.#reader;
    await this.readFormats();
    reader.skip(await reader.u32()); // kallsyms
    reader.skip(await reader.u32()); // printk formats
    reader.skip(await reader.u64()); // command lines
    const cpus = await this.#cpuCount(reader);
    const instances: { readonly offset: number; readonly name: string }[] = [];
    let kind = await reader.string(10);
    if (kind.startsWith('options')) {
      for (;;) {
        const id = await reader.u16();
        if (id === OptionId.DONE) break;
        const size = await reader.u32();
        const start = reader.at;
        if (id === OptionId.BUFFER) {
          const offset = await reader.u64();
          instances.push({ offset, name: await reader.string(size - 8) });
        } else await this.#option(id, size, reader);
        reader.at = start + size;
      }
      kind = await reader.string(10);
    }
    if (!kind.startsWith('flyrecord')) reader.fail(LATENCY);
    this.#buffers.push(await this.#cpuTable6('', cpus));
    for (const { offset, name } of instances) {
      reader.at = offset;
      const instanceKind = await reader.string(10);
      if (!instanceKind.startsWith('flyrecord')) reader.at = offset;
      this.#buffers.push(await this.#cpuTable6(name, cpus));
    }
  }

  async readVersion7(): Promise<void> {
    const reader = this.#reader;
    this.#compression = compressionOf(reader, await reader.text());
    await reader.text(); // version of the compression
    let offset = await reader.u64();
    const places = new Map<number, number>();
    const buffers: BinaryReader[] = [];
    for (let sections = 0; offset !== 0; sections++) {
      if (sections === MOST_SECTIONS) reader.fail('a chain of option sections without end');
      const options = await this.#section(offset);
      offset = 0;
      while (options.size - options.at >= 6) {
        const id = await options.u16();
        const size = await options.u32();
        const start = options.at;
        if (id === OptionId.DONE) {
          offset = size >= 8 ? await options.u64() : 0;
          break;
        }
        if (id === OptionId.BUFFER) buffers.push(await inner(options, size, this.#file));
        else if (id === OptionId.BUFFER_TEXT) reader.fail(LATENCY);
        else if (id >= OptionId.HEADER_INFO && id <= OptionId.CMDLINES) places.set(id, await options.u64());
        else await this.#option(id, size, options);
        options.at = start + size;
      }
    }
    await this.#part(places, OptionId.HEADER_INFO, (part) => this.#headerInfo(part));
    await this.#part(places, OptionId.FTRACE_EVENTS, (part) => this.#ftraceFormats(part));
    await this.#part(places, OptionId.EVENT_FORMATS, (part) => this.#eventFormats(part));
    for (let id = OptionId.KALLSYMS; id <= OptionId.CMDLINES; id++) await this.#passSection(places.get(id));
    for (const buffer of buffers) this.#buffers.push(await this.#buffer7(buffer));
    if (this.#buffers.length === 0) reader.fail('no buffer with trace data');
    await this.#passStrings();
  }

  async #part(
    places: ReadonlyMap<number, number>,
    id: number,
    read: (part: BinaryReader) => Promise<void>,
  ): Promise<void> {
    const place = places.get(id);
    if (place !== undefined) await read(await this.#section(place));
  }

  /** A reader of the content of the section at `offset`, unpacked. */
  async #section(offset: number): Promise<BinaryReader> {
    const reader = this.#reader;
    reader.at = offset;
    await reader.u16(); // id
    const flags = await reader.u16();
    await reader.u32(); // description
    const size = await reader.u64();
    this.#reaches(reader.at + size);
    if ((flags & SECTION_COMPRESSED) === 0) return inner(reader, size, this.#file);
    const packed = await reader.u32();
    const unpacked = await reader.u32();
    const bytes = await inflateWhole(this.#compression, await reader.bytes(packed), unpacked);
    return readerOf(bytes ?? reader.fail('a damaged section'), reader, this.#file);
  }

  /** Takes note of where a section ends that nothing is wanted of. */
  async #passSection(offset: number | undefined): Promise<void> {
    const reader = this.#reader;
    if (offset === undefined || offset + SECTION_HEADER > reader.size) return;
    reader.at = offset + SECTION_HEADER - 8;
    const [first, second] = [await reader.u32(), await reader.u32()];
    const size = reader.littleEndian ? second * 2 ** 32 + first : first * 2 ** 32 + second;
    this.#reaches(reader.at + size);
  }

  /** Strings that describe sections stand behind all others; no option tells where. */
  async #passStrings(): Promise<void> {
    const reader = this.#reader;
    while (this.#end + SECTION_HEADER <= reader.size) {
      reader.at = this.#end;
      if ((await reader.u16()) !== SECTION_STRINGS) return;
      await this.#passSection(this.#end);
    }
  }

  #reaches(end: number): void {
    this.#end = Math.max(this.#end, end);
  }

  async #headerInfo(reader: BinaryReader): Promise<void> {
    await this.#named(reader, 'header_page');
    const page = parseFields(await reader.string(await reader.u64()));
    const commit = page.find(({ name }) => name === 'commit');
    const data = page.find(({ name }) => name === 'data');
    if (commit !== undefined) {
      this.#commitOffset = commit.offset;
      this.#commitSize = commit.size;
    }
    if (data !== undefined) this.#dataOffset = data.offset;
    await this.#named(reader, 'header_event');
    reader.skip(await reader.u64());
  }

  async #named(reader: BinaryReader, name: string): Promise<void> {
    const found = await reader.text();
    if (found !== name) reader.fail(`"${found.slice(0, 16)}" instead of ${name}`);
  }

  async #ftraceFormats(reader: BinaryReader): Promise<void> {
    await this.#formatFiles(reader, 'ftrace', await reader.u32());
  }

  async #eventFormats(reader: BinaryReader): Promise<void> {
    const systems = await reader.u32();
    for (let system = 0; system < systems; system++) {
      const name = await reader.text();
      await this.#formatFiles(reader, name, await reader.u32());
    }
  }

  async #formatFiles(reader: BinaryReader, system: string, files: number): Promise<void> {
    for (let file = 0; file < files; file++) {
      const text = await reader.string(await reader.u64());
      // The first tells what all records begin with.
      const format = parseEventFormat(system, text, (name) => this.#formats.length === 0 || meaningOf(name) >= 0);
      if (format !== null) this.#formats.push(format);
    }
  }

  async #option(id: number, size: number, reader: BinaryReader): Promise<void> {
    if (id === OptionId.TRACECLOCK) {
      this.#clock = /\[([^\]]+)\]/.exec(await reader.string(size))?.[1] ?? this.#clock;
    } else if (id === OptionId.OFFSET) this.#timeOffset += finite(await reader.string(size));
    // The date is in microseconds.
    else if (id === OptionId.DATE) this.#timeOffset += finite(await reader.string(size)) * 1000;
    else if (id === OptionId.TSC2NSEC && size >= 16) {
      this.#tickScale = { multiplier: await reader.u32(), shift: await reader.u32(), offset: await reader.u64() };
    }
  }

  async #cpuCount(reader: BinaryReader): Promise<number> {
    const cpus = await reader.u32();
    return cpus <= MOST_CPUS ? cpus : reader.fail(`${cpus} CPUs`);
  }

  async #cpuTable6(name: string, count: number): Promise<BufferPlace> {
    const reader = this.#reader;
    const cpus: CpuPlace[] = [];
    for (let cpu = 0; cpu < count; cpu++) {
      cpus.push(this.#cpuPlace(cpu, await reader.u64(), await reader.u64()));
    }
    this.#reaches(reader.at);
    return { name, clock: this.#clock, pageSize: this.#pageSize, compressed: false, cpus };
  }

  #cpuPlace(cpu: number, offset: number, size: number): CpuPlace {
    this.#reaches(offset + size);
    return { cpu, offset, size };
  }

  async #buffer7(option: BinaryReader): Promise<BufferPlace> {
    const section = await option.u64();
    const name = await option.text();
    const clock = await option.text();
    const pageSize = checkedPage(option, await option.u32());
    const count = await this.#cpuCount(option);
    const cpus: CpuPlace[] = [];
    for (let index = 0; index < count; index++) {
      cpus.push(this.#cpuPlace(await option.u32(), await option.u64(), await option.u64()));
    }
    await this.#passSection(section);
    const reader = this.#reader;
    reader.at = section + 2;
    const compressed = ((await reader.u16()) & SECTION_COMPRESSED) !== 0;
    return { name, clock: clock === '' ? this.#clock : clock, pageSize, compressed, cpus };
  }
}

/** Says what to do with the output of the latency tracers, which is text in a binary file. */
const LATENCY = 'the text of a latency tracer (convert it with `trace-cmd report`)';

/** A reader of the next `size` bytes. */
async function inner(reader: BinaryReader, size: number, file: string): Promise<BinaryReader> {
  return readerOf(await reader.bytes(size), reader, file);
}

function readerOf(bytes: Uint8Array, like: BinaryReader, file: string): BinaryReader {
  const reader = new BinaryReader(file, new MemoryAccess([bytes]));
  reader.littleEndian = like.littleEndian;
  return reader;
}

function finite(text: string): number {
  const value = Number(text.trim());
  return Number.isFinite(value) ? value : 0;
}
