import { describe, expect, it } from 'vitest';
import {
  AddressTranslationCache,
  AtsStatus,
  type Command,
  decodeCommand,
  REGISTERS,
  type Smmuv3Domain,
  type Smmuv3Driver,
} from '../../../../devices/index.ts';
import { AccessFlag } from '../../../../emulator/index.ts';
import { newGather, Prot, Quirk } from '../../../../formats/index.ts';
import { last, translates } from '../../access.ts';
import { machineWith } from '../machine.ts';

const RW = Prot.READ | Prot.WRITE;
const STREAM = 0x40;
const PAGE = 4096;

function started(asked: Parameters<typeof machineWith>[0] = {}) {
  const parts = machineWith(asked);
  const driver = parts.makeDriver();
  const records: string[] = [];
  driver.interrupts.onEvent = ({ name }) => records.push(name);
  const { smmu, memory } = parts;
  /** Where an access of the stream at 0x1000 ends up, or the event that it left. */
  const access = (substreamId = -1, streamId = STREAM): number | string => {
    if (translates(smmu, streamId, substreamId, 0x1000, AccessFlag.READ)) return last.pa;
    driver.handleEvents();
    return records.pop() ?? 'aborted';
  };
  /** A domain that maps 0x1000 to `pa`. */
  const domainAt = (pa: number, config: Parameters<Smmuv3Driver['createDomain']>[0] = {}): Smmuv3Domain => {
    const domain = driver.createDomain(config);
    driver.map(domain, 0x1000, pa, PAGE, RW);
    return domain;
  };
  const unmap = (domain: Smmuv3Domain, iova = 0x1000): void => {
    const gather = newGather();
    driver.unmap(domain, iova, PAGE, gather);
    driver.iotlbSync(domain, gather);
  };
  /** The commands that `act` sends, without prefetch hints. */
  const commandsOf = (act: () => void): Command[] => {
    const sent: Command[] = [];
    const { execute } = smmu.commands;
    smmu.commands.execute = (pa) => {
      const command = decodeCommand(memory.words, memory.index(pa));
      if (command !== null && command.name !== 'PREFETCH_CONFIG') sent.push(command);
      return execute.call(smmu.commands, pa);
    };
    act();
    smmu.commands.execute = execute;
    return sent;
  };
  return { ...parts, driver, access, domainAt, unmap, commandsOf };
}
const names = (commands: Command[]): string[] => commands.map(({ name }) => name);

