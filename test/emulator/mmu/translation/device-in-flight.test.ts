import { describe, expect, it } from 'vitest';
import {
  AccessFlag,
  FixedContexts,
  FlightEngine,
  Mmu,
  Outcome,
  type TranslatingDevice,
  type TranslationRequest,
} from '../../../../emulator/index.ts';
import { PAGE_BYTES, ToyTable, toyRegime, WordMemory } from '../toy-tables.ts';

/** A device that aborts one stream at once and parks what faults, as an SMMUv3 with GBPA.ABORT or a stall model does. */
class ToyDevice implements TranslatingDevice {
  readonly mmu: Mmu;
  readonly table: ToyTable;
  readonly parked: TranslationRequest[] = [];
  aborts = false;
  onResume: TranslatingDevice['onResume'] = null;

  constructor() {
    const memory = new WordMemory();
    this.table = new ToyTable(memory, 0x10_0000, 1);
    for (let page = 0; page < 16; page++) this.table.mapPage(0, page, page * PAGE_BYTES);
    this.mmu = new Mmu({}, memory, new FixedContexts(toyRegime(this.table, null, 1, 0)));
  }

  translate(request: TranslationRequest): boolean {
    if (!this.admit(request)) return false;
    this.mmu.translate(request);
    return this.settle(request);
  }

  admit(request: TranslationRequest): boolean {
    return !this.aborts || request.refuseAtOnce(Outcome.ABORTED);
  }

  settle(request: TranslationRequest): boolean {
    if (request.outcome === Outcome.OK) return true;
    this.parked.push(request);
    return request.refuse(Outcome.STALLED);
  }
}

const list = (pages: readonly number[]): Float64Array => Float64Array.from(pages, (page) => page * PAGE_BYTES);

function run(device: ToyDevice, pages: readonly number[]) {
  const engine = new FlightEngine(device);
  const done: [number, Outcome][] = [];
  engine.onDone = ({ iova, outcome }) => {
    done.push([iova / PAGE_BYTES, outcome]);
  };
  const job = { addresses: list(pages), streamId: 1, outstanding: 4, ids: 4, flags: AccessFlag.READ };
  return { engine, done, job };
}

describe('requests in flight go through the device', () => {
  it('which may abort them before the MMU sees them', () => {
    const device = new ToyDevice();
    device.aborts = true;
    const { engine, done, job } = run(device, [1, 2, 3, 4, 5, 6]);
    expect(engine.run(job)).toBeGreaterThan(0);
    expect(done.map(([, outcome]) => outcome)).toEqual(new Array(6).fill(Outcome.ABORTED));
    expect(device.mmu.counters().microTlb.lookups).toBe(0);
  });

  it('which may park them: the rest goes on, and the parked one holds its slot until it is resumed', () => {
    const device = new ToyDevice();
    const { engine, done, job } = run(device, [1, 40, 2, 3, 4, 5, 6, 7]);
    engine.run(job);
    expect(done.filter(([, outcome]) => outcome === Outcome.STALLED)).toEqual([[40, Outcome.STALLED]]);
    expect(done.length).toBe(8);
    // Software maps the page and resumes; the next run brings the answer.
    device.table.mapPage(0, 40, 40 * PAGE_BYTES);
    device.onResume?.(device.parked[0] as TranslationRequest, Outcome.OK);
    engine.run({ ...job, addresses: list([8]) });
    expect(done.slice(8).sort(([a], [b]) => a - b)).toEqual([
      [8, Outcome.OK],
      [40, Outcome.OK],
    ]);
  });

  it('which may park them and end them at once, from within: the master gets its answer', () => {
    const device = new ToyDevice();
    const settle = device.settle.bind(device);
    device.settle = (request) => {
      const passed = settle(request);
      if (!passed) device.onResume?.(request, Outcome.READ_AS_ZERO);
      return passed;
    };
    const { engine, done, job } = run(device, [40, 41, 42, 1]);
    expect(engine.run(job)).toBeGreaterThan(0);
    expect(done.length).toBe(4);
    // Everybody was answered: another run begins with all slots free.
    expect(engine.run({ ...job, addresses: list([2, 3, 4, 5, 6, 7]) })).toBeGreaterThan(0);
    expect(done.length).toBe(10);
  });
});

describe('addresses of both halves in one run', () => {
  it('are told apart by the list', () => {
    const memory = new WordMemory();
    const lower = new ToyTable(memory, 0x10_0000, 1);
    const upper = new ToyTable(memory, 0x20_0000, 1);
    lower.mapPage(0, 1, 0x1000_0000);
    upper.mapPage(0, 1, 0x2000_0000);
    const regime = toyRegime(lower, null, 1, 0);
    const both = { ...regime, stage1: { ...lower.regime(), root1: upper.regime().root0 } };
    const engine = new FlightEngine(new Mmu({}, memory, new FixedContexts(both)));
    const pas: number[] = [];
    engine.onDone = ({ pa }) => pas.push(pa);
    const addresses = Float64Array.of(PAGE_BYTES, PAGE_BYTES, PAGE_BYTES);
    engine.run({ addresses, upper: Uint8Array.of(0, 1, 0), streamId: 1, outstanding: 1 });
    expect(pas).toEqual([0x1000_0000, 0x2000_0000, 0x1000_0000]);
  });
});
