import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  BlobSource,
  Context,
  EventKind,
  InputError,
  openCaptures,
  openSources,
  remarks,
  type TraceEvent,
  UNKNOWN,
} from '../../../traces/index.ts';
import { encodeTraceDat, type RingRecord, type TraceDatSpec, Writer } from './encode-trace-dat.ts';
import { chunksOf, copyOf, type ReadBack, readCaptures } from './read-events.ts';

const folder = mkdtempSync(join(tmpdir(), 'tablewalk-trace-dat-'));
afterAll(() => rmSync(folder, { recursive: true }));
const vector = (name: string): string => `test/vectors/captures/${name}.gz`;

/** What a record and its line of text have in common. */
function essence({ events, devices }: ReadBack): unknown[] {
  return events.map((e) => [
    e.kind,
    e.iova,
    e.pa,
    e.size,
    e.unmappedSize,
    e.pid,
    e.cpu,
    e.group,
    devices.name(e.device),
  ]);
}

describe('a trace.dat holds the events that `trace-cmd report` prints of it', () => {
  it.each([
    ['r6.trace.dat', 'r6.report.txt', 'version 6, not compressed'],
    ['r6inst.trace.dat', 'r7inst.report.txt', 'version 6 with two instances'],
    ['r7z.trace.dat', 'r7z.report-t_ns.txt', 'version 7, zstd'],
    ['r7inst.trace.dat', 'r7inst.report.txt', 'two instances, of which one counts'],
    ['r7mono.trace.dat', 'r7mono.report.txt', 'clock mono'],
    ['clock_counter.dat', 'clock_counter.txt', 'clock counter'],
    ['clock_uptime.dat', 'clock_uptime.txt', 'clock uptime'],
  ])('%s and %s (%s)', async (binary, text) => {
    const records = await readCaptures([vector(binary)]);
    const lines = await readCaptures([vector(text)]);
    expect(records.events.length).toBeGreaterThan(100);
    expect(essence(records)).toEqual(essence(lines));
    expect(records.stats.otherInstances).toBe(lines.stats.otherInstances);
    expect(records.stats.clock).toBe(lines.stats.clock);
    expect(records.stats).toMatchObject({ damaged: 0, bytesBehind: 0 });
    for (const [index, { time }] of records.events.entries()) {
      expect(Math.abs(time - (lines.events[index] as TraceEvent).time)).toBeLessThan(5.1e-7);
    }
  });

  it('times are exact to the nanosecond', async () => {
    const records = await readCaptures([vector('r7z.trace.dat')]);
    const lines = await readCaptures([vector('r7z.report-t_ns.txt')]);
    expect(records.events.map(({ time }) => time)).toEqual(lines.events.map(({ time }) => time));
  });

  it('not compressed, and with 16 KiB pages, all attaches and group events included', async () => {
    const strict = await readCaptures([vector('small-strict.v7-none.dat')]);
    expect(strict.stats).toMatchObject({ events: 1110, maps: 852, unmaps: 242, damaged: 0, lines: 1110 });
    const text = await readCaptures(['traces/samples/small-strict.ftrace.txt.gz']);
    expect(essence(strict)).toEqual(essence(text));
    const sixteen = await readCaptures([vector('small-16k.v7-zstd.dat')]);
    expect(sixteen.stats).toMatchObject({ events: 907, maps: 716, unmaps: 175, damaged: 0 });
  });

  it('interrupt context, which the report does not print, as the trace file has it', async () => {
    const text = await readCaptures(['traces/samples/small-strict.ftrace.txt.gz']);
    const records = await readCaptures([vector('small-strict.v7-none.dat')]);
    expect(records.events.map(({ context }) => context)).toEqual(text.events.map(({ context }) => context));
    expect(records.events.some(({ context }) => context === Context.HARDIRQ)).toBe(true);
  });

  it('from a file, from standard input and in a browser, the same', async () => {
    const bytes = gunzipSync(readFileSync(vector('r7z.trace.dat')));
    const path = join(folder, 'r7z.dat');
    writeFileSync(path, bytes);
    const file = await readCaptures([path]);
    const pipe = await readCaptures(['-'], { stdin: chunksOf(bytes.subarray(0, 5000), bytes.subarray(5000)) });
    expect(pipe.events).toEqual(file.events);
    const reader = await openSources([new BlobSource('r7z.dat.gz', new Blob([readFileSync(vector('r7z.trace.dat'))]))]);
    const events: TraceEvent[] = [];
    while (await reader.fill()) while (reader.next()) events.push(copyOf(reader.event));
    expect(events).toEqual(file.events);
  });
});

