import { row, type ValidationTable } from './row.ts';
import { SM8150_FIT, unmapBuffer, unmapPageByPage } from './sm8150-unmap.ts';

/** Megabytes unmapped, nanoseconds with a TLBI per page and with a flush of the ASID per 2 MiB. */
const PUBLISHED = [
  { mib: 2, byAddress: 67_000, byAsid: 5_400 },
  { mib: 16, byAddress: 518_000, byAsid: 27_000 },
  { mib: 32, byAddress: 1_033_000, byAsid: 52_000 },
] as const;

export function sm8150Table(): ValidationTable {
  return {
    name: 'sm8150',
    title: 'SM8150 SMMUv2: per-address TLBI against flushing the ASID',
    source: 'iommu list, 2021',
    basis: `the driver on an SMMUv2; fitted: ${SM8150_FIT}`,
    rows: [
      ...PUBLISHED.map(({ mib, byAddress }) =>
        row(`unmap ${mib} MiB, one TLBI per page`, byAddress, unmapBuffer(mib, false).nanoseconds, 'fitted'),
      ),
      ...PUBLISHED.map(({ mib, byAsid }) =>
        row(`unmap ${mib} MiB, one ASID flush per 2 MiB`, byAsid, unmapBuffer(mib, true).nanoseconds, 'fitted'),
      ),
    ],
  };
}

/** 1920 x 1080 pixels of four bytes, in whole pages. */
const SCANOUT_PAGES = Math.ceil((1920 * 1080 * 4) / 4096);

export function scanoutTable(): ValidationTable {
  return {
    name: 'msm-scanout',
    title: 'msm: unmap of a 1080p scanout buffer, TLBI included',
    source: 'freedreno list: 4 to 6 ms',
    basis:
      'the SM8150’s prices; each page unmapped, invalidated and waited for by itself, as drivers did before invalidations were gathered (assumed)',
    rows: [row('unmap 2,025 pages (middle of the range)', 5_000_000, unmapPageByPage(SCANOUT_PAGES), 'predicted')],
  };
}
