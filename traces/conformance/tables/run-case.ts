/** Running one conformance case: every operation is done, and what it returned and caused is compared with the vector. */
import {
  allocIoPgtable,
  ConfigError,
  checkIoPgtableConfig,
  DirtyFlag,
  Gfp,
  type IoPgtable,
  type IoPgtableConfig,
  type IoPgtableFormat,
  newGather,
  TableMemoryError,
} from '../../../formats/index.ts';
import { hexText } from '../../quantity.ts';
import { type CodeBook, findEventDifference } from './match-events.ts';
import { findTableDifference } from './match-tables.ts';
import { isUpperHalf, outcomeOf, wholeAddress } from './outcome.ts';
import { type RecordedEvent, RecordingMachine } from './recorder.ts';
import {
  type DirtyOp,
  type MapOp,
  parseNestedOp,
  type UnmapOp,
  type Vector,
  type VectorEvent,
  type VectorOp,
  type WalkOp,
} from './vector.ts';

/** One place where a case went otherwise than its vector says. */
export interface Mismatch {
  readonly caseName: string;
  /** Index into the case's operations; -1 for the creation of the table, the number of operations for its end. */
  readonly op: number;
  /** The operation in a few words. */
  readonly operation: string;
  /** What differs: "ret", "event 3", "table". */
  readonly what: string;
  readonly expected: string;
  readonly actual: string;
  /** Further lines for a person: bit fields. */
  readonly details: readonly string[];
}

/** Largest number whose bits a double holds; asked page sizes beyond it are of no use to any format. */
const EXACT = 2 ** 52;

/** The last address of all, which the nearest number, 2^64, stands for. */
const LAST_ADDRESS = 2n ** 64n - 1n;

class CaseRun {
  readonly mismatches: Mismatch[] = [];
  readonly #vector: Vector;
  readonly #book: CodeBook;
  readonly #machine: RecordingMachine;
  readonly #upperHalf: boolean;
  #ias: number;
  #op = -1;
  #operation = 'creation';

  constructor(vector: Vector, book: CodeBook) {
    this.#vector = vector;
    this.#book = book;
    this.#machine = new RecordingMachine(Number(vector.cfg.phys_base));
    this.#upperHalf = isUpperHalf(vector.cfg.fmt, Number(vector.cfg.quirks));
    this.#ias = vector.cfg.ias;
  }

  /** @returns how many operations were compared. */
  run(): number {
    const { ops, free } = this.#vector;
    const table = this.#create();
    if (table === null || this.mismatches.length > 0) return 0;
    for (const [index, op] of ops.entries()) {
      this.#op = index;
      this.#operation = describe(op);
      this.#machine.begin('inj' in op ? op.inj : undefined);
      this.#perform(table, op);
      // What follows a difference would differ because of it.
      if (this.mismatches.length > 0) return index + 1;
    }
    this.#op = ops.length;
    this.#operation = 'free';
    if (free !== undefined) {
      this.#machine.begin(undefined);
      table.free();
      this.#compareEvents(free.ev, this.#machine.events);
      this.#compare('live', free.live, this.#machine.live);
      this.#compare('live tables', 0, table.liveTables);
    }
    return ops.length;
  }

  #create(): IoPgtable | null {
    const { alloc } = this.#vector;
    this.#machine.begin(alloc.inj);
    const asked = this.#config();
    const { config, refusal, warning } = checkIoPgtableConfig(asked);
    let table: IoPgtable | null = null;
    if (refusal === null || warning !== undefined) {
      try {
        table = allocIoPgtable(asked, this.#machine, null);
      } catch (error) {
        if (!(error instanceof TableMemoryError || error instanceof ConfigError)) throw error;
      }
    }
    this.#ias = config.ias;
    this.#compare('accepted', alloc.ok, table !== null);
    this.#compareEvents(alloc.ev, this.#machine.events);
    this.#compare('live', alloc.live, this.#machine.live);
    const sizes = config.pageSizes === asked.pageSizes ? this.#vector.cfg.pgsize_bitmap : hexText(config.pageSizes);
    const outcome: Record<string, unknown> = { ...outcomeOf(config, table), pgsize_bitmap: sizes };
    for (const [name, value] of Object.entries(alloc.out)) {
      this.#compare(name, JSON.stringify(value), JSON.stringify(outcome[name]));
    }
    return table;
  }

