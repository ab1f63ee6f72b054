import { beforeEach, describe, expect, it } from 'vitest';
import {
  CommandError,
  type CommandFields,
  type CommandName,
  Cr0,
  decodeEvent,
  type EventRecord,
  encodeCommand,
  Gbpa,
  Gerror,
  IrqCtrl,
  REGISTERS,
  type RegisterName,
  type Smmuv3,
  STREAM_TABLE_ENTRY,
  type StalledTransaction,
  StreamConfig,
  type Wire,
} from '../../../../devices/index.ts';
import { AccessFlag, Outcome } from '../../../../emulator/index.ts';
import { encodeInto, newGather, Prot } from '../../../../formats/index.ts';
import { last, translates } from '../../access.ts';
import { machineWith, RAM_BASE } from '../machine.ts';

const RW = Prot.READ | Prot.WRITE;
/** Above what the allocator of the test machine gives out. */
const QUEUES = RAM_BASE + 0xf00_0000;
const COMMANDS = QUEUES;
const EVENTS = QUEUES + 0x1_0000;
const REQUESTS = QUEUES + 0x2_0000;

/** An SMMU without a driver: registers written by hand, queues of 2^bits entries. */
function bare(asked: Parameters<typeof machineWith>[0] = {}, bits = 3) {
  const parts = machineWith(asked);
  const { smmu, memory } = parts;
  const wires: Wire[] = [];
  smmu.interrupts.onWire = (wire) => wires.push(wire);
  let prod = 0;
  const read = (name: RegisterName): number => smmu.read32(REGISTERS[name].offset);
  const write = (name: RegisterName, value: number): void => smmu.write32(REGISTERS[name].offset, value);
  const put = (pa: number, value: number): void => {
    // The index first: it may replace the words.
    const at = memory.index(pa);
    memory.words[at] = value;
  };
  write('CMDQ_BASE', COMMANDS + bits);
  write('EVENTQ_BASE', EVENTS + bits);
  write('PRIQ_BASE', REQUESTS + bits);
  write('IRQ_CTRL', IrqCtrl.GERROR | IrqCtrl.EVENTQ | IrqCtrl.PRIQ);
  const on = (extra = 0): void => write('CR0', Cr0.CMDQEN | Cr0.EVENTQEN | Cr0.SMMUEN | extra);
  return {
    ...parts,
    wires,
    read,
    write,
    put,
    on,
    /** Places a command in the queue without ringing the doorbell. */
    place<N extends CommandName>(name: N, fields: CommandFields<N>): void {
      const at = memory.index(COMMANDS + 16 * (prod & (2 ** bits - 1)));
      encodeCommand(name, fields, memory.words, at);
      prod = (prod + 1) & (2 ** (bits + 1) - 1);
    },
    placeWords(...words: number[]): void {
      const at = memory.index(COMMANDS + 16 * (prod & (2 ** bits - 1)));
      words.forEach((word, i) => {
        memory.words[at + i] = word;
      });
      prod = (prod + 1) & (2 ** (bits + 1) - 1);
    },
    ring(): void {
      write('CMDQ_PROD', prod);
    },
    events(): EventRecord[] {
      const records: EventRecord[] = [];
      const mask = 2 ** (bits + 1) - 1;
      let cons = read('EVENTQ_CONS');
      while (((cons ^ read('EVENTQ_PROD')) & mask) !== 0) {
        const at = memory.index(EVENTS + 32 * (cons & (2 ** bits - 1)));
        const record = decodeEvent(memory.words, at);
        if (record !== null) records.push(record);
        cons = (cons + 1) & mask;
      }
      write('EVENTQ_CONS', ((read('EVENTQ_PROD') & 0x8000_0000) | cons) >>> 0);
      return records;
    },
  };
}

/** A linear stream table of 256 bypassed or aborted streams right above the queues; `config` of stream 1. */
function streamTable(machine: ReturnType<typeof bare>, config: number): void {
  const base = QUEUES + 0x4_0000;
  for (let stream = 0; stream < 4; stream++) machine.put(base + 64 * stream, 1 | (config << 1));
  machine.write('STRTAB_BASE', base);
  machine.write('STRTAB_BASE_CFG', 2);
}