describe('substreams', () => {
  const A = 0x4000_0000;
  const B = 0x5000_0000;
  const C = 0x6000_0000;

  it('that a stream cannot have are refused before anything changes', () => {
    const { driver, access, domainAt, pages } = started({ substreamBits: 4 });
    const [a, b] = [domainAt(A), domainAt(B)];
    driver.attach(a, STREAM);
    const live = pages.live;
    expect(() => driver.attach(b, STREAM, 1)).toThrow(/substreamId/);
    expect(() => driver.attach(b, STREAM, 1, { substreamBits: 4 })).toThrow(/substreamBits/);
    expect(() => driver.attach(b, STREAM, 0, { substreamBits: 2 })).toThrow(/substreamBits/);
    expect(() => driver.attach(b, 0x41, 0, { substreamBits: 5 })).toThrow(/substreamBits/);
    expect(() => driver.attach(b, 0x41, 16, { substreamBits: 4 })).toThrow(/substreamId/);
    expect(access()).toBe(A);
    expect(access(-1, 0x41)).toBe('aborted');
    expect(pages.live).toBe(live);
    expect([a.attachments.size, b.attachments.size]).toEqual([1, 0]);
  });

  it('keep their number when a further one comes, and get another once all are gone, without a leak', () => {
    const { driver, access, domainAt, pages } = started({ substreamBits: 12 });
    const [a, b] = [domainAt(A), domainAt(B)];
    driver.attach(a, STREAM, 0, { substreamBits: 12 });
    driver.attach(b, STREAM, 2000);
    expect([access(), access(2000)]).toEqual([A, B]);
    driver.detach(a, STREAM);
    driver.detach(b, STREAM, 2000);
    const live = pages.live;
    driver.attach(a, STREAM, 0, { substreamBits: 0 });
    expect(access()).toBe(A);
    // A level 1 table and two leaves for one descriptor.
    expect(pages.live).toBe(live - 2);
  });

  it('are detached one by one: the others and the stream itself go on', () => {
    const { driver, access, domainAt } = started({ substreamBits: 4 });
    const [a, b, c] = [domainAt(A), domainAt(B), domainAt(C)];
    driver.attach(a, STREAM, 0, { substreamBits: 4 });
    driver.attach(b, STREAM, 1);
    driver.attach(c, STREAM, 2);
    expect([access(), access(1), access(2)]).toEqual([A, B, C]);
    driver.detach(b, STREAM, 1);
    expect([access(), access(1), access(2)]).toEqual([A, 'C_BAD_CD', C]);
    driver.detach(a, STREAM);
    expect([access(), access(2)]).toEqual(['F_STREAM_DISABLED', C]);
    driver.detach(c, STREAM, 2);
    expect([access(), access(2)]).toEqual(['aborted', 'aborted']);
  });

  it('of one stream may share a domain, and leave it one by one', () => {
    const { driver, access, domainAt } = started({ substreamBits: 4 });
    const domain = domainAt(A);
    for (const substream of [0, 1, 2]) driver.attach(domain, STREAM, substream, { substreamBits: 4 });
    expect(domain.attachments.size).toBe(3);
    driver.detach(domain, STREAM, 1);
    expect([access(), access(1), access(2)]).toEqual([A, 'C_BAD_CD', A]);
    // It does not use it any more: nothing happens.
    driver.detach(domain, STREAM, 1);
    expect([access(), access(2)]).toEqual([A, A]);
  });

  it('leave traffic without one as it was: aborted, or passing through', () => {
    const { driver, access, domainAt } = started({ substreamBits: 4 });
    const domain = domainAt(A);
    driver.attach(domain, STREAM, 3, { substreamBits: 4 });
    expect([access(), access(3)]).toEqual(['F_STREAM_DISABLED', A]);
    driver.attachBypass(STREAM);
    expect([access(), access(3)]).toEqual([0x1000, A]);
    driver.detach(domain, STREAM, 3);
    expect(access()).toBe(0x1000);
    driver.attach(domain, STREAM, 3);
    expect([access(), access(3)]).toEqual([0x1000, A]);
  });

  it('and a stage 2 exclude each other', () => {
    const { driver, access, domainAt } = started({ substreamBits: 4 });
    const [a, b] = [domainAt(A), domainAt(B, { format: 'ARM_64_LPAE_S2', ias: 40 })];
    expect(() => driver.attach(b, STREAM, 1)).toThrow(/substreamId/);
    driver.attach(a, STREAM, 1, { substreamBits: 4 });
    expect(() => driver.attach(b, STREAM)).toThrow(/domain.stage/);
    expect(access(1)).toBe(A);
    driver.detach(a, STREAM, 1);
    driver.attach(b, STREAM);
    expect(() => driver.attach(a, STREAM, 1)).toThrow(/substreamId/);
    expect(access()).toBe(B);
  });

  it('of a table whose leaf is new make the SMMU forget the descriptor above it', () => {
    const { driver, access, domainAt, commandsOf } = started({ substreamBits: 12 });
    const domain = domainAt(A);
    driver.attach(domain, STREAM, 0, { substreamBits: 12 });
    const sent = commandsOf(() => driver.attach(domain, STREAM, 2000));
    expect(sent[0]).toMatchObject({ name: 'CFGI_CD', fields: { SubstreamID: 2000, Leaf: 0 } });
    expect(access(2000)).toBe(A);
  });

  it('agree on stalls and ATS with the stream that they are of', () => {
    const { driver, domainAt } = started({ substreamBits: 4, ats: true, stallModel: 0, stallMax: 4 });
    const [a, b] = [domainAt(A), domainAt(B)];
    driver.attach(a, STREAM, 0, { substreamBits: 4, ats: true });
    expect(() => driver.attach(b, STREAM, 1, { ats: false })).toThrow(/ats/);
    expect(() => driver.attach(b, STREAM, 1, { stalls: true })).toThrow(/stalls/);
    driver.attach(b, STREAM, 1);
    const used = [...b.attachments].map(({ master, substreamId }) => [master.streamIds, substreamId, master.ats]);
    expect(used).toEqual([[[STREAM], 1, true]]);
  });
});

