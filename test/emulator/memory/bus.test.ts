import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Bus, BusStatus, BusView, CpuCache, type MmioDevice, PhysicalMemory } from '../../../emulator/index.ts';
import { ConfigError } from '../../../formats/index.ts';

const RAM = 0x8000_0000;
const REGISTERS = 0x0900_0000;
const HOLE = 0x4000_0000;

class Recorder implements MmioDevice {
  readonly log: string[] = [];
  read32(offset: number): number {
    this.log.push(`r32 ${offset}`);
    return 0xf000_0000 + offset;
  }
  write32(offset: number, value: number): void {
    this.log.push(`w32 ${offset} ${value}`);
  }
}

let memory: PhysicalMemory;
let cache: CpuCache;
let bus: Bus;

beforeEach(() => {
  memory = new PhysicalMemory({ banks: [{ base: RAM, size: 0x20000, node: 0 }] });
  cache = new CpuCache(memory, { kind: 'endless', sets: 1, ways: 1, replacement: 'lru', seed: 1 });
  bus = new Bus(memory, cache);
});

describe('what each initiator sees', () => {
  it('lets a snooping device see dirty lines, and one that does not snoop only memory', () => {
    bus.port('cpu', BusView.CPU).write64(RAM + 8, 0x1111, 0x2222);
    const [snooping, plain] = [bus.port('a', BusView.COHERENT), bus.port('b', BusView.NON_COHERENT)];
    expect([snooping.read(RAM + 8, 8), snooping.low, snooping.high]).toEqual([true, 0x1111, 0x2222]);
    expect([plain.read(RAM + 8, 8), plain.low, plain.high]).toEqual([true, 0, 0]);
    cache.clean(RAM + 8, 8);
    expect([plain.read(RAM + 8, 8), plain.low, plain.high]).toEqual([true, 0x1111, 0x2222]);
  });

  it('lets the CPU see a snooping device at once, keeping the rest of its dirty line', () => {
    const cpu = bus.port('cpu', BusView.CPU);
    cpu.write32(RAM, 1);
    bus.port('device', BusView.COHERENT).write32(RAM + 4, 2);
    expect([cpu.read(RAM, 8), cpu.low, cpu.high]).toEqual([true, 1, 2]);
    expect(memory.read64(RAM)).toBe(0x2_0000_0001n);
  });

  it('hides a device that does not snoop from a CPU that holds the line', () => {
    const cpu = bus.port('cpu', BusView.CPU);
    cpu.readBytes(RAM, new Uint8Array(4));
    bus.port('device', BusView.NON_COHERENT).write32(RAM, 5);
    expect([cpu.read(RAM, 4), cpu.low]).toEqual([true, 0]);
    cache.invalidate(RAM, 64);
    expect([cpu.read(RAM, 4), cpu.low]).toEqual([true, 5]);
  });

  it('is the same for all when no cache is modelled', () => {
    const bare = new Bus(memory, null);
    bare.port('cpu', BusView.CPU).write32(RAM, 3);
    for (const view of Object.values(BusView)) {
      const port = bare.port(view, view);
      expect([port.read(RAM, 4), port.low, port.high]).toEqual([true, 3, 0]);
    }
  });
});

