import { mapReservation } from '../../../formats/index.ts';
import { MappingBench } from './mapping-bench.ts';
import { row, rowOf, type ValidationTable } from './row.ts';

/** What page-table code has been measured to take, and how much there is of it. */

const PAGE = 4096;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const TIB = 2 ** 40;

export function pageTableCodeTable(): ValidationTable {
  const bench = new MappingBench({});
  const one = bench.steady(PAGE);
  const many = bench.steady(256 * PAGE);
  return {
    name: 'page-table-code',
    title: 'page-table code alone (arm64 format)',
    source: 'generic_pt cover letter, on an i7-12700',
    basis: 'a replay, its cause "edit"; fitted: editCosts',
    rows: [
      row('map 4 KiB', 60, one.map.edit, 'fitted'),
      row('map 256 pages at once', 380, many.map.edit, 'fitted'),
      row('unmap 4 KiB', 75, one.unmap.edit, 'fitted'),
      row('unmap 256 pages at once', 520, many.unmap.edit, 'fitted'),
    ],
  };
}

export function splitTable(): ValidationTable {
  return {
    name: 'split',
    title: 'splitting a block in place, Linux 6.12',
    source: 'iommu list (time); read from the code (syncs)',
    basis: 'the page-table code itself; time at the Kunpeng 920’s prices, nothing set for it',
    misses:
      'The time is the machine’s that measured it, which the list does not name; it need not have been a Kunpeng 920.',
    rows: [
      row('1 GiB block to 4 KiB pages', 2_000_000, timeOfSplit(), 'predicted'),
      rowOf('count', 'syncs to cut one page out of a 2 MiB block', 511, syncsOfSplit(2 * MIB), 'predicted'),
      rowOf('count', 'syncs to cut one page out of a 1 GiB block', 1023, syncsOfSplit(GIB), 'predicted'),
    ],
  };
}

/** Cuts a page out of every 2 MiB of a block of 1 GiB, and counts what writing and allocating the tables takes. */
function timeOfSplit(): number {
  const bench = new MappingBench({ cpu: 'kunpeng920', table: { linux: '6.12', split: 'in-place' } });
  const { unmapCall, clearDescriptor } = bench.config.editCosts;
  bench.map(GIB);
  let spent = 0;
  for (let at = 0; at < GIB; at += 2 * MIB) {
    const { edit, allocation } = bench.unmap(PAGE, at);
    spent += edit + allocation - unmapCall - clearDescriptor;
  }
  return spent;
}

/** Syncs for the walker of the new tables' descriptors: those of the descriptors that lead to the tables are not among them. */
function syncsOfSplit(block: number): number {
  const bench = new MappingBench({ table: { linux: '6.12', split: 'in-place', walk: 'non-coherent' } });
  bench.map(block);
  const { stats } = bench.replayer.machine.dma;
  const splits = (): number => bench.replayer.domains.all[0]?.domain.table.stats.blockSplits ?? 0;
  const before = { syncs: stats.syncs, splits: splits() };
  bench.unmap(PAGE);
  return stats.syncs - before.syncs - (splits() - before.splits);
}

export function tableMemoryTable(): ValidationTable {
  const bench = new MappingBench({});
  bench.map(PAGE);
  const table = bench.replayer.domains.all[0]?.domain.table;
  const tables = table === undefined ? 0 : mapReservation(table.geometry, 0, TIB);
  return {
    name: 'table-memory',
    title: 'memory of page tables',
    source: 'iommu list, 2023',
    basis: 'the tables that the page-table code needs below the first one',
    rows: [rowOf('bytes', '1 TiB of touched IOVA in 4 KiB pages', 2 * GIB, tables * PAGE, 'predicted')],
  };
}

export function bindTable(): ValidationTable {
  const { clockMHz, bind } = new MappingBench({}).config;
  return {
    name: 'vm-bind',
    title: 'VM_BIND on Asahi',
    source: 'Asahi Linux pull request 495',
    basis: 'a price for each job, set to it: a constant of the model and not a result',
    rows: [row('a warm bind, fastest', 744, (bind.runCycles * 1000) / clockMHz, 'fitted')],
  };
}
