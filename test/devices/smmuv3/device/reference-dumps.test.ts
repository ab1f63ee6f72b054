import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  decodeEvent,
  type EventRecord,
  featuresOf,
  REGISTERS,
  type RegisterName,
  Smmuv3,
} from '../../../../devices/index.ts';
import { AccessFlag, Bus, BusView, PhysicalMemory } from '../../../../emulator/index.ts';
import { loadImage } from '../../../../traces/index.ts';
import { last, translates } from '../../access.ts';

/** A leaf as the reference list of the dump has it. */
interface Leaf {
  sid: number;
  iova: number;
  pa: number;
  size: number;
  perm: 'r' | 'rw';
}

const PAGE = 4096;

/**
 * The machine that was dumped, as its SMMU saw it: the pages of the image in RAM, and the registers written through the bus in the
 * order in which a driver starts an SMMU. Only the event queue is ours, because its memory is not in the image.
 */
function restart(folder: string): { smmu: Smmuv3; events(): EventRecord[] } {
  const image = loadImage(folder);
  const memory = new PhysicalMemory({ banks: [{ base: 0x4000_0000, size: 0x1_4000_0000, node: 0 }] });
  for (const pa of image.pages) {
    for (let offset = 0; offset < PAGE; offset += 8) {
      image.read(pa + offset, 8);
      const at = memory.index(pa + offset);
      memory.words[at] = image.low;
      memory.words[at + 1] = image.high;
    }
  }
  const value = (name: string): bigint => image.register(name);
  const half = (name: string): number => Number(value(name) & 0xffffffffn);
  const features = featuresOf([half('IDR0'), half('IDR1'), half('IDR2'), half('IDR3'), half('IDR4'), half('IDR5')]);
  const bus = new Bus(memory, null);
  const smmu = new Smmuv3({ features, memory: bus.port('smmu', BusView.COHERENT) });
  bus.attach('smmu', 0x905_0000, 0x2_0000, smmu);
  const cpu = bus.port('cpu', BusView.CPU);
  const base = 0x905_0000;
  const write = (name: RegisterName, low: number, high = 0): void => {
    const { offset, width } = REGISTERS[name];
    expect(width === 32 ? cpu.write32(base + offset, low) : cpu.write64(base + offset, low, high)).toBe(true);
  };
  const restore = (name: RegisterName): void =>
    write(name, Number(value(name) & 0xffffffffn), Number(value(name) >> 32n));
  for (const name of ['IDR0', 'IDR1', 'IDR3', 'IDR5'] as const) {
    expect(smmu.read32(REGISTERS[name].offset), name).toBe(half(name));
  }
  restore('CR1');
  restore('CR2');
  restore('STRTAB_BASE');
  restore('STRTAB_BASE_CFG');
  const eventQueue = 0x4000_0000;
  write('EVENTQ_BASE', eventQueue + 10);
  restore('IRQ_CTRL');
  write('CR0', Number(value('CR0')));
  expect(smmu.read32(REGISTERS.CR0ACK.offset)).toBe(half('CR0ACK'));
  return {
    smmu,
    events() {
      const prod = smmu.read32(REGISTERS.EVENTQ_PROD.offset);
      let cons = smmu.read32(REGISTERS.EVENTQ_CONS.offset);
      const records: EventRecord[] = [];
      while (cons !== prod) {
        const record = decodeEvent(memory.words, memory.index(eventQueue + 32 * (cons & 1023)));
        if (record !== null) records.push(record);
        cons = (cons + 1) & 2047;
      }
      smmu.write32(REGISTERS.EVENTQ_CONS.offset, cons);
      return records;
    },
  };
}

