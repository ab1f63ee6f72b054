/** The IPMMU-VMSA: what its registers make of an access, and what faults and flushes do to its registers. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { IpmmuMaster, LinuxIpmmuDomain, LinuxIpmmuDriver } from '../../../../devices/index.ts';
import { contextBase, Imctr, Imstr, MICRO_TLB, microTlbBase } from '../../../../devices/ipmmu/spec/index.ts';
import { AccessFlag, FaultKind, Outcome, TranslationRequest } from '../../../../emulator/index.ts';
import { allocIoPgtable, Gfp, type IoPgtable, Prot, type StageTwoRegisters } from '../../../../formats/index.ts';
import { ipmmuMachine } from '../machine.ts';

const PAGE = 4096;
const MIB = 2 ** 20;
const LEAF = 0x100_0000;
const READ_WRITE = Prot.READ | Prot.WRITE;
const { READ, WRITE } = AccessFlag;
const gather = () => ({ start: Number.MAX_SAFE_INTEGER, end: 0, pageSize: 0, queued: false });

const GENERATIONS = ['gen2', 'gen3', 'gen4'] as const;

describe.each(GENERATIONS)('an IPMMU of %s under its Linux driver', (generation) => {
  let rig: ReturnType<typeof ipmmuMachine>;
  let driver: LinuxIpmmuDriver;
  let master: IpmmuMaster;
  let domain: LinuxIpmmuDomain;
  const request = new TranslationRequest();
  const microTlb = 5;

  /** One access of the micro-TLB's master, at the device's own time. */
  function access(iova: number, flags: number = READ, streamId = microTlb): boolean {
    return rig.device.translate(request.ask(0, streamId, -1, iova, flags, rig.device.now));
  }
  const register = (offset: number): number =>
    rig.device.read32(contextBase(rig.device.generation, domain.context) + offset);

  beforeEach(() => {
    rig = ipmmuMachine({ generation });
    driver = rig.linux();
    master = driver.newMaster(driver.leaves[0] ?? driver.root, [microTlb]);
    domain = driver.newDomain();
    expect(driver.attach(master, domain)).toBe(0);
  });

  it('translates what is mapped, in pages and blocks, and faults where nothing is', () => {
    driver.mapPages(domain, 0x1000_0000, 0x8100_0000, PAGE, 3, READ_WRITE);
    driver.mapPages(domain, 0x4020_0000, 0x8120_0000, 2 * MIB, 1, READ_WRITE);
    driver.mapPages(domain, 0xc000_0000, 0xff_4000_0000, 2 ** 30, 1, READ_WRITE);
    expect([access(0x1000_2fff), request.pa]).toEqual([true, 0x8100_2fff]);
    expect([access(0x4030_0010, WRITE), request.pa]).toEqual([true, 0x8130_0010]);
    expect([access(0xffff_ff00), request.pa]).toEqual([true, 0xff_7fff_ff00]);
    expect(access(0x1000_3000)).toBe(false);
    expect([request.outcome, request.fault]).toEqual([Outcome.ABORTED, FaultKind.TRANSLATION]);
    expect(access(0x1_1000_0000)).toBe(false);
  });

  it('lets pass unchanged what comes through a micro-TLB that is off, at once', () => {
    driver.mapPages(domain, 0, 0x8100_0000, PAGE, 1, READ_WRITE);
    expect([access(0x10), request.pa]).toEqual([true, 0x8100_0010]);
    driver.attachIdentity(master);
    expect([access(0x10), request.pa]).toEqual([true, 0x10]);
    driver.attach(master, domain);
    expect([access(0x10), request.pa]).toEqual([true, 0x8100_0010]);
  });

  it('tells the accesses of its first context from those that pass unchanged', () => {
    driver.mapPages(domain, 0, 0x8100_0000, PAGE, 1, READ_WRITE);
    access(0);
    expect([access(0, READ, microTlb + 1), request.pa]).toEqual([true, 0]);
    driver.flushAll(domain);
    expect([access(0), request.pa]).toEqual([true, 0x8100_0000]);
  });

  it('keeps what the TLBs hold until the flush, and not longer', () => {
    driver.mapPages(domain, 0, 0x8100_0000, PAGE, 2, READ_WRITE);
    access(0);
    driver.unmapPages(domain, 0, PAGE, 2, gather());
    expect(access(0)).toBe(true);
    expect(access(PAGE)).toBe(false);
    driver.iotlbSync(domain);
    expect(access(0)).toBe(false);
  });

  it('takes time for a flush: IMCTR.FLUSH reads as 1 until it is over', () => {
    const { device } = rig;
    const offset = contextBase(device.generation, domain.context);
    const begun = device.now;
    device.write32(offset, Imctr.MMUEN | Imctr.FLUSH | Imctr.INTEN);
    expect(device.read32(offset)).toBe(7);
    device.delay(100);
    expect(device.read32(offset)).toBe(5);
    expect(device.flushCycles).toBeGreaterThan(0);
    expect(device.now - begun).toBeGreaterThanOrEqual(100 * device.config.cyclesPerMicrosecond);
    expect(driver.timeouts).toBe(0);
  });

  it('records a fault with address, kind and level, raises the interrupt, and forgets with IMSTR', () => {
    const levels: boolean[] = [];
    rig.device.onInterrupt = (level) => levels.push(level);
    driver.mapPages(domain, 0x1000, 0x8100_0000, PAGE, 1, Prot.READ);
    access(0x1040, WRITE);
    expect(register(0x20) & 0xff).toBe(Imstr.PF);
    // Another one before software looks: the address stays the first one's.
    access(0x5000);
    expect(register(0x20) & 0xff).toBe(Imstr.PF | Imstr.TF);
    expect([register(0x30), register(0x34)]).toEqual([0x1040, 0]);
    expect((register(0x20) & Imstr.ERRLVL) >>> 12).toBe(3);
    const seen: number[] = [];
    domain.handler = (iova) => seen.push(iova) * 0;
    expect(driver.handleInterrupt()).toBe(true);
    expect([seen, register(0x20), driver.handleInterrupt()]).toEqual([[0x1040], 0, false]);
    expect(levels).toEqual([true, false]);
  });

  it('gives every domain a context of its own, as many as there are', () => {
    const { contexts, hasLeaves } = rig.device.generation;
    const unit = driver.leaves[0] ?? driver.root;
    const free = contexts - (hasLeaves ? 1 : 0) - 1;
    for (let i = 0; i < free; i++) {
      const other = driver.newDomain();
      expect(driver.attach(driver.newMaster(unit, [i + 6]), other)).toBe(0);
      driver.mapPages(other, 0, 0x8200_0000 + i * PAGE, PAGE, 1, READ_WRITE);
    }
    for (let i = 0; i < free; i++) {
      expect([access(0, READ, i + 6), request.pa]).toEqual([true, 0x8200_0000 + i * PAGE]);
    }
    expect(driver.attach(driver.newMaster(unit, [1]), driver.newDomain())).toBe(-16);
  });

  it('is the same after the power was gone', () => {
    driver.mapPages(domain, 0, 0x8100_0000, PAGE, 1, READ_WRITE);
    for (const unit of [rig.device.root, ...rig.device.leaves]) {
      unit.contexts.reset();
      unit.microTlbs.reset();
    }
    for (const unit of [driver.root, ...driver.leaves]) driver.resume(unit);
    expect([access(0x20), request.pa]).toEqual([true, 0x8100_0020]);
  });

  it('walks nothing once a context is freed', () => {
    driver.mapPages(domain, 0, 0x8100_0000, PAGE, 1, READ_WRITE);
    driver.releaseMaster(master);
    driver.freeDomain(domain);
    expect([access(0), request.pa]).toEqual([true, 0]);
    expect(rig.warnings).toEqual([]);
    expect(rig.machine.pages.live).toBe(0);
  });
});

