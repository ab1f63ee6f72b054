import { describe, expect, it } from 'vitest';
import {
  AddressTranslationCache,
  AtsStatus,
  CONTEXT_DESCRIPTOR,
  Cr0,
  Cr2,
  type EventRecord,
  REGISTERS,
  STREAM_TABLE_ENTRY,
  StreamConfig,
} from '../../../../devices/index.ts';
import { AccessFlag, Outcome, Permission } from '../../../../emulator/index.ts';
import {
  allocIoPgtable,
  encodeInto,
  getField,
  type IoPgtable,
  newGather,
  Prng,
  Prot,
  Quirk,
} from '../../../../formats/index.ts';
import { last, translates } from '../../access.ts';
import { machineWith, RAM_BASE } from '../machine.ts';

const RW = Prot.READ | Prot.WRITE;

/** Leaf sizes of each granule. */
const SIZES = {
  '4K': [2 ** 12, 2 ** 21, 2 ** 30],
  '16K': [2 ** 14, 2 ** 25],
  '64K': [2 ** 16, 2 ** 29],
} as const;

/** Random leaves of every size: no two overlap, and every fourth is read-only. */
function randomLeaves(sizes: readonly number[], count: number, inputBits: number, outputBits: number, seed: number) {
  const prng = new Prng(seed);
  const slot = sizes[sizes.length - 1] as number;
  const leaves: { iova: number; pa: number; size: number; prot: number }[] = [];
  const taken = new Set<number>();
  while (leaves.length < count) {
    const size = sizes[prng.below(sizes.length)] as number;
    const place = prng.below(Math.min(2 ** inputBits / slot, 2 ** 20));
    if (taken.has(place)) continue;
    taken.add(place);
    const pa = prng.below(2 ** Math.min(outputBits, 44) / size) * size;
    leaves.push({ iova: place * slot, pa, size, prot: leaves.length % 4 === 3 ? Prot.READ : RW });
  }
  return leaves;
}

