/** The device server's protocol: what each request gets, whatever a client sends. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeviceServer, FRAME_BYTES, MMUS, type MmuName } from '../../../devices/index.ts';
import { Operation, Status, Text } from '../../../devices/server/protocol.ts';
import { Bus, BusView, PhysicalMemory } from '../../../emulator/index.ts';
import { readRunConfig } from '../../../traces/index.ts';

const RAM = 0x8000_0000;
const NO_SUBSTREAM = 0xffff_ffff;

interface Ask {
  readonly operation: number;
  readonly flags?: number;
  readonly tag?: number;
  readonly stream?: number;
  readonly substream?: number;
  readonly size?: number;
  readonly address?: number;
  readonly value?: number;
}

function frame({
  operation,
  flags = 0,
  tag = 0,
  stream = 0,
  substream = NO_SUBSTREAM,
  size = 64,
  ...rest
}: Ask): Uint8Array {
  const { address = 0, value = 0 } = rest;
  const view = new DataView(new ArrayBuffer(FRAME_BYTES));
  view.setUint8(0, operation);
  view.setUint8(1, flags);
  view.setUint16(2, tag, true);
  view.setUint32(4, stream, true);
  view.setUint32(8, substream, true);
  view.setUint32(12, size, true);
  view.setBigUint64(16, BigInt(address), true);
  view.setBigUint64(24, BigInt(value), true);
  return new Uint8Array(view.buffer);
}

function parsed(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    operation: view.getUint8(0),
    status: view.getUint8(1),
    tag: view.getUint16(2, true),
    interrupts: view.getUint32(4, true),
    value: Number(view.getBigUint64(8, true)),
    clock: Number(view.getBigUint64(16, true)),
    cycles: view.getUint32(24, true),
    detail: view.getUint32(28, true),
    text: new TextDecoder().decode(bytes.subarray(FRAME_BYTES)),
  };
}

function served(model: MmuName = 'ipmmu-vmsa') {
  const memory = new PhysicalMemory({ banks: [{ base: RAM, size: 0x10_0000, node: 0 }] });
  const port = new Bus(memory, null).port('device', BusView.COHERENT);
  const config = readRunConfig({ iommu: { model }, ipmmu: { generation: 'gen3' } });
  const server = new DeviceServer({ config, memory: port, check: true });
  const ask = (one: Ask) => parsed(server.receive(frame(one)));
  const write = (address: number, value: number) => ask({ operation: Operation.WRITE32, address, value });
  /** Context 1 walks a table at the start of RAM, and micro-TLB 0 of the leaf uses it. */
  const setUp = (): void => {
    write(0x50, RAM);
    write(0x48, 0x8000_0080);
    write(0x100_0040, 7);
    write(0x40, 7);
    write(0x100_0300, 0x13);
  };
  /** Where the first GiB goes. */
  const map = (pa: number): void => {
    const at = memory.index(RAM);
    memory.words[at] = pa | 0x441;
  };
  return { server, ask, write, setUp, map };
}