describe('registers', () => {
  it('identification registers cannot be written', () => {
    const { read, write } = bare();
    const before = read('IDR0');
    write('IDR0', 0);
    expect(read('IDR0')).toBe(before);
    expect(read('AIDR')).toBe(1);
  });

  it('enables that the SMMU does not offer never appear in CR0ACK', () => {
    const { read, write } = bare();
    write('CR0', 0x1ff);
    expect(read('CR0ACK')).toBe(Cr0.SMMUEN | Cr0.CMDQEN | Cr0.EVENTQEN);
    const full = bare({ ats: true, pri: true, priQueueBits: 8 });
    full.write('CR0', 0x1ff);
    expect(full.read('CR0ACK')).toBe(0x1f);
  });

  it('base registers keep their value while their enable is on', () => {
    const machine = bare();
    machine.on();
    for (const name of ['STRTAB_BASE', 'STRTAB_BASE_CFG', 'CMDQ_BASE', 'EVENTQ_BASE', 'CR2'] as const) {
      const before = machine.read(name);
      machine.write(name, 0x1234_5640);
      expect(machine.read(name), name).toBe(before);
    }
  });

  it('GBPA changes only with UPDATE, which reads as 0 again at once', () => {
    const { read, write } = bare();
    write('GBPA', Gbpa.ABORT);
    expect(read('GBPA')).toBe(0);
    write('GBPA', Gbpa.ABORT | Gbpa.UPDATE);
    expect(read('GBPA')).toBe(Gbpa.ABORT);
  });

  it('answer through the bus, both pages, also 64-bit writes in one piece', () => {
    const { bus, smmu } = bare();
    const cpu = bus.port('cpu', 'cpu');
    expect(cpu.write64(0x905_0080, 0x1000_0040, 0x1)).toBe(true);
    expect(smmu.contexts.table.base).toBe(0x1_1000_0040);
    expect(cpu.write32(0x906_00ac, 5)).toBe(true);
    expect(smmu.events.cons).toBe(5);
    const halves = new Uint32Array(2);
    smmu.read64(REGISTERS.STRTAB_BASE.offset, halves);
    expect([...halves]).toEqual([0x1000_0040, 1]);
    expect(smmu.read32(0xd00)).toBe(0);
  });
});

describe('traffic without translation', () => {
  it('passes while SMMUEN is 0, unless GBPA says abort', () => {
    const { smmu, write } = bare();
    expect(translates(smmu, 1, -1, 0x1234, AccessFlag.READ)).toBe(true);
    expect(last.pa).toBe(0x1234);
    write('GBPA', Gbpa.ABORT | Gbpa.UPDATE);
    expect(translates(smmu, 1, -1, 0x1234, AccessFlag.READ)).toBe(false);
    expect(last.outcome).toBe(Outcome.ABORTED);
  });

  it('passes on a stream in bypass, up to the output address size', () => {
    const machine = bare({ outputBits: 40 });
    streamTable(machine, 4);
    machine.on();
    expect(translates(machine.smmu, 1, -1, 0xff_ffff_f000, AccessFlag.WRITE)).toBe(true);
    expect(last.pa).toBe(0xff_ffff_f000);
    expect(translates(machine.smmu, 2, -1, 2 ** 40, AccessFlag.WRITE)).toBe(false);
    expect(machine.events()).toMatchObject([{ name: 'F_ADDR_SIZE', fields: { S2: 0, CLASS: 2, RnW: 0 } }]);
  });

  it('is aborted without a record on a stream whose entry says abort', () => {
    const machine = bare();
    streamTable(machine, 0);
    machine.on();
    expect(translates(machine.smmu, 1, -1, 0x1000, AccessFlag.READ)).toBe(false);
    expect(machine.events()).toEqual([]);
  });

  it('is recorded as C_BAD_STREAMID only with CR2.RECINVSID', () => {
    const machine = bare();
    streamTable(machine, 4);
    machine.on();
    translates(machine.smmu, 99, -1, 0x1000, AccessFlag.READ);
    expect(machine.events()).toEqual([]);
    machine.write('CR0', Cr0.CMDQEN | Cr0.EVENTQEN);
    machine.write('CR2', 2);
    machine.on();
    translates(machine.smmu, 99, -1, 0x1000, AccessFlag.READ);
    expect(machine.events()).toMatchObject([{ name: 'C_BAD_STREAMID', fields: { StreamID: 99, SSV: 0 } }]);
  });

  it('is recorded as C_BAD_STE for an invalid entry and F_STE_FETCH where no memory is', () => {
    const machine = bare();
    streamTable(machine, 5);
    machine.put(QUEUES + 0x4_0000 + 64, 0);
    machine.on();
    translates(machine.smmu, 1, -1, 0x1000, AccessFlag.READ);
    machine.write('CR0', Cr0.EVENTQEN);
    machine.write('STRTAB_BASE', 0x1000);
    machine.on();
    translates(machine.smmu, 3, 7, 0x1000, AccessFlag.READ);
    expect(machine.events()).toMatchObject([
      { name: 'C_BAD_STE', fields: { StreamID: 1 } },
      { name: 'F_STE_FETCH', fields: { StreamID: 3, SSV: 1, SubstreamID: 7, FetchAddress: 0x10c0 } },
    ]);
  });
});

