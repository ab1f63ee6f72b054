import * as v from 'valibot';
import type { RegisterPort, Smmuv2 } from '../../devices/index.ts';
import { AccessFlag, TranslationRequest } from '../../emulator/index.ts';
import { newGather, Prot } from '../../formats/index.ts';
import { checkConfig } from '../config/index.ts';
import { smmuv2World } from './smmuv2-world.ts';

const STREAM = 1;
const PAGE = 4096;
/** The buffer that is unmapped, and one that is not. */
const BUFFER = 0x1000_0000;
const NEIGHBOUR = 0x2000_0000;
const PA = 0x2_0000_0000;

const BusyUnmapSchema = v.strictObject({
  /** Strict: the unmap returns once the TLB is clean. Lazy: a flush queue cleans it later. */
  mode: v.optional(v.picklist(['strict', 'lazy']), 'strict'),
  /** Pages of each buffer. */
  pages: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1024)), 64),
  /** Cycles between the device's writes, which go to both buffers in turn, page after page. */
  gapCycles: v.optional(v.pipe(v.number(), v.minValue(1)), 40),
  /** Cycles for which the device goes on after the unmap has returned. */
  afterCycles: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1e7)), 40_000),
  /** Lazy: cycles from the unmap to the flush. Linux: at most 10 ms; here less, so that it is seen. */
  flushCycles: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1e7)), 20_000),
  /** Cycles from a fault to the first instruction of the interrupt handler. Assumed. */
  interruptCycles: v.optional(v.pipe(v.number(), v.minValue(0)), 2000),
});

export type BusyUnmapConfig = v.InferOutput<typeof BusyUnmapSchema>;
export type BusyUnmapInput = v.InferInput<typeof BusyUnmapSchema>;

/** What the scenario came to. Plain JSON; times in cycles. */
export interface BusyUnmapReport {
  readonly scenario: 'busy-unmap';
  readonly config: BusyUnmapConfig;
  /** How long the unmap took, with its sync where there is one. */
  readonly unmapCycles: number;
  /** From the first cleared descriptor until the TLB is clean. */
  readonly windowCycles: number;
  /** Writes that reached a page of the buffer after its descriptor was cleared. */
  readonly stale: number;
  /** Of those, the ones after the unmap had returned: the pages may already belong to somebody else. */
  readonly staleAfterReturn: number;
  /** Writes to the buffer that the SMMU refused. */
  readonly refused: number;
  /** Writes to the other buffer that were refused because of these faults. */
  readonly collateral: number;
  /** Writes to the other buffer in the same time. */
  readonly neighbourWrites: number;
  readonly interrupts: number;
}

/** The device's traffic runs as far as the processor's clock has come each time the processor accesses a register. */
class BusyPort implements RegisterPort {
  readonly smmu: Smmuv2;
  run: () => void = () => {};

  constructor(smmu: Smmuv2) {
    this.smmu = smmu;
  }

  read32(offset: number): number {
    this.run();
    return this.smmu.read32(offset);
  }

  read64(offset: number, halves: Uint32Array): void {
    this.run();
    this.smmu.read64(offset, halves);
  }

  write32(offset: number, value: number): void {
    this.run();
    this.smmu.write32(offset, value);
  }

  write64(offset: number, low: number, high: number): void {
    this.run();
    this.smmu.write64(offset, low, high);
  }

  delay(microseconds: number): void {
    this.smmu.delay(microseconds);
    this.run();
  }
}

/**
 * A driver unmaps a buffer that its device still writes to: a bug, and what comes of it. Until the TLB is clean the writes still arrive;
 * after that they fault, and with SCTLR.HUPCF clear (as Linux leaves it) each fault also stops the device's other buffers until the
 * interrupt handler has seen it.
 *
 * @throws ConfigError naming the first wrong field.
 */
export function runBusyUnmap(input: BusyUnmapInput = {}): BusyUnmapReport {
  const config = checkConfig(BusyUnmapSchema, input);
  const bus: { port: BusyPort | null } = { port: null };
  const { smmu, driver } = smmuv2World({}, (made) => {
    bus.port = new BusyPort(made);
    return bus.port;
  });
  const master = driver.probeDevice([{ id: STREAM, mask: 0 }]);
  const domain = driver.createDomain();
  if (typeof master === 'number' || driver.attach(master, domain) !== 0) throw new Error('the domain does not attach');
  const { pages } = config;
  driver.map(domain, BUFFER, PA, PAGE, pages, Prot.READ | Prot.WRITE);
  driver.map(domain, NEIGHBOUR, PA + PAGE * pages, PAGE, pages, Prot.READ | Prot.WRITE);
  const table = domain.context?.table;

  const count = { stale: 0, staleAfterReturn: 0, refused: 0, collateral: 0, neighbourWrites: 0, interrupts: 0 };
  const request = new TranslationRequest();
  let next = smmu.now;
  let turn = 0;
  let handlerAt = -1;
  let running = false;
  let returned = false;
  let lastStale = -1;
  smmu.onContextInterrupt = () => {
    if (handlerAt < 0) handlerAt = next + config.interruptCycles;
  };
  const write = (): void => {
    const page = (turn >> 1) % pages;
    const own = turn % 2 === 0;
    turn++;
    const iova = (own ? BUFFER : NEIGHBOUR) + PAGE * page;
    const passed = smmu.translate(request.ask(0, STREAM, -1, iova, AccessFlag.WRITE, next));
    if (!own) {
      count.neighbourWrites++;
      if (!passed) count.collateral++;
    } else if (!passed) count.refused++;
    else if (table?.iovaToPhys(iova) === 0) {
      count.stale++;
      lastStale = next;
      if (returned) count.staleAfterReturn++;
    }
  };
  const run = (): void => {
    // The handler's own register accesses come here again.
    if (running) return;
    running = true;
    while (next <= smmu.now) {
      if (handlerAt >= 0 && next >= handlerAt) {
        handlerAt = -1;
        count.interrupts++;
        const { now } = smmu;
        // Another processor takes the interrupt, so that this one's time stands still.
        driver.contextFault(domain);
        smmu.now = now;
      }
      write();
      next += config.gapCycles;
    }
    running = false;
  };
  if (bus.port !== null) bus.port.run = run;
  // Both buffers are in the TLBs before it begins, and the device is in the middle of them.
  smmu.now += 5 * pages * config.gapCycles;
  run();
  count.neighbourWrites = 0;

  const begin = smmu.now;
  const gather = newGather(config.mode === 'lazy');
  driver.unmap(domain, BUFFER, PAGE, pages, gather);
  if (config.mode === 'strict') driver.sync(domain);
  const unmapCycles = smmu.now - begin;
  run();
  returned = true;
  const end = smmu.now + config.afterCycles;
  if (config.mode === 'lazy') {
    smmu.now += config.flushCycles;
    run();
    driver.flushAll(domain);
  }
  smmu.now = Math.max(smmu.now, end);
  run();
  const windowCycles = lastStale < 0 ? 0 : lastStale - begin;
  return { scenario: 'busy-unmap', config, unmapCycles, windowCycles, ...count };
}
