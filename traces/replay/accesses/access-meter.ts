import { HitFlag, LatencyHistogram, SmallHistogram, type TranslationRequest } from '../../../emulator/index.ts';

/** What served an access. */
export const Served = { MICRO_TLB: 0, MAIN_TLB: 1, TLB: 2, WALK: 3, CONFIGURATION: 4, FAULT: 5, OTHER: 6 } as const;
export type Served = (typeof Served)[keyof typeof Served];

export const SERVED_NAMES = [
  'micro-TLB hit',
  'main TLB hit',
  'SMMU TLB hit',
  'table walk',
  'table walk with configuration fetch',
  'fault',
  'untranslated',
] as const;

/** Accesses of one stream or domain. */
export class AccessAccount {
  faults = 0;
  readonly latency = new SmallHistogram();
}

/** Counts the accesses of the device: how long each took, and what served it, in all, by stream and by domain. All cycles. */
export class AccessMeter {
  readonly latency = new LatencyHistogram();
  readonly counts = new Float64Array(SERVED_NAMES.length);
  readonly cycles = new Float64Array(SERVED_NAMES.length);
  readonly streams = new Map<number, AccessAccount>();
  readonly domains: (AccessAccount | undefined)[] = [];
  /** Told of each access, after it. */
  onAccess: ((request: TranslationRequest, served: Served, streamId: number, domain: number) => void) | null = null;

  /** Takes a finished request. */
  add(request: TranslationRequest, translated: boolean, streamId: number, domain: number): void {
    const { latency } = request;
    this.latency.add(latency);
    const served = translated ? servedBy(request.hit) : Served.FAULT;
    this.counts[served] = (this.counts[served] as number) + 1;
    this.cycles[served] = (this.cycles[served] as number) + latency;
    let stream = this.streams.get(streamId);
    if (stream === undefined) {
      stream = new AccessAccount();
      this.streams.set(streamId, stream);
    }
    stream.latency.add(latency);
    let account = this.domains[domain];
    if (account === undefined) {
      account = new AccessAccount();
      this.domains[domain] = account;
    }
    account.latency.add(latency);
    if (!translated) {
      stream.faults++;
      account.faults++;
    }
    if (this.onAccess !== null) this.onAccess(request, served, streamId, domain);
  }
}

function servedBy(hit: number): Served {
  if ((hit & HitFlag.MICRO_TLB) !== 0) return Served.MICRO_TLB;
  if ((hit & HitFlag.MAIN_TLB) !== 0) return Served.MAIN_TLB;
  if ((hit & HitFlag.CONFIGURATION_FETCHED) !== 0) return Served.CONFIGURATION;
  if ((hit & HitFlag.TLB) !== 0) return Served.TLB;
  return (hit & HitFlag.WALKED) !== 0 ? Served.WALK : Served.OTHER;
}