describe.each(Object.keys(SIZES) as (keyof typeof SIZES)[])('tables of our own editor, granule %s', (granule) => {
  const sizes = SIZES[granule];
  const pageSizes = sizes.reduce((a, b) => a + b, 0);

  it.each(['ARM_64_LPAE_S1', 'ARM_64_LPAE_S2'] as const)(
    '%s: every leaf translates with its permission, just outside faults with the right record',
    (format) => {
      const { smmu, makeDriver } = machineWith();
      const driver = makeDriver();
      const ias = format === 'ARM_64_LPAE_S1' ? 48 : 44;
      const domain = driver.createDomain({ format, pageSizes, ias });
      driver.attach(domain, 0x12);
      const records: EventRecord[] = [];
      driver.interrupts.onEvent = (record) => records.push(record);
      const leaves = randomLeaves(sizes, 60, ias, 44, 7);
      for (const { iova, pa, size, prot } of leaves) expect(driver.map(domain, iova, pa, size, prot)).toBe(0);
      const page = sizes[0];
      const mapped = (iova: number): boolean =>
        leaves.some((leaf) => iova >= leaf.iova && iova < leaf.iova + leaf.size);
      for (const { iova, pa, size, prot } of leaves) {
        for (const offset of [0, size - 64, Math.floor(size / 3 / 64) * 64]) {
          expect(translates(smmu, 0x12, -1, iova + offset, AccessFlag.READ)).toBe(true);
          expect(last.pa).toBe(pa + offset);
        }
        expect(translates(smmu, 0x12, -1, iova, AccessFlag.WRITE)).toBe(prot === RW);
        if (prot !== RW) {
          driver.handleEvents();
          expect(records.pop()).toMatchObject({ name: 'F_PERMISSION', fields: { RnW: 0, InputAddress: iova } });
        }
        for (const outside of [iova - page, iova + size]) {
          if (outside < 0 || outside >= 2 ** ias || mapped(outside)) continue;
          expect(translates(smmu, 0x12, -1, outside, AccessFlag.READ)).toBe(false);
          driver.handleEvents();
          const stage2 = format === 'ARM_64_LPAE_S2';
          expect(records.pop()).toMatchObject({
            name: 'F_TRANSLATION',
            fields: { S2: Number(stage2), CLASS: 2, InputAddress: outside, IPAddress: stage2 ? outside : 0 },
          });
        }
      }
      // And beyond the input size.
      expect(translates(smmu, 0x12, -1, 2 ** ias, AccessFlag.READ)).toBe(false);
      driver.handleEvents();
      expect(records.pop()).toMatchObject({ name: 'F_TRANSLATION' });
      expect(records).toEqual([]);
    },
  );

  it('strict unmap leaves no leaf of any size behind', () => {
    const { smmu, makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain({ pageSizes });
    driver.attach(domain, 0x12);
    const leaves = randomLeaves(sizes, 40, 48, 44, 9);
    for (const { iova, pa, size } of leaves) driver.map(domain, iova, pa, size, RW);
    for (const { iova } of leaves) translates(smmu, 0x12, -1, iova, AccessFlag.READ);
    const gather = newGather();
    for (const { iova, size } of leaves) {
      expect(driver.unmap(domain, iova, size, gather)).toBe(size);
      driver.iotlbSync(domain, gather);
      expect(translates(smmu, 0x12, -1, iova, AccessFlag.READ)).toBe(false);
    }
  });
});

describe('nested translation', () => {
  /** A guest at IPA 0x4000_0000 whose memory lies in our RAM, with a stage 1 of its own, written by our editor. */
  function guest() {
    const parts = machineWith({ substreamBits: 0 });
    const driver = parts.makeDriver();
    const host = driver.createDomain({ format: 'ARM_64_LPAE_S2', ias: 40, pageSizes: 2 ** 12 + 2 ** 21 });
    const ipaBase = 0x4000_0000;
    const backing = RAM_BASE + 0x800_0000;
    driver.map(host, ipaBase, backing, 0x100_0000, RW);
    // The guest's tables lie in its memory: addresses in them are IPAs, so an editor for it works with those.
    let next = ipaBase;
    const toPa = (ipa: number): number => ipa - ipaBase + backing;
    const memory = {
      get words() {
        return parts.memory.words;
      },
      index: (ipa: number) => parts.memory.index(toPa(ipa)),
      written: () => {},
    };
    const table: IoPgtable = allocIoPgtable(
      { format: 'ARM_64_LPAE_S1', pageSizes: 2 ** 12 + 2 ** 21, ias: 39, oas: 40 },
      {
        memory,
        dma: { mapSingle: (pa) => pa, unmapSingle: () => {}, syncSingleForDevice: () => {} },
        pages: {
          alloc: (_cookie, size) => {
            next += Math.max(size, 4096);
            return next - Math.max(size, 4096);
          },
          free: () => {},
        },
        warn: () => {},
      },
      null,
    );
    const contextTable = next;
    next += 4096;
    const { registers } = table;
    if (registers.kind !== 'stage-1') throw new Error('stage 1 asked for');
    const at = memory.index(contextTable);
    encodeInto(CONTEXT_DESCRIPTOR, parts.memory.words, at, {
      V: 1,
      T0SZ: registers.tcr.tsz,
      IPS: registers.tcr.ips,
      EPD1: 1,
      AA64: 1,
      R: 1,
      A: 1,
      ASID: 5,
      TTB0: registers.ttbr,
      MAIR0: registers.mairLow >>> 0,
    });
    // Linux leaves stage 1 to its guests' drivers: the entry gets it by hand.
    driver.attach(host, 0x30);
    const stage1 = { Config: StreamConfig.NESTED, S1ContextPtr: contextTable, S1DSS: 2, S1CIR: 1, S1COR: 1, S1CSH: 3 };
    encodeInto(STREAM_TABLE_ENTRY, parts.memory.words, parts.memory.index(driver.streamTable.address(0x30)), stage1);
    driver.queue.add('CFGI_STE', { StreamID: 0x30, Leaf: 1 });
    driver.queue.sync();
    const records: EventRecord[] = [];
    driver.interrupts.onEvent = (record) => records.push(record);
    const access = (iova: number, flags: number = AccessFlag.READ): number => {
      const done = translates(parts.smmu, 0x30, -1, iova, flags);
      return done ? last.pa : -1;
    };
    return { ...parts, driver, host, table, records, access, toPa, ipaBase, contextTable };
  }

  it('passes both stages, context descriptor and tables included', () => {
    const { table, access, toPa, ipaBase } = guest();
    table.mapPages(0x10_0000, ipaBase + 0x20_0000, 4096, 4, RW, 0);
    table.mapPages(0x20_0000, ipaBase + 0x40_0000, 2 ** 21, 1, RW, 0);
    expect(access(0x10_0123)).toBe(toPa(ipaBase + 0x20_0123));
    expect(access(0x10_3000)).toBe(toPa(ipaBase + 0x20_3000));
    expect(access(0x2f_f000)).toBe(toPa(ipaBase + 0x4f_f000));
  });

  it('names the stage, the class and the IPA of each fault', () => {
    const { driver, host, table, access, records, ipaBase, contextTable } = guest();
    table.mapPages(0x10_0000, ipaBase + 0x200_0000, 4096, 1, RW, 0);
    const next = (): EventRecord | undefined => {
      driver.handleEvents();
      return records.pop();
    };
    // Stage 1: no entry.
    expect(access(0x50_0000)).toBe(-1);
    expect(next()).toMatchObject({ name: 'F_TRANSLATION', fields: { S2: 0, CLASS: 2 } });
    // Stage 2: the page that stage 1 maps is outside the guest's memory.
    expect(access(0x10_0040)).toBe(-1);
    expect(next()).toMatchObject({
      name: 'F_TRANSLATION',
      fields: { S2: 1, CLASS: 2, InputAddress: 0x10_0040, IPAddress: ipaBase + 0x200_0000 },
    });
    // Stage 2 under a table of stage 1, then under the context descriptor.
    const gather = newGather();
    const hole = (ipa: number): void => {
      driver.unmap(host, ipa, 4096, gather);
      driver.iotlbSync(host, gather);
      driver.flushDomain(host);
      driver.queue.add('CFGI_STE', { StreamID: 0x30, Leaf: 1 });
      driver.queue.sync();
    };
    const { registers } = table;
    const ttbr = registers.kind === 'stage-1' ? registers.ttbr : 0;
    hole(ttbr);
    expect(access(0x10_0040)).toBe(-1);
    expect(next()).toMatchObject({ name: 'F_TRANSLATION', fields: { S2: 1, CLASS: 1, TTRnW: 1, IPAddress: ttbr } });
    hole(contextTable);
    expect(access(0x10_0040)).toBe(-1);
    expect(next()).toMatchObject({ name: 'F_TRANSLATION', fields: { S2: 1, CLASS: 0, IPAddress: contextTable } });
  });
});

describe('context descriptors', () => {
  it('give each substream its own table, in a linear table and in two levels', () => {
    for (const substreamBits of [4, 12]) {
      const { smmu, makeDriver } = machineWith({ substreamBits });
      const driver = makeDriver();
      const domains = [0, 3, 9].map((substream) => ({ substream, domain: driver.createDomain() }));
      for (const { substream, domain } of domains) {
        driver.attach(domain, 0x40, substream, { substreamBits });
        driver.map(domain, 0x1000, 0x5000_0000 + substream * 4096, 4096, RW);
      }
      expect(translates(smmu, 0x40, -1, 0x1000, 0) && last.pa).toBe(0x5000_0000);
      expect(translates(smmu, 0x40, 3, 0x1000, 0) && last.pa).toBe(0x5000_3000);
      expect(translates(smmu, 0x40, 9, 0x1000, 0) && last.pa).toBe(0x5000_9000);
      const names: string[] = [];
      driver.interrupts.onEvent = ({ name }) => names.push(name);
      // Substream 0 is kept for traffic without one; 5 has no descriptor; 2^bits does not exist.
      for (const substream of [0, 5, 2 ** substreamBits]) translates(smmu, 0x40, substream, 0x1000, 0);
      driver.handleEvents();
      expect(names).toEqual(['F_STREAM_DISABLED', 'C_BAD_CD', 'C_BAD_SUBSTREAMID']);
      if (substreamBits === 12) {
        translates(smmu, 0x40, 2000, 0x1000, 0);
        driver.handleEvents();
        expect(names.at(-1)).toBe('C_BAD_SUBSTREAMID');
      }
    }
  });

  it('may let traffic without a substream bypass stage 1, or terminate it (S1DSS)', () => {
    const { smmu, memory, makeDriver } = machineWith({ substreamBits: 4 });
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, 0x40, 1, { substreamBits: 4 });
    const set = (S1DSS: number): void => {
      encodeInto(STREAM_TABLE_ENTRY, memory.words, memory.index(driver.streamTable.address(0x40)), { S1DSS });
      driver.queue.add('CFGI_STE', { StreamID: 0x40, Leaf: 1 });
      driver.queue.sync();
    };
    set(1);
    expect(translates(smmu, 0x40, -1, 0x7000, 0) && last.pa).toBe(0x7000);
    set(0);
    expect(translates(smmu, 0x40, -1, 0x7000, 0)).toBe(false);
    const names: string[] = [];
    driver.interrupts.onEvent = ({ name }) => names.push(name);
    driver.handleEvents();
    expect(names).toEqual(['F_STREAM_DISABLED']);
  });
});

