import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  defineRegisters,
  masksOf,
  REGISTERS,
  RegisterBlock,
  RegisterSpace,
  registerTable,
} from '../../../devices/index.ts';
import { bitField } from '../../../formats/index.ts';

const STATE = { ON: bitField(0, 1, 'On'), MODE: bitField(4, 3, 'Mode') };
const BANK = defineRegisters({
  ID: { offset: 0, width: 32, access: 'r', meaning: 'Number', reset: 0x1234 },
  STATE: { offset: 4, width: 32, access: 'rw', meaning: 'State', fields: STATE },
  BASE: {
    offset: 8,
    width: 64,
    access: 'rw',
    meaning: 'Base',
    fields: { ADDR: bitField(12, 36, 'Address') },
    locked: { by: 'STATE', bits: masksOf(STATE).ON },
  },
  FAULT: { offset: 0x10, width: 32, access: 'w1c', meaning: 'Faults' },
  KICK: { offset: 0x14, width: 32, access: 'w', meaning: 'Kick' },
});

describe('declared registers', () => {
  it('keep the bits of their fields, and all bits where they have none', () => {
    const block = new RegisterBlock(BANK);
    block.write(BANK.STATE, 0, 0xffff_ffff);
    expect(block.read(BANK.STATE, 0)).toBe(0x71);
    block.set(BANK.STATE, 0);
    block.write(BANK.BASE, 0, 0xffff_ffff);
    block.write(BANK.BASE, 1, 0xffff_ffff);
    expect([block.get(BANK.BASE), block.high(BANK.BASE)]).toEqual([0xffff_f000, 0xffff]);
  });

  it('ignore writes where they are read only or locked', () => {
    const block = new RegisterBlock(BANK);
    block.write(BANK.ID, 0, 5);
    expect(block.read(BANK.ID, 0)).toBe(0x1234);
    block.write(BANK.STATE, 0, 1);
    block.write(BANK.BASE, 0, 0x8000_0000);
    expect(block.get(BANK.BASE)).toBe(0);
    block.write(BANK.STATE, 0, 0);
    block.write(BANK.BASE, 0, 0x8000_0000);
    expect(block.get(BANK.BASE)).toBe(0x8000_0000);
  });

  it('clear what is written as 1 (w1c), and read as 0 where they are commands (w)', () => {
    const kicked: number[] = [];
    const block = new RegisterBlock(BANK, { KICK: { written: () => kicked.push(block.get(BANK.KICK)) } });
    block.set(BANK.FAULT, 0xf0);
    block.write(BANK.FAULT, 0, 0x30);
    expect(block.read(BANK.FAULT, 0)).toBe(0xc0);
    block.write(BANK.KICK, 0, 7);
    expect(block.read(BANK.KICK, 0)).toBe(0);
    expect(kicked).toEqual([7]);
  });

  it('let a hook say what a read gives, what a write keeps, and refuse a write', () => {
    const calls: string[] = [];
    const block = new RegisterBlock(BANK, {
      ID: { reset: () => 7 },
      FAULT: { read: () => -1 },
      STATE: {
        write: (value) => (value === 0x70 ? null : value & 0x10),
        written: () => calls.push('written'),
      },
    });
    expect(block.get(BANK.ID)).toBe(7);
    expect(block.read(BANK.FAULT, 0)).toBe(0xffff_ffff);
    block.write(BANK.STATE, 0, 0x31);
    expect(block.get(BANK.STATE)).toBe(0x10);
    block.write(BANK.STATE, 0, 0x70);
    expect(block.get(BANK.STATE)).toBe(0x10);
    expect(calls).toEqual(['written']);
  });

  it('exist once per instance, each at its own base, and what no register fills reads as 0', () => {
    const wrote: number[] = [];
    const block = new RegisterBlock(BANK, { STATE: { written: (instance) => wrote.push(instance) } }, 3);
    const space = new RegisterSpace().place(block, [0x100, 0x200, 0x400]);
    space.write32(0x204, 0x21);
    expect(wrote).toEqual([1]);
    expect([0, 1, 2].map((n) => block.field(BANK.STATE, STATE.MODE, n))).toEqual([0, 2, 0]);
    expect(space.read32(0x204)).toBe(0x21);
    space.write64(0x408, 0x1000, 2);
    const halves = new Uint32Array(2);
    space.read64(0x408, halves);
    expect([...halves]).toEqual([0x1000, 2]);
    expect(space.read32(0x300)).toBe(0);
    expect(space.registers).toHaveLength(15);
    block.reset();
    expect(space.read32(0x204)).toBe(0);
  });

  it('may not overlap, be misaligned, or be locked by what is not there', () => {
    const row = { width: 64, access: 'rw', meaning: '' } as const;
    expect(() => defineRegisters({ A: { ...row, offset: 0 }, B: { ...row, offset: 4, width: 32 } })).toThrow(
      RangeError,
    );
    expect(() => defineRegisters({ A: { ...row, offset: 4 } })).toThrow(RangeError);
    expect(() => defineRegisters({ A: { ...row, offset: 0, locked: { by: 'B', bits: 1 } } })).toThrow(RangeError);
    const block = new RegisterBlock(BANK, {}, 2);
    expect(() => new RegisterSpace().place(block, [0, 0x10])).toThrow(RangeError);
  });

  it('are documented by their declaration', () => {
    expect(registerTable(BANK).split('\n').slice(2, 5)).toEqual([
      '| 0x0 | ID | 32 | read only | 0x1234 | Number |',
      '| 0x4 | STATE | 32 | read and write | 0x0 | State |',
      '| 0x8 | BASE | 64 | read and write, ignored while STATE.ON is set | 0x0 | Base |',
    ]);
    expect(registerTable(REGISTERS).split('\n')).toHaveLength(2 + Object.keys(REGISTERS).length);
  });

  it('keep exactly the masked halves of any write', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), (low, high) => {
        const block = new RegisterBlock(BANK);
        new RegisterSpace().place(block).write64(BANK.BASE.offset, low, high);
        expect(BigInt(block.get(BANK.BASE)) | (BigInt(block.high(BANK.BASE)) << 32n)).toBe(
          ((BigInt(high) << 32n) | BigInt(low)) & 0xffff_ffff_f000n,
        );
      }),
    );
  });
});