describe('the device server', () => {
  it('reads and writes registers, and says what it is', () => {
    const { ask, write } = served();
    expect(ask({ operation: Operation.HELLO, value: 1 })).toMatchObject({ status: 0, value: 1, detail: 0x200_0000 });
    expect(ask({ operation: Operation.HELLO, value: 2 }).status).toBe(Status.BAD_VALUE);
    write(0x50, 0x1234_5000);
    expect(ask({ operation: Operation.READ32, address: 0x50, tag: 77 })).toMatchObject({ value: 0x1234_5000, tag: 77 });
    ask({ operation: Operation.WRITE64, address: 0x50, value: 0x12_8765_4000 });
    expect(ask({ operation: Operation.READ64, address: 0x50 }).value).toBe(0x12_8765_4000);
    expect(ask({ operation: Operation.TEXT, address: Text.NAME })).toMatchObject({ value: 10, text: 'ipmmu-vmsa' });
    expect(ask({ operation: Operation.TEXT, address: Text.INTERRUPTS }).text).toBe('mmu');
    expect(JSON.parse(ask({ operation: Operation.TEXT, address: Text.COUNTERS }).text)).toHaveProperty('mmu');
  });

  it('translates, with time: the clock goes on to the end, unless it is to stay', () => {
    const { ask, setUp, map } = served();
    setUp();
    map(0x4000_0000);
    const before = ask({ operation: Operation.TIME }).clock;
    const kept = ask({ operation: Operation.TRANSLATE, address: 0x1040, flags: 0x81 });
    expect(kept).toMatchObject({ status: 0, value: 0x4000_1040, clock: before });
    expect(kept.cycles).toBeGreaterThan(100);
    const hit = ask({ operation: Operation.TRANSLATE, address: 0x2040 });
    expect(hit.cycles).toBeLessThan(10);
    expect(hit.clock).toBe(before + hit.cycles);
    expect(ask({ operation: Operation.TIME, value: 1000 })).toMatchObject({ clock: hit.clock + 1000, cycles: 1000 });
  });

  it('tells a fault, and raises the line until the device is served', () => {
    const { ask, write, setUp, map } = served();
    setUp();
    map(0x4000_0000);
    const { status, detail, interrupts } = ask({ operation: Operation.TRANSLATE, address: 0x4000_0000 });
    expect([status, detail & 0xff, (detail >>> 10) & 7, (detail >>> 13) & 3, interrupts]).toEqual([1, 1, 1, 1, 1]);
    expect(write(0x60, 0).interrupts).toBe(0);
  });

  it('names a translation that a TLB should have forgotten', () => {
    const { server, ask, write, setUp, map } = served();
    setUp();
    map(0x4000_0000);
    ask({ operation: Operation.TRANSLATE, address: 0x1000 });
    map(0x8000_0000);
    expect(ask({ operation: Operation.TRANSLATE, address: 0x1000 }).value).toBe(0x4000_1000);
    expect(ask({ operation: Operation.TEXT, address: Text.FINDING, size: 0 }).text).toMatch(
      /^stale-tlb-hit: cycle \d+, stream 0, iova 0x1000: a TLB gave 0x40001000, the tables lead to 0x80001000$/,
    );
    expect(ask({ operation: Operation.TEXT, address: Text.FINDING, size: 1 })).toMatchObject({ value: 0, text: '' });
    write(0x40, 7);
    expect(ask({ operation: Operation.TRANSLATE, address: 0x1000 }).value).toBe(0x8000_1000);
    expect(server.findings).toBe(1);
  });

  it('is a new device after a reset, at the time it was', () => {
    const { ask, write } = served();
    write(0x50, 5);
    const { clock } = ask({ operation: Operation.TIME, value: 500 });
    expect(ask({ operation: Operation.RESET }).clock).toBe(clock);
    expect(ask({ operation: Operation.READ32, address: 0x50 }).value).toBe(0);
  });

  it.each([
    [{ operation: 10 }, Status.BAD_OPERATION],
    [{ operation: 255 }, Status.BAD_OPERATION],
    [{ operation: Operation.READ32, address: 2 }, Status.BAD_ADDRESS],
    [{ operation: Operation.READ64, address: 4 }, Status.BAD_ADDRESS],
    [{ operation: Operation.WRITE32, address: 0x200_0000 }, Status.BAD_ADDRESS],
    [{ operation: Operation.READ32, address: 2 ** 40 }, Status.BAD_ADDRESS],
    [{ operation: Operation.TRANSLATE, flags: 0x40 }, Status.BAD_FLAGS],
    [{ operation: Operation.TRANSLATE, stream: 48 }, Status.BAD_STREAM],
    [{ operation: Operation.TRANSLATE, substream: 2 ** 20 }, Status.BAD_STREAM],
    [{ operation: Operation.TRANSLATE, address: 2 ** 52 }, Status.BAD_ADDRESS],
    [{ operation: Operation.TRANSLATE, size: 0 }, Status.BAD_SIZE],
    [{ operation: Operation.TRANSLATE, address: 0xfff, size: 2 }, Status.BAD_SIZE],
    [{ operation: Operation.TIME, value: 2 ** 50 }, Status.BAD_VALUE],
    [{ operation: Operation.TEXT, address: 9 }, Status.BAD_ADDRESS],
  ] satisfies [Ask, number][])('refuses %j and does nothing', (wrong, status) => {
    const { server, ask } = served();
    const before = ask({ operation: Operation.TIME }).clock;
    expect(ask(wrong)).toMatchObject({ status, value: 0, clock: before });
    expect(server.refused).toBe(1);
  });

  it('answers the same however the bytes are cut up, and forgets half a request with its client', () => {
    const { server } = served();
    const requests = [1, 2, 3, 4, 5].map((tag) => frame({ operation: Operation.READ32, address: 0x50, tag }));
    const all = new Uint8Array(5 * FRAME_BYTES);
    for (const [i, one] of requests.entries()) all.set(one, i * FRAME_BYTES);
    const tags: number[] = [];
    for (let at = 0; at < all.length; at += 23) {
      const answer = server.receive(all.subarray(at, at + 23));
      for (let i = 0; i < answer.length; i += FRAME_BYTES) tags.push(parsed(answer.subarray(i, i + FRAME_BYTES)).tag);
    }
    expect(tags).toEqual([1, 2, 3, 4, 5]);
    expect(server.receive(all.subarray(0, 10))).toHaveLength(0);
    server.connected();
    expect(parsed(server.receive(frame({ operation: Operation.TIME, tag: 9 }))).tag).toBe(9);
  });

  it.each(Object.keys(MMUS) as MmuName[])('serves %s, and survives whatever is sent', (model) => {
    const { server, ask } = served(model);
    expect(ask({ operation: Operation.TEXT, address: Text.NAME }).text).toBe(model);
    const request = fc.record({
      operation: fc.nat({ max: 12 }),
      flags: fc.oneof(fc.nat({ max: 15 }), fc.nat({ max: 255 })),
      stream: fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 0xffff_ffff })),
      substream: fc.constantFrom(NO_SUBSTREAM, 0, 1, 2 ** 20),
      size: fc.constantFrom(64, 0, 4096, 8),
      address: fc.oneof(
        fc.nat({ max: 0x1000 }).map((n) => 4 * n),
        fc.nat({ max: 0xffff_ffff }),
      ),
      value: fc.oneof(fc.constantFrom(0, 1, 7, RAM, 0xffff_ffff), fc.nat({ max: 0xffff_ffff })),
    });
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 40 }), (requests) => {
        for (const one of requests) {
          const { status, operation } = ask(one);
          expect(operation).toBe(one.operation);
          expect(Object.values(Status)).toContain(status);
        }
      }),
      { numRuns: 60 },
    );
    expect(server.requests).toBeGreaterThan(60);
  });
});