describe('stale reads', () => {
  it('are noticed when the CPU has replaced the value in a line still dirty, and only then', () => {
    const port = bus.port('walker', BusView.NON_COHERENT);
    port.checkStale = true;
    const cpu = bus.port('cpu', BusView.CPU);
    const stale = (pa: number): boolean => port.read(pa, 8) && port.stale;
    expect(stale(RAM)).toBe(false);
    cpu.write64(RAM, 1, 0);
    expect(stale(RAM)).toBe(true);
    // A neighbour in the same dirty line, whose value memory has.
    expect(stale(RAM + 8)).toBe(false);
    cpu.write64(RAM + 8, 0, 1);
    expect(stale(RAM + 8)).toBe(true);
    cache.clean(RAM, 64);
    expect([stale(RAM), stale(RAM + 8)]).toEqual([false, false]);
  });

  it('are no matter of the bits that hardware ignores, unless the port is told otherwise', () => {
    const port = bus.port('walker', BusView.NON_COHERENT);
    port.checkStale = true;
    const cpu = bus.port('cpu', BusView.CPU);
    const stale = (): boolean => port.read(RAM, 8) && port.stale;
    cpu.write64(RAM, 0, 0x0780_0000);
    expect(stale()).toBe(false);
    port.softwareBitsHigh = 0;
    expect(stale()).toBe(true);
    port.softwareBitsHigh = 0x0780_0000;
    for (const high of [0x0040_0000, 0x0800_0000]) {
      cpu.write64(RAM, 0, high);
      expect(stale()).toBe(true);
    }
  });

  it('are told one by one to who listens', () => {
    const port = bus.port('walker', BusView.NON_COHERENT);
    port.checkStale = true;
    const told: string[] = [];
    port.onStaleRead = (pa, bytes) => told.push(`${pa - RAM} ${bytes}`);
    bus.port('cpu', BusView.CPU).write64(RAM + 16, 1, 0);
    for (let offset = 0; offset < 32; offset += 8) port.read(RAM + offset, 8);
    port.read(RAM + 16, 4);
    expect(told).toEqual(['16 8', '16 4']);
    expect(port.staleReads).toBe(2);
  });

  it('are never seen by a device that snoops, and never looked for unless asked', () => {
    bus.port('cpu', BusView.CPU).write64(RAM, 1, 0);
    const snooping = bus.port('a', BusView.COHERENT);
    snooping.checkStale = true;
    const unasked = bus.port('b', BusView.NON_COHERENT);
    expect([snooping.read(RAM, 8), snooping.stale]).toEqual([true, false]);
    expect([unasked.read(RAM, 8), unasked.stale]).toEqual([true, false]);
  });
});

describe('holes', () => {
  it('answer with a decode error and never throw', () => {
    for (const view of Object.values(BusView)) {
      const port = bus.port(view, view);
      expect([port.read(HOLE, 8), port.status]).toEqual([false, BusStatus.DECODE_ERROR]);
      expect([port.write32(HOLE, 1), port.write64(HOLE, 1, 1)]).toEqual([false, false]);
      expect(port.replace(HOLE, 8, 0, 0, 1, 1)).toBe(false);
      const bytes = new Uint8Array(16).fill(7);
      expect([port.readBytes(HOLE, bytes), port.writeBytes(HOLE, bytes)]).toEqual([1, 1]);
      expect([...bytes]).toEqual(Array(16).fill(7));
      expect(port.errors).toBe(6);
    }
    expect(memory.frameCount).toBe(0);
  });

  it('are found at the last byte of a transaction, of which then nothing is stored', () => {
    const port = bus.port('device', BusView.NON_COHERENT);
    expect(port.writeBytes(RAM + 0x20000 - 8, new Uint8Array(9).fill(1))).toBe(BusStatus.DECODE_ERROR);
    expect(memory.frameCount).toBe(0);
  });

  it('do not stay in the status of the next transaction', () => {
    const port = bus.port('device', BusView.NON_COHERENT);
    port.read(HOLE, 8);
    port.read(RAM, 8);
    expect(port.status).toBe(BusStatus.OK);
  });
});

describe('reading untouched RAM', () => {
  it('gives zeros and creates nothing', () => {
    const port = bus.port('walker', BusView.NON_COHERENT);
    expect([port.read(RAM, 8), port.low, port.high]).toEqual([true, 0, 0]);
    expect(memory.frameCount).toBe(0);
  });
});

