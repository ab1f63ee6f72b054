import { featuresOf, Machine, StreamContexts } from '../../devices/index.ts';
import {
  AccessFlag,
  FAULT_NAMES,
  FaultKind,
  FlightEngine,
  LatencyHistogram,
  Mmu,
  type MmuCounters,
  type MmuOptions,
  Outcome,
  type TranslatingDevice,
  TranslationRequest,
} from '../../emulator/index.ts';
import { ConfigError } from '../../formats/index.ts';
import type { RunConfig } from '../config/index.ts';
import type { MemoryImage } from '../image/index.ts';
import { streamTableOf } from '../image/index.ts';
import { hexText } from '../quantity.ts';
import type { AddressList } from './address-list.ts';
import { applyMapSpec, type MapSpec } from './map.ts';

/** How an address list goes through an MMU. */
export interface StreamOptions {
  readonly list: AddressList;
  readonly streamId: number;
  /** Bits of `AccessFlag` for every access, UPPER left to the list. */
  readonly flags: number;
  /** Bytes of an access. */
  readonly size: number;
  /** Most requests in flight. */
  readonly outstanding: number;
  readonly ids: number;
  /** Cycles from a response to the next request, and between requests. */
  readonly gap: number;
  /** Shown the MMU before the first access, its tables being there. */
  readonly onStart?: (mmu: Mmu) => void;
}

interface CacheFigures {
  readonly lookups: number;
  readonly misses: number;
}

/** What came out, as JSON. Times in cycles. */
export interface StreamReport {
  readonly requests: number;
  readonly faults: number;
  /** Faults by what they are, such as `permission fault, stage 1 level 3`. */
  readonly faultsByKind: Readonly<Record<string, number>>;
  readonly microTlb: CacheFigures;
  readonly mainTlb: CacheFigures;
  readonly tlb: CacheFigures;
  readonly configurationCache: CacheFigures;
  readonly walkCache: CacheFigures;
  readonly ipaCache: CacheFigures;
  readonly walks: number;
  readonly descriptorReads: number;
  readonly configurationReads: number;
  readonly latency: {
    readonly mean: number;
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
    /** Latency to how often it occurred. */
    readonly histogram: Readonly<Record<string, number>>;
  };
  /** Cycle of the last response. */
  readonly totalCycles: number;
}

/** Runs a list through the MMU of an image: its stream table, its context descriptors, its tables. */
export function runOnImage(mmuOptions: MmuOptions, image: MemoryImage, options: StreamOptions): StreamReport {
  const idr = (n: number): number => Number(image.register(`IDR${n}`) & 0xffff_ffffn);
  const contexts = new StreamContexts(image, featuresOf([idr(0), idr(1), idr(2), idr(3), idr(4), idr(5)]));
  contexts.table = streamTableOf(image);
  // An image made for a lenient model is read as that model reads it, whichever machine then runs on it.
  contexts.lenient = typeof contexts.lookUp(options.streamId, -1) === 'number';
  return run(new Mmu(mmuOptions, image, contexts), options);
}

/** Runs a list through a machine whose tables our own driver builds. */
export function runOnMap(config: RunConfig, spec: MapSpec, options: StreamOptions): StreamReport {
  const machine = new Machine(config);
  const { streamCount } = machine.driver;
  if (options.streamId >= streamCount) throw new ConfigError('--sid', options.streamId, `below ${streamCount}`);
  const domain = machine.createDomain();
  if (domain === null) throw new ConfigError('table.allocator', config.table.allocator, 'one with room for a table');
  machine.driver.attach(domain, options.streamId);
  applyMapSpec(machine, domain, spec, options.list);
  machine.device.mmu.resetCounters();
  return run(machine.device, options);
}

function run(device: TranslatingDevice, options: StreamOptions): StreamReport {
  const histogram = new LatencyHistogram();
  const faults = new Map<string, number>();
  const { mmu } = device;
  options.onStart?.(mmu);
  const alone = options.outstanding === 1 && !mmu.config.tbu.prefetch;
  const add = (request: Readonly<TranslationRequest>): void => {
    histogram.add(request.latency);
    if (request.outcome !== Outcome.OK) faults.set(faultOf(request), (faults.get(faultOf(request)) ?? 0) + 1);
  };
  const totalCycles = alone ? runAlone(device, options, add) : runInFlight(device, options, add);
  return report(mmu.counters(), histogram, faults, totalCycles);
}

function runAlone(
  device: TranslatingDevice,
  options: StreamOptions,
  add: (request: TranslationRequest) => void,
): number {
  const { list, streamId, flags, size, gap } = options;
  const { addresses, upper } = list;
  const dataCycles = device.mmu.config.memory.latency + 1;
  const request = new TranslationRequest().ask(0, streamId, -1, 0, flags, 0, size);
  let now = 0;
  let response = 0;
  for (let at = 0; at < addresses.length; at++) {
    request.iova = addresses[at] as number;
    request.flags = upper !== null && upper[at] === 1 ? flags | AccessFlag.UPPER : flags;
    request.start = now;
    const done = device.translate(request);
    add(request);
    response = request.completion + (done ? dataCycles : 1);
    now = response + gap;
  }
  return response;
}

/** What a translation failed for. */
function faultOf(request: Readonly<TranslationRequest>): string {
  const { contextFault, fault, faultStage, faultLevel } = request;
  if (contextFault !== 0) return `no usable configuration of the stream (event ${hexText(contextFault)})`;
  if (fault === FaultKind.NONE) return 'refused by the device';
  return `${FAULT_NAMES[fault]}, stage ${faultStage} level ${faultLevel}`;
}

function runInFlight(
  device: TranslatingDevice,
  options: StreamOptions,
  add: (request: Readonly<TranslationRequest>) => void,
): number {
  const { list, streamId, flags, size, outstanding, ids, gap } = options;
  const engine = new FlightEngine(device);
  engine.onDone = add;
  const { addresses, upper } = list;
  return engine.run([{ addresses, upper, streamId, flags, size, outstanding, ids, gap }]) / engine.period;
}

function report(
  counters: MmuCounters,
  histogram: LatencyHistogram,
  faults: ReadonlyMap<string, number>,
  totalCycles: number,
): StreamReport {
  const figures = ({ lookups, misses }: CacheFigures): CacheFigures => ({ lookups, misses });
  return {
    requests: counters.requests,
    faults: counters.faults,
    faultsByKind: Object.fromEntries(faults),
    microTlb: figures(counters.microTlb),
    mainTlb: figures(counters.mainTlb),
    tlb: figures(counters.tlb),
    configurationCache: figures(counters.configurationCache),
    walkCache: figures(counters.walkCache),
    ipaCache: figures(counters.ipaCache),
    walks: counters.walks,
    descriptorReads: counters.descriptorReads,
    configurationReads: counters.configurationReads,
    latency: {
      mean: histogram.mean,
      p50: histogram.percentile(0.5),
      p90: histogram.percentile(0.9),
      p99: histogram.percentile(0.99),
      max: histogram.max,
      histogram: Object.fromEntries(histogram.entries()),
    },
    totalCycles,
  };
}
