import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { PbfWriter } from 'pbf';
import { describe, expect, it } from 'vitest';
import { Context, EventKind, InputError, UNKNOWN } from '../../../traces/index.ts';
import { chunksOf, type ReadBack, readCaptures } from './read-events.ts';

type Value = number | bigint | string;
type Fields = Readonly<Record<string, Value>>;

/** A message whose fields are written in this order. */
function message(...fields: readonly (readonly [number, Value | Uint8Array])[]): Uint8Array {
  const out: Uint8Array[] = [];
  for (const [number, value] of fields) {
    if (typeof value === 'string') out.push(bytesField(number, new TextEncoder().encode(value)));
    else if (value instanceof Uint8Array) out.push(bytesField(number, value));
    else out.push(varint(BigInt(number) * 8n), varint(BigInt.asUintN(64, BigInt(value))));
  }
  return new Uint8Array(Buffer.concat(out));
}

function bytesField(number: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([varint(BigInt(number) * 8n + 2n), varint(BigInt(bytes.length)), bytes]);
}

function varint(value: bigint): Uint8Array {
  const out: number[] = [];
  let rest = value;
  do {
    out.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(out);
}

/** An event in the older form. */
function generic(time: number, pid: number, name: string, fields: Fields, flags = 0): Uint8Array {
  const parts = Object.entries(fields).map(
    ([key, value]) => [2, message([1, key], [typeof value === 'string' ? 3 : 5, value])] as const,
  );
  return message([1, time], [2, pid], [5, flags], [327, message([1, name], ...parts)]);
}

const bundle = (cpu: number, ...events: readonly Uint8Array[]): Uint8Array =>
  message([1, message(...events.map((event) => [2, event] as const), [1, cpu])]);
const trace = (...packets: readonly Uint8Array[]): Uint8Array => message(...packets.map((one) => [1, one] as const));
const SYNC = message([8, 5], [36, Uint8Array.of(0x82, 0x47, 0x7a, 0x76)]);

const read = (bytes: Uint8Array): Promise<ReadBack> => readCaptures(['-'], { stdin: chunksOf(bytes) });
const map = (time: number, iova: number): Uint8Array =>
  generic(time, 7, 'map', { iova, paddr: 0x5000, size: 4096 }, 0x10);

describe('the ftrace events of a Perfetto trace', () => {
  it('in the older generic form', async () => {
    const { events, devices, stats } = await read(
      trace(
        SYNC,
        bundle(
          1,
          map(2_000_000_000, 0x1000),
          generic(3_000_000_000, 8, 'iommu/unmap', { iova: 0x1000, size: 4096, unmapped_size: 4096 }),
          generic(4_000_000_000, 9, 'attach_device_to_domain', { device: '0000:00:02.0' }),
          generic(5_000_000_000, 9, 'dma_map_page', { device: 'gpu', dma_addr: 0x9000, size: 1, dir: 2 }),
          generic(6_000_000_000, 9, 'something_else', { iova: 1 }),
        ),
      ),
    );
    expect(events.map((e) => [e.kind, e.time, e.cpu, e.pid, e.context, e.iova, e.pa, e.size, e.direction])).toEqual([
      [EventKind.MAP, 2, 1, 7, Context.SOFTIRQ, 0x1000, 0x5000, 4096, UNKNOWN],
      [EventKind.UNMAP, 3, 1, 8, Context.TASK, 0x1000, UNKNOWN, 4096, UNKNOWN],
      [EventKind.ATTACH, 4, 1, 9, Context.TASK, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN],
      [EventKind.DMA_MAP, 5, 1, 9, Context.TASK, 0x9000, UNKNOWN, 1, 2],
      [EventKind.OTHER, 6, 1, 9, Context.TASK, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN],
    ]);
    expect(devices.name(events[2]?.device ?? -1)).toBe('0000:00:02.0');
    expect(stats).toMatchObject({ lines: 6, damaged: 0, ignored: 1, otherName: 'something_else' });
  });

  it('in the newer form, by the descriptors of the trace, with every bit of a domain', async () => {
    const field = (name: string, number: number, type: number): readonly [number, Uint8Array] => [
      2,
      message([1, name], [3, number], [4, 1], [5, type]),
    ];
    const descriptor = message(
      [1, 'dom_map'],
      field('domain', 1, 4),
      field('iova', 2, 4),
      field('paddr', 3, 4),
      field('size', 4, 4),
      field('prot', 5, 17),
      field('note', 6, 9),
    );
    const one = (domain: bigint): Uint8Array =>
      message(
        [1, 1_000_000_000],
        [65_540, message([1, domain], [2, 0x7000], [3, 0x8000], [4, 4096], [5, 6], [6, 'text'])],
      );
    const { events } = await read(
      trace(
        message([1, message([1, 0], [11, message([1, 65_540], [2, descriptor])])]),
        bundle(0, one(0xffff00001234f001n), one(0xffff00001234f000n), one(0xffff00001234f001n)),
        bundle(0, message([1, 2_000_000_000], [70_000, message([1, 5])])),
      ),
    );
    expect(events.map((e) => [e.kind, e.domain, e.iova, e.pa, e.size, e.prot])).toEqual([
      [EventKind.MAP, 0, 0x7000, 0x8000, 4096, 3],
      [EventKind.MAP, 1, 0x7000, 0x8000, 4096, 3],
      [EventKind.MAP, 0, 0x7000, 0x8000, 4096, 3],
      [EventKind.OTHER, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN],
    ]);
  });

  it('from compressed packets, with compact scheduling events passed over', async () => {
    const compact = message([1, message([1, 0], [4, message([1, Uint8Array.of(1, 2, 3)])])]);
    const inside = trace(bundle(0, map(1_000, 0x1000)), compact, bundle(0, map(2_000, 0x2000)));
    const { events, stats } = await read(trace(SYNC, message([50, new Uint8Array(deflateSync(inside))])));
    expect(events.map(({ iova }) => iova)).toEqual([0x1000, 0x2000]);
    expect(stats.damaged).toBe(0);
  });

  it('of which there are none: said so by its name', async () => {
    await expect(read(trace(SYNC))).rejects.toThrow('Perfetto trace without a single event');
  });

  it('may begin with packed bytes none of which is a control character', async () => {
    const packed = message([50, Uint8Array.of(0x41, 0xff, 0x42, 0x43)]);
    await expect(read(trace(packed))).rejects.toThrow('nothing but damage');
    await expect(read(trace(SYNC, packed, bundle(0, map(1_000, 0x1000))))).resolves.toMatchObject({
      stats: { maps: 1 },
    });
  });

  it('in the order of their times, whichever CPU was written first', async () => {
    const { events } = await read(
      trace(
        bundle(1, map(30_000, 0x3000), map(50_000, 0x5000)),
        bundle(0, map(10_000, 0x1000), map(40_000, 0x4000)),
        message([1, message([1, 2], [2, map(20_000, 0x2000)], [3, 1])]),
      ),
    );
    expect(events.map((e) => (e.kind === EventKind.LOST ? 'lost' : e.iova / 0x1000))).toEqual([1, 'lost', 2, 3, 4, 5]);
  });

  it('cut anywhere are the same', async () => {
    const bytes = trace(SYNC, ...Array.from({ length: 20 }, (_, i) => bundle(i % 3, map(i * 1000, i * 4096))));
    const whole = await read(bytes);
    for (const size of [1, 3, 50]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      );
      expect((await readCaptures(['-'], { stdin: chunksOf(...chunks) })).events).toEqual(whole.events);
    }
  });

  it('that are damaged or cut are counted, never a crash, and never lost count of', async () => {
    const bytes = trace(SYNC, ...Array.from({ length: 20 }, (_, i) => bundle(i % 3, map(i * 1000, i * 4096))));
    const cut = await read(bytes.subarray(0, bytes.length - 10));
    expect(cut.stats).toMatchObject({ events: 19, damaged: 1 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 8, max: bytes.length - 1 }), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 6,
        }),
        async (changes) => {
          const damaged = bytes.slice();
          for (const [at, value] of changes) damaged[at] = value;
          try {
            const { stats } = await read(damaged);
            expect(stats.lines).toBe(stats.events + stats.damaged + stats.ignored);
          } catch (error) {
            expect(error).toBeInstanceOf(InputError);
          }
        },
      ),
      { numRuns: 150, seed: 2 },
    );
  });
});

it('the fixtures are protobuf as a library writes it', () => {
  const pbf = new PbfWriter();
  pbf.writeVarintField(1, 300);
  pbf.writeStringField(2, 'x');
  expect(Buffer.from(message([1, 300], [2, 'x']))).toEqual(Buffer.from(pbf.finish()));
});
