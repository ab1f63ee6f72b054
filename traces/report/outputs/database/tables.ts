import { CAUSE_NAMES } from '../../../../emulator/index.ts';
import type { ColumnSpec } from './column.ts';
import type { TableSpec } from './parquet-table.ts';

/** The layout of the tables; changes in it that break queries raise the number. */
export const DATABASE_SCHEMA = 'tablewalk.database/1';

const int = (meaning: string) => ({ kind: 'int', meaning }) as const;
const long = (meaning: string) => ({ kind: 'long', meaning }) as const;
const real = (meaning: string) => ({ kind: 'real', meaning }) as const;
const text = (meaning: string) => ({ kind: 'text', meaning }) as const;
const flag = (meaning: string) => ({ kind: 'flag', meaning }) as const;
const optional = <S extends ColumnSpec>(spec: S) => ({ ...spec, optional: true }) as const;

const operation = int('number of the map or unmap, from 1; 0 for what belongs to none');
const domain = int('domain, as in `domains`; -1 for none');
const iova = long('first input address');
const start = real('cycle of the machine at which it began');

/** CPU cycles of an operation by what they went into. */
export const CAUSE_COLUMNS = CAUSE_NAMES.map((name) => `${name}_cycles`);

const OPERATIONS = {
  operation,
  line: int('line of the capture, 0 without one'),
  kind: text('map, unmap, flush (of a flush queue) or other (attaching, faults)'),
  domain,
  cpu: int('CPU that did it, -1 where the capture does not say'),
  iova,
  size: long('bytes'),
  seconds: real('time of the trace clock'),
  start,
  cycles: real('CPU cycles that it took'),
  live_ranges: int('ranges mapped after it, of all domains'),
  live_bytes: long('bytes mapped after it, of all domains'),
  table_bytes: long('bytes of tables after it'),
} as const;

/** Every table of the database, with what its columns say. A row is written once and never changed. */
export const DATABASE_TABLES = {
  run: {
    schema: text('layout of these tables'),
    title: text('what was replayed'),
    complete: flag('false when the run was stopped before the end of the capture'),
    synthetic: flag('the capture says of itself that it is no recording'),
    clock_mhz: real('clock of the MMU: cycles of a microsecond'),
    first_time: real('time of the first event, by the trace clock, in seconds'),
    access_sample: int('one device access of so many is in `accesses`'),
    config: text('the machine, as JSON: what tablewalk config prints'),
  },
  metrics: {
    key: text('stable name'),
    value: optional(real('the figure; nothing where it does not apply')),
    unit: text('count, bytes, cycles, share or seconds'),
    better: optional(text('less or more, where one is better')),
    label: text('name for people'),
    meaning: text('what it says'),
  },
  domains: {
    domain,
    origin: text('how it is known: named by the capture, by its device, or inferred'),
    devices: text('its devices as the capture names them'),
    streams: text('their StreamIDs'),
  },
  operations: {
    ...OPERATIONS,
    ...(Object.fromEntries(
      CAUSE_NAMES.map((name) => [`${name}_cycles`, real(`CPU cycles that went into: ${name}`)]),
    ) as Record<string, ReturnType<typeof real>>),
  },
  accesses: {
    access: int('number of the device access, from 1'),
    operation,
    stream: int('StreamID'),
    domain,
    iova,
    pa: long('output address, 0 when refused'),
    start,
    cycles: real('device cycles of its translation'),
    served: text('what served it'),
    descriptor_reads: int('descriptors that its walk read'),
    stale: flag('served by a translation that was unmapped'),
  },
  invalidations: {
    operation,
    domain,
    scope: text('range, address-space, virtual-machine, all, or sync (completion was waited for)'),
    asid: int('address space; -1 for any'),
    vmid: int('virtual machine; -1 for any'),
    iova: optional(long('first address, of a range')),
    size: optional(long('bytes of a range; 1 for what covers an address')),
    leaf_only: flag('walk-cache entries of tables stay'),
    start: real('cycle of the machine at which its operation stood'),
  },
  windows: {
    operation: int('the unmap after which TLBs still held the leaf'),
    iova,
    size: long('bytes of the leaf'),
    start: real('cycle at which the unmap had returned'),
    cycles: real('until the last TLB entry went'),
    seconds: real('the same by the trace clock'),
    hits: int('accesses that it served'),
    last_hit: optional(real('cycle of the last of these')),
  },
  findings: {
    kind: text('what was found'),
    operation,
    line: optional(int('line of the capture')),
    domain,
    iova,
    level: optional(int('level of the descriptor or table concerned')),
    descriptor: optional(text('the descriptor that was unmapped, replaced or read')),
    age_cycles: optional(real('how long before the cause was')),
    age_accesses: optional(long('the same in device accesses')),
    start: real('cycle at which it was found'),
    detail: text('one sentence'),
  },
  tables: {
    pa: long('physical address of the page table'),
    size: long('bytes'),
    domain,
    level: optional(int('level, where it was ever linked')),
    iova: optional(long('first input address that it covers')),
    allocated_by: int('operation that allocated it'),
    allocated: real('cycle of that'),
    freed_by: optional(int('operation that freed it; nothing while it lives when the capture ends')),
    freed: optional(real('cycle of that')),
  },
  faults: {
    source: text('device: of this run; capture: recorded'),
    operation,
    line: optional(int('line of the capture')),
    domain: optional(int('domain, where it is known')),
    stream: optional(int('StreamID')),
    device: optional(text('device, as the capture names it')),
    iova,
    kind: text('what the MMU says of it'),
    level: optional(int('level of the descriptor')),
    start: real('cycle of the machine'),
    seconds: real('time of the trace clock'),
  },
  columns: {
    table: text('table'),
    column: text('column'),
    meaning: text('what it says'),
  },
} as const satisfies Readonly<Record<string, TableSpec>>;

export type DatabaseTable = keyof typeof DATABASE_TABLES;
export const DATABASE_TABLE_NAMES = Object.keys(DATABASE_TABLES) as readonly DatabaseTable[];
