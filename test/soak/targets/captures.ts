/** Every form of capture, damaged: no exception but InputError, the same result however it is cut, no line lost. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { ConfigError, Prng } from '../../../formats/index.ts';
import { BlobSource, type ByteSource, InputError, openSources } from '../../../traces/index.ts';
import { encodeTraceDat, Writer } from '../../traces/capture/encode-trace-dat.ts';
import { demand, type Parts, type Target } from '../target.ts';
import { mutateBytes, mutateText, pick } from './mutations.ts';

const FOLDER = 'test/vectors/captures';
const linesOf = new Map<string, readonly string[]>();

function bytesOf(name: string): Uint8Array {
  return new Uint8Array(gunzipSync(readFileSync(`${FOLDER}/${name}`)));
}

function corpus(name: string): readonly string[] {
  const known = linesOf.get(name);
  if (known !== undefined) return known;
  const lines = Buffer.from(bytesOf(name)).toString('latin1').split('\n').slice(0, 2000);
  linesOf.set(name, lines);
  return lines;
}

const { platform } = new BlobSource('soak', new Blob([]));

/** Bytes in chunks of the given sizes, each in a buffer that is written over when the next is asked for. */
function chunked(bytes: Uint8Array, sizes: readonly number[]): ByteSource {
  return {
    name: 'soak',
    platform,
    check: () => Promise.resolve(bytes.length),
    async *blocks() {
      for (let at = 0, which = 0; at < bytes.length; which++) {
        const size = sizes[which % sizes.length] ?? bytes.length;
        const chunk = bytes.slice(at, at + size);
        yield chunk;
        chunk.fill(0x39);
        at += size;
      }
    },
    random: () => Promise.resolve(null),
  };
}

/** All that comes out of a capture, as text. */
async function read(bytes: Uint8Array, sizes: readonly number[]): Promise<string> {
  const out: string[] = [];
  const reader = await openSources([chunked(bytes, sizes)]);
  let refused = '';
  try {
    while (await reader.fill()) while (reader.next()) out.push(JSON.stringify(reader.event));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    refused = error.message;
    demand(!/\p{Cc}/u.test(refused), 'a complaint is one line');
  } finally {
    await reader.close();
  }
  const { stats } = reader;
  const { lines, events, damaged, ignored } = stats;
  if (refused === '') {
    demand(lines === events + damaged + ignored, `${lines} lines, ${events} + ${damaged} + ${ignored} accounted for`);
  }
  const figures = { ...stats, byKind: [...stats.byKind] };
  const numbers = JSON.stringify(figures);
  // JSON writes what is no finite number as null; names may be anything.
  const isFigure = (value: unknown): boolean => typeof value !== 'number' || Number.isFinite(value);
  demand([...Object.values(figures), ...figures.byKind].every(isFigure), `a figure is no number: ${numbers}`);
  return `${out.join('\n')}\n${numbers}\n${refused}`;
}

/** Chunks that one input is cut into at most. */
const MOST_CHUNKS = 1000;

/** The whole at once, and cut in a way that follows from its bytes. */
async function check(bytes: Uint8Array): Promise<void> {
  const whole = await read(bytes, [1 << 24]);
  let seed = bytes.length;
  for (let at = 0; at < bytes.length; at += 97) seed = (seed * 31 + (bytes[at] as number)) >>> 0;
  const random = new Prng(seed);
  // A long input is cut less finely: its chunks would cost more than all that is tried with it.
  const least = Math.ceil(bytes.length / MOST_CHUNKS);
  const sizes = Array.from({ length: 1 + random.below(5) }, () => least + random.below(pick(random, [3, 40, 900])));
  const cut = await read(bytes, sizes);
  demand(
    cut === whole,
    `cut into chunks it gives something else than whole: ${difference(whole, cut)} (${sizes.join()})`,
  );
}

/** The first line that differs. */
function difference(whole: string, cut: string): string {
  const lines = whole.split('\n');
  const others = cut.split('\n');
  const at = lines.findIndex((line, which) => line !== others[which]);
  return `${others[at] ?? 'nothing'} instead of ${lines[at] ?? 'nothing'}`;
}

