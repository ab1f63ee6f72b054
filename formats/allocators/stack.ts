import * as v from 'valibot';
import { ConfigError } from '../config/index.ts';
import type { TableAllocator, TableMemory } from '../table/index.ts';
import { AllocatorContext, type AllocatorFinding, type AllocatorLayer, type SystemPages } from './allocator.ts';
import { AllocatorCostsSchema } from './costs.ts';
import {
  AccountingAllocator,
  BatchAllocator,
  CarveOutAllocator,
  CheckedAllocator,
  FailingAllocator,
  GenericCacheAllocator,
  type OwnerAccount,
  PageAllocator,
  PoolAllocator,
  type ProtectedOwner,
  type Reservation,
  ReserveAllocator,
  SizingAllocator,
} from './layers/index.ts';
import { describeStack, type LayerSpec, type LayerSpecInput, parseStackSpec } from './stack-spec.ts';
import type { AllocatorCounters } from './stats.ts';

/** What a stack needs from the machine, and how it is set up. */
export interface AllocatorStackOptions {
  /** The system's page allocator; unused by a stack whose bottom is `carve-out`. */
  readonly system: SystemPages;
  /** Where tables are zeroed. Null: nothing is stored; zeroing is only counted, and asked of the system. */
  readonly memory: TableMemory | null;
  /** Size of a table below the first level: the granule, in bytes. */
  readonly tableSize: number;
  /** Cost figures; defaults of {@link AllocatorCostsSchema}. */
  readonly costs?: v.InferInput<typeof AllocatorCostsSchema>;
  /** Takes each misuse. */
  readonly onFinding?: (finding: AllocatorFinding) => void;
  /** Told of pages that a `carve-out` gives to and takes from the protected world. */
  readonly protectedOwner?: ProtectedOwner;
}

/** Totals of a whole stack, plain JSON. */
export interface AllocatorTotals {
  /** Tables the format took, gave back, and was refused. */
  readonly allocations: number;
  readonly frees: number;
  readonly failures: number;
  /** Calls for memory to the system, single and bulk, and the bulk ones among them; a protected region is no part of the system. */
  readonly systemCalls: number;
  readonly bulkCalls: number;
  /** Calls to the system while an operation ran, rather than before it: what VM_BIND must not make. */
  readonly callsInRun: number;
  /** Blocks taken from the system. */
  readonly systemAllocations: number;
  /** Allocations that a layer served from its own stock. */
  readonly hits: number;
  /** Tables in trees: the most at once, and their bytes as asked for. */
  readonly peakTables: number;
  readonly peakBytes: number;
  /** The most bytes ever taken from the system at once: trees, pools and reservations together. */
  readonly peakFootprintBytes: number;
  /** Tables reserved before operations; of these, how many went back unused; and that as a share, 0 to 1. */
  readonly reserved: number;
  readonly overReserved: number;
  readonly unusedShare: number;
  readonly zeroedBytes: number;
  /** The most bytes ever taken beyond what was asked for. */
  readonly peakWastedBytes: number;
  /** Modelled time in allocation, in cycles; and in the worst single operation. */
  readonly cycles: number;
  readonly worstOperationCycles: number;
  /** Number of the worst operation. */
  readonly worstOperation: number;
  readonly findings: number;
}

/** Everything a stack counted, plain JSON. */
export interface AllocatorReport {
  /** Kinds of the layers from top to bottom, joined by `/`. */
  readonly stack: string;
  readonly total: AllocatorTotals;
  readonly layers: readonly (AllocatorCounters & { readonly kind: string })[];
}

/**
 * A whole allocator, ready to be the hook of an io-pgtable configuration. Misuse is checked on top of the layers that the
 * specification names.
 *
 *     const stack = createAllocatorStack('accounting/pool', { system, memory, tableSize: 4096 });
 *     stack.beginOperation(7, mapReservation(geometry, iova, size), domain);
 *     table.mapPages(...);                        // the table was made with `allocator: stack`
 *     stack.endOperation();
 */
export class AllocatorStack implements TableAllocator {
  /** Kinds of the layers from top to bottom. */
  readonly description: string;
  /** The layers from top to bottom, the checking one first. */
  readonly layers: readonly AllocatorLayer[];
  readonly context: AllocatorContext;
  /** The layer that reserves, or null. */
  readonly reserver: ReserveAllocator | null;
  /** The layer that accounts per owner, or null. */
  readonly accountant: AccountingAllocator | null;
  readonly #top: CheckedAllocator;
  #reservation: Reservation | null = null;
  #operationStart = 0;
  #worstCycles = 0;
  #worstOperation = 0;

