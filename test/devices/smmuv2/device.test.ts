import { describe, expect, test } from 'vitest';
import { SMMU_HARDWARE, type SmmuHardwareName, smmuv2Spec as spec } from '../../../devices/index.ts';
import { AccessFlag, Outcome } from '../../../emulator/index.ts';
import { newGather, Prot } from '../../../formats/index.ts';
import { PAGE, Rig } from './rig.ts';

const IOVA = 0x1234_5000;
const PA = 0x9000_0000;
const STREAM = 5;

describe('translation', () => {
  test.each(Object.keys(SMMU_HARDWARE) as SmmuHardwareName[])(
    'what the driver maps on %s comes out, and goes',
    (name) => {
      const rig = new Rig(name);
      const { domain } = rig.attach(STREAM);
      expect(rig.map(domain, IOVA, PA, 2)).toBe(0);
      expect(rig.access(STREAM, IOVA + 0x123)).toBe(PA + 0x123);
      expect(rig.access(STREAM, IOVA + PAGE, AccessFlag.WRITE)).toBe(PA + PAGE);
      expect(rig.driver.unmap(domain, IOVA, PAGE, 2, newGather())).toBe(2 * PAGE);
      rig.driver.sync(domain);
      expect(rig.access(STREAM, IOVA)).toBeNull();
      expect(rig.request.outcome).toBe(Outcome.ABORTED);
    },
  );

  test('an unmapped page stays in the TLB until the driver drops it', () => {
    const rig = new Rig();
    const { domain } = rig.attach(STREAM);
    rig.map(domain, IOVA, PA);
    rig.access(STREAM, IOVA);
    const queued = { start: Number.MAX_SAFE_INTEGER, end: 0, pageSize: 0, queued: true };
    rig.driver.unmap(domain, IOVA, PAGE, 1, queued);
    expect(rig.access(STREAM, IOVA)).toBe(PA);
    rig.driver.flushAll(domain);
    expect(rig.access(STREAM, IOVA)).toBeNull();
  });

  test('the upper half has its own table', () => {
    const rig = new Rig();
    const { domain } = rig.attach(STREAM, { upper: true });
    rig.map(domain, IOVA, PA);
    expect(rig.access(STREAM, IOVA, AccessFlag.UPPER)).toBe(PA);
    expect(rig.access(STREAM, IOVA)).toBeNull();
  });

  test("Linux's invalidation of an upper-half address names a wrong ASID, so that the entry stays", () => {
    const rig = new Rig();
    rig.attach(STREAM + 1);
    const { domain, context } = rig.attach(STREAM, { upper: true });
    expect(context.tag).toBe(1);
    rig.map(domain, IOVA, PA);
    expect(rig.access(STREAM, IOVA, AccessFlag.UPPER)).toBe(PA);
    rig.driver.unmap(domain, IOVA, PAGE, 1, newGather());
    rig.driver.sync(domain);
    expect(rig.access(STREAM, IOVA, AccessFlag.UPPER)).toBe(PA);
    rig.driver.flushAll(domain);
    expect(rig.access(STREAM, IOVA, AccessFlag.UPPER)).toBeNull();
  });

  test('a domain whose bank was turned off lets its streams pass: Linux does not reroute them', () => {
    const rig = new Rig();
    const { domain } = rig.attach(STREAM);
    rig.driver.freeDomain(domain);
    expect(rig.access(STREAM, IOVA)).toBe(IOVA);
  });

  test('identity passes, blocked refuses, after shutdown all passes', () => {
    const rig = new Rig();
    const { master } = rig.attach(STREAM);
    rig.driver.attachIdentity(master);
    expect(rig.access(STREAM, IOVA)).toBe(IOVA);
    rig.driver.attachBlocked(master);
    expect(rig.access(STREAM, IOVA)).toBeNull();
    rig.driver.shutdown();
    expect(rig.access(STREAM, IOVA)).toBe(IOVA);
  });

  test('the SMMU is asked where an address goes, and says what it maps', () => {
    const rig = new Rig('v2-ats-16k');
    const { domain } = rig.attach(STREAM);
    rig.map(domain, IOVA, PA);
    expect(rig.driver.iovaToPhys(domain, IOVA + 0x21)).toBe(PA + 0x21);
    expect(rig.driver.iovaToPhys(domain, IOVA + PAGE)).toBe(0);
    expect(rig.messages.at(-1)).toMatch(/^PAR = 0x3/);
  });
});

describe('streams', () => {
  test('ids under one mask share a group; an id that overlaps is refused', () => {
    const rig = new Rig();
    const whole = rig.driver.probeDevice([{ id: 0x400, mask: 0xff }]);
    expect(rig.driver.probeDevice([{ id: 0x412, mask: 0 }])).toEqual(whole);
    expect(rig.driver.probeDevice([{ id: 0x480, mask: 0x1ff }])).toBe(-22);
  });

  test('a stream of no group faults with its id, once', () => {
    const rig = new Rig();
    let interrupts = 0;
    rig.smmu.onGlobalInterrupt = () => interrupts++;
    expect(rig.access(77, IOVA)).toBeNull();
    expect(rig.access(78, IOVA)).toBeNull();
    expect(interrupts).toBe(2);
    expect(rig.smmu.read32(spec.GR0.sGFSR.offset)).toBe(0x8000_0002);
    expect(rig.smmu.read32(spec.GR0.sGFSYNR1.offset)).toBe(77);
    expect(rig.driver.globalFault()).toBe(true);
    expect(rig.messages[0]).toContain('0x4d');
    expect(rig.driver.globalFault()).toBe(false);
  });

  test('a stream that two groups match faults', () => {
    const rig = new Rig();
    const { GR0, STREAM_GROUP } = spec;
    rig.smmu.write32(STREAM_GROUP.SMR.offset, 0x8000_0009);
    rig.smmu.write32(STREAM_GROUP.SMR.offset + 4, 0x80ff_0000);
    expect(rig.access(9, IOVA)).toBeNull();
    expect(rig.smmu.read32(GR0.sGFSR.offset)).toBe(4);
  });

  test('a stream whose group names no bank faults', () => {
    const rig = new Rig();
    rig.smmu.write32(spec.STREAM_GROUP.SMR.offset, 0x8000_0009);
    rig.smmu.write32(spec.STREAM_GROUP.S2CR.offset, 200);
    expect(rig.access(9, IOVA)).toBeNull();
    expect(rig.smmu.read32(spec.GR0.sGFSR.offset)).toBe(8);
  });
});