describe('a stream', () => {
  it('never stops on the way between passing through and either stage', () => {
    const { smmu, driver, access, domainAt } = started();
    const s1 = domainAt(0x1000);
    const s2 = domainAt(0x1000, { format: 'ARM_64_LPAE_S2', ias: 40 });
    driver.attachBypass(STREAM);
    const seen = new Set<number | string>();
    const write32 = smmu.write32.bind(smmu);
    smmu.write32 = (offset, value) => {
      write32(offset, value);
      if (offset === REGISTERS.CMDQ_PROD.offset) seen.add(access());
    };
    // Each of them leads 0x1000 to itself. From one stage to the other the VMID changes with Config, which takes an invalid entry.
    driver.attach(s1, STREAM);
    driver.attachBypass(STREAM);
    driver.attach(s2, STREAM);
    driver.attachBypass(STREAM);
    expect([...seen]).toEqual([0x1000]);
  });

  it('that gets another domain leaves the one before', () => {
    const { driver, access, domainAt } = started();
    const [a, b] = [domainAt(0x4000_0000), domainAt(0x5000_0000)];
    driver.attach(a, STREAM);
    driver.attach(b, STREAM);
    expect([a.attachments.size, b.attachments.size]).toEqual([0, 1]);
    // It is not its domain any more: nothing happens.
    driver.detach(a, STREAM);
    expect(access()).toBe(0x5000_0000);
  });

  it('does not get what the SMMU does not have', () => {
    const { driver, domainAt } = started();
    const domain = domainAt(0x4000_0000);
    expect(() => driver.attach(domain, STREAM, 0, { ats: true })).toThrow(/ats/);
    expect(() => driver.attach(domain, STREAM, 0, { stalls: true })).toThrow(/stalls/);
    expect(() => driver.attach(domain, 2 ** 16)).toThrow(/streamId/);
    const forced = started({ ats: true, stallModel: 2, stallMax: 4 });
    const stage2 = forced.domainAt(0x4000_0000, { format: 'ARM_64_LPAE_S2', ias: 40 });
    expect(() => forced.driver.attach(stage2, STREAM, 0, { ats: true })).toThrow(/ats/);
  });
});