  #config(): IoPgtableConfig {
    const { cfg, kernel } = this.#vector;
    const hooks = this.#machine.hooks;
    const wanted = Number(cfg.pgsize_bitmap);
    return {
      // An unknown name is for the registry to refuse.
      format: cfg.fmt as IoPgtableFormat,
      pageSizes: Number.isSafeInteger(wanted) ? wanted : exactSizes(cfg.pgsize_bitmap),
      ias: cfg.ias,
      oas: cfg.oas,
      quirks: Number(cfg.quirks),
      coherentWalk: cfg.coherent_walk === 1,
      allocator: {
        ...((cfg.custom_alloc & 1) === 0 ? {} : { alloc: hooks.alloc }),
        ...((cfg.custom_alloc & 2) === 0 ? {} : { free: hooks.free }),
      },
      tlb: cfg.tlb === 1 ? this.#machine : null,
      linux: kernel,
    };
  }

  #perform(table: IoPgtable, op: VectorOp): void {
    switch (op.op) {
      case 'map':
      case 'unmap':
        this.#edit(table, op);
        break;
      case 'iova_to_phys':
        // A number holds no more than 53 bits of what the last address leads to.
        this.#compare('phys', hexText(Number(op.phys)), hexText(table.iovaToPhys(this.#lookupAddress(op.iova))));
        break;
      case 'read_and_clear_dirty':
        this.#dirty(table, op);
        break;
      case 'pgtable_walk':
        this.#walk(table, op);
        break;
      case 'poke':
        if (op.pte_phys !== null && op.val !== undefined) this.#poke(table, op.pte_phys, op.val);
        break;
      case 'dump': {
        const difference = findTableDifference(op.tables, table, this.#machine.memory);
        if (difference !== null) this.#differs('table', difference.expected, difference.actual, difference.details);
      }
    }
  }

  #edit(table: IoPgtable, op: MapOp | UnmapOp): void {
    const nests = nestedOps(op.ev);
    this.#machine.beforeAllocation = nests.size === 0 ? null : (nth) => this.#nest(table, nests.get(nth));
    if (op.op === 'map') {
      const gfp = op.gfp === 'K' ? Gfp.KERNEL : Gfp.ATOMIC;
      const iova = this.#editAddress(op.iova);
      const ret = table.mapPages(iova, Number(op.paddr), Number(op.pgsize), Number(op.pgcount), op.prot, gfp);
      this.#compare('ret', op.ret, ret);
      this.#compare('mapped', op.mapped, hexText(table.mapped));
    } else {
      const gather = op.gather === 'null' ? null : newGather(op.gather === 'queued');
      const iova = this.#editAddress(op.iova);
      const unmapped = table.unmapPages(iova, Number(op.pgsize), Number(op.pgcount), gather);
      this.#compare('unmapped', op.unmapped, hexText(unmapped));
    }
    this.#machine.beforeAllocation = null;
    this.#compareEvents(op.ev, this.#machine.events);
  }

  /** Another operation, run inside an allocation: what another CPU does meanwhile. */
  #nest(table: IoPgtable, ops: readonly (MapOp | UnmapOp)[] | undefined): void {
    for (const op of ops ?? []) this.#machine.nested(op.inj, () => this.#edit(table, op));
  }

  #dirty(table: IoPgtable, op: DirtyOp): void {
    const recorder = { record: (iova: number, size: number) => this.#machine.record('D', iova, size) };
    const flags = op.flags === 1 ? DirtyFlag.NO_CLEAR : 0;
    const ret = table.readAndClearDirty(this.#editAddress(op.iova), Number(op.size), flags, recorder);
    this.#compare('ret', op.ret, ret);
    this.#compareEvents(op.ev, this.#machine.events);
  }

  #walk(table: IoPgtable, op: WalkOp): void {
    const found = new Uint32Array(8);
    this.#compare('ret', op.ret, table.pgtableWalk(this.#lookupAddress(op.iova), found));
    const descriptors = op.ptes.map(
      (_, level) => (BigInt(found[2 * level + 1] ?? 0) << 32n) | BigInt(found[2 * level] ?? 0),
    );
    this.#compare('ptes', op.ptes.join(' '), descriptors.map(hexText).join(' '));
  }

  #poke(table: IoPgtable, address: string, value: string): void {
    const { memory } = this.#machine;
    const at = memory.index(Number(address));
    const descriptor = BigInt(value);
    memory.words[at] = Number(descriptor & 0xffffffffn);
    if (table.config.format !== 'ARM_V7S') memory.words[at + 1] = Number(descriptor >> 32n);
    table.entriesChanged();
  }

  /** An address as the table takes it: those of an upper half count from its start on, and wrap at 2^64. */
  #editAddress(address: string): number {
    if (!this.#upperHalf) return Number(address);
    return Number(BigInt.asUintN(64, BigInt(address) + (1n << BigInt(this.#ias))));
  }

  /** An address for a lookup, which has no range: the low bits alone decide. */
  #lookupAddress(address: string): number {
    const value = Number(address);
    if (value < EXACT || BigInt(address) === LAST_ADDRESS) return value;
    const edit = this.#editAddress(address);
    return edit < 2 ** this.#ias ? edit : Number(BigInt.asUintN(52, BigInt(address)));
  }

  #compareEvents(expected: readonly VectorEvent[], actual: readonly RecordedEvent[]): void {
    const family = `${this.#vector.cfg.fmt === 'ARM_V7S' ? 'short' : 'lpae'} ${this.#vector.kernel}`;
    const whole = wholeAddress(this.#upperHalf, this.#ias);
    const difference = findEventDifference(expected, actual, this.#book, family, whole);
    if (difference !== null) this.#differs(`event ${difference.index}`, difference.expected, difference.actual, []);
  }

  #compare(what: string, expected: unknown, actual: unknown): void {
    if (expected !== actual) this.#differs(what, String(expected), String(actual), []);
  }

  #differs(what: string, expected: string, actual: string, details: readonly string[]): void {
    const caseName = this.#vector.name;
    this.mismatches.push({ caseName, op: this.#op, operation: this.#operation, what, expected, actual, details });
  }
}

/** What a case came to. */
export interface CaseResult {
  /** Operations compared; those after the first that differs are not. */
  readonly ops: number;
  readonly mismatches: readonly Mismatch[];
}

/** Runs one case. `book` is kept over all cases, so that warnings correspond one to one throughout. */
export function runCase(vector: Vector, book: CodeBook): CaseResult {
  const run = new CaseRun(vector, book);
  const ops = run.run();
  return { ops, mismatches: run.mismatches };
}

/** Operations that run inside an allocation, by the number of that allocation. */
function nestedOps(events: readonly VectorEvent[]): ReadonlyMap<number, readonly (MapOp | UnmapOp)[]> {
  const found = new Map<number, (MapOp | UnmapOp)[]>();
  let allocations = 0;
  for (const [kind, value] of events) {
    if (/^C?A!?$/.test(kind)) allocations++;
    if (kind !== 'nest') continue;
    const op = parseNestedOp(value);
    if (op === null) continue;
    const list = found.get(allocations + 1) ?? [];
    list.push(op);
    found.set(allocations + 1, list);
  }
  return found;
}

function exactSizes(bitmap: string): number {
  return Number(BigInt.asUintN(52, BigInt(bitmap)));
}

function describe(op: VectorOp): string {
  switch (op.op) {
    case 'map':
      return `map iova ${op.iova} paddr ${op.paddr} pgsize ${op.pgsize} pgcount ${op.pgcount} prot ${op.prot}`;
    case 'unmap':
      return `unmap iova ${op.iova} pgsize ${op.pgsize} pgcount ${op.pgcount} gather ${op.gather}`;
    case 'dump':
      return 'dump';
    case 'read_and_clear_dirty':
      return `read_and_clear_dirty iova ${op.iova} size ${op.size} flags ${op.flags}`;
    default:
      return `${op.op} iova ${op.iova}`;
  }
}