const common = (offsets: { type: number; flags: number; pid: number }): string =>
  `\tfield:unsigned short common_type;\toffset:${offsets.type};\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:${offsets.flags};\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:${offsets.pid};\tsize:4;\tsigned:1;\n\n`;
const USUAL = { type: 0, flags: 2, pid: 4 };
const MAP_FORMAT = `name: map
ID: 100
format:
${common(USUAL)}\tfield:u64 iova;\toffset:8;\tsize:8;\tsigned:0;
\tfield:u64 paddr;\toffset:16;\tsize:8;\tsigned:0;
\tfield:size_t size;\toffset:24;\tsize:8;\tsigned:0;

print fmt: "IOMMU: ..."
`;
const UNMAP_FORMAT = MAP_FORMAT.replace('name: map', 'name: unmap')
  .replace('ID: 100', 'ID: 101')
  .replace('u64 paddr', 'size_t size')
  .replace('size_t size;\toffset:24', 'size_t unmapped_size;\toffset:24');
const OTHER_FORMAT = `name: sched_switch\nID: 7\nformat:\n${common(USUAL)}\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\nprint fmt: ""\n`;
const FORMATS = { iommu: [MAP_FORMAT, UNMAP_FORMAT], sched: [OTHER_FORMAT] };

interface Call {
  readonly map: boolean;
  readonly iova: number;
  readonly pa: number;
  readonly size: number;
  readonly pid: number;
  readonly flags: number;
  readonly gap: number;
  readonly cpu: number;
  readonly discarded: boolean;
}
const page = fc.integer({ min: 0, max: 2 ** 36 - 1 }).map((number) => number * 4096);
const call: fc.Arbitrary<Call> = fc.record({
  map: fc.boolean(),
  iova: page,
  pa: page,
  size: fc.integer({ min: 1, max: 1000 }).map((pages) => pages * 4096),
  pid: fc.integer({ min: 0, max: 2 ** 22 }),
  flags: fc.constantFrom(0, 1, 8, 0x10, 0x40),
  gap: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 0, max: 1e13 })),
  cpu: fc.integer({ min: 0, max: 3 }),
  discarded: fc.boolean(),
});

function recordOf(one: Call, littleEndian: boolean): Uint8Array {
  const out = new Writer(littleEndian)
    .number(one.map ? 100 : 101, 2)
    .number(one.flags, 1)
    .number(0, 1)
    .number(one.pid, 4);
  out.number(one.iova, 8);
  return (one.map ? out.number(one.pa, 8).number(one.size, 8) : out.number(one.size, 8).number(one.size, 8)).done();
}

async function readBytes(bytes: Uint8Array, strict = false): Promise<ReadBack> {
  return readCaptures(['-'], { stdin: chunksOf(bytes), strict });
}

