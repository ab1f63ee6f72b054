/**
 * Conformance vectors: what a real page-table implementation did with one configuration and a list of operations, one JSON object
 * per line. This file is the schema; numbers of up to 64 bits are lower-case hexadecimal strings in it.
 */
import * as v from 'valibot';
import { LINUX_VERSIONS } from '../../../formats/index.ts';
import { InputError } from '../../input-error.ts';

const hex = v.pipe(v.string(), v.regex(/^0x[0-9a-f]{1,16}$/, 'a hexadecimal number such as "0x1000"'));
const integer = v.pipe(v.number(), v.safeInteger());
const flag = v.picklist([0, 1]);

/**
 * One thing that happened, in order: its kind, then its values. Kinds: A page allocation, A! the same made to fail, F free; CA, CA!,
 * CF the same through the hooks; M, M!, Mx DMA mapping that worked, failed, or was translated; U DMA unmapping; S sync, Sr a run of
 * them; W walk flush; P page flush, Pr a run of them; FA flush all; D dirty range; warn; err; nest a whole operation inside.
 */
export type VectorEvent = readonly [kind: string, ...values: unknown[]];
const event = v.custom<VectorEvent>(
  (value) => Array.isArray(value) && typeof value[0] === 'string',
  'an event: a list that begins with its kind',
);
const events = v.array(event);

/** The fault that is injected: the Nth allocation fails, the Nth DMA mapping fails, or the Nth is translated. */
const injection = v.strictObject({
  alloc: v.optional(integer),
  dmaerr: v.optional(integer),
  dmax: v.optional(integer),
});

const mapOp = v.strictObject({
  op: v.literal('map'),
  iova: hex,
  paddr: hex,
  pgsize: hex,
  pgcount: hex,
  prot: integer,
  gfp: v.picklist(['K', 'A']),
  inj: v.optional(injection),
  ev: events,
  ret: integer,
  mapped: hex,
});
const unmapOp = v.strictObject({
  op: v.literal('unmap'),
  iova: hex,
  pgsize: hex,
  pgcount: hex,
  gather: v.picklist(['normal', 'null', 'queued']),
  inj: v.optional(injection),
  ev: events,
  unmapped: hex,
});
const lookupOp = v.strictObject({
  op: v.literal('iova_to_phys'),
  iova: hex,
  inj: v.optional(injection),
  phys: hex,
});
const dirtyOp = v.strictObject({
  op: v.literal('read_and_clear_dirty'),
  iova: hex,
  size: hex,
  flags: integer,
  inj: v.optional(injection),
  ev: events,
  ret: integer,
});
/** The descriptors that a walk meets, by level. */
const walkOp = v.strictObject({
  op: v.literal('pgtable_walk'),
  iova: hex,
  inj: v.optional(injection),
  ret: integer,
  ptes: v.strictTuple([hex, hex, hex, hex]),
});
/** A store by hardware. Without an address nothing is stored. */
const pokeOp = v.strictObject({
  op: v.literal('poke'),
  iova: hex,
  level: v.optional(integer),
  inj: v.optional(injection),
  pte_phys: v.nullable(hex),
  val: v.optional(hex),
});
/** An entry, or a run of entries whose descriptors rise by a stride. */
const dumpedEntry = v.union([v.strictTuple([integer, hex]), v.strictTuple([integer, hex, integer, hex])]);
const dumpedTable = v.strictObject({
  phys: hex,
  level: integer,
  size: hex,
  ents: v.array(dumpedEntry),
  tail: v.optional(v.array(dumpedEntry)),
});
const dumpOp = v.strictObject({ op: v.literal('dump'), inj: v.optional(injection), tables: v.array(dumpedTable) });

const operation = v.variant('op', [mapOp, unmapOp, lookupOp, dirtyOp, walkOp, pokeOp, dumpOp]);

const configuration = v.strictObject({
  fmt: v.string(),
  pgsize_bitmap: hex,
  ias: integer,
  oas: integer,
  quirks: hex,
  coherent_walk: flag,
  custom_alloc: v.picklist([0, 1, 2, 3]),
  tlb: flag,
  phys_base: hex,
});

/** Values that the registers and the geometry have after creation: hexadecimal, or plain numbers one level down. */
const outcome = v.looseObject({ pgsize_bitmap: hex, ias: integer, oas: integer, quirks: hex });

const VectorSchema = v.strictObject({
  name: v.string(),
  kernel: v.picklist(LINUX_VERSIONS),
  note: v.optional(v.string()),
  cfg: configuration,
  alloc: v.strictObject({
    inj: v.optional(injection),
    ev: events,
    ok: v.boolean(),
    live: integer,
    out: outcome,
  }),
  ops: v.array(operation),
  free: v.optional(v.strictObject({ ev: events, live: integer })),
});

/** One case. */
export type Vector = v.InferOutput<typeof VectorSchema>;
export type VectorOp = Vector['ops'][number];
export type MapOp = v.InferOutput<typeof mapOp>;
export type UnmapOp = v.InferOutput<typeof unmapOp>;
export type DirtyOp = v.InferOutput<typeof dirtyOp>;
export type WalkOp = v.InferOutput<typeof walkOp>;
export type DumpedTable = v.InferOutput<typeof dumpedTable>;
export type Injection = v.InferOutput<typeof injection>;

/**
 * Reads one line of a vector file.
 * @throws InputError naming the file and the line.
 */
export function parseVector(line: string, file: string, lineNumber: number): Vector {
  return checkVector(parseLine(line, file, lineNumber), file, lineNumber);
}

/** The JSON value of a line, whatever kind of case it is. @throws InputError naming the file and the line. */
export function parseLine(line: string, file: string, lineNumber: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new InputError(file, `line ${lineNumber}`, excerpt(line), 'one conformance case as a JSON object');
  }
}

/** A parsed line as a case of a page table. @throws InputError naming the file and the line. */
export function checkVector(json: unknown, file: string, lineNumber: number): Vector {
  const position = `line ${lineNumber}`;
  const result = v.safeParse(VectorSchema, json, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = v.getDotPath(issue);
  const allowed = issue.type === 'regex' || issue.type === 'custom' ? issue.message : (issue.expected ?? issue.message);
  throw new InputError(file, path === null ? position : `${position}, ${path}`, issue.received, allowed);
}

/** An operation inside an event, checked as the ones of the list are. */
export function parseNestedOp(value: unknown): MapOp | UnmapOp | null {
  const result = v.safeParse(v.variant('op', [mapOp, unmapOp]), value);
  return result.success ? result.output : null;
}

function excerpt(line: string): string {
  return line.length > 40 ? `${JSON.stringify(line.slice(0, 40))}...` : JSON.stringify(line);
}
