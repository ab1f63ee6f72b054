import { CommandConsumer, type CommandEffects, CommandError, featuresOf, StreamContexts } from '../../devices/index.ts';
import { AccessFlag, FlightEngine, HitFlag, Mmu, TranslationRequest } from '../../emulator/index.ts';
import type { MemoryImage } from '../image/index.ts';
import { streamTableOf } from '../image/index.ts';
import { InputError } from '../input-error.ts';
import { hexText } from '../quantity.ts';
import type { AddressList } from '../translate/index.ts';
import { compareFigures, type FigureDifference } from './compare.ts';
import { type Experiment, machineOf } from './experiment.ts';
import { FigureRecorder, figuresOf } from './figures.ts';

/** Cycle in which the reference's generator issues its first request. */
const FIRST_REQUEST = 10;
/** Cycles for which it holds back after a command. */
const COMMAND_PAUSE = 20000;
/** SMMUEN in CR0. */
const SMMUEN = 1;

/** One translation, as the reference's traces record it. Times in ticks. */
export interface TranslationRecord {
  iova: number;
  pa: number;
  startTick: number;
  endTick: number;
  flags: number;
  descriptorReads: number;
  configurationReads: number;
  walkCacheLookups: number;
}

export interface ExperimentResult {
  readonly name: string;
  /** Every figure equal. */
  readonly equal: boolean;
  /** The model claims cycle equality for this experiment. */
  readonly exact: boolean;
  readonly differences: readonly FigureDifference[];
  readonly figures: Readonly<Record<string, unknown>>;
}

/**
 * Runs an experiment on our model and compares every figure.
 *
 * @param onRecord told each translation in completion order; the record is reused
 * @throws InputError when the address list faults or asks for what the model does not have
 */
export function runExperiment(
  experiment: Experiment,
  image: MemoryImage,
  list: AddressList,
  onRecord: ((record: TranslationRecord) => void) | null = null,
): ExperimentResult {
  const { config, name } = experiment;
  const ticksPerCycle = 1000 / config.clockGigahertz;
  const features = featuresOf(idRegisters(image));
  const contexts = new StreamContexts(image, features);
  contexts.table = streamTableOf(image);
  contexts.lenient = true;
  const mmu = new Mmu(machineOf(experiment), image, contexts);
  mmu.enabled = (config.cr0 & SMMUEN) !== 0;
  const commands = new CommandConsumer(mmu, image, features, NO_EFFECTS);
  const recorder = new FigureRecorder(ticksPerCycle);
  const alone = config.mo === 1 && !mmu.config.tbu.prefetch;
  const run = alone ? runAlone : runInFlight;
  const cyclesTotal = run(experiment, mmu, commands, list, recorder, ticksPerCycle, onRecord);
  const figures = figuresOf(recorder, mmu.counters(), cyclesTotal, ticksPerCycle);
  const differences = compareFigures(experiment.expected, figures, recorder.histogram());
  return { name, equal: differences.length === 0, exact: differences.length === 0, differences, figures };
}

function idRegisters(image: MemoryImage): [number, number, number, number, number, number] {
  const idr = (n: number): number => Number(image.register(`IDR${n}`) & 0xffff_ffffn);
  return [idr(0), idr(1), idr(2), idr(3), idr(4), idr(5)];
}