describe('command queue', () => {
  it('carries commands out in order, across the wrap', () => {
    const machine = bare({}, 2);
    machine.on();
    for (let round = 0; round < 5; round++) {
      machine.place('TLBI_NSNH_ALL', {});
      machine.place('CFGI_STE_RANGE', { Range: 31 });
      machine.place('SYNC', {});
      machine.ring();
      expect(machine.read('CMDQ_CONS')).toBe(machine.read('CMDQ_PROD'));
    }
    expect(machine.smmu.commands.commands).toBe(15);
    expect(machine.smmu.mmu.invalidation.syncs).toBe(5);
  });

  it('waits while CMDQEN is 0', () => {
    const machine = bare();
    machine.place('TLBI_NSNH_ALL', {});
    machine.ring();
    expect(machine.read('CMDQ_CONS')).toBe(0);
    machine.on();
    expect(machine.read('CMDQ_CONS')).toBe(1);
  });

  it('stops at an illegal command with CERROR_ILL, and goes on when software has mended it', () => {
    const machine = bare();
    machine.on();
    machine.place('TLBI_NSNH_ALL', {});
    machine.placeWords(0x07, 0, 0, 0);
    machine.place('TLBI_NSNH_ALL', {});
    machine.ring();
    expect(machine.read('CMDQ_CONS')).toBe(1 | (CommandError.ILLEGAL << 24));
    expect(machine.read('GERROR')).toBe(Gerror.CMDQ_ERR);
    expect(machine.wires).toEqual(['gerror']);
    encodeCommand('SYNC', {}, machine.memory.words, machine.memory.index(COMMANDS + 16));
    machine.write('GERRORN', Gerror.CMDQ_ERR);
    expect(machine.read('CMDQ_CONS') & 0xfffff).toBe(3);
    expect(machine.read('GERROR')).toBe(machine.read('GERRORN'));
  });

  it('takes no command while the error of one is active, however often the doorbell rings', () => {
    const machine = bare();
    machine.on();
    machine.placeWords(0x07, 0, 0, 0);
    machine.place('TLBI_NSNH_ALL', {});
    machine.ring();
    const stuck = machine.read('CMDQ_CONS');
    machine.place('TLBI_NSNH_ALL', {});
    machine.ring();
    encodeCommand('SYNC', {}, machine.memory.words, machine.memory.index(COMMANDS));
    machine.ring();
    machine.on();
    expect([machine.read('CMDQ_CONS'), machine.smmu.commands.commands]).toEqual([stuck, 0]);
    machine.write('GERRORN', machine.read('GERROR'));
    expect(machine.smmu.commands.commands).toBe(3);
  });

  it('is not entered twice by a CMD_SYNC whose MSI rings its own doorbell, and such a ring of commands ends', () => {
    const doorbell = 0x905_0000 + REGISTERS.CMDQ_PROD.offset;
    const once = bare();
    once.on();
    once.place('SYNC', { CS: 1, MSIAddress: doorbell, MSIData: 2 });
    once.place('TLBI_NSNH_ALL', {});
    once.write('CMDQ_PROD', 1);
    expect([once.read('CMDQ_CONS'), once.smmu.commands.commands]).toEqual([2, 2]);
    // Each SYNC lets the queue reach to the one after it.
    const ring = bare({}, 2);
    ring.on();
    for (let i = 0; i < 4; i++) ring.place('SYNC', { CS: 1, MSIAddress: doorbell, MSIData: (i + 6) & 7 });
    ring.write('CMDQ_PROD', 1);
    expect(ring.smmu.commands.commands).toBeLessThanOrEqual(8);
  });

  it.each([
    [0, 4, 6],
    [1, 4, 8],
    [2, 0, 8],
    [3, 0, 16],
  ])(
    'a range of configurations covers the aligned 2^(%i + 1) streams around the one named, and no other',
    (Range, from, to) => {
      const machine = bare();
      const table = RAM_BASE + 0xe00_0000;
      const streams = Array.from({ length: 16 }, (_, i) => i);
      const fill = (Config: number): void => {
        for (const stream of streams) {
          const at = machine.memory.index(table + 64 * stream);
          encodeInto(STREAM_TABLE_ENTRY, machine.memory.words, at, { V: 1, Config });
        }
      };
      const passing = (): number[] => streams.filter((i) => translates(machine.smmu, i, -1, 0x1000, AccessFlag.READ));
      fill(StreamConfig.BYPASS);
      machine.write('STRTAB_BASE', table);
      machine.write('STRTAB_BASE_CFG', 4);
      machine.on();
      expect(passing()).toEqual(streams);
      fill(StreamConfig.ABORT);
      expect(passing()).toEqual(streams);
      machine.place('CFGI_STE_RANGE', { StreamID: 5, Range });
      machine.ring();
      expect(passing()).toEqual(streams.filter((i) => i < from || i >= to));
    },
  );

  it.each([
    ['TLBI_NH_ALL', { stage1: false }],
    ['TLBI_EL2_ALL', {}],
    ['TLBI_S12_VMALL', { stage2: false }],
    ['TLBI_S2_IPA', { stage2: false }],
    ['ATC_INV', {}],
    ['PRI_RESP', {}],
    ['RESUME', {}],
    ['STALL_TERM', {}],
  ] as const)('finds %s illegal without the feature behind it', (name, features) => {
    const machine = bare(features);
    machine.on();
    machine.place(name, {});
    machine.ring();
    expect(machine.read('CMDQ_CONS') >>> 24).toBe(CommandError.ILLEGAL);
  });

  it('finds a range of one granule without a level illegal, as the manual reserves it', () => {
    const machine = bare();
    machine.on();
    machine.place('TLBI_NH_VA', { TG: 1, TTL: 3 });
    machine.place('TLBI_NH_VA', { TG: 2, NUM: 1 });
    machine.place('TLBI_NH_VA', {});
    machine.place('TLBI_NH_VA', { TG: 1 });
    machine.ring();
    expect(machine.read('CMDQ_CONS')).toBe(3 | (CommandError.ILLEGAL << 24));
  });

  it('finds CS = 3 and commands of the Secure state illegal', () => {
    for (const words of [[0x3046, 0, 0, 0] as const, [0x403, 0, 0, 0] as const]) {
      const machine = bare();
      machine.on();
      machine.placeWords(...words);
      machine.ring();
      expect(machine.read('CMDQ_CONS') >>> 24).toBe(CommandError.ILLEGAL);
    }
  });

  it('reports a queue outside memory as CERROR_ABT', () => {
    const machine = bare();
    machine.write('CMDQ_BASE', 0x1000 + 3);
    machine.on();
    machine.ring();
    machine.write('CMDQ_PROD', 1);
    expect(machine.read('CMDQ_CONS') >>> 24).toBe(CommandError.ABORT);
  });

  it('signals a SYNC by interrupt, by message, or by event', () => {
    const machine = bare();
    machine.on();
    machine.place('SYNC', { CS: 1 });
    machine.place('SYNC', { CS: 1, MSIAddress: QUEUES + 0x5_0000, MSIData: 0xabcd });
    machine.place('SYNC', { CS: 2 });
    machine.ring();
    expect(machine.wires).toEqual(['cmd-sync', 'sev']);
    expect(machine.memory.words[machine.memory.index(QUEUES + 0x5_0000)]).toBe(0xabcd);
  });

  it('reports the aborted message of a SYNC as a global error', () => {
    const machine = bare();
    machine.on();
    machine.place('SYNC', { CS: 1, MSIAddress: 0x1000 });
    machine.ring();
    expect(machine.read('GERROR')).toBe(Gerror.MSI_CMDQ_ABT_ERR);
    expect(machine.read('CMDQ_CONS')).toBe(1);
  });

  it('keeps the SMMU busy for as long as its commands take', () => {
    const machine = bare();
    machine.on();
    machine.smmu.now = 1000;
    machine.place('TLBI_NH_VA', { Address: 0x1000 });
    machine.ring();
    const afterOne = machine.smmu.commands.busyUntil;
    expect(afterOne).toBeGreaterThan(1000);
    machine.place('SYNC', {});
    machine.ring();
    expect(machine.smmu.commands.busyUntil).toBeGreaterThan(afterOne + 100);
  });
});