describe('the upper half', () => {
  it('translates, invalidates by sign-extended address, and faults with the sign-extended address', () => {
    for (const ias of [39, 48]) {
      const { smmu, makeDriver } = machineWith();
      const driver = makeDriver();
      const domain = driver.createDomain({ quirks: Quirk.ARM_TTBR1, ias });
      driver.attach(domain, 0x50);
      const iova = 2 ** (ias - 1) + 0x1000;
      driver.map(domain, iova, 0x6000_0000, 4096, RW);
      const flags = AccessFlag.UPPER | AccessFlag.READ;
      expect(translates(smmu, 0x50, -1, iova, flags) && last.pa).toBe(0x6000_0000);
      const gather = newGather();
      driver.unmap(domain, iova, 4096, gather);
      driver.iotlbSync(domain, gather);
      expect(translates(smmu, 0x50, -1, iova, flags)).toBe(false);
      const addresses: (number | undefined)[] = [];
      driver.interrupts.onEvent = ({ fields: { InputAddress } }) => addresses.push(InputAddress);
      driver.handleEvents();
      expect(addresses).toEqual([2 ** 64 - 2 ** ias + iova]);
    }
  });
});

describe('EL2 contexts', () => {
  it('are an address space of their own, which EL1 invalidations leave alone', () => {
    const { smmu, memory, makeDriver } = machineWith({ el2: true }, { mmu: { tlb: { enabled: true } } });
    const driver = makeDriver();
    const el1 = driver.createDomain();
    const el2 = driver.createDomain();
    driver.attach(el1, 0x60);
    driver.attach(el2, 0x61);
    // The same ASID in both worlds.
    const sharedAsid = el1.tag;
    const context = driver.masters.byStream(0x61)?.contexts?.address(0) ?? 0;
    encodeInto(CONTEXT_DESCRIPTOR, memory.words, memory.index(context), { ASID: sharedAsid });
    encodeInto(STREAM_TABLE_ENTRY, memory.words, memory.index(driver.streamTable.address(0x61)), { STRW: 2 });
    // CR2 is guarded by SMMUEN.
    const enables = smmu.read32(REGISTERS.CR0.offset);
    smmu.write32(REGISTERS.CR0.offset, enables & ~Cr0.SMMUEN);
    smmu.write32(REGISTERS.CR2.offset, Cr2.E2H);
    smmu.write32(REGISTERS.CR0.offset, enables);
    driver.queue.add('CFGI_STE_RANGE', { Range: 31 });
    driver.queue.sync();
    driver.map(el1, 0x1000, 0x4000_0000, 4096, RW);
    driver.map(el2, 0x1000, 0x5000_0000, 4096, RW);
    const both = (): [unknown, unknown] => [
      translates(smmu, 0x60, -1, 0x1000, 0) && last.pa,
      translates(smmu, 0x61, -1, 0x1000, AccessFlag.PRIVILEGED) && last.pa,
    ];
    expect(both()).toEqual([0x4000_0000, 0x5000_0000]);
    const walks = smmu.mmu.walks;
    driver.queue.add('TLBI_NH_ASID', { ASID: sharedAsid });
    driver.queue.sync();
    translates(smmu, 0x61, -1, 0x1000, AccessFlag.PRIVILEGED);
    expect(smmu.mmu.walks).toBe(walks);
    driver.queue.add('TLBI_EL2_ALL', {});
    driver.queue.sync();
    translates(smmu, 0x61, -1, 0x1000, AccessFlag.PRIVILEGED);
    expect(smmu.mmu.walks).toBe(walks + 1);
  });
});

