import { describe, expect, it } from 'vitest';
import { Machine, placeTables } from '../../../devices/index.ts';
import { ConfigError } from '../../../formats/index.ts';
import { runConfig } from '../../../traces/index.ts';

const MIB = 2 ** 20;
const BANKS = [
  { base: 0x8000_0000, size: 8 * MIB, node: 0 },
  { base: 0x1_0000_0000, size: 64 * MIB, node: 0 },
];

describe('the place of a carved-out region', () => {
  it('is the end of the first bank that is larger, which the system then lacks', () => {
    const { layers, ram, system } = placeTables('pool/carve-out', BANKS);
    expect(layers.at(-1)).toEqual({ kind: 'carve-out', base: 0x1_0300_0000, size: 16 * MIB });
    expect(ram).toEqual(BANKS);
    expect(system).toEqual([BANKS[0], { base: 0x1_0000_0000, size: 48 * MIB, node: 0 }]);
  });

  it('may be in the middle of a bank, whose two ends the system keeps', () => {
    const { system } = placeTables('carve-out:base=0x80400000:size=1M', BANKS);
    expect(system).toEqual([
      { base: 0x8000_0000, size: 4 * MIB, node: 0 },
      { base: 0x8050_0000, size: 3 * MIB, node: 0 },
      BANKS[1],
    ]);
  });

  it('may be a hole, which is RAM of its own then', () => {
    const { ram, system } = placeTables('carve-out:base=0x40000000:size=1M', BANKS);
    expect(ram).toEqual([...BANKS, { base: 0x4000_0000, size: MIB, node: 0 }]);
    expect(system).toEqual(BANKS);
  });

  it('may take a bank whole', () => {
    expect(placeTables('carve-out:base=0x80000000:size=8M', BANKS).system).toEqual([BANKS[1]]);
  });

  it.each([
    ['carve-out:base=0x7ff00000:size=2M', 'base'],
    ['carve-out:base=0x80700000:size=2M', 'base'],
    ['carve-out:base=0x40001000:size=1M', 'base'],
    ['carve-out:base=0x7f000000:size=64M', 'base'],
    ['carve-out:size=64M', 'size'],
  ])('cannot be %s', (spec, field) => {
    expect(() => placeTables(spec, BANKS)).toThrow(ConfigError);
    expect(() => placeTables(spec, BANKS)).toThrow(new RegExp(`carve-out.${field}`));
  });

  it('leaves other allocators alone', () => {
    expect(placeTables('pool', BANKS)).toMatchObject({ ram: BANKS, system: BANKS });
  });
});

describe('a machine with a carved-out region', () => {
  it('takes every table from it, and counts what the protected owner is given', () => {
    const config = runConfig({ table: { allocator: 'carve-out:base=0x90000000:size=1M' } });
    const machine = new Machine(config);
    const domain = machine.createDomain();
    if (domain === null) throw new Error('no domain');
    machine.driver.map(domain, 0, 0x1000, 0x1000, 3);
    const tables: number[] = [];
    domain.table.visitTables((pa) => tables.push(pa));
    expect(tables).toHaveLength(4);
    expect(tables.every((pa) => pa >= 0x9000_0000 && pa < 0x9010_0000)).toBe(true);
    expect(machine.memoryMeter.report()).toMatchObject({ assignedPages: 4, peakAssignedPages: 4 });
    expect(machine.tables.report().total.systemCalls).toBe(0);
  });

  it('keeps it out of the hands of everybody else', () => {
    const banks = [{ base: 0x8000_0000, size: 64 * MIB, node: 0 }];
    const machine = new Machine(runConfig({ table: { allocator: 'carve-out:size=32M' }, memory: { banks } }));
    for (;;) {
      const pa = machine.pages.alloc(null, 4 * MIB, 0);
      if (pa < 0) break;
      expect(pa + 4 * MIB).toBeLessThanOrEqual(0x8200_0000);
    }
  });
});