function textTarget(name: string, about: string, files: readonly string[], slice: number): Target {
  return {
    name,
    about,
    slice,
    make(random) {
      const lines: string[] = [];
      for (let part = 1 + random.below(3); part > 0; part--) {
        const all = corpus(pick(random, files));
        const from = random.chance(0.4) ? 0 : random.below(all.length);
        lines.push(...all.slice(from, from + 1 + random.below(14)));
      }
      for (let change = random.below(5); change > 0; change--) {
        const at = random.below(lines.length);
        const line = lines[at] ?? '';
        if (random.chance(0.1)) lines[at] = line + ' '.repeat(pick(random, [10, 65_536, 65_600]));
        else lines[at] = mutateText(random, line);
      }
      return lines;
    },
    run: (parts) => check(new Uint8Array(Buffer.from((parts as readonly string[]).join('\n'), 'latin1'))),
  };
}

function bytesTarget(name: string, about: string, seeds: () => readonly Uint8Array[], slice: number): Target {
  let made: readonly Uint8Array[] | null = null;
  return {
    name,
    about,
    slice,
    make(random) {
      made ??= seeds();
      return mutateBytes(random, pick(random, made));
    },
    run: (parts: Parts) => check(parts as Uint8Array),
  };
}

const COMMON = `\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;
`;
const MAP_FORMAT = `name: map\nID: 100\nformat:\n${COMMON}
\tfield:u64 iova;\toffset:8;\tsize:8;\tsigned:0;
\tfield:u64 paddr;\toffset:16;\tsize:8;\tsigned:0;
\tfield:size_t size;\toffset:24;\tsize:8;\tsigned:0;\n\nprint fmt: ""\n`;
const UNMAP_FORMAT = `name: unmap\nID: 101\nformat:\n${COMMON}
\tfield:u64 iova;\toffset:8;\tsize:8;\tsigned:0;
\tfield:size_t size;\toffset:16;\tsize:8;\tsigned:0;
\tfield:size_t unmapped_size;\toffset:24;\tsize:8;\tsigned:0;\n\nprint fmt: ""\n`;

function traceDats(): Uint8Array[] {
  const record = (type: number, time: number, words: readonly number[]): { time: number; data: Uint8Array } => {
    const writer = new Writer().number(type, 2).number(0, 1).number(0, 1).number(77, 4);
    for (const word of words) writer.number(word, 8);
    return { time, data: writer.done() };
  };
  const cpus = [0, 1].map((cpu) =>
    Array.from({ length: 6 }, (_, at) =>
      at % 3 === 2
        ? record(101, 1e9 + at * 1000, [0x10_0000 * (cpu + 1) + (at - 2) * 4096, 4096, 4096])
        : record(100, 1e9 + at * 1000, [0x10_0000 * (cpu + 1) + at * 4096, 0x8000_0000 + at * 4096, 4096]),
    ),
  );
  return ([6, 7] as const).flatMap((version) =>
    (['none', 'zlib'] as const)
      .filter((compression) => version === 7 || compression === 'none')
      .map((compression) =>
        encodeTraceDat({
          version,
          compression,
          formats: { iommu: [MAP_FORMAT, UNMAP_FORMAT] },
          instances: [{ name: '', cpus }],
        }),
      ),
  );
}

/** The first records of a real perf.data: its data section ends early, and what follows moves up. */
function perfDatas(): Uint8Array[] {
  const file = bytesOf('perf.data.gz');
  const view = new DataView(file.buffer, file.byteOffset);
  const dataAt = Number(view.getBigUint64(40, true));
  const dataEnd = dataAt + Number(view.getBigUint64(48, true));
  let at = dataAt;
  for (let record = 0; record < 60 && at < dataEnd; record++) at += view.getUint16(at + 6, true);
  const short = new Uint8Array(at + file.length - dataEnd);
  short.set(file.subarray(0, at));
  short.set(file.subarray(dataEnd), at);
  const shortView = new DataView(short.buffer);
  shortView.setBigUint64(48, BigInt(at - dataAt), true);
  const gone = BigInt(dataEnd - at);
  // The sections of the features stand behind the data: offset and size of each, and what they point to.
  for (let section = at; section + 16 <= short.length; section += 16) {
    const place = shortView.getBigUint64(section, true);
    if (place < BigInt(dataEnd) || place > BigInt(file.length)) break;
    shortView.setBigUint64(section, place - gone, true);
  }
  return [short, file.slice(0, at)];
}