/** One request in flight: the closed-form path of the MMU. Returns the cycle of the last response. */
function runAlone(
  { config, file }: Experiment,
  mmu: Mmu,
  commands: CommandConsumer,
  { addresses }: AddressList,
  recorder: FigureRecorder,
  ticksPerCycle: number,
  onRecord: ((record: TranslationRecord) => void) | null,
): number {
  const record = emptyRecord();
  // The reference does not check who may access, and maps its pages for a privileged reader.
  const flags = AccessFlag.PRIVILEGED | (config.write ? AccessFlag.WRITE : 0);
  // Data takes a memory round trip, its response leaves at the next clock edge, and the next request follows after the gap.
  const responseAfter = mmu.config.memory.latency + 1;
  const request = new TranslationRequest().ask(0, config.sid, -1, 0, flags, 0, config.size);
  let start = FIRST_REQUEST;
  let response = 0;
  for (let at = 0; at < addresses.length; at++) {
    if (at === config.invalidateAt) start += issue(commands, config.command, file);
    const iova = addresses[at] as number;
    request.iova = iova;
    request.start = start;
    if (!mmu.translate(request)) throw faulted(file, request);
    recorder.add(request);
    if ((request.hit & HitFlag.WALKED) !== 0) recorder.walked(request.walkCycles);
    if (onRecord !== null) {
      record.startTick = (request.completion - request.latency) * ticksPerCycle;
      record.endTick = request.completion * ticksPerCycle;
      fillRecord(record, request);
      onRecord(record);
    }
    response = request.completion + responseAfter;
    start = response + config.gap;
  }
  return response;
}

/** What commands do besides invalidating: nothing here, where no queue, device or interrupt is. */
const NO_EFFECTS: CommandEffects = {
  upperInputBits: () => [],
  resume: () => {},
  terminateStalled: () => {},
  invalidateAtc: () => true,
  respondToPageRequest: () => {},
  signal: () => {},
};

/** Carries a command out as the reference does: at once. Returns how long the generator holds back. */
function issue(commands: CommandConsumer, words: Uint32Array | null, file: string): number {
  if (words === null || commands.carryOut(words) !== CommandError.NONE) {
    throw new InputError(file, 'config.inval', 'an unknown command', 'a command of IHI 0070');
  }
  return COMMAND_PAUSE;
}

/** Many requests in flight, or prefetches: the event engine. */
function runInFlight(
  { config, file }: Experiment,
  mmu: Mmu,
  commands: CommandConsumer,
  { addresses }: AddressList,
  recorder: FigureRecorder,
  ticksPerCycle: number,
  onRecord: ((record: TranslationRecord) => void) | null,
): number {
  const record = emptyRecord();
  const engine = new FlightEngine(mmu, ticksPerCycle);
  engine.onWalk = (cycles) => recorder.walked(cycles);
  engine.onDone = (done) => {
    if (!done.translated) throw faulted(file, done);
    recorder.add(done);
    if (onRecord === null) return;
    record.startTick = done.startTick;
    record.endTick = done.endTick;
    fillRecord(record, done);
    onRecord(record);
  };
  const last = engine.run({
    addresses,
    streamId: config.sid,
    flags: AccessFlag.PRIVILEGED | (config.write ? AccessFlag.WRITE : 0),
    size: config.size,
    outstanding: config.mo,
    ids: config.ids,
    gap: config.gap,
    start: FIRST_REQUEST,
    pauseAt: config.invalidateAt,
    pause: () => issue(commands, config.command, file),
  });
  return last / ticksPerCycle;
}

/** What a record takes from a request besides its ticks. */
function fillRecord(record: TranslationRecord, request: Readonly<TranslationRequest>): void {
  record.iova = request.iova;
  record.pa = request.pa;
  record.flags = request.hit | ((request.walkCacheLevel + 1) << 8);
  record.descriptorReads = request.descriptorReads;
  record.configurationReads = request.configurationReads;
  record.walkCacheLookups = request.walkCacheLookups;
}

function faulted(file: string, request: Readonly<TranslationRequest>): InputError {
  const { contextFault, fault, iova } = request;
  const why = contextFault === 0 ? `fault ${fault}` : `configuration fault ${contextFault}`;
  return new InputError(file, `address ${hexText(iova)}`, why, 'addresses that the image maps');
}

function emptyRecord(): TranslationRecord {
  return {
    iova: 0,
    pa: 0,
    startTick: 0,
    endTick: 0,
    flags: 0,
    descriptorReads: 0,
    configurationReads: 0,
    walkCacheLookups: 0,
  };
}
