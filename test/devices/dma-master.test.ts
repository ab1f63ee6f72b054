import { describe, expect, it } from 'vitest';
import { DmaMaster, runMasters, type TranslationPort } from '../../devices/index.ts';
import { AccessFlag, FlightEngine } from '../../emulator/index.ts';
import { Prot } from '../../formats/index.ts';
import { machineWith } from './smmuv3/machine.ts';

/** A port that translates in 10 cycles and writes down what it sees. */
function recorder(faultAbove = Number.POSITIVE_INFINITY) {
  const seen: { master: number; iova: number; flags: number; start: number; size: number }[] = [];
  const port: TranslationPort = {
    translate(request) {
      const { master, iova, flags, start, size } = request;
      seen.push({ master, iova, flags, start, size });
      request.completion = start + 10;
      return iova < faultAbove;
    },
  };
  return { seen, port };
}

const take = (master: DmaMaster, n: number): number[] => Array.from({ length: n }, () => master.pattern.next());

describe('patterns', () => {
  it('sequential goes through the buffer and starts again', () => {
    const master = new DmaMaster({ base: 0x1000, size: 192 });
    expect(take(master, 5)).toEqual([0x1000, 0x1040, 0x1080, 0x1000, 0x1040]);
  });

  it('strided takes what it stepped over in the next round, until all of the buffer is touched', () => {
    const master = new DmaMaster({ pattern: 'strided', size: 1024, stride: 256 });
    const round = take(master, 16);
    expect(round.slice(0, 5)).toEqual([0, 256, 512, 768, 64]);
    expect(new Set(round).size).toBe(16);
    expect(take(master, 1)).toEqual([0]);
  });

  it('random stays in the buffer, aligned, and follows its seed', () => {
    const of = (seed: number): number[] =>
      take(new DmaMaster({ pattern: 'random', base: 4096, size: 65536, seed }), 200);
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
    for (const iova of of(3)) {
      expect(iova % 64).toBe(0);
      expect(iova).toBeGreaterThanOrEqual(4096);
      expect(iova).toBeLessThan(4096 + 65536);
    }
  });

  it('pointer-chase visits every place once before it comes round', () => {
    for (const seed of [1, 2, 3]) {
      const visited = take(new DmaMaster({ pattern: 'pointer-chase', size: 64 * 1024, seed }), 1024);
      expect(new Set(visited).size).toBe(1024);
    }
  });

  it('tiled walks a tile row by row, then the tile to its right, then the next row of tiles', () => {
    const master = new DmaMaster({
      pattern: 'tiled',
      size: 256 * 4,
      pitch: 256,
      rows: 4,
      tileWidth: 128,
      tileRows: 2,
    });
    expect(take(master, 9)).toEqual([0, 64, 256, 320, 128, 192, 384, 448, 512]);
    // 16 accesses cover the picture; the 17th is the first again.
    expect(take(master, 8).at(-1)).toBe(0);
  });

  it('replay gives the addresses in their order', () => {
    const master = new DmaMaster({ pattern: 'replay' }, Float64Array.of(7, 5, 9));
    expect(take(master, 4)).toEqual([7, 5, 9, 7]);
    expect(() => new DmaMaster({ pattern: 'replay' })).toThrow(/addresses/);
  });

  it('wrong configurations name the field', () => {
    expect(() => new DmaMaster({ accessSize: 48 })).toThrow(/master.accessSize/);
    expect(() => new DmaMaster({ size: 32 })).toThrow(/master.size/);
    expect(() => new DmaMaster({ pattern: 'tiled', size: 4096 })).toThrow(/master.size/);
    expect(() => new DmaMaster({ outstanding: 0 })).toThrow(/master.outstanding/);
  });
});

