import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AccessFlag,
  FixedContexts,
  FlightEngine,
  Mmu,
  PRESETS,
  type PresetName,
  TranslationRequest,
} from '../../../../emulator/index.ts';
import { BLOCK_BYTES, PAGE_BYTES, ToyTable, toyRegime, WordMemory } from '../toy-tables.ts';

const NAMES = Object.keys(PRESETS) as PresetName[];
const STAGE1 = 0;
const NESTED = 1;
const STAGE2 = 2;

/** Two streams of pages and blocks: stage 1, nested, stage 2 alone. Some addresses fault. */
function machine(preset: PresetName, masters = 1): Mmu {
  const memory = new WordMemory();
  const stage1 = new ToyTable(memory, 0x10_0000, 1);
  const stage2 = new ToyTable(memory, 0x20_0000, 2);
  for (let page = 0; page < 64; page++) {
    stage1.mapPage(0, page, page * PAGE_BYTES);
    stage2.mapPage(0, page, 0x8000_0000 + page * PAGE_BYTES);
  }
  for (let page = 64; page < 512; page++) stage2.mapPage(0, page, page * PAGE_BYTES);
  stage1.mapBlock(1, BLOCK_BYTES);
  stage2.mapBlock(1, 0x4000_0000);
  const contexts = new FixedContexts();
  contexts.set(STAGE1, toyRegime(stage1, null, 1, 0));
  contexts.set(NESTED, toyRegime(stage1, stage2, 1, 3));
  contexts.set(STAGE2, toyRegime(null, stage2, 0, 3));
  return new Mmu({ ...PRESETS[preset], masters }, memory, contexts);
}

const addresses = fc.array(
  fc.oneof(
    fc.nat(63).map((page) => page * PAGE_BYTES + 0x40),
    fc.nat(511).map((page) => BLOCK_BYTES + page * PAGE_BYTES),
    fc.constant(2 * BLOCK_BYTES),
  ),
  { minLength: 30, maxLength: 60 },
);

const request = new TranslationRequest();

function figuresOf(done: Readonly<TranslationRequest>): unknown[] {
  return [done.pa, done.latency, done.hit, done.walkCacheLevel, done.fault, done.descriptorReads, done.attributes];
}

describe('the event engine with one request in flight', () => {
  it.each(NAMES)('gives what translate gives, to the cycle and the counter: %s', (preset) => {
    fc.assert(
      fc.property(addresses, fc.constantFrom(STAGE1, NESTED, STAGE2), fc.boolean(), (list, streamId, write) => {
        const flags = write ? AccessFlag.WRITE : AccessFlag.READ;
        const serial = machine(preset);
        const expected: unknown[] = [];
        for (const iova of list) {
          serial.translate(request.ask(0, streamId, -1, iova, flags, 0));
          expected.push(figuresOf(request));
        }
        const parallel = machine(preset);
        const engine = new FlightEngine(parallel);
        const found: unknown[] = [];
        engine.onDone = (done) => found.push(figuresOf(done));
        engine.run({ addresses: Float64Array.from(list), streamId, flags, outstanding: 1 });
        expect(found).toEqual(expected);
        expect(parallel.counters()).toEqual(serial.counters());
      }),
      { numRuns: 30, seed: 3 },
    );
  });
});

describe('the event engine with many requests in flight', () => {
  const run = (outstanding: number, options: { ids?: number; masters?: number; preset?: PresetName } = {}) => {
    const { ids = 8, masters = 1, preset = 'mmu-600-agilex5' } = options;
    const mmu = machine(preset, masters);
    const engine = new FlightEngine(mmu);
    const list = Float64Array.from({ length: 256 }, (_, at) => ((at * 37) % 64) * PAGE_BYTES);
    const done: { master: number; iova: number; pa: number; start: number; end: number }[] = [];
    engine.onDone = ({ master, iova, pa, startTick, endTick }) => {
      done.push({ master, iova, pa, start: startTick, end: endTick });
    };
    const jobs = Array.from({ length: masters }, () => ({ addresses: list, streamId: STAGE1, outstanding, ids }));
    const last = engine.run(jobs);
    return { mmu, done, last, list };
  };

  it('translates every request, to the right address', () => {
    const { done, list } = run(32);
    expect(done.length).toBe(list.length);
    for (const { iova, pa } of done) expect(pa).toBe(iova);
  });

  it('is quicker than one after the other, and never in more flights than asked for', () => {
    const alone = run(1);
    const many = run(16);
    expect(many.last).toBeLessThan(alone.last);
    const flights = (end: number): number => many.done.filter((one) => one.start <= end && one.end > end).length;
    for (const { start } of many.done) expect(flights(start)).toBeLessThanOrEqual(16);
  });

  it('keeps requests of one id in order', () => {
    const { done, list } = run(16, { ids: 1 });
    expect(done.map(({ iova }) => iova)).toEqual([...list]);
  });

  it('lets masters compete for the SMMU: two take longer than one, less than twice as long', () => {
    const one = run(16);
    const two = run(16, { masters: 2 });
    expect(two.done.length).toBe(2 * one.done.length);
    expect(two.last).toBeGreaterThan(one.last);
    expect(two.last).toBeLessThan(2 * one.last);
  });

  it('is the same every time', () => {
    expect(run(24).done).toEqual(run(24).done);
  });

  it('walks a page that many miss once, not many times', () => {
    const mmu = machine('mmu-600-agilex5');
    new FlightEngine(mmu).run({
      addresses: new Float64Array(32).fill(5 * PAGE_BYTES),
      streamId: STAGE1,
      outstanding: 32,
      ids: 32,
    });
    expect(mmu.walks).toBe(1);
  });

  it('stops where it is told, with nothing in flight', () => {
    const mmu = machine('gem5');
    let inFlight = 0;
    const engine = new FlightEngine(mmu);
    let finished = 0;
    engine.onDone = () => finished++;
    engine.run({
      addresses: Float64Array.from({ length: 20 }, (_, at) => at * PAGE_BYTES),
      streamId: STAGE1,
      outstanding: 4,
      pauseAt: 10,
      pause: () => {
        inFlight = 10 - finished;
        return 500;
      },
    });
    expect(inFlight).toBe(0);
    expect(finished).toBe(20);
  });

  it('lets memory of little bandwidth make everyone wait', () => {
    const list = Float64Array.from({ length: 64 }, (_, at) => at * PAGE_BYTES);
    const ticks = (bandwidth: number): number => {
      const { config, memory, contexts } = machine('gem5');
      const slow = new Mmu({ ...config, memory: { latency: 100, bandwidth } }, memory, contexts);
      return new FlightEngine(slow).run({ addresses: list, streamId: STAGE1, outstanding: 16, ids: 16 });
    };
    expect(ticks(1)).toBeGreaterThan(ticks(0));
    expect(ticks(1)).toBeGreaterThanOrEqual(64 * 64 * 1000);
  });
});