describe('event queue', () => {
  let machine: ReturnType<typeof bare>;
  const fault = (): void => {
    translates(machine.smmu, 1, 5, 0x1000, AccessFlag.READ);
  };

  beforeEach(() => {
    machine = bare({}, 2);
    streamTable(machine, 4);
    machine.on();
  });

  it('raises its interrupt when the first record arrives, not for the next', () => {
    fault();
    fault();
    expect(machine.wires).toEqual(['eventq']);
    expect(machine.events()).toHaveLength(2);
    fault();
    expect(machine.wires).toEqual(['eventq', 'eventq']);
  });

  it('loses records when it is full, and toggles OVFLG once until software acknowledges', () => {
    for (let i = 0; i < 6; i++) fault();
    expect(machine.smmu.events.lost).toBe(2);
    expect(machine.read('EVENTQ_PROD')).toBe(0x8000_0004);
    expect(machine.events()).toHaveLength(4);
    expect(machine.smmu.events.overflown).toBe(false);
    for (let i = 0; i < 5; i++) fault();
    expect(machine.read('EVENTQ_PROD') >>> 31).toBe(0);
    expect(machine.smmu.events.overflown).toBe(true);
  });

  it('drops records while EVENTQEN is 0', () => {
    machine.write('CR0', Cr0.SMMUEN);
    fault();
    expect(machine.read('EVENTQ_PROD')).toBe(0);
  });

  it('sends its interrupt as a message when it has an address for it', () => {
    const target = QUEUES + 0x5_0000;
    machine.write('IRQ_CTRL', 0);
    machine.smmu.write64(REGISTERS.EVENTQ_IRQ_CFG0.offset, target, 0);
    machine.write('EVENTQ_IRQ_CFG1', 77);
    machine.write('IRQ_CTRL', IrqCtrl.EVENTQ);
    machine.write('EVENTQ_IRQ_CFG1', 78);
    fault();
    expect(machine.wires).toEqual([]);
    expect(machine.memory.words[machine.memory.index(target)]).toBe(77);
  });

  it('has MSI registers that only its own enable guards', () => {
    const groups = [
      ['GERROR_IRQ_CFG1', IrqCtrl.GERROR],
      ['EVENTQ_IRQ_CFG1', IrqCtrl.EVENTQ],
      ['PRIQ_IRQ_CFG1', IrqCtrl.PRIQ],
    ] as const;
    for (const [enabled, bit] of groups) {
      machine.write('IRQ_CTRL', 0);
      for (const [name] of groups) machine.write(name, 1);
      machine.write('IRQ_CTRL', bit);
      for (const [name] of groups) machine.write(name, 2);
      expect(groups.map(([name]) => machine.read(name))).toEqual(groups.map(([name]) => (name === enabled ? 1 : 2)));
    }
  });

  it('outside memory is a global error', () => {
    machine.write('CR0', Cr0.SMMUEN);
    machine.write('EVENTQ_BASE', 0x1002);
    machine.on();
    fault();
    expect(machine.read('GERROR')).toBe(Gerror.EVENTQ_ABT_ERR);
  });
});

