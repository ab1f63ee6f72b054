import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  COMMAND_FIELDS,
  type CommandName,
  commandName,
  decodeCommand,
  encodeCommand,
  Opcode,
  rangeBytes,
} from '../../../../devices/smmuv3/spec/commands.ts';
import { decodeEvent, EVENT_FIELDS, type EventName, encodeEvent } from '../../../../devices/smmuv3/spec/events.ts';
import type { Layout, PlacedField } from '../../../../formats/index.ts';

/** Any value that the field can hold exactly. */
const anyValueOf = (place: PlacedField): fc.Arbitrary<number> =>
  fc.bigInt({ min: 0n, max: 2n ** BigInt(Math.min(place.width, 52)) - 1n }).map((value) => Number(value) * place.unit);

const fieldsOf = (layout: Layout, except: string): fc.Arbitrary<Record<string, number>> =>
  fc.record(
    Object.fromEntries(
      Object.entries(layout)
        .filter(([name]) => name !== except)
        .map(([name, place]) => [name, anyValueOf(place)]),
    ),
  );

describe('commands', () => {
  for (const name of Object.keys(Opcode) as CommandName[]) {
    it(`${name} survives encoding and decoding with any fields`, () => {
      fc.assert(
        fc.property(fieldsOf(COMMAND_FIELDS[name], 'opcode'), (fields) => {
          const words = new Uint32Array(6).fill(0xdeadbeef);
          encodeCommand(name, fields, words, 1);
          expect(decodeCommand(words, 1)).toEqual({ name, fields });
          // Neighbours are left alone.
          expect([words[0], words[5]]).toEqual([0xdeadbeef, 0xdeadbeef]);
        }),
        { numRuns: 50 },
      );
    });
  }

  it('are laid out as the words a Linux driver writes', () => {
    const words = new Uint32Array(4);
    // Unmap of one 4K page at 0xffffc000 in ASID 1: NUM 0, SCALE 0, leaf, TTL 3, TG 1.
    encodeCommand('TLBI_NH_VA', { ASID: 1, Leaf: 1, TTL: 3, TG: 1, Address: 0xffffc000 }, words, 0);
    expect([...words]).toEqual([0x12, 0x0001_0000, 0xffffc701, 0]);
    encodeCommand('SYNC', { CS: 1, MSH: 3, MSIAttr: 15, MSIAddress: 0x8_9000_0040 }, words, 0);
    expect([...words]).toEqual([0x0fc0_1046, 0, 0x9000_0040, 8]);
    encodeCommand('CFGI_STE', { StreamID: 0x100, Leaf: 1 }, words, 0);
    expect([...words]).toEqual([3, 0x100, 1, 0]);
    encodeCommand('RESUME', { StreamID: 7, STAG: 9, Ac: 1 }, words, 0);
    expect([...words]).toEqual([0x1044, 7, 9, 0]);
    encodeCommand('ATC_INV', { StreamID: 0x20, Size: 52 }, words, 0);
    expect([...words]).toEqual([0x40, 0x20, 52, 0]);
  });

  it('have no name at a reserved opcode', () => {
    for (const code of [0x00, 0x07, 0x18, 0x1a, 0x31, 0x47, 0x80, 0xff]) expect(commandName(code)).toBeUndefined();
    expect(decodeCommand(Uint32Array.of(0x18, 0, 0, 0), 0)).toBeNull();
  });

  it('cover (NUM + 1) * 2^SCALE granules in a range', () => {
    expect(rangeBytes(0, 0, 1)).toBe(4096);
    expect(rangeBytes(2, 9, 1)).toBe(3 * 2 ** 21);
    expect(rangeBytes(31, 3, 3)).toBe(32 * 8 * 65536);
  });
});

describe('event records', () => {
  for (const name of Object.keys(EVENT_FIELDS) as EventName[]) {
    it(`${name} survives encoding and decoding with any fields`, () => {
      fc.assert(
        fc.property(fieldsOf(EVENT_FIELDS[name], 'id'), (fields) => {
          const words = new Uint32Array(8);
          encodeEvent(name, fields, words, 0);
          expect(decodeEvent(words, 0)).toEqual({ name, fields });
        }),
        { numRuns: 50 },
      );
    });
  }

  it('are laid out as the words a Linux driver reads', () => {
    const words = new Uint32Array(8);
    encodeEvent('F_TRANSLATION', { StreamID: 0x40, RnW: 1, S2: 1, CLASS: 2, InputAddress: 0x1_2345_6000 }, words, 0);
    expect([...words]).toEqual([0x10, 0x40, 0, 0x288, 0x2345_6000, 1, 0, 0]);
    encodeEvent('F_STE_FETCH', { StreamID: 3, FetchAddress: 0x1_0000_0040 }, words, 0);
    expect([...words]).toEqual([0x03, 3, 0, 0, 0, 0, 0x40, 1]);
  });

  it('have no name for a number the model never writes', () => {
    expect(decodeEvent(Uint32Array.of(0x7f, 0, 0, 0, 0, 0, 0, 0), 0)).toBeNull();
  });
});