describe('records that are written as the kernel writes them are read back', () => {
  it('of several CPUs merged by time, with every kind of time difference, in both byte orders, plain and compressed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(call, { minLength: 1, maxLength: 60 }),
        fc.boolean(),
        fc.constantFrom<Pick<TraceDatSpec, 'version' | 'compression'>>(
          { version: 6 },
          { version: 7, compression: 'none' },
          { version: 7, compression: 'zlib' },
        ),
        fc.constantFrom(512, 4096),
        async (calls, littleEndian, form, pageSize) => {
          const cpus: RingRecord[][] = [[], [], [], []];
          let time = 1e9;
          const expected = calls.map((one) => {
            time += one.gap;
            cpus[one.cpu]?.push({ time, data: recordOf(one, littleEndian), discarded: one.discarded });
            return { ...one, time };
          });
          expected.sort((a, b) => a.time - b.time || a.cpu - b.cpu);
          const { events, stats } = await readBytes(
            encodeTraceDat({ ...form, littleEndian, pageSize, formats: FORMATS, instances: [{ name: '', cpus }] }),
          );
          expect(stats).toMatchObject({ damaged: 0, lines: calls.length, events: calls.length });
          expect(events.map((e) => [e.kind, e.time, e.iova, e.pa, e.size, e.pid, e.cpu, e.context])).toEqual(
            expected.map((one) => [
              one.map ? EventKind.MAP : EventKind.UNMAP,
              one.time / 1e9,
              one.iova,
              one.map ? one.pa : UNKNOWN,
              one.size,
              one.pid,
              one.cpu,
              { 0: Context.TASK, 1: Context.TASK, 8: Context.HARDIRQ, 16: Context.SOFTIRQ, 64: Context.NMI }[one.flags],
            ]),
          );
        },
      ),
      { numRuns: 40 },
    );
  });

  const one = (time: number, data: Uint8Array, lost?: number): RingRecord => ({
    time,
    data,
    ...(lost === undefined ? {} : { lost }),
  });
  const mapBytes = recordOf(
    { map: true, iova: 0x1000, pa: 0x2000, size: 4096, pid: 5, flags: 0, gap: 0, cpu: 0, discarded: false },
    true,
  );
  const encode = (records: readonly RingRecord[], more: Partial<TraceDatSpec> = {}): Uint8Array =>
    encodeTraceDat({ version: 7, formats: FORMATS, instances: [{ name: '', cpus: [records] }], ...more });

  it('lost events are told where they were lost, with their number or without', async () => {
    const { events, stats } = await readBytes(
      encode([one(1e9, mapBytes), one(2e9, mapBytes, 2712), one(3e9, mapBytes, -1)]),
    );
    expect(events.map(({ kind, count, time }) => [kind, count, time])).toEqual([
      [EventKind.MAP, UNKNOWN, 1],
      [EventKind.LOST, 2712, 2],
      [EventKind.MAP, UNKNOWN, 2],
      [EventKind.LOST, UNKNOWN, 3],
      [EventKind.MAP, UNKNOWN, 3],
    ]);
    expect(stats).toMatchObject({ lostEvents: 2712, events: 3, lines: 5, ignored: 2 });
  });

  it("fields are found where the format says, a vendor's own in between", async () => {
    const moved = `name: map\nID: 100\nformat:\n${common({ type: 6, flags: 4, pid: 0 })}\tfield:char vendor[4];\toffset:8;\tsize:4;\tsigned:0;
\tfield:unsigned int size;\toffset:12;\tsize:4;\tsigned:0;
\tfield:u64 paddr;\toffset:16;\tsize:8;\tsigned:0;
\tfield:u64 secret;\toffset:24;\tsize:8;\tsigned:0;
\tfield:u64 iova;\toffset:32;\tsize:8;\tsigned:0;\n\nprint fmt: ""\n`;
    const data = new Writer()
      .number(77, 4)
      .number(8, 1)
      .number(0, 1)
      .number(100, 2)
      .text('acme', false)
      .number(8192, 4);
    data.number(0x5000, 8).number(-1, 8).number(0x9000, 8);
    const { events } = await readBytes(encode([one(1e9, data.done())], { formats: { iommu: [moved] } }));
    expect(events[0]).toMatchObject({ iova: 0x9000, pa: 0x5000, size: 8192, pid: 77, context: Context.HARDIRQ });
  });

  it('device names and lists of a scatter list, which have no fixed place', async () => {
    const format = `name: dma_map_sg\nID: 100\nformat:\n${common(USUAL)}\tfield:__data_loc char[] device;\toffset:8;\tsize:4;\tsigned:0;
\tfield:__data_loc u64[] dma_addrs;\toffset:12;\tsize:4;\tsigned:0;
\tfield:__rel_loc unsigned int[] lengths;\toffset:16;\tsize:4;\tsigned:0;
\tfield:enum dma_data_direction dir;\toffset:20;\tsize:4;\tsigned:0;\n\nprint fmt: ""\n`;
    const data = new Writer().number(100, 2).number(0, 2).number(9, 4);
    data
      .number(40 + 13 * 65536, 4)
      .number(24 + 16 * 65536, 4)
      .number(36 + 8 * 65536, 4)
      .number(2, 4);
    data.number(0x7000, 8).number(0x9000, 8).text('0000:01:00.0').align(4).number(4096, 4).number(512, 4);
    const { events, devices } = await readBytes(encode([one(1e9, data.done())], { formats: { dma: [format] } }));
    expect(events[0]).toMatchObject({ kind: EventKind.DMA_MAP, iova: 0x7000, size: 4608, direction: 2, request: 2 });
    expect(devices.name(events[0]?.device ?? -1)).toBe('0000:01:00.0');
  });

  it('events of other kinds, events without a format, and events of another system with a name of ours', async () => {
    const other = MAP_FORMAT.replace('u64 iova', 'u64 place');
    const { events, stats } = await readBytes(
      encode([one(1e9, mapBytes), one(2e9, new Writer().number(55, 2).number(0, 6).done())], {
        formats: { kvm: [other] },
      }),
    );
    expect(events.map(({ kind }) => kind)).toEqual([EventKind.OTHER, EventKind.OTHER]);
    expect(stats).toMatchObject({ withoutFormat: 1, otherName: 'map', maps: 0 });
  });

  it.each<TraceDatSpec['version']>([6, 7])(
    'bytes behind its end, which are said and not read: version %i',
    async (version) => {
      const whole = encode([one(1e9, mapBytes)], { version });
      const twice = await readBytes(Buffer.concat([whole, whole]));
      expect(twice.stats).toMatchObject({ events: 1, bytesBehind: whole.length });
      expect(remarks(twice.stats)).toEqual([
        `${whole.length.toLocaleString('en')} bytes behind the end of a trace.dat could not be read: give each file by itself.`,
      ]);
      expect((await readBytes(Buffer.concat([whole, Buffer.from('#')]))).stats.bytesBehind).toBe(1);
      const alone = await readBytes(whole);
      expect([alone.stats.bytesBehind, remarks(alone.stats)]).toEqual([0, []]);
    },
  );

  it('offsets and scales of the clock', async () => {
    const date = await readBytes(encode([one(1e9, mapBytes)], { options: [[1, '0x3e8']] }));
    expect(date.events[0]?.time).toBe(1.001);
    const offset = await readBytes(encode([one(1e9, mapBytes)], { options: [[7, '-500000000']] }));
    expect(offset.events[0]?.time).toBe(0.5);
    const scale = new Writer().number(5, 4).number(1, 4).number(1000, 8).done();
    const tsc = await readBytes(encode([one(2000, mapBytes)], { clock: 'x86-tsc', options: [[14, scale]] }));
    expect(tsc.events[0]?.time).toBe(6000 / 1e9);
    expect(tsc.stats.clock).toBe('seconds');
    expect((await readBytes(encode([one(2000, mapBytes)], { clock: 'x86-tsc' }))).stats.clock).toBe('ticks');
  });

  it('of a thousand CPUs', async () => {
    const cpus = Array.from({ length: 1000 }, (_, cpu) => [one(1e9 + cpu, mapBytes), one(2e9 - cpu, mapBytes)]);
    const { events } = await readBytes(
      encodeTraceDat({ version: 7, pageSize: 512, formats: FORMATS, instances: [{ name: '', cpus }] }),
    );
    expect(events.map(({ cpu }) => cpu)).toEqual([
      ...Array.from({ length: 1000 }, (_, cpu) => cpu),
      ...Array.from({ length: 1000 }, (_, cpu) => 999 - cpu),
    ]);
  });
});

