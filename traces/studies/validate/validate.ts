import { bindTable, pageTableCodeTable, splitTable, tableMemoryTable } from './page-table-tables.ts';
import type { Standing, ValidationTable } from './row.ts';
import { scanoutTable, sm8150Table } from './sm8150.ts';
import { graceTable, hi1620Table, kunpengTable, morelloTable, syncTable } from './smmuv3-tables.ts';

/**
 * The model beside what people have measured and published. No vendor and no paper gives the price of a single TLBI or walk, only of
 * whole operations: prices are fitted to some of these totals, and how a total splits is assumed. What was not fitted is predicted, and
 * its error is what the model is worth.
 */

const VALIDATION_SCHEMA = 'tablewalk.validate/1';

/** A published figure that the model says nothing about. */
export interface NotCompared {
  readonly what: string;
  readonly source: string;
  readonly why: string;
}

/** Plain JSON. */
export interface ValidationReport {
  readonly schema: typeof VALIDATION_SCHEMA;
  readonly tables: readonly ValidationTable[];
  /** Of each standing: how many rows, and the mean of the size of their errors (0.1 is 10 %). */
  readonly predicted: { readonly rows: number; readonly meanAbsoluteError: number };
  readonly fitted: { readonly rows: number; readonly meanAbsoluteError: number };
  readonly notCompared: readonly NotCompared[];
}

const NOT_COMPARED: readonly NotCompared[] = [
  {
    what: 'first bind of 4 GiB in 16 KiB pages, 285 ms; binds after it from 4,270 ns',
    source: 'Asahi Linux pull request 495',
    why: 'what else these calls do, such as getting memory for the buffer, is not in the model',
  },
  {
    what: 'non-strict mode over 16 hours: 1.4 to 1.7 million IOPS fall to 0.33 to 0.69 million',
    source: '1605608734-84416-4-git-send-email-john.garry@huawei.com',
    why: 'needs the age of an IOVA allocator; a replay takes its addresses from the capture',
  },
  {
    what: 'contention delays small DMA transfers by up to 1.79 times on a ZCU104',
    source: 'arXiv 2508.19670 (abstract)',
    why: 'needs that board’s buses and accelerators',
  },
  {
    what: 'up to 20 % of throughput lost to IOTLB misses at 200 Gb/s',
    source: 'Farshin et al., PeerJ CS 2023',
    why: 'needs a network card and its traffic; it was measured on another architecture',
  },
];

/** Runs every comparison. Takes about a second; the same figures every time. */
export function validate(): ValidationReport {
  const tables = [
    pageTableCodeTable(),
    tableMemoryTable(),
    splitTable(),
    syncTable(),
    kunpengTable(),
    hi1620Table(),
    morelloTable(),
    graceTable(),
    sm8150Table(),
    scanoutTable(),
    bindTable(),
  ];
  return {
    schema: VALIDATION_SCHEMA,
    tables,
    predicted: errorOf(tables, 'predicted'),
    fitted: errorOf(tables, 'fitted'),
    notCompared: NOT_COMPARED,
  };
}

function errorOf(tables: readonly ValidationTable[], of: Standing): { rows: number; meanAbsoluteError: number } {
  const errors = tables.flatMap(({ rows }) => rows.filter(({ standing }) => standing === of).map(({ error }) => error));
  return {
    rows: errors.length,
    meanAbsoluteError: errors.reduce((sum, error) => sum + Math.abs(error), 0) / errors.length,
  };
}