describe('the driver of an SMMU with EL2 contexts', () => {
  it('uses EL1 ones, in its registers, its stream entries and its invalidations', () => {
    const { smmu, memory, makeDriver } = machineWith({ el2: true });
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, 0x60);
    expect(smmu.read32(REGISTERS.CR2.offset) & Cr2.E2H).toBe(0);
    expect(getField(memory.words, memory.index(driver.streamTable.address(0x60)), STREAM_TABLE_ENTRY.STRW)).toBe(0);
    driver.map(domain, 0x1000, 0x4000_0000, 4096, RW);
    expect(translates(smmu, 0x60, -1, 0x1000, 0)).toBe(true);
    const gather = newGather();
    driver.unmap(domain, 0x1000, 4096, gather);
    driver.iotlbSync(domain, gather);
    expect(translates(smmu, 0x60, -1, 0x1000, 0)).toBe(false);
    expect(driver.counters().commandsByName).toMatchObject({ TLBI_EL2_ALL: 1, TLBI_NH_VA: 1 });
  });
});

describe('ATS', () => {
  function withAts() {
    const parts = machineWith({ ats: true });
    const driver = parts.makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, 0x70, 0, { ats: true });
    driver.map(domain, 0x1000, 0x4000_0000, 4096, Prot.READ);
    const atc = new AddressTranslationCache(16);
    parts.smmu.ats.connect(0x70, atc);
    return { ...parts, driver, domain, atc };
  }

  it('answers a request with the translation and its permissions, and an unmapped page with none and no record', () => {
    const { smmu, driver } = withAts();
    expect(smmu.ats.translate(last.ask(0, 0x70, -1, 0x1000, AccessFlag.READ, 0))).toBe(AtsStatus.SUCCESS);
    expect([last.pa, smmu.ats.permissions & (Permission.READ | Permission.WRITE)]).toEqual([0x4000_0000, 1]);
    expect(smmu.ats.translate(last.ask(0, 0x70, -1, 0x9000, AccessFlag.READ, 0))).toBe(AtsStatus.SUCCESS);
    expect(smmu.ats.permissions).toBe(0);
    expect(driver.handleEvents()).toBe(0);
  });

  it('grants the reading of a page that may only be read when writing is asked for too, with its address', () => {
    const { smmu, driver, domain } = withAts();
    driver.map(domain, 0x2000, 0x5000_0000, 4096, RW);
    const asked = (iova: number, flags: number): [number, number, number] => {
      const status = smmu.ats.translate(last.ask(0, 0x70, -1, iova, flags, 0));
      return [status, last.pa, smmu.ats.permissions & (Permission.READ | Permission.WRITE)];
    };
    expect(asked(0x1000, AccessFlag.WRITE)).toEqual([AtsStatus.SUCCESS, 0x4000_0000, Permission.READ]);
    expect(last.flags).toBe(AccessFlag.WRITE);
    expect(asked(0x2000, AccessFlag.WRITE)).toEqual([
      AtsStatus.SUCCESS,
      0x5000_0000,
      Permission.READ | Permission.WRITE,
    ]);
    expect(asked(0x2000, AccessFlag.READ)).toEqual([AtsStatus.SUCCESS, 0x5000_0000, Permission.READ]);
    expect(driver.handleEvents()).toBe(0);
  });

  it('answers for a stream that aborts with Unsupported Request and no record, for one that bypasses with a record', () => {
    const { smmu, driver, domain } = withAts();
    const names: string[] = [];
    driver.interrupts.onEvent = ({ name }) => names.push(name);
    const request = (): AtsStatus => smmu.ats.translate(last.ask(0, 0x70, -1, 0x1000, AccessFlag.READ, 0));
    driver.detach(domain, 0x70);
    expect(request()).toBe(AtsStatus.UNSUPPORTED);
    driver.handleEvents();
    expect(names).toEqual([]);
    driver.attachBypass(0x70);
    expect(request()).toBe(AtsStatus.UNSUPPORTED);
    driver.handleEvents();
    expect(names).toEqual(['F_BAD_ATS_TREQ']);
  });

  it('refuses requests and translated traffic of a stream without ATS', () => {
    const { smmu, driver } = withAts();
    driver.attach(driver.createDomain(), 0x71);
    const names: string[] = [];
    driver.interrupts.onEvent = ({ name }) => names.push(name);
    expect(smmu.ats.translate(last.ask(0, 0x71, -1, 0x1000, AccessFlag.READ, 0))).toBe(AtsStatus.UNSUPPORTED);
    expect(smmu.ats.access(0x71, -1, 0x4000_0000, AccessFlag.READ)).toBe(false);
    expect(smmu.ats.access(0x70, -1, 0x4000_0000, AccessFlag.READ)).toBe(true);
    driver.handleEvents();
    expect(names).toEqual(['F_BAD_ATS_TREQ', 'F_TRANSL_FORBIDDEN']);
  });

  it('answers a wrong configuration with Completer Abort and no record', () => {
    const { smmu, driver } = withAts();
    expect(smmu.ats.translate(last.ask(0, 0x7000, -1, 0x1000, AccessFlag.READ, 0))).toBe(AtsStatus.ABORT);
    expect(driver.handleEvents()).toBe(0);
  });

  it('an unmap reaches the cache in the device too', () => {
    const { smmu, driver, domain, atc } = withAts();
    smmu.ats.translate(last.ask(0, 0x70, -1, 0x1000, AccessFlag.READ, 0));
    atc.keep(0x70, -1, 0x1000, 2 ** last.pageShift, last.pa, smmu.ats.permissions);
    atc.keep(0x70, -1, 0x5000, 4096, 0x9000, 1);
    expect(atc.lookup(0x70, -1, 0x1040)).toBe(true);
    expect(atc.pa).toBe(0x4000_0040);
    const gather = newGather();
    driver.unmap(domain, 0x1000, 4096, gather);
    driver.iotlbSync(domain, gather);
    expect(atc.lookup(0x70, -1, 0x1040)).toBe(false);
    expect(atc.size).toBe(1);
    driver.flushDomain(domain);
    expect(atc.size).toBe(0);
  });

  it('a device that does not answer ends the SYNC with CERROR_ATC_INV_SYNC, which the driver counts and passes', () => {
    const { driver, domain, atc } = withAts();
    atc.answers = false;
    driver.flushDomain(domain);
    expect(driver.queue.atcTimeouts).toBe(1);
    atc.answers = true;
    driver.flushDomain(domain);
    expect(driver.queue.atcTimeouts).toBe(1);
  });
});