describe('faults', () => {
  const faultOf = (rig: Rig, bank: number, name: 'FSR' | 'FSYNR0' | 'FAR'): number =>
    rig.smmu.read32(rig.smmu.pages.bank(bank) + spec.BANK[name].offset);

  test('the first fault is kept until the driver has seen it, and holds back what comes behind', () => {
    const rig = new Rig();
    const { domain, context } = rig.attach(STREAM);
    rig.map(domain, IOVA, PA);
    expect(rig.access(STREAM, IOVA + PAGE, AccessFlag.WRITE | AccessFlag.PRIVILEGED)).toBeNull();
    expect(faultOf(rig, context.bank, 'FSR')).toBe(0x402);
    expect(faultOf(rig, context.bank, 'FSYNR0')).toBe(0x33);
    expect(faultOf(rig, context.bank, 'FAR')).toBe(IOVA + PAGE);
    // SCTLR.HUPCF is 0: even what is mapped has to wait.
    expect(rig.access(STREAM, IOVA)).toBeNull();
    expect(rig.smmu.heldBack).toBe(1);
    expect(rig.driver.contextFault(domain)).toBe(true);
    expect(rig.messages[0]).toBe(
      'Unhandled context fault: fsr=0x402, iova=0x12346000, fsynr=0x33, cbfrsynra=0x5, cb=0',
    );
    expect(rig.access(STREAM, IOVA)).toBe(PA);
    expect(rig.driver.contextFault(domain)).toBe(false);
  });

  test('a write to a page for reading is a permission fault', () => {
    const rig = new Rig();
    const { domain, context } = rig.attach(STREAM);
    rig.map(domain, IOVA, PA, 1, Prot.READ);
    expect(rig.access(STREAM, IOVA)).toBe(PA);
    expect(rig.access(STREAM, IOVA, AccessFlag.WRITE)).toBeNull();
    expect(faultOf(rig, context.bank, 'FSR')).toBe(0x408);
  });

  test('a stalled access goes on once the page is there and the driver says retry', () => {
    const rig = new Rig('mmu500-small', { kernel: '7.3' });
    const { domain, context } = rig.attach(STREAM);
    const sctlr = rig.smmu.pages.bank(context.bank) + spec.BANK.SCTLR.offset;
    rig.smmu.write32(sctlr, rig.smmu.read32(sctlr) | spec.SCTLR.CFCFG.lowMask);
    const ended: (number | null)[] = [];
    rig.smmu.onStallEnd = (_, outcome, { pa }) => ended.push(outcome === Outcome.OK ? pa : null);
    rig.map(domain, IOVA + PAGE, PA + PAGE);
    expect(rig.access(STREAM, IOVA)).toBeNull();
    expect(rig.request.outcome).toBe(Outcome.STALLED);
    // One that is mapped waits behind it.
    expect(rig.access(STREAM, IOVA + PAGE)).toBeNull();
    expect(rig.smmu.stalled.live).toBe(2);
    expect(faultOf(rig, context.bank, 'FSR')).toBe(0x4000_0402);
    rig.driver.contextFault(domain, () => {
      rig.map(domain, IOVA, PA);
      return -11;
    });
    expect(ended).toEqual([PA, PA + PAGE]);
    expect(faultOf(rig, context.bank, 'FSR')).toBe(0);
  });

  test('a stalled access that nobody wants is ended, and those behind it go on', () => {
    const rig = new Rig('mmu500-small', { kernel: '7.3' });
    const { domain, context } = rig.attach(STREAM);
    const sctlr = rig.smmu.pages.bank(context.bank) + spec.BANK.SCTLR.offset;
    rig.smmu.write32(sctlr, rig.smmu.read32(sctlr) | spec.SCTLR.CFCFG.lowMask);
    const ended: Outcome[] = [];
    rig.smmu.onStallEnd = (_, outcome) => ended.push(outcome);
    rig.map(domain, IOVA + PAGE, PA + PAGE);
    rig.access(STREAM, IOVA);
    rig.access(STREAM, IOVA + PAGE);
    rig.driver.contextFault(domain);
    expect(ended).toEqual([Outcome.ABORTED, Outcome.OK]);
  });
});

describe('time', () => {
  test('a sync is over when all that was begun before it is', () => {
    const rig = new Rig('mmu500-small', {}, { write: 1, read: 1, perMicrosecond: 1000 });
    const { smmu } = rig;
    const { BANK } = spec;
    const bank = smmu.pages.bank(0);
    for (let i = 0; i < 8; i++) smmu.write64(bank + BANK.TLBIVAL.offset, i, 0);
    smmu.write32(bank + BANK.TLBSYNC.offset, 0);
    const end = smmu.maintenance.busyUntil;
    expect(smmu.read32(bank + BANK.TLBSTATUS.offset)).toBe(1);
    smmu.now = end;
    expect(smmu.read32(bank + BANK.TLBSTATUS.offset)).toBe(0);
  });
});