describe('caches in devices (ATS)', () => {
  it('of streams without ATS get no invalidation, and cost no second SYNC', () => {
    const { driver, domainAt, unmap, commandsOf } = started({ ats: true });
    const domain = domainAt(0x4000_0000);
    expect(names(commandsOf(() => driver.flushDomain(domain)))).toEqual(['TLBI_NH_ASID', 'SYNC']);
    driver.attach(domain, STREAM);
    expect(names(commandsOf(() => unmap(domain)))).toEqual(['TLBI_NH_VA', 'SYNC']);
    driver.attach(domain, STREAM + 1, 0, { ats: true });
    const sent = commandsOf(() => driver.flushDomain(domain));
    expect(names(sent)).toEqual(['TLBI_NH_ASID', 'SYNC', 'ATC_INV', 'SYNC']);
    expect(sent[2]?.fields).toMatchObject({ StreamID: STREAM + 1, SSV: 0, Size: 52 });
  });

  it('are told of each substream that uses the domain, the newest first', () => {
    const { driver, domainAt, unmap, commandsOf } = started({ ats: true, substreamBits: 4 });
    const domain = domainAt(0x4000_0000);
    for (const substream of [0, 5, 6]) driver.attach(domain, STREAM, substream, { substreamBits: 4, ats: true });
    const sent = commandsOf(() => unmap(domain)).filter(({ name }) => name === 'ATC_INV');
    expect(sent.map(({ fields }) => [fields['SSV'], fields['SubstreamID'], fields['Address']])).toEqual([
      [1, 6, 0x1000],
      [1, 5, 0x1000],
      [0, 0, 0x1000],
    ]);
  });

  it('are emptied when the stream comes, changes its domain and goes', () => {
    const { smmu, driver, domainAt } = started({ ats: true });
    const [a, b] = [domainAt(0x4000_0000), domainAt(0x5000_0000)];
    const atc = new AddressTranslationCache(16);
    smmu.ats.connect(STREAM, atc);
    const held = (): number => {
      const { size } = atc;
      atc.keep(STREAM, -1, 0x1000, PAGE, 0x4000_0000, 1);
      return size;
    };
    const sizes = [held()];
    driver.attach(a, STREAM, 0, { ats: true });
    sizes.push(held());
    driver.attach(b, STREAM, 0, { ats: true });
    sizes.push(held());
    driver.detach(b, STREAM);
    sizes.push(held());
    expect(sizes).toEqual([0, 0, 0, 0]);
  });

  it('lose what one substream had when only that one goes', () => {
    const { smmu, driver, domainAt } = started({ ats: true, substreamBits: 4 });
    const [a, b] = [domainAt(0x4000_0000), domainAt(0x5000_0000)];
    driver.attach(a, STREAM, 1, { ats: true, substreamBits: 4 });
    driver.attach(b, STREAM, 2);
    const atc = new AddressTranslationCache(16);
    smmu.ats.connect(STREAM, atc);
    for (const substream of [1, 2]) atc.keep(STREAM, substream, 0x1000, PAGE, 0x4000_0000, 1);
    driver.detach(a, STREAM, 1);
    expect([atc.lookup(STREAM, 1, 0x1000), atc.lookup(STREAM, 2, 0x1000)]).toEqual([false, true]);
  });

  it('work below a stage 2 too', () => {
    const { smmu, driver, domainAt, unmap } = started({ ats: true });
    const domain = domainAt(0x4000_0000, { format: 'ARM_64_LPAE_S2', ias: 40 });
    driver.attach(domain, STREAM, 0, { ats: true });
    expect(smmu.ats.translate(last.ask(0, STREAM, -1, 0x1000, AccessFlag.READ, 0))).toBe(AtsStatus.SUCCESS);
    expect(last.pa).toBe(0x4000_0000);
    const atc = new AddressTranslationCache(16);
    smmu.ats.connect(STREAM, atc);
    atc.keep(STREAM, -1, 0x1000, PAGE, 0x4000_0000, 1);
    unmap(domain);
    expect(atc.size).toBe(0);
  });

  it('are asked for upper-half addresses as the device knows them', () => {
    const { driver, unmap, commandsOf } = started({ ats: true });
    const domain = driver.createDomain({ quirks: Quirk.ARM_TTBR1, ias: 48 });
    driver.attach(domain, STREAM, 0, { ats: true });
    const last = 2 ** 48 - PAGE;
    for (const iova of [0x5000, last]) driver.map(domain, iova, 0x4000_0000, PAGE, RW);
    for (const iova of [0x5000, last]) {
      const [atc] = commandsOf(() => unmap(domain, iova)).filter(({ name }) => name === 'ATC_INV');
      expect(atc?.fields).toMatchObject({ Size: 0, Address: 2 ** 64 - 2 ** 48 + iova });
    }
  });
});
