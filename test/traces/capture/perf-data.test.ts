import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventKind, InputError } from '../../../traces/index.ts';
import { Writer } from './encode-trace-dat.ts';
import { chunksOf, type ReadBack, readCaptures } from './read-events.ts';

const FILE = new Uint8Array(gunzipSync(readFileSync('test/vectors/captures/perf.data.gz')));
const view = new DataView(FILE.buffer);
const DATA_AT = Number(view.getBigUint64(40, true));
const DATA_SIZE = Number(view.getBigUint64(48, true));

const read = (bytes: Uint8Array, strict = false): Promise<ReadBack> =>
  readCaptures(['-'], { stdin: chunksOf(bytes), strict });

/** The whole records of the file, header and all. */
function records(): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let at = DATA_AT; at < DATA_AT + DATA_SIZE; ) {
    const size = view.getUint16(at + 6, true);
    all.push(FILE.slice(at, at + size));
    at += size;
  }
  return all;
}

function record(type: number, body: Uint8Array): Uint8Array {
  return new Writer()
    .number(type, 4)
    .number(0, 2)
    .number(8 + body.length, 2)
    .bytes(body)
    .done();
}

/** What a pipe has in front of its records: its header, the attributes, the event formats. */
function pipeFront(): Uint8Array[] {
  const attributes: Uint8Array[] = [];
  const size = Number(view.getBigUint64(16, true));
  const [at, length] = [Number(view.getBigUint64(24, true)), Number(view.getBigUint64(32, true))];
  for (let one = at; one < at + length; one += size) {
    const idsAt = Number(view.getBigUint64(one + size - 16, true));
    const idsSize = Number(view.getBigUint64(one + size - 8, true));
    attributes.push(
      record(64, Buffer.concat([FILE.subarray(one, one + size - 16), FILE.subarray(idsAt, idsAt + idsSize)])),
    );
  }
  const tracing = DATA_AT + DATA_SIZE;
  const place = Number(view.getBigUint64(tracing, true));
  const formats = FILE.subarray(place, place + Number(view.getBigUint64(tracing + 8, true)));
  const padding = new Uint8Array((8 - (formats.length % 8)) % 8);
  return [
    new Writer().text('PERFILE2', false).number(16, 8).done(),
    ...attributes,
    record(66, new Writer().number(formats.length, 4).number(0, 4).done()),
    formats,
    padding,
  ];
}

/** One zstd frame whose blocks are not compressed: the format that needs no compressor. The first piece has the frame's header, none its end. */
function zstdPieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size);
    const out = new Writer();
    // Magic number, no content size, a window of 1 MiB.
    if (at === 0) out.number(0xfd2fb528, 4).number(0, 1).number(0x50, 1);
    pieces.push(
      out
        .number(part.length * 8, 3)
        .bytes(part)
        .done(),
    );
  }
  return pieces;
}

const essence = ({ events, devices }: ReadBack): unknown[] =>
  events.map((e) => [e.kind, e.time, e.iova, e.pa, e.size, e.unmappedSize, e.pid, e.cpu, devices.name(e.device)]);

describe('a perf.data holds the events that `perf script` prints of it', () => {
  it('to the nanosecond', async () => {
    const lines = await readCaptures(['test/vectors/captures/perf_script_ns.txt.gz']);
    const file = await readCaptures(['test/vectors/captures/perf.data.gz']);
    expect(file.events).toHaveLength(1200);
    expect(essence(file)).toEqual(essence(lines));
    expect(file.stats).toMatchObject({ damaged: 0, clock: 'seconds' });
    expect(file.stats.lines).toBe(file.stats.events + file.stats.ignored);
  });

  it('as a pipe, cut anywhere', async () => {
    const file = await read(FILE);
    const pipe = Buffer.concat([...pipeFront(), ...records()]);
    for (const size of [61, 1000, 65_536]) {
      const chunks = Array.from({ length: Math.ceil(pipe.length / size) }, (_, i) =>
        pipe.subarray(i * size, (i + 1) * size),
      );
      expect(essence(await readCaptures(['-'], { stdin: chunksOf(...chunks) }))).toEqual(essence(file));
    }
  });

  it('compressed as `perf record -z` does: records cut across one stream', async () => {
    const file = await read(FILE);
    const pieces = zstdPieces(Buffer.concat(records()), 12_345).map((piece, index) =>
      // Both records that kernels' perf have had for it.
      index % 2 === 0
        ? record(81, piece)
        : record(83, new Writer().number(piece.length, 8).bytes(piece).align(8).done()),
    );
    const pipe = Buffer.concat([...pipeFront(), ...pieces]);
    expect(essence(await read(pipe))).toEqual(essence(file));
  });

  it('in the order of their times, however the rounds bring them', async () => {
    const all = records();
    const samples = all.filter((one) => one[0] === 9);
    const others = all.filter((one) => one[0] !== 9);
    const round = record(68, new Uint8Array(0));
    // Two CPUs whose buffers are written one behind the other in each round.
    const shuffled: Uint8Array[] = [];
    for (let at = 0; at < samples.length; at += 100) {
      const part = samples.slice(at, at + 100);
      shuffled.push(...part.filter((_, i) => i % 2 === 1), ...part.filter((_, i) => i % 2 === 0), round);
    }
    const { events } = await read(
      Buffer.concat([...pipeFront(), ...others.filter((one) => one[0] !== 68), ...shuffled]),
    );
    expect(events.map(({ time }) => time)).toEqual((await read(FILE)).events.map(({ time }) => time));
  });

  it('lost records are told with their number', async () => {
    const lost = record(2, new Writer().number(6, 8).number(41, 8).done());
    const { events, stats } = await read(Buffer.concat([...pipeFront(), lost, ...records()]));
    expect(stats.lostEvents).toBe(41);
    expect(events.filter(({ kind }) => kind === EventKind.LOST)).toHaveLength(1);
  });
});

describe('a damaged perf.data', () => {
  it.each([
    ['cut in its header', FILE.subarray(0, 90), /the end of the file in its header|nothing/],
    ['cut in its data', FILE.subarray(0, 60_000), /the end of the file/],
    ['left by a perf that was killed', FILE.map((byte, i) => (i >= 48 && i < 56 ? 0 : byte)), /did not end by itself/],
  ])('%s is refused in one line', async (_, bytes, reason) => {
    const error: unknown = await read(bytes).catch((one: unknown) => one);
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).toMatch(reason);
    expect((error as Error).message).not.toContain('\n');
  });

  it('a pipe that ends early gives what came', async () => {
    const pipe = Buffer.concat([...pipeFront(), ...records()]);
    const { stats } = await read(pipe.subarray(0, pipe.length - 5000));
    expect(stats.damage.map(({ reason }) => reason)).toEqual(['the file ends in a record']);
    expect(stats.events).toBeGreaterThan(1100);
  });

  it('with any bytes changed never crashes, hangs or loses count', async () => {
    const pipe = new Uint8Array(Buffer.concat([...pipeFront(), ...records()]));
    const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(fc.tuple(place, fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 10 }),
        async (isPipe, changes) => {
          const bytes = (isPipe ? pipe : FILE).slice();
          for (const [share, value] of changes) bytes[8 + Math.floor(share * (bytes.length - 8))] = value;
          try {
            const { stats } = await read(bytes);
            expect(stats.lines).toBe(stats.events + stats.damaged + stats.ignored);
          } catch (error) {
            expect(error).toBeInstanceOf(InputError);
          }
        },
      ),
      { numRuns: 60, seed: 5 },
    );
  });
});