describe('an IPMMU with 64-bit tables', () => {
  it('walks both halves of a 39-bit space, and descriptors of a stage 2 where the root is told so', () => {
    const { device, machine } = ipmmuMachine({ generation: 'gen3' });
    const table = (format: 'ARM_64_LPAE_S1' | 'ARM_64_LPAE_S2', ias: number, quirks = 0) =>
      allocIoPgtable({ format, pageSizes: PAGE, ias, oas: 40, quirks }, machine, null);
    const lower = table('ARM_64_LPAE_S1', 39);
    const upper = table('ARM_64_LPAE_S1', 39);
    const guest = table('ARM_64_LPAE_S2', 40);
    lower.mapPages(0x5000, 0x8100_0000, PAGE, 1, READ_WRITE, Gfp.KERNEL);
    upper.mapPages(0x7f_ffff_f000, 0x8200_0000, PAGE, 1, READ_WRITE, Gfp.KERNEL);
    guest.mapPages(0xff_ffff_f000, 0x8300_0000, PAGE, 1, READ_WRITE, Gfp.KERNEL);
    const base = (of: IoPgtable): number =>
      'ttbr' in of.registers ? of.registers.ttbr : (of.registers as StageTwoRegisters).vttbr;
    const write = (context: number, offset: number, value: number): void =>
      device.write32(contextBase(device.generation, context) + offset, value);
    const setUp = (context: number, control: number, first: number, second: number): void => {
      write(context, 0x10, first % 2 ** 32);
      write(context, 0x14, Math.floor(first / 2 ** 32));
      write(context, 0x18, second % 2 ** 32);
      write(context, 0x1c, Math.floor(second / 2 ** 32));
      write(context, 0x08, control);
      write(context, 0x28, 0x4ff44);
      for (const where of [LEAF, 0]) device.write32(where + contextBase(device.generation, context), 0x2000_0007);
      const pair = LEAF + microTlbBase(device.generation, context);
      device.write32(pair + MICRO_TLB.IMUCTR.offset, (context << 4) | 3);
    };
    setUp(1, 0xb519_3599, base(lower), base(upper));
    const request = new TranslationRequest();
    const at = (stream: number, iova: number, flags: number): number =>
      device.translate(request.ask(0, stream, -1, iova, flags, device.now)) ? request.pa : -1;
    expect(at(1, 0x5008, READ)).toBe(0x8100_0008);
    expect(at(1, 0x7f_ffff_f008, READ | AccessFlag.UPPER)).toBe(0x8200_0008);
    expect(at(1, 0x7f_ffff_f008, READ)).toBe(-1);
    device.write32(0x504, 8);
    setUp(2, 0xc000_3598, base(guest), 0);
    expect(at(2, 0xff_ffff_f008, WRITE)).toBe(0x8300_0008);
    expect(at(2, 0x100_0000_0000, READ)).toBe(-1);
  });
});