describe.each(['vfio', 'dma'])('the SMMU state of a running Linux, %s dump', (name) => {
  const folder = `test/vectors/images/${name}`;
  let leaves: Leaf[] = [];
  let machine: ReturnType<typeof restart>;

  beforeAll(() => {
    const file = ['pt.leaves.jsonl.gz', 'pt.leaves.jsonl'].map((each) => `${folder}/${each}`).find(existsSync) ?? '';
    const bytes = readFileSync(file);
    const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
    leaves = text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Leaf)
      // The list has addresses as hexadecimal strings.
      .map(({ sid, iova, pa, size, perm }) => ({ sid, iova: Number(iova), pa: Number(pa), size, perm }));
    machine = restart(folder);
  });

  it('translates every page of every leaf of every stream to its physical address, readable', () => {
    const { smmu } = machine;
    let wrong = 0;
    let pages = 0;
    for (const { sid, iova, pa, size } of leaves) {
      for (let at = 0; at < size; at += PAGE) {
        pages++;
        const done = translates(smmu, sid, -1, iova + at, AccessFlag.READ);
        if (!done || last.pa !== pa + at) wrong++;
      }
    }
    expect(pages).toBeGreaterThanOrEqual(leaves.length);
    expect(wrong).toBe(0);
    expect(machine.events()).toEqual([]);
  });

  it('lets writes through exactly where the leaf is writable, and reports the others as F_PERMISSION', () => {
    const { smmu } = machine;
    for (const { sid, iova, pa, perm } of leaves) {
      const done = translates(smmu, sid, -1, iova + 8, AccessFlag.WRITE);
      expect(done, `${sid} ${iova.toString(16)}`).toBe(perm === 'rw');
      if (done) expect(last.pa).toBe(pa + 8);
      else {
        expect(machine.events()).toEqual([
          {
            name: 'F_PERMISSION',
            fields: expect.objectContaining({
              StreamID: sid,
              RnW: 0,
              S2: 0,
              CLASS: 2,
              Stall: 0,
              InputAddress: iova + 8,
            }),
          },
        ]);
      }
    }
  });

  it('faults on the page before and behind every leaf where no other leaf is, with an F_TRANSLATION record for each', () => {
    const { smmu } = machine;
    const starts = new Set(leaves.map(({ sid, iova }) => `${sid} ${iova}`));
    const ends = new Set(leaves.map(({ sid, iova, size }) => `${sid} ${iova + size}`));
    let holes = 0;
    const expectHole = (sid: number, iova: number): void => {
      holes++;
      expect(translates(smmu, sid, -1, iova, AccessFlag.READ)).toBe(false);
      expect(machine.events()).toEqual([
        {
          name: 'F_TRANSLATION',
          fields: expect.objectContaining({ StreamID: sid, RnW: 1, S2: 0, CLASS: 2, InputAddress: iova }),
        },
      ]);
    };
    for (const { sid, iova, size } of leaves) {
      if (iova > 0 && !ends.has(`${sid} ${iova}`)) expectHole(sid, iova - PAGE);
      if (!starts.has(`${sid} ${iova + size}`)) expectHole(sid, iova + size);
    }
    expect(holes).toBeGreaterThan(10);
  });

  it('aborts streams without a domain silently, and reports a StreamID beyond the table as C_BAD_STREAMID', () => {
    const { smmu } = machine;
    expect(translates(smmu, 1, -1, 0x1000, AccessFlag.READ)).toBe(false);
    expect(machine.events()).toEqual([]);
    expect(translates(smmu, 0x300, -1, 0x1000, AccessFlag.READ)).toBe(false);
    expect(translates(smmu, 0x10000, -1, 0x1000, AccessFlag.READ)).toBe(false);
    expect(machine.events().map(({ name: event, fields: { StreamID } }) => [event, StreamID])).toEqual([
      ['C_BAD_STREAMID', 0x300],
      ['C_BAD_STREAMID', 0x10000],
    ]);
  });

  it('reports a SubstreamID as C_BAD_SUBSTREAMID, since the streams have one context each', () => {
    const sid = leaves[0]?.sid ?? 0;
    expect(translates(machine.smmu, sid, 3, 0x1000, AccessFlag.READ)).toBe(false);
    expect(machine.events()).toEqual([{ name: 'C_BAD_SUBSTREAMID', fields: { StreamID: sid, SubstreamID: 3 } }]);
  });
});