describe('a damaged trace.dat', () => {
  const records = Array.from({ length: 300 }, (_, index) => ({
    time: 1e9 + index * 1000,
    data: recordOf(
      {
        map: index % 2 === 0,
        iova: (index >> 1) * 4096,
        pa: 0x2000,
        size: 4096,
        pid: 5,
        flags: 0,
        gap: 0,
        cpu: 0,
        discarded: false,
      },
      true,
    ),
  }));
  const whole = (version: 6 | 7, compression: 'none' | 'zlib'): Uint8Array =>
    encodeTraceDat({ version, compression, formats: FORMATS, instances: [{ name: '', cpus: [records, records] }] });

  it('that is cut anywhere is refused in one line or read as far as it goes, with damage counted', async () => {
    for (const compression of ['none', 'zlib'] as const) {
      const bytes = whole(7, compression);
      // The options, which say where everything is, stand at the end of version 7; version 6 can be read in parts.
      await expect(readBytes(bytes.subarray(0, bytes.length - 20))).rejects.toThrow(InputError);
    }
    const bytes = whole(6, 'none');
    let refused = 0;
    for (let length = 64; length < bytes.length; length += 997) {
      try {
        const { events, stats } = await readBytes(bytes.subarray(0, length));
        expect(events.length).toBeLessThanOrEqual(600);
        expect(stats.damaged).toBeGreaterThan(0);
        expect(stats.lines).toBe(stats.events + stats.damaged + stats.ignored);
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        expect((error as Error).message).not.toContain('\n');
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(0);
  });

  it('with any byte changed never crashes, hangs or loses count', async () => {
    const forms = [whole(6, 'none'), whole(7, 'none'), whole(7, 'zlib')];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...forms),
        fc.array(
          fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.integer({ min: 0, max: 255 })),
          {
            minLength: 1,
            maxLength: 8,
          },
        ),
        async (form, changes) => {
          const bytes = form.slice();
          for (const [share, value] of changes) bytes[Math.floor(share * bytes.length)] = value;
          bytes.set(form.subarray(0, 10));
          try {
            const { stats } = await readBytes(bytes);
            expect(stats.lines).toBe(stats.events + stats.damaged + stats.ignored);
          } catch (error) {
            expect(error).toBeInstanceOf(InputError);
          }
        },
      ),
      { numRuns: 90, seed: 7 },
    );
  });

  it('names the CPU and the kind of damage, and refuses it with strict', async () => {
    const bytes = whole(6, 'none');
    const page = bytes.length - 4096;
    bytes.set([0xff, 0xff, 0, 0], page + 8);
    const { stats } = await readBytes(bytes);
    expect(stats.damage.map(({ reason }) => reason)).toEqual(['a page with more data than fits in it (CPU 1)']);
    await expect(readBytes(bytes, true)).rejects.toThrow(/record \d+, byte \d+: found a page with more data/);
  });

  it.each([
    ['a version that nobody knows', (bytes: Uint8Array) => bytes.set([0x39], 10), /version 9/],
    ['a page size that no kernel has', (bytes: Uint8Array) => bytes.set([1, 2, 3], 14), /a page size of/],
  ])('%s', async (_, change, reason) => {
    const bytes = whole(7, 'none');
    change(bytes);
    await expect(readBytes(bytes)).rejects.toThrow(reason);
  });

  it('that grows or shrinks between two reads ends where it ends', async () => {
    const path = join(folder, 'shrinks.dat');
    writeFileSync(path, whole(6, 'none'));
    const reader = await openCaptures([path]);
    await reader.fill();
    writeFileSync(path, whole(6, 'none').subarray(0, 9000));
    let events = 0;
    while (await reader.fill()) while (reader.next()) events++;
    expect(events).toBeLessThanOrEqual(600);
  });
});