  constructor(specs: readonly LayerSpec[], options: AllocatorStackOptions) {
    this.context = new AllocatorContext({
      costs: v.parse(AllocatorCostsSchema, options.costs ?? {}),
      tableSize: options.tableSize,
      memory: options.memory,
      onFinding: options.onFinding ?? null,
    });
    const layers: AllocatorLayer[] = [];
    for (const spec of [...specs].reverse()) layers.unshift(this.#build(spec, layers[0] ?? null, options));
    const first = layers[0];
    if (first === undefined) throw new ConfigError('allocator', specs, 'at least one layer');
    this.#top = new CheckedAllocator(this.context, first);
    this.layers = [this.#top, ...layers];
    this.description = describeStack(specs);
    this.reserver = layers.find((layer) => layer instanceof ReserveAllocator) ?? null;
    this.accountant = layers.find((layer) => layer instanceof AccountingAllocator) ?? null;
  }

  alloc(cookie: unknown, size: number, gfp: number): number {
    return this.#top.alloc(cookie, size, gfp);
  }

  free(cookie: unknown, pa: number, size: number): void {
    this.#top.free(cookie, pa, size);
  }

  /**
   * Starts operation `operation` of owner `cookie`. With a `reserve` layer, `tables` tables are set aside for it, and until
   * {@link endOperation} no others are used; without one, `tables` is ignored.
   * @returns false when the reservation could not be had: the operation must not run, and has not begun.
   */
  beginOperation(operation: number, tables: number, cookie: unknown): boolean {
    const { context, reserver } = this;
    context.operation = operation;
    this.#operationStart = context.cycles;
    if (reserver !== null) {
      this.#reservation = reserver.reserve(cookie, tables, operation);
      if (this.#reservation === null) return false;
      reserver.begin(this.#reservation);
    }
    context.running = true;
    return true;
  }

  /** Ends the operation; what it did not use of its reservation goes back. */
  endOperation(): void {
    const { context, reserver } = this;
    context.running = false;
    if (reserver !== null && this.#reservation !== null) {
      reserver.end();
      reserver.release(this.#reservation);
      this.#reservation = null;
    }
    this.noteOperation(context.operation, context.cycles - this.#operationStart);
  }

  /** Notes what allocation cost one operation, for the worst case. For drivers that reserve and run at different times. */
  noteOperation(operation: number, cycles: number): void {
    if (cycles <= this.#worstCycles) return;
    this.#worstCycles = cycles;
    this.#worstOperation = operation;
  }

  /** Memory pressure: layers give up to `bytes` of their stock back, from the top down; how many bytes went to the bottom. */
  shrink(bytes: number): number {
    let given = 0;
    for (const layer of this.layers) {
      if (given >= bytes) break;
      given += layer.shrink(bytes - given);
    }
    return given;
  }

  /** Gives every stock back to the system and reports what is still allocated as leaks; how many leaks there are. */
  close(): number {
    this.shrink(Number.MAX_SAFE_INTEGER);
    return this.#top.reportLeaks();
  }

  /** Per-owner accounts, if a layer keeps them. */
  accounts(): readonly OwnerAccount[] {
    return this.accountant === null ? [] : this.accountant.accounts();
  }

  report(): AllocatorReport {
    const top = this.#top.stats;
    const bottom = (this.layers[this.layers.length - 1] ?? this.#top).stats;
    const sum = (pick: (counters: AllocatorCounters) => number): number =>
      this.layers.reduce((total, layer) => total + pick(layer.stats), 0);
    const reserved = sum((counters) => counters.reserved);
    const overReserved = sum((counters) => counters.returned);
    return {
      stack: this.description,
      total: {
        allocations: top.allocations,
        frees: top.frees,
        failures: top.failures,
        systemCalls: bottom.systemCalls,
        bulkCalls: bottom.bulkCalls,
        callsInRun: bottom.callsInRun,
        systemAllocations: bottom.allocations,
        // The topmost stock is what allocations are served from; a stock below it fills that one.
        hits: this.layers.find((layer) => layer.stats.hits > 0)?.stats.hits ?? 0,
        peakTables: top.peakTables,
        peakBytes: top.peakBytes,
        peakFootprintBytes: bottom.peakFootprintBytes,
        reserved,
        overReserved,
        unusedShare: reserved === 0 ? 0 : overReserved / reserved,
        zeroedBytes: sum((counters) => counters.zeroedBytes),
        peakWastedBytes: sum((counters) => counters.peakWastedBytes),
        cycles: this.context.cycles,
        worstOperationCycles: this.#worstCycles,
        worstOperation: this.#worstOperation,
        findings: this.context.findings,
      },
      layers: this.layers.map((layer) => ({ kind: layer.kind, ...layer.stats.snapshot() })),
    };
  }

  #build(spec: LayerSpec, below: AllocatorLayer | null, options: AllocatorStackOptions): AllocatorLayer {
    const { context } = this;
    if (spec.kind === 'page') return new PageAllocator(context, options.system);
    if (spec.kind === 'carve-out') return new CarveOutAllocator(context, spec, options.protectedOwner ?? null);
    if (below === null) throw new ConfigError('allocator', spec.kind, 'a layer below it');
    switch (spec.kind) {
      case 'pool':
        return new PoolAllocator(context, below, spec);
      case 'batch':
        return new BatchAllocator(context, below, spec);
      case 'reserve':
        return new ReserveAllocator(context, below, spec);
      case 'generic-cache':
        return new GenericCacheAllocator(context, below, spec);
      case 'accounting':
        return new AccountingAllocator(context, below, spec);
      case 'sizing':
        return new SizingAllocator(context, below, spec);
      case 'failing':
        return new FailingAllocator(context, below, spec);
    }
  }
}

/**
 * A stack from its description.
 * @param spec text such as `accounting/pool:high=64/page`, or the layers as JSON; see `parseStackSpec`.
 * @throws ConfigError for a description that does not work.
 */
export function createAllocatorStack(
  spec: string | readonly LayerSpecInput[],
  options: AllocatorStackOptions,
): AllocatorStack {
  return new AllocatorStack(parseStackSpec(spec), options);
}