describe('registers', () => {
  it('get offsets, and a 64-bit write in two halves, low first, unless the device takes it whole', () => {
    const device = new Recorder();
    bus.attach('smmu', REGISTERS, 0x20000, device);
    const cpu = bus.port('cpu', BusView.CPU);
    cpu.write32(REGISTERS + 0x20, -1);
    cpu.write64(REGISTERS + 0x80, 1, 2);
    expect([cpu.read(REGISTERS + 0x10008, 8), cpu.low, cpu.high]).toEqual([true, 0xf001_0008, 0xf001_000c]);
    expect(device.log).toEqual(['w32 32 4294967295', 'w32 128 1', 'w32 132 2', 'r32 65544', 'r32 65548']);

    const whole: string[] = [];
    bus.attach('other', 0x0a00_0000, 4096, {
      read32: () => 0,
      write32: () => whole.push('w32'),
      write64: (offset, low, high) => whole.push(`w64 ${offset} ${low} ${high}`),
    });
    cpu.write64(0x0a00_0008, 1, 2);
    expect(whole).toEqual(['w64 8 1 2']);
  });

  it('are reached by devices too, as for a message-signalled interrupt', () => {
    const device = new Recorder();
    bus.attach('gic', REGISTERS, 4096, device);
    const bytes = Uint8Array.of(0x78, 0x56, 0x34, 0x12);
    expect(bus.port('smmu', BusView.COHERENT).writeBytes(REGISTERS + 0x40, bytes)).toBe(BusStatus.OK);
    expect(device.log).toEqual([`w32 64 ${0x1234_5678}`]);
  });

  it('refuse other sizes and alignments with a device error', () => {
    bus.attach('smmu', REGISTERS, 4096, new Recorder());
    const cpu = bus.port('cpu', BusView.CPU);
    expect(cpu.readBytes(REGISTERS, new Uint8Array(2))).toBe(BusStatus.DEVICE_ERROR);
    expect(cpu.readBytes(REGISTERS + 4, new Uint8Array(8))).toBe(BusStatus.DEVICE_ERROR);
    expect([cpu.write32(REGISTERS + 2, 0), cpu.status]).toEqual([false, BusStatus.DEVICE_ERROR]);
  });

  it.each([
    ['over RAM', RAM, 4096],
    ['over another device', REGISTERS + 4096, 4096],
    ['off a page', 0x0b00_0010, 4096],
    ['of no size', 0x0b00_0000, 0],
  ])('cannot be attached %s', (_, base, size) => {
    bus.attach('first', REGISTERS, 0x2000, new Recorder());
    expect(() => bus.attach('second', base, size, new Recorder())).toThrow(ConfigError);
  });
});

describe('bytes', () => {
  it('are read as they were written, 1 to 64 of them, at any alignment, by every kind of initiator', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(BusView)),
        fc.integer({ min: -80, max: 80 }),
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        (view, offset, bytes) => {
          const port = bus.port('any', view);
          const pa = RAM + 0x10000 + offset;
          const around = new Uint8Array(bytes.length + 2);
          port.readBytes(pa - 1, around);
          expect(port.writeBytes(pa, bytes)).toBe(BusStatus.OK);
          const back = new Uint8Array(bytes.length + 2);
          expect(port.readBytes(pa - 1, back)).toBe(BusStatus.OK);
          around.set(bytes, 1);
          expect(back).toEqual(around);
          // Nothing lingers in the cache for the next initiator, which may not snoop.
          cache.cleanInvalidate(RAM, 0x20000);
        },
      ),
    );
  });

  it('are counted in transactions of at most a line', () => {
    const port = bus.port('dma', BusView.NON_COHERENT);
    port.readBytes(RAM + 60, new Uint8Array(8));
    port.writeBytes(RAM, new Uint8Array(256));
    expect(port).toMatchObject({ reads: 2, bytesRead: 8, writes: 4, bytesWritten: 256, errors: 0 });
  });
});

describe('an atomic replace', () => {
  it.each([BusView.COHERENT, BusView.NON_COHERENT])('stores only when the old value is still there (%s)', (view) => {
    const port = bus.port('walker', view);
    memory.write64(RAM, 0xffff_fff3, 4);
    expect(port.replace(RAM, 8, 0xffff_fff3, 5, 0, 0)).toBe(false);
    expect(port.replace(RAM, 8, 0xffff_fff3 | 0, 4, 0xffff_fff7 | 0, 6)).toBe(true);
    expect(memory.read64(RAM)).toBe(0x6_ffff_fff7n);
    expect(port.replace(RAM, 4, 0xffff_fff7, 99, 1, 99)).toBe(true);
    expect(memory.read64(RAM)).toBe(0x6_0000_0001n);
  });

  it('works on the newest value when it snoops', () => {
    const cpu = bus.port('cpu', BusView.CPU);
    cpu.write64(RAM, 1, 0);
    expect(bus.port('a', BusView.COHERENT).replace(RAM, 8, 1, 0, 2, 0)).toBe(true);
    expect([cpu.read(RAM, 8), cpu.low]).toEqual([true, 2]);
  });
});
