import { Cause, type Operation, OperationKind } from '../../../emulator/index.ts';
import { EventKind, TraceEvent } from '../../capture/index.ts';
import { type RunConfig, type RunConfigInput, runConfig } from '../../config/index.ts';
import { Replayer } from '../../replay/index.ts';

/** Where the buffer is mapped: aligned to 1 GiB, so that any block may be used. */
const IOVA = 2 ** 32;
const PA = 2 ** 35;

/** What one map or unmap cost the CPU, in nanoseconds. */
export interface OperationTime {
  readonly total: number;
  /** Page-table code. */
  readonly edit: number;
  readonly allocation: number;
  /** Making and sending commands, and waiting for them. */
  readonly invalidation: number;
}

/** One device that maps and unmaps a buffer over and over, on the machine that replays run on. What the DMA API adds is not in its times. */
export class MappingBench {
  readonly config: RunConfig;
  readonly replayer: Replayer;
  readonly #event = new TraceEvent();
  #time: OperationTime = { total: 0, edit: 0, allocation: 0, invalidation: 0 };

  constructor(input: RunConfigInput) {
    this.config = runConfig({
      ...input,
      // The DMA API's part, addresses included, is the validation's own (`DMA_LAYER`).
      iovaCosts: { magazine: 0, depot: 0, treeAllocate: 0, treeFree: 0, queue: 0 },
      domains: { single: true },
      access: { pattern: 'none' },
    });
    this.replayer = new Replayer(this.config, () => -1);
    this.replayer.machine.costs.onOperation = (operation) => this.#take(operation);
  }

  map(size: number, offset = 0): OperationTime {
    return this.#perform(EventKind.MAP, size, offset);
  }

  unmap(size: number, offset = 0): OperationTime {
    return this.#perform(EventKind.UNMAP, size, offset);
  }

  /** A map and its unmap when everything they need is there already: the tables of an earlier round. */
  steady(size: number): { readonly map: OperationTime; readonly unmap: OperationTime } {
    this.map(size);
    this.unmap(size);
    return { map: this.map(size), unmap: this.unmap(size) };
  }

  #perform(kind: typeof EventKind.MAP | typeof EventKind.UNMAP, size: number, offset: number): OperationTime {
    const event = this.#event;
    event.kind = kind;
    event.iova = IOVA + offset;
    event.pa = PA + offset;
    event.size = size;
    this.replayer.take(event);
    return this.#time;
  }

  #take({ kind, cycles, byCause }: Operation): void {
    if (kind !== OperationKind.MAP && kind !== OperationKind.UNMAP) return;
    const ns = (spent: number): number => (spent * 1000) / this.config.clockMHz;
    const of = (cause: Cause): number => ns(byCause[cause] as number);
    this.#time = {
      total: ns(cycles),
      edit: of(Cause.EDIT),
      allocation: of(Cause.ALLOCATION),
      invalidation: of(Cause.COMMAND) + of(Cause.WAIT),
    };
  }
}
