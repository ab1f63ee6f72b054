/** Which runs of leaves can carry the contiguous hint, and where in a leaf it is. */
import { highMask } from '../bits/index.ts';
import { LPAE_STAGE1_LEAF } from '../descriptors/index.ts';
import type { Geometry } from '../table/index.ts';

/** The hint, in the high half; at the same place in leaves of both stages. */
export const CONTIGUOUS_HIGH = highMask(LPAE_STAGE1_LEAF.fields.contiguous);

/** Leaves in a run, by log2 of the granule and level; 0 where there are no runs (DDI 0487 D8.7.1, the Contiguous bit). */
const RUN_LENGTHS: Readonly<Record<number, readonly number[]>> = {
  12: [0, 16, 16, 16],
  14: [0, 0, 32, 128],
  16: [0, 0, 32, 32],
};

/** Leaves in a run by level. A table too small for a run has none. */
export function runLengths(geometry: Geometry, enabled: boolean): Int32Array {
  const lengths = enabled ? RUN_LENGTHS[geometry.granuleShift] : undefined;
  return Int32Array.from(geometry.indexMasks, (mask, level) => {
    const length = lengths?.[level] ?? 0;
    return length <= mask + 1 ? length : 0;
  });
}
