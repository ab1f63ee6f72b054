/**
 * The machine that a vector runs on: memory, an allocator and a DMA API that behave as those of the original did, and that write
 * down everything that happens to them.
 */
import {
  DMA_MAPPING_ERROR,
  type DmaPort,
  Gfp,
  type IotlbGather,
  type Machine,
  NO_PAGES,
  type TableAllocator,
  type TableMemory,
  type TlbFlushOps,
  type WarningCode,
} from '../../../formats/index.ts';
import type { Injection } from './vector.ts';

const PAGE = 4096;
/** What freed memory is filled with, so that whoever still reads it is found out. */
const POISON = 0xaaaaaaaa;

/** One thing that happened. Which values it has depends on its kind, as in {@link VectorEvent}. */
export interface RecordedEvent {
  readonly kind: string;
  readonly values: readonly (number | string)[];
}

/** Kinds of events whose first value is an iova. */
export const IOVA_EVENTS: ReadonlySet<string> = new Set(['W', 'P', 'D']);

/** Memory from one base address on. */
class LinearMemory implements TableMemory {
  words = new Uint32Array(4096);
  readonly #base: number;

  constructor(base: number) {
    this.#base = base;
  }

  index(pa: number): number {
    const index = (pa - this.#base) / 4;
    if (!(index >= 0 && index < 2 ** 28))
      throw new RangeError(`access outside the vector's memory: ${pa.toString(16)}`);
    if (index >= this.words.length) this.reserve(pa + 4);
    return index;
  }

  written(): void {}

  reserve(end: number): void {
    const needed = (end - this.#base) / 4;
    if (needed <= this.words.length) return;
    const grown = new Uint32Array(Math.max(needed, 2 * this.words.length));
    grown.set(this.words);
    this.words = grown;
  }
}

/** Records events; one per case. */
export class RecordingMachine implements Machine, DmaPort, TlbFlushOps {
  readonly memory: TableMemory & { reserve(end: number): void };
  readonly dma: DmaPort = this;
  readonly pages: TableAllocator;
  readonly hooks: TableAllocator;
  /** What happened since the operation began. */
  events: RecordedEvent[] = [];
  /** Blocks that are allocated now. */
  live = 0;
  /** Runs before the Nth allocation (from 1) of the running operation. */
  beforeAllocation: ((nth: number) => void) | null = null;

  #injection: Injection = {};
  #allocations = 0;
  #mappings = 0;
  #bump: number;
  readonly #freeLists = new Map<number, number[]>();

  constructor(physBase: number) {
    this.memory = new LinearMemory(physBase);
    this.#bump = physBase;
    this.pages = {
      alloc: (_, size, gfp) => this.#alloc('A', size, gfp),
      free: (_, pa, size) => this.#free('F', pa, size),
    };
    this.hooks = {
      alloc: (_, size, gfp) => this.#alloc('CA', size, gfp),
      free: (_, pa, size) => this.#free('CF', pa, size),
    };
  }

  /** Starts the record of an operation, with the fault to inject into it. */
  begin(injection: Injection | undefined): void {
    this.events = [];
    this.#injection = injection ?? {};
    this.#allocations = 0;
    this.#mappings = 0;
  }

  /** Runs `inner` as an operation of its own in the middle of the running one. @returns what happened in it. */
  nested(injection: Injection | undefined, inner: () => void): RecordedEvent[] {
    const outer = [this.events, this.#injection, this.#allocations, this.#mappings, this.beforeAllocation] as const;
    this.begin(injection);
    this.beforeAllocation = null;
    inner();
    const { events } = this;
    [this.events, this.#injection, this.#allocations, this.#mappings, this.beforeAllocation] = outer;
    return events;
  }

  record(kind: string, ...values: (number | string)[]): void {
    this.events.push({ kind, values });
  }

  warn(code: WarningCode): void {
    this.record('warn', code);
  }

  log(message: string): void {
    this.record('err', message);
  }

  mapSingle(pa: number, size: number): number {
    this.#mappings++;
    if (this.#mappings === this.#injection.dmaerr) {
      this.record('M!', pa, size);
      return DMA_MAPPING_ERROR;
    }
    if (this.#mappings === this.#injection.dmax) {
      this.record('Mx', pa, size, pa + PAGE);
      return pa + PAGE;
    }
    this.record('M', pa, size);
    return pa;
  }

  unmapSingle(busAddress: number, size: number): void {
    this.record('U', busAddress, size);
  }

  syncSingleForDevice(busAddress: number, size: number): void {
    this.record('S', busAddress, size);
  }

  flushAll(): void {
    this.record('FA');
  }

  flushWalk(iova: number, size: number, granule: number): void {
    this.record('W', iova, size, granule);
  }

  addPage(_gather: IotlbGather | null, iova: number, granule: number): void {
    this.record('P', iova, granule);
  }

  #alloc(kind: string, size: number, gfp: number): number {
    this.#allocations++;
    this.beforeAllocation?.(this.#allocations);
    const flags = (gfp & Gfp.KERNEL) !== 0 ? 'K' : (gfp & Gfp.ATOMIC) !== 0 ? 'A' : '0';
    if (this.#allocations === this.#injection.alloc) {
      this.record(`${kind}!`, size, flags);
      return NO_PAGES;
    }
    const block = blockSize(size);
    let pa = this.#freeLists.get(block)?.pop();
    if (pa === undefined) {
      pa = Math.ceil(this.#bump / block) * block;
      this.#bump = pa + block;
      this.memory.reserve(this.#bump);
    }
    this.#fill(pa, block, 0);
    this.live++;
    this.record(kind, pa, size, flags);
    return pa;
  }

  #free(kind: string, pa: number, size: number): void {
    const block = blockSize(size);
    this.#fill(pa, block, POISON);
    let list = this.#freeLists.get(block);
    if (list === undefined) {
      list = [];
      this.#freeLists.set(block, list);
    }
    list.push(pa);
    this.live--;
    this.record(kind, pa, size);
  }

  #fill(pa: number, size: number, word: number): void {
    const at = this.memory.index(pa);
    this.memory.words.fill(word, at, at + size / 4);
  }
}

/** Bytes that an allocation takes: an order of pages, or one of the short format's 1 KiB tables. */
function blockSize(size: number): number {
  return size === 1024 ? 1024 : 2 ** Math.ceil(Math.log2(Math.max(size, PAGE)));
}