/** A few packets of a Perfetto trace, written by hand: fields as the protocol buffers have them. */
function perfettos(): Uint8Array[] {
  const varint = (value: number): number[] =>
    value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
  const bytes = (field: number, body: readonly number[]): number[] => [
    ...varint(field * 8 + 2),
    ...varint(body.length),
    ...body,
  ];
  const number = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];
  const text = (value: string): number[] => [...new TextEncoder().encode(value)];
  const event = (time: number, name: string, fields: Readonly<Record<string, number>>): number[] => {
    const parts = Object.entries(fields).flatMap(([key, value]) =>
      bytes(2, [...bytes(1, text(key)), ...number(5, value)]),
    );
    return bytes(2, [...number(1, time), ...number(2, 7), ...bytes(327, [...bytes(1, text(name)), ...parts])]);
  };
  const packet = (...events: readonly number[][]): number[] => bytes(1, bytes(1, [...events.flat(), ...number(1, 0)]));
  const sync = bytes(1, [...number(8, 5), ...bytes(36, [0x82, 0x47, 0x7a, 0x76])]);
  return [
    Uint8Array.from([
      ...sync,
      ...packet(
        event(2e9, 'map', { iova: 0x1000, paddr: 0x5000, size: 4096 }),
        event(3e9, 'unmap', { iova: 0x1000, size: 4096, unmapped_size: 4096 }),
      ),
      ...packet(event(4e9, 'map', { iova: 0x2000, paddr: 0x6000, size: 8192 }), event(5e9, 'other', { x: 1 })),
    ]),
  ];
}

const TEXTS = [
  'small' as const,
  'clock_counter.txt.gz',
  'clock_uptime.txt.gz',
  'domain_type_switch.txt.gz',
  'hotplug_unbind.txt.gz',
  'medium-dma-events.head.txt.gz',
  'medium.trace-cmd-report.txt.gz',
  'mixed_dma_iommu.txt.gz',
  'option_fields.txt.gz',
  'option_hex.txt.gz',
  'option_latency-format+verbose.txt.gz',
  'option_markers.txt.gz',
  'option_no-context-info.txt.gz',
  'option_raw.txt.gz',
  'option_stacktrace.txt.gz',
  'overrun_trace_pipe.txt.gz',
  'perf_script.txt.gz',
  'perf_script_fields.txt.gz',
  'perf_trace.txt.gz',
  'r7z.report-l_latency.txt.gz',
  'r7z.report-R_raw.txt.gz',
  'trace_pipe.txt.gz',
].filter((name) => name !== 'small');

export const CAPTURE_TARGETS: readonly Target[] = [
  textTarget('text', 'ftrace, trace-cmd, perf script and perf trace text, damaged lines', TEXTS, 60),
  textTarget(
    'logs',
    "QEMU's and the kernel's logs, damaged lines",
    ['qemu-smmu.small-strict.log.gz', 'vfio-dump.dmesg.txt.gz'],
    40,
  ),
  bytesTarget('trace-dat', 'trace.dat of versions 6 and 7, damaged bytes', traceDats, 40),
  bytesTarget('perf-data', 'perf.data, damaged bytes', perfDatas, 10),
  bytesTarget('perfetto', 'Perfetto traces, damaged bytes', perfettos, 60),
];

/** Complaints that a person is meant to get. */
export function isComplaint(error: unknown): boolean {
  return error instanceof InputError || error instanceof ConfigError;
}
