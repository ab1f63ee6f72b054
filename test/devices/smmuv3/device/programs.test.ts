import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  COMMAND_FIELDS,
  type CommandName,
  encodeCommand,
  REGISTERS,
  type RegisterName,
} from '../../../../devices/index.ts';
import { AccessFlag } from '../../../../emulator/index.ts';
import type { Layout } from '../../../../formats/index.ts';
import { last, translates } from '../../access.ts';
import { machineWith, RAM_BASE } from '../machine.ts';

/** Where queues and tables of a program are: a small piece of RAM, so that structures overlap. */
const ARENA = RAM_BASE + 0x800_0000;
const ARENA_BYTES = 0x4000;
/** The SMMU's own registers, as the bus has them. */
const SELF = 0x905_0000;

const names = Object.keys(REGISTERS) as RegisterName[];
const commands = Object.keys(COMMAND_FIELDS) as CommandName[];
const word = fc.nat(0xffff_ffff);
/** Addresses that mean something: RAM of the arena, the SMMU itself, or nothing at all. */
const address = fc.oneof(
  fc.nat(ARENA_BYTES / 4 - 1).map((i) => ARENA + 4 * i),
  fc.constantFrom(...names).map((name) => SELF + REGISTERS[name].offset),
  word,
);

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(
      fc.constant('register' as const),
      fc.constantFrom(...names),
      fc.oneof(word, fc.nat(63), address),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(
      fc.constant('command' as const),
      fc.constantFrom(...commands),
      fc.array(fc.oneof(word, address), { minLength: 8, maxLength: 8 }),
    ),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constant('store' as const), fc.nat(ARENA_BYTES / 4 - 1), word) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('access' as const), fc.nat(20), word) },
);

it('any program of register writes, commands, stores and accesses ends, throws nothing, and leaves registers whole', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), fc.boolean(), (program, stalls) => {
      const { smmu, memory } = machineWith({
        ...{ el2: true, ats: true, pri: true, substreamBits: 4, hardwareUpdate: 2, streamBits: 8 },
        ...(stalls ? { stallModel: 0 as const, stallMax: 2 } : {}),
      });
      const write = (name: RegisterName, value: number): void => smmu.write32(REGISTERS[name].offset, value);
      write('CMDQ_BASE', ARENA + 4);
      write('EVENTQ_BASE', ARENA + 0x400 + 3);
      write('PRIQ_BASE', ARENA + 0x800 + 3);
      write('STRTAB_BASE', ARENA + 0x1000);
      write('STRTAB_BASE_CFG', 6);
      write('IRQ_CTRL', 7);
      write('CR0', 0x1f);
      let prod = 0;
      for (const [kind, where, what] of program) {
        if (kind === 'register') write(where, what);
        else if (kind === 'store') {
          const at = memory.index(ARENA + 4 * where);
          memory.words[at] = what;
        } else if (kind === 'access')
          translates(smmu, where, where % 3 === 0 ? where % 16 : -1, what, AccessFlag.WRITE);
        else {
          const fields: Layout = COMMAND_FIELDS[where];
          const values = Object.fromEntries(Object.keys(fields).map((name, i) => [name, what[i % what.length] ?? 0]));
          encodeCommand<CommandName>(where, values, memory.words, memory.index(ARENA + 16 * (prod & 15)));
          prod = (prod + 1) & 31;
          write('CMDQ_PROD', prod);
        }
      }
      for (const name of names) {
        const value = smmu.read32(REGISTERS[name].offset);
        expect(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, name).toBe(true);
        expect((value & ~REGISTERS[name].mask[0]) >>> 0, name).toBe(0);
      }
      expect(last.pa).toBeGreaterThanOrEqual(0);
    }),
    { numRuns: 300 },
  );
});