describe('DmaMaster', () => {
  it('issues one access per gap while the window has room, then one per completion', () => {
    const { seen, port } = recorder();
    const master = new DmaMaster({ outstanding: 3, gap: 2, dataLatency: 90 });
    for (let i = 0; i < 5; i++) master.access(port);
    expect(seen.map(({ start }) => start)).toEqual([0, 2, 4, 100, 102]);
    expect(master.finished).toBe(202);
    expect(master.latency).toBe(500);
  });

  it('has one access of a pointer chase in flight, whatever its limit', () => {
    const { seen, port } = recorder();
    const master = new DmaMaster({ pattern: 'pointer-chase', outstanding: 16, dataLatency: 90 });
    for (let i = 0; i < 3; i++) master.access(port);
    expect(seen.map(({ start }) => start)).toEqual([0, 100, 200]);
  });

  it('counts faults, which return no data', () => {
    const { port } = recorder(64);
    const master = new DmaMaster({ size: 128, outstanding: 1, dataLatency: 90 });
    expect([master.access(port), master.access(port)]).toEqual([true, false]);
    expect([master.faults, master.bytes, master.finished]).toEqual([1, 64, 110]);
  });

  it('writes the fraction that it is told to', () => {
    const { seen, port } = recorder();
    const master = new DmaMaster({ writes: 0.25 });
    for (let i = 0; i < 2000; i++) master.access(port);
    const writes = seen.filter(({ flags }) => flags === AccessFlag.WRITE).length;
    expect(writes / 2000).toBeGreaterThan(0.2);
    expect(writes / 2000).toBeLessThan(0.3);
  });
});

describe('several masters', () => {
  it('access in the order of time, each behind its interface', () => {
    const { seen, port } = recorder();
    const slow = new DmaMaster({ interface: 1, gap: 30, start: 5 });
    const fast = new DmaMaster({ interface: 0, gap: 10 });
    runMasters([fast, slow], port, 8);
    expect(seen.map(({ start }) => start)).toEqual([0, 5, 10, 20, 30, 35, 40, 50]);
    expect(seen.map(({ master }) => master)).toEqual([0, 1, 0, 0, 0, 1, 0, 0]);
  });

  it('share an SMMU: a random master makes a steady one miss where they share a small TLB', () => {
    const misses = (withNoise: boolean): number => {
      const { smmu, makeDriver } = machineWith(
        {},
        { mmu: { masters: 2, tlb: { enabled: true, entries: 64 }, interface: { mainTlb: { enabled: false } } } },
      );
      const driver = makeDriver();
      const domain = driver.createDomain({ pageSizes: 4096 });
      driver.attach(domain, 1);
      driver.map(domain, 0, 0x4000_0000, 2 ** 22, Prot.READ | Prot.WRITE);
      const steady = new DmaMaster({ streamId: 1, size: 48 * 4096, pattern: 'strided' });
      const noise = new DmaMaster({ streamId: 1, size: 2 ** 22, pattern: 'random', interface: 1, outstanding: 64 });
      runMasters(withNoise ? [steady, noise] : [steady], smmu, withNoise ? 8000 : 4000);
      return steady.latency / steady.accesses;
    };
    expect(misses(true)).toBeGreaterThan(misses(false) * 1.2);
  });

  it('run through the engine for requests in flight as jobs', () => {
    const { smmu, makeDriver } = machineWith({}, { mmu: { masters: 2 } });
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, 1);
    driver.map(domain, 0, 0x4000_0000, 2 ** 20, Prot.READ);
    const done: [number, number, number][] = [];
    const engine = new FlightEngine(smmu.mmu);
    engine.onDone = ({ master, iova, pa }) => done.push([master, iova, pa]);
    engine.run([
      new DmaMaster({ streamId: 1, size: 2 ** 20 }).flightJob(50),
      new DmaMaster({ streamId: 1, size: 2 ** 20, pattern: 'random', interface: 1 }).flightJob(50),
    ]);
    expect(done).toHaveLength(100);
    for (const [, iova, pa] of done) expect(pa).toBe(iova + 0x4000_0000);
  });
});
