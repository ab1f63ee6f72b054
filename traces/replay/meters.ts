import type { Machine } from '../../devices/index.ts';
import { HitFlag, type TranslationRequest } from '../../emulator/index.ts';
import type { TableStats } from '../../formats/index.ts';
import { LatencyHistogram } from '../report/latency-histogram.ts';
import type { CostItem } from '../report/report.ts';
import type { EditCosts } from './edit-costs.ts';

/** How an access was served, for the bill. */
const Served = { MICRO_TLB: 0, MAIN_TLB: 1, TLB: 2, WALK: 3, CONFIGURATION: 4, FAULT: 5, OTHER: 6 } as const;

const SERVED_NAMES = [
  'device: micro-TLB hit',
  'device: main TLB hit',
  'device: SMMU TLB hit',
  'device: table walk',
  'device: table walk with configuration fetch',
  'device: fault',
  'device: untranslated',
] as const;

/** Counts the accesses of the device: how long each took, and what served it. */
export class AccessMeter {
  readonly latency = new LatencyHistogram();
  readonly #counts = new Float64Array(SERVED_NAMES.length);
  readonly #cycles = new Float64Array(SERVED_NAMES.length);

  add(request: TranslationRequest, translated: boolean): void {
    const { latency } = request;
    this.latency.add(latency);
    const served = translated ? servedBy(request.hit) : Served.FAULT;
    this.#counts[served] = (this.#counts[served] as number) + 1;
    this.#cycles[served] = (this.#cycles[served] as number) + latency;
  }

  /** One item for each way to be served that occurred. */
  items(): CostItem[] {
    return SERVED_NAMES.map((name, at) => ({
      name,
      count: this.#counts[at] as number,
      cycles: this.#cycles[at] as number,
    })).filter(({ count }) => count > 0);
  }
}

function servedBy(hit: number): number {
  if ((hit & HitFlag.MICRO_TLB) !== 0) return Served.MICRO_TLB;
  if ((hit & HitFlag.MAIN_TLB) !== 0) return Served.MAIN_TLB;
  if ((hit & HitFlag.CONFIGURATION_FETCHED) !== 0) return Served.CONFIGURATION;
  if ((hit & HitFlag.TLB) !== 0) return Served.TLB;
  return (hit & HitFlag.WALKED) !== 0 ? Served.WALK : Served.OTHER;
}

/** Time that the CPU spends on page tables, by what it does. All cycles. */
export class SoftwareMeter {
  mapCalls = 0;
  mapEdit = 0;
  unmapCalls = 0;
  unmapEdit = 0;
  allocation = 0;
  /** Cache maintenance: mapping, unmapping and syncing tables for the walker. */
  sync = 0;
  invalidation = 0;

  readonly #costs: EditCosts;
  // What the machine showed when the edit under way began.
  #allocationBefore = 0;
  #syncBefore = 0;
  #invalidationBefore = 0;
  #editBefore = 0;

  constructor(costs: EditCosts) {
    this.#costs = costs;
  }

  /** An edit of the table with these counters begins. */
  begin({ driver, tables, dma, clock }: Machine, stats: Readonly<TableStats>): void {
    this.#allocationBefore = tables.context.cycles;
    this.#syncBefore = dma.stats.cycles;
    this.#invalidationBefore = driver.cycles;
    this.#editBefore = this.#descriptorCycles(stats);
    driver.now = clock.cycles;
  }

  /** The edit is over: adds up what it cost. @returns the cycle at which the CPU is done with it */
  end({ driver, tables, dma }: Machine, stats: Readonly<TableStats>, maps: boolean): number {
    const { mapCall, unmapCall } = this.#costs;
    const edit = (maps ? mapCall : unmapCall) + this.#descriptorCycles(stats) - this.#editBefore;
    if (maps) {
      this.mapCalls++;
      this.mapEdit += edit;
    } else {
      this.unmapCalls++;
      this.unmapEdit += edit;
    }
    const allocation = tables.context.cycles - this.#allocationBefore;
    const sync = dma.stats.cycles - this.#syncBefore;
    this.allocation += allocation;
    this.sync += sync;
    this.invalidation += driver.cycles - this.#invalidationBefore;
    return driver.now + edit + allocation + sync;
  }

  #descriptorCycles(stats: Readonly<TableStats>): number {
    const { writeDescriptor, clearDescriptor } = this.#costs;
    return stats.descriptorsWritten * writeDescriptor + stats.descriptorsCleared * clearDescriptor;
  }
}