describe('stalled transactions', () => {
  function stalling(stallMax = 4) {
    const parts = machineWith({ stallModel: 0, stallMax, terminateAborts: false });
    const driver = parts.makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, 0x20, 0, { stalls: true });
    driver.map(domain, 0x1_0000, 0x4000_0000, 4096, RW);
    const records: EventRecord[] = [];
    driver.interrupts.onEvent = (record) => records.push(record);
    const ended: [StalledTransaction, Outcome, number][] = [];
    parts.smmu.onStallEnd = (transaction, outcome, request) => ended.push([transaction, outcome, request.pa]);
    const access = (smmu: Smmuv3, iova: number): Outcome =>
      translates(smmu, 0x20, -1, iova, AccessFlag.WRITE) ? Outcome.OK : last.outcome;
    return { ...parts, driver, domain, records, ended, access };
  }

  it('are parked with a tag in their record, and translate after a retry once software has mapped the page', () => {
    const { smmu, driver, domain, records, ended, access } = stalling();
    expect(access(smmu, 0x2_0010)).toBe(Outcome.STALLED);
    driver.handleEvents();
    expect(records).toMatchObject([
      { name: 'F_TRANSLATION', fields: { Stall: 1, STAG: 0, RnW: 0, InputAddress: 0x2_0010 } },
    ]);
    driver.map(domain, 0x2_0000, 0x5000_0000, 4096, RW);
    driver.interrupts.respond(records[0] as EventRecord, 'retry');
    expect(ended).toMatchObject([[{ iova: 0x2_0010 }, Outcome.OK, 0x5000_0010]]);
    expect(smmu.faults.stalls.live).toBe(0);
  });

  it('stall again when the retry faults again', () => {
    const { smmu, driver, records, ended, access } = stalling();
    access(smmu, 0x2_0000);
    driver.handleEvents();
    driver.interrupts.respond(records[0] as EventRecord, 'retry');
    driver.handleEvents();
    expect(records).toHaveLength(2);
    expect(ended).toEqual([]);
    driver.interrupts.respond(records[1] as EventRecord, 'abort');
    expect(ended).toMatchObject([[{}, Outcome.ABORTED, 0]]);
  });

  it('read as zero when software terminates them without an abort', () => {
    const { smmu, driver, ended, access } = stalling();
    access(smmu, 0x2_0000);
    driver.queue.add('RESUME', { StreamID: 0x20, STAG: 0 });
    driver.queue.sync();
    expect(ended).toMatchObject([[{}, Outcome.READ_AS_ZERO, 0]]);
  });

  it('wait without a record when all tags are taken, and get the next free one', () => {
    const { smmu, driver, records, ended, access } = stalling(1);
    access(smmu, 0x2_0000);
    access(smmu, 0x3_0000);
    driver.handleEvents();
    expect(records).toHaveLength(1);
    expect(smmu.faults.stalls.waiting).toBe(1);
    driver.interrupts.respond(records[0] as EventRecord, 'abort');
    driver.handleEvents();
    expect(records.map(({ fields: { InputAddress } }) => InputAddress)).toEqual([0x2_0000, 0x3_0000]);
    expect(ended).toHaveLength(1);
  });

  it('all end with STALL_TERM of their stream, and a RESUME of another stream does nothing', () => {
    const { smmu, driver, ended, access } = stalling(2);
    for (const iova of [0x2_0000, 0x3_0000, 0x4_0000]) access(smmu, iova);
    driver.queue.add('RESUME', { StreamID: 0x21, STAG: 0, Ab: 1 });
    driver.queue.sync();
    expect(ended).toEqual([]);
    driver.queue.add('STALL_TERM', { StreamID: 0x20 });
    driver.queue.sync();
    expect(ended.map(([, outcome]) => outcome)).toEqual([Outcome.ABORTED, Outcome.ABORTED, Outcome.ABORTED]);
    expect(smmu.faults.stalls.live + smmu.faults.stalls.waiting).toBe(0);
  });

  it('are the only records that a full queue holds back instead of losing', () => {
    const { smmu, driver, records, access } = stalling(8);
    smmu.write32(REGISTERS.CR0.offset, Cr0.SMMUEN | Cr0.CMDQEN);
    smmu.write32(REGISTERS.EVENTQ_BASE.offset, EVENTS + 1);
    smmu.write32(REGISTERS.CR0.offset, Cr0.SMMUEN | Cr0.CMDQEN | Cr0.EVENTQEN);
    for (let i = 0; i < 4; i++) access(smmu, 0x2_0000 + 0x1000 * i);
    expect(smmu.events.full).toBe(true);
    expect(smmu.events.lost).toBe(0);
    smmu.write32(REGISTERS.EVENTQ_CONS.offset, 2);
    expect(smmu.events.written).toBe(4);
    expect([driver.interrupts.events.overflows, records.length]).toEqual([0, 0]);
  });
});

