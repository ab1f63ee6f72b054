/**
 * What differs between the panfrost drivers of two kernels. Everything else they do alike.
 * Source: Linux drivers/gpu/drm/panfrost/panfrost_mmu.c of 6.12.117 and 7.3.4.
 */
import type { SplitPolicy } from '../../../../formats/index.ts';
import type { PollKernel } from '../../../registers/index.ts';

export interface PanfrostProfile {
  /** How a poll of AS_STATUS ends when its time is over. */
  readonly poll: PollKernel;
  /** AS_TRANSCFG is written at enable and disable. Before, it keeps what the reset left: the legacy mode. */
  readonly writesTranscfg: boolean;
  /** Tables may be AArch64 ones where the SoC asks for it. */
  readonly offersAarch64: boolean;
  /** Mappings are made cacheable (`IOMMU_CACHE`). */
  readonly mapsCacheable: boolean;
  /** An error of io-pgtable ends a map, and what was mapped goes again. Before, it is ignored. */
  readonly undoesFailedMaps: boolean;
  /**
   * When a chunk of a heap counts as populated. `first-page` is a flaw: a chunk that ran out of pages midway has its first page and is
   * never mapped, so later faults there are "handled" and nothing happens: the GPU faults for ever. `mapping` asks whether the address
   * is mapped.
   */
  readonly chunkIsPopulated: 'first-page' | 'mapping';
  /** Each page found in a chunk that is populated anew is warned about (7.3); before, it is passed over. */
  readonly warnsOfOwnedPages: boolean;
  /** What io-pgtable does when part of a block is unmapped. */
  readonly split: SplitPolicy;
}

export const PANFROST_PROFILES: Readonly<Record<PollKernel, PanfrostProfile>> = {
  '6.12': {
    poll: '6.12',
    writesTranscfg: false,
    offersAarch64: false,
    mapsCacheable: false,
    undoesFailedMaps: false,
    chunkIsPopulated: 'first-page',
    warnsOfOwnedPages: false,
    split: 'in-place',
  },
  '7.3': {
    poll: '7.3',
    writesTranscfg: true,
    offersAarch64: true,
    mapsCacheable: true,
    undoesFailedMaps: true,
    chunkIsPopulated: 'mapping',
    warnsOfOwnedPages: true,
    split: 'refuse',
  },
};
