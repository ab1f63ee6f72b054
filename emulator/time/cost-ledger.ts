import { SmallHistogram } from './small-histogram.ts';

/** What the CPU spends time on. */
export const Cause = {
  /** Allocating, freeing and reserving tables. */
  ALLOCATION: 0,
  /** Page-table code: calls, and descriptors written and cleared. */
  EDIT: 1,
  /** Cache maintenance for tables. */
  SYNC: 2,
  /** Making and sending commands, or writing registers, of invalidations. */
  COMMAND: 3,
  /** Waiting for the device to have done them. */
  WAIT: 4,
  /** Handling faults. */
  EVENTS: 5,
  /** Scheduling, locks and address bookkeeping of VM_BIND jobs: prices of their own, the same for each job. */
  BIND: 6,
  /** Address allocation and flush queue of the DMA API. */
  IOVA: 7,
} as const;
export type Cause = (typeof Cause)[keyof typeof Cause];
const CAUSES = 8;
export const CAUSE_NAMES: readonly string[] = [
  'allocation',
  'edit',
  'sync',
  'command',
  'wait',
  'events',
  'bind',
  'iova',
];

/** What was being done. */
export const OperationKind = {
  MAP: 0,
  UNMAP: 1,
  /** An invalidation of a whole address space that no single unmap made: a flush queue's. */
  FLUSH: 2,
  /** Attaching and detaching streams, creating and freeing address spaces, handling faults. */
  OTHER: 3,
} as const;
export type OperationKind = (typeof OperationKind)[keyof typeof OperationKind];
const OPERATION_KINDS = 4;
export const OPERATION_KIND_NAMES: readonly string[] = ['map', 'unmap', 'flush', 'other'];

/** A counter of cycles that only rises; what it rises by during an operation is that operation's. */
export interface CostSource {
  readonly cause: Cause;
  readonly read: () => number;
}

/** The bill of a group of operations. All cycles. */
export class CostAccount {
  count = 0;
  bytes = 0;
  cycles = 0;
  readonly byCause = new Float64Array(CAUSES);
  readonly histogram = new SmallHistogram();

  add(operation: Operation): void {
    this.count++;
    this.bytes += operation.size;
    this.cycles += operation.cycles;
    for (let cause = 0; cause < CAUSES; cause++) {
      this.byCause[cause] = (this.byCause[cause] as number) + (operation.byCause[cause] as number);
    }
    this.histogram.add(operation.cycles);
  }
}

/** The operation under way; reused for each. */
export class Operation {
  kind: OperationKind = OperationKind.OTHER;
  /** From 1; 0 for what belongs to none. */
  number = 0;
  /** Line of the capture, 0 without one. */
  line = 0;
  domain = -1;
  cpu = -1;
  iova = 0;
  /** Bytes. */
  size = 0;
  /** Cycle of the machine's clock at which it began. */
  start = 0;
  cycles = 0;
  readonly byCause = new Float64Array(CAUSES);
}

/** Size classes: 0 for nothing, else 1 + the log2 of the bytes, rounded down. */
const SIZE_CLASSES = 64;

/**
 * The one bill of what the CPU spends on address translation. Components count the cycles that they spend, each in a counter of its own
 * that only rises; the ledger reads them where an operation begins and ends, so that nothing is called on a hot path, nothing is
 * counted twice, and what no operation accounts for shows under `OTHER`. Totals, and those by kind, domain and size, are sums and
 * histograms of constant size.
 *
 *     ledger.open(OperationKind.MAP, number, line, domain, cpu, iova, size, clock.cycles);
 *     ... edit, invalidate ...; ledger.add(Cause.EDIT, cycles);
 *     clock.cycles += ledger.settle();
 *     ledger.close();
 */