describe('terminated transactions', () => {
  it('read as zero instead of aborting where the context says so', () => {
    const { smmu, memory, makeDriver } = machineWith({ terminateAborts: false });
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, 3);
    translates(smmu, 3, -1, 0x1000, AccessFlag.READ);
    expect(last.outcome).toBe(Outcome.ABORTED);
    const cd = memory.index(smmu.contexts.known(3, -1)?.ste.S1ContextPtr ?? 0);
    memory.words[cd + 1] = (memory.words[cd + 1] as number) & ~(1 << 14);
    driver.queue.add('CFGI_CD', { StreamID: 3, Leaf: 1 });
    driver.queue.sync();
    translates(smmu, 3, -1, 0x1000, AccessFlag.READ);
    expect(last.outcome).toBe(Outcome.READ_AS_ZERO);
  });

  it('leave no record where the context says so (CD.R)', () => {
    const { smmu, memory, makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, 3);
    translates(smmu, 3, -1, 0x1000, AccessFlag.READ);
    expect(driver.handleEvents()).toBe(1);
    const cd = memory.index(smmu.contexts.known(3, -1)?.ste.S1ContextPtr ?? 0);
    memory.words[cd + 1] = (memory.words[cd + 1] as number) & ~(1 << 13);
    driver.queue.add('CFGI_CD', { StreamID: 3, Leaf: 1 });
    driver.queue.sync();
    expect(translates(smmu, 3, -1, 0x1000, AccessFlag.READ)).toBe(false);
    expect(driver.handleEvents()).toBe(0);
  });
});

