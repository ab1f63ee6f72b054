import type { Circumstances, Finding, FindingKind, FindingSink, MachineClock } from './finding.ts';
import { StaleWindows } from './stale-windows.ts';

/** Findings kept with their circumstances; those after that are only counted. */
export const KEPT_FINDINGS = 100;
/** Of each kind this many are kept however many others came first. */
export const KEPT_OF_EACH_KIND = 10;

/**
 * Names driver bugs that real hardware only shows as corruption. The emulator sees both sides, the tables as software left them
 * and the TLBs as hardware holds them; whoever sees something wrong says so here, and the sanitizer counts it and keeps the first
 * findings with their circumstances.
 */
export class Sanitizer implements FindingSink {
  /** Number of the map or unmap that is running or ran last, from 1. */
  operation = 0;
  /** Its line of the capture; 0 for none. */
  line = 0;
  /** CPU that it ran on; -1 where the capture does not say. */
  cpu = -1;
  /** Domain of that operation. */
  domain = 0;
  /** Its address. */
  iova = 0;
  /** Address of the device access that is under way or was last. */
  accessIova = 0;
  /** Device accesses so far, the one under way included. */
  accesses = 0;
  readonly findings: Finding[] = [];
  readonly clock: Readonly<MachineClock>;
  readonly windows: StaleWindows;
  /** Told of every finding, also of those that are not kept. */
  onFinding: ((finding: Finding) => void) | null = null;

  readonly #counts = new Map<FindingKind, number>();

  constructor(clock: Readonly<MachineClock>) {
    this.clock = clock;
    this.windows = new StaleWindows(this);
  }

  count(kind: FindingKind): number {
    return this.#counts.get(kind) ?? 0;
  }

  /** Kinds that were found, with how often, in the order in which they were first seen. */
  countsByKind(): ReadonlyMap<FindingKind, number> {
    return this.#counts;
  }

  /** Findings of all kinds. */
  get total(): number {
    let total = 0;
    for (const count of this.#counts.values()) total += count;
    return total;
  }

  /** Records something found during the running operation. `circumstances` is only asked for while somebody wants to know. */
  found(kind: FindingKind, iova: number, circumstances: () => Circumstances): void {
    const count = this.count(kind) + 1;
    this.#counts.set(kind, count);
    const keeps = this.findings.length < KEPT_FINDINGS || count <= KEPT_OF_EACH_KIND;
    if (!keeps && this.onFinding === null) return;
    const { operation, domain, line, cpu } = this;
    const place = line > 0 ? { line, seconds: this.clock.seconds, ...(cpu >= 0 ? { cpu } : {}) } : {};
    const finding = { kind, operation, domain, iova, ...place, ...circumstances() };
    if (keeps) this.findings.push(finding);
    this.onFinding?.(finding);
  }
}