export class CostLedger {
  /** By {@link OperationKind}. */
  readonly kinds: readonly CostAccount[] = Array.from({ length: OPERATION_KINDS }, () => new CostAccount());
  /** By domain number, then by kind: maps and unmaps, and the flushes that they caused. */
  readonly domains: (CostAccount | undefined)[] = [];
  /** By kind (maps and unmaps), then by size class; see {@link sizeClassOf}. */
  readonly sizes: readonly (CostAccount | undefined)[][] = [[], []];
  readonly operation = new Operation();
  /** Told of each operation that is over; the object is reused. */
  onOperation: ((operation: Readonly<Operation>) => void) | null = null;
  /** Told of the same before, to put it on a CPU. */
  schedule: ((operation: Readonly<Operation>) => void) | null = null;

  /** An operation is under way. */
  isOpen = false;

  readonly #sources: readonly CostSource[];
  readonly #read: Float64Array;

  constructor(sources: readonly CostSource[]) {
    this.#sources = sources;
    this.#read = Float64Array.from(sources, ({ read }) => read());
  }

  /** An operation begins. What was spent since the last one ended belongs to none. */
  open(
    kind: OperationKind,
    number: number,
    line: number,
    domain: number,
    cpu: number,
    iova: number,
    size: number,
    start: number,
  ): void {
    if (this.isOpen) this.close();
    this.settle();
    if (this.operation.cycles > 0) this.close();
    const { operation } = this;
    operation.kind = kind;
    operation.number = number;
    operation.line = line;
    operation.domain = domain;
    operation.cpu = cpu;
    operation.iova = iova;
    operation.size = size;
    operation.start = start;
    this.isOpen = true;
  }

  /** Books cycles that no counter has. */
  add(cause: Cause, cycles: number): void {
    const { operation } = this;
    operation.byCause[cause] = (operation.byCause[cause] as number) + cycles;
    operation.cycles += cycles;
  }

  /** Books what the counters have risen by. @returns how much that was */
  settle(): number {
    let spent = 0;
    for (let at = 0; at < this.#sources.length; at++) {
      const { cause, read } = this.#sources[at] as CostSource;
      const now = read();
      const cycles = now - (this.#read[at] as number);
      if (cycles === 0) continue;
      this.#read[at] = now;
      this.add(cause, cycles);
      spent += cycles;
    }
    return spent;
  }

  /** The operation is over. */
  close(): void {
    this.settle();
    const { operation } = this;
    const { kind, domain, size } = operation;
    (this.kinds[kind] as CostAccount).add(operation);
    if (domain >= 0 && kind !== OperationKind.OTHER) {
      let account = this.domains[domain];
      if (account === undefined) {
        account = new CostAccount();
        this.domains[domain] = account;
      }
      account.add(operation);
    }
    const sizes = this.sizes[kind];
    if (sizes !== undefined) {
      const at = sizeClassOf(size);
      let account = sizes[at];
      if (account === undefined) {
        account = new CostAccount();
        sizes[at] = account;
      }
      account.add(operation);
    }
    this.schedule?.(operation);
    this.onOperation?.(operation);
    operation.kind = OperationKind.OTHER;
    operation.number = 0;
    operation.line = 0;
    operation.domain = -1;
    operation.size = 0;
    operation.cycles = 0;
    operation.byCause.fill(0);
    this.isOpen = false;
  }

  /** Cycles of one cause over all operations, or over those of some kinds. */
  total(cause: Cause, kinds: readonly OperationKind[] = ALL_KINDS): number {
    let sum = 0;
    for (const kind of kinds) sum += (this.kinds[kind] as CostAccount).byCause[cause] as number;
    return sum;
  }
}

const ALL_KINDS: readonly OperationKind[] = Object.values(OperationKind);

/** 0 for nothing, else 1 + the log2 of the bytes, rounded down. */
function sizeClassOf(bytes: number): number {
  return bytes < 1 ? 0 : Math.min(1 + Math.floor(Math.log2(bytes)), SIZE_CLASSES - 1);
}

/** Smallest size of a class, in bytes. */
export function sizeOfClass(sizeClass: number): number {
  return sizeClass === 0 ? 0 : 2 ** (sizeClass - 1);
}