describe('the stream table registers', () => {
  it('reach no further than IDR1.SIDSIZE', () => {
    const { smmu, makeDriver } = machineWith({ streamBits: 4, twoLevelStreams: false });
    const driver = makeDriver();
    driver.attachBypass(3);
    const enables = smmu.read32(REGISTERS.CR0.offset);
    smmu.write32(REGISTERS.CR0.offset, enables & ~Cr0.SMMUEN);
    smmu.write32(REGISTERS.STRTAB_BASE_CFG.offset, 8);
    smmu.write32(REGISTERS.CR0.offset, enables);
    expect(translates(smmu, 3, -1, 0x1000, AccessFlag.READ)).toBe(true);
    // What lies behind the table looks like an entry that aborts silently.
    expect(translates(smmu, 16, -1, 0x1000, AccessFlag.READ)).toBe(false);
    const names: string[] = [];
    driver.interrupts.onEvent = ({ name }) => names.push(name);
    driver.handleEvents();
    expect(names).toEqual(['C_BAD_STREAMID']);
  });
});

describe('configuration cache', () => {
  it('keeps an old configuration until CFGI invalidates it', () => {
    const { smmu, memory, makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, 3);
    driver.map(domain, 0x1000, 0x4000_0000, 0x2000, RW);
    expect(translates(smmu, 3, -1, 0x1000, AccessFlag.READ)).toBe(true);
    const entry = memory.index(driver.streamTable.address(3));
    encodeInto(STREAM_TABLE_ENTRY, memory.words, entry, { Config: StreamConfig.ABORT });
    expect(translates(smmu, 3, -1, 0x2000, AccessFlag.READ)).toBe(true);
    driver.detach(domain, 3);
    expect(translates(smmu, 3, -1, 0x2000, AccessFlag.READ)).toBe(false);
    expect(driver.handleEvents()).toBe(0);
  });
});

describe('aborted table walks', () => {
  it('are recorded as F_WALK_EABT, class TT, with the address of the descriptor', () => {
    const { smmu, memory, makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, 3);
    driver.map(domain, 0x1000, 0x4000_0000, 4096, RW);
    // The top entry points to a hole.
    const top = domain.table.registers.kind === 'stage-1' ? domain.table.registers.ttbr : 0;
    memory.words[memory.index(top)] = 0x1000_0003;
    const records: EventRecord[] = [];
    driver.interrupts.onEvent = (record) => records.push(record);
    expect(translates(smmu, 3, -1, 0x1000, AccessFlag.READ)).toBe(false);
    driver.handleEvents();
    expect(records).toMatchObject([
      { name: 'F_WALK_EABT', fields: { S2: 0, CLASS: 1, InputAddress: 0x1000, FetchAddress: 0x1000_0000 } },
    ]);
  });
});

describe('the unmap of a page', () => {
  it('takes effect in every cache with one range command of one granule', () => {
    const { smmu, makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, 3);
    driver.map(domain, 0x1000, 0x4000_0000, 4096, RW);
    translates(smmu, 3, -1, 0x1000, AccessFlag.READ);
    const gather = newGather();
    driver.unmap(domain, 0x1000, 4096, gather);
    driver.iotlbSync(domain, gather);
    expect(translates(smmu, 3, -1, 0x1000, AccessFlag.READ)).toBe(false);
  });
});