describe('page requests', () => {
  it('go to the PRI queue and raise its interrupt; the response reaches the device', () => {
    const { smmu, memory, makeDriver } = machineWith({ ats: true, pri: true, priQueueBits: 1 });
    const driver = makeDriver();
    const wires: string[] = [];
    smmu.interrupts.onWire = (wire) => wires.push(wire);
    const responses: number[][] = [];
    smmu.ats.connect(0x70, {
      invalidate: () => true,
      pageResponse: (_stream, substream, group, response) => responses.push([substream, group, response]),
    });
    const request = { StreamID: 0x70, R: 1, Last: 1, PRGIndex: 9, Address: 0x12_3000 };
    expect(smmu.ats.requestPage(request)).toBe(true);
    expect(wires).toEqual(['priq']);
    const at = memory.index(driver.interrupts.pageRequests?.base ?? 0);
    expect([...memory.words.subarray(at, at + 4)]).toEqual([0x70, 0x5000_0000, 0x12_3009, 0]);
    driver.queue.add('PRI_RESP', { StreamID: 0x70, PRGIndex: 9, Resp: 2 });
    driver.queue.sync();
    expect(responses).toEqual([[-1, 9, 2]]);
    // The queue has two entries: the third request is answered by the SMMU itself.
    expect([smmu.ats.requestPage(request), smmu.ats.requestPage(request)]).toEqual([true, false]);
    expect(responses).toHaveLength(2);
    expect(smmu.pageRequests.overflown).toBe(true);
    // Nobody serves page requests: the driver denies each group, once per last request.
    expect(driver.interrupts.handlePageRequests()).toBe(2);
    expect(responses.slice(2)).toEqual([
      [-1, 9, 0],
      [-1, 9, 0],
    ]);
    expect(smmu.pageRequests.overflown).toBe(false);
  });
});

describe('an SMMU that does not snoop', () => {
  it('translates because the driver cleans the tables and keeps the structures uncached', () => {
    const { smmu, cache, makeDriver } = machineWith({ coherent: false }, { cache: true });
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, 1);
    driver.map(domain, 0x1000, 0x4000_0000, 4096, RW);
    expect(cache).not.toBeNull();
    expect(translates(smmu, 1, -1, 0x1000, 0) && last.pa).toBe(0x4000_0000);
    expect(() => driver.createDomain({ coherentWalk: true })).toThrow(/coherentWalk/);
  });

  it('misses what was never cleaned', () => {
    const { smmu, cache, makeDriver } = machineWith({ coherent: false }, { cache: true });
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, 1);
    driver.map(domain, 0x1000, 0x4000_0000, 4096, RW);
    const { registers } = domain.table;
    const ttbr = registers.kind === 'stage-1' ? registers.ttbr : 0;
    const words = cache?.words;
    if (cache === null || words === undefined) throw new Error('a cache was asked for');
    words[cache.index(ttbr)] = 0;
    cache.written(ttbr, 8);
    expect(translates(smmu, 1, -1, 0x1000, 0)).toBe(true);
    expect(last.outcome).toBe(Outcome.OK);
  });
});
