import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AccessFlag,
  FaultKind,
  FixedContexts,
  FlightEngine,
  Mmu,
  type MmuOptions,
  neededPermissions,
  PRESETS,
  type PresetName,
  type TranslationRegime,
  TranslationRequest,
  Walker,
} from '../../../../emulator/index.ts';
import { WordMemory } from '../toy-tables.ts';
import { type RandomKind, randomTables } from './random-tables.ts';

const ALONE = 0;
const RUNS = Number(process.env['TABLEWALK_RUNS'] ?? 40);

/** No cache at all: every descriptor is read each time, as the untimed walker does. */
const BARE: MmuOptions = {
  tbu: { microTlb: { enabled: false }, mainTlb: { enabled: false } },
  configurationCache: { enabled: false },
  walkCache: { enabled: false },
};

/** All that comes out of a translation but its time. */
interface Answer {
  readonly pa: number;
  readonly permissions: number;
  readonly memory: number;
  readonly shareability: number;
  readonly pageShift: number;
  readonly fault: string;
}

const REFUSED = { pa: 0, permissions: 0, memory: 0, shareability: 0, pageShift: 0 };

function answerOf(request: Readonly<TranslationRequest>): Answer {
  const { fault, faultStage, faultLevel, faultClass, faultIpa, faultOnUpdate } = request;
  if (fault !== FaultKind.NONE) {
    return { ...REFUSED, fault: [fault, faultStage, faultLevel, faultClass, faultIpa, faultOnUpdate].join() };
  }
  const { pa, permissions, memoryAttribute, shareability, pageShift } = request;
  return { pa, permissions, memory: memoryAttribute, shareability, pageShift, fault: '' };
}

/** @param runs a contiguous run is one page */
function rightAnswer(walker: Walker, translated: boolean, runs: boolean): Answer {
  if (!translated) {
    const { fault, faultStage, faultLevel, faultClass, faultOnUpdate } = walker;
    const ipa = faultStage === 2 ? walker.faultIpa : 0;
    return { ...REFUSED, fault: [fault, faultStage, faultLevel, faultClass, ipa, faultOnUpdate].join() };
  }
  const { outputAddress, permissions, memoryAttribute, shareability } = walker;
  const pageShift = runs ? walker.contiguousShift : walker.pageShift;
  return { pa: outputAddress, permissions, memory: memoryAttribute, shareability, pageShift, fault: '' };
}

function copyOf(memory: WordMemory): WordMemory {
  const copy = new WordMemory();
  for (const [pa, word] of memory.words) copy.words.set(pa, word);
  return copy;
}

/** The three walkers, each on memory of its own that starts out the same. */
class Trio {
  readonly walker: Walker;
  readonly alone: Mmu;
  readonly inFlight: Mmu;
  readonly request = new TranslationRequest();
  readonly memories: readonly WordMemory[];
  readonly #engine: FlightEngine;
  readonly #regime: TranslationRegime;
  #flown: { answer: Answer; reads: number; latency: number } | null = null;

  constructor(options: MmuOptions, regime: TranslationRegime, memory: WordMemory) {
    this.memories = [copyOf(memory), copyOf(memory), copyOf(memory)];
    const [first, second, third] = this.memories as [WordMemory, WordMemory, WordMemory];
    this.#regime = regime;
    this.walker = new Walker(first);
    this.alone = new Mmu(options, second, new FixedContexts(regime));
    this.inFlight = new Mmu(options, third, new FixedContexts(regime));
    this.#engine = new FlightEngine(this.inFlight);
    this.#engine.onDone = (done) => {
      this.#flown = { answer: answerOf(done), reads: done.descriptorReads, latency: done.latency };
    };
  }

  /** The answers of an access: by the tables, alone and in flight. */
  access(iova: number, upper: boolean, flags: number) {
    const { walker, request } = this;
    const all = upper ? flags | AccessFlag.UPPER : flags;
    const translated = walker.translate(this.#regime, iova, upper, neededPermissions(flags));
    const right = rightAnswer(walker, translated, this.alone.config.contiguousRunIsOneEntry);
    this.alone.translate(request.ask(ALONE, 1, -1, iova, all, 0));
    const alone = { answer: answerOf(request), reads: request.descriptorReads, latency: request.latency };
    this.#engine.run({ addresses: Float64Array.of(iova), streamId: 1, flags: all, outstanding: 1 });
    return { right, reads: walker.descriptorReads, alone, inFlight: this.#flown };
  }
}

const KINDS: readonly RandomKind[] = [
  'stage 1',
  'stage 2',
  'nested',
  'nested',
  '52 bits, stage 1',
  '52 bits, stage 2',
  '52 bits, nested',
  'mali',
  'short',
  'short, nested',
];

const seeds = fc.record({
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
  kind: fc.constantFrom(...KINDS),
  accesses: fc.array(
    fc.record({
      at: fc.nat(7),
      flags: fc.constantFrom(
        AccessFlag.READ,
        AccessFlag.READ,
        AccessFlag.WRITE,
        AccessFlag.PRIVILEGED,
        AccessFlag.PRIVILEGED | AccessFlag.WRITE,
        AccessFlag.EXECUTE,
      ),
    }),
    { minLength: 12, maxLength: 24 },
  ),
});

function compare(options: MmuOptions, bare: boolean, right: boolean): void {
  fc.assert(
    fc.property(seeds, ({ seed, kind, accesses }) => {
      const { regime, memory, inputs } = randomTables(seed, kind);
      const trio = new Trio(options, regime, memory);
      for (const { at, flags } of accesses) {
        const { iova, upper } = inputs[at] as { iova: number; upper: boolean };
        const got = trio.access(iova, upper, flags);
        const what = { iova, upper, flags };
        if (right) expect({ ...what, ...got.alone.answer }).toEqual({ ...what, ...got.right });
        if (bare) expect({ ...what, reads: got.alone.reads }).toEqual({ ...what, reads: got.reads });
        expect({ ...what, ...got.inFlight }).toEqual({ ...what, ...got.alone });
      }
      expect(trio.memories[2]?.words).toEqual(trio.memories[1]?.words);
      // An entry of a whole contiguous run spares the access flags of its other pages.
      if (right && !trio.alone.config.contiguousRunIsOneEntry)
        expect(trio.memories[1]?.words).toEqual(trio.memories[0]?.words);
    }),
    { numRuns: RUNS, seed: 8 },
  );
}

describe('untimed, alone in time and in flight, over random regimes and tables', () => {
  it('agree on every field of the answer and on every descriptor read, without caches', () => {
    compare(BARE, true, true);
  });

  it.each((Object.keys(PRESETS) as PresetName[]).filter((name) => name !== 'gem5' && name !== 'ideal'))(
    'agree on every field of the answer, caches cold and warm: %s',
    (name) => compare(PRESETS[name], false, true),
  );

  it('agree with each other where the preset deviates from the architecture: gem5', () => {
    compare(PRESETS.gem5, false, false);
  });
});
