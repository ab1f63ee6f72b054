import type { StageRegime } from '../../../../emulator/index.ts';

/** Where a stage 2 puts what it maps: this far above its input. Aligned to every block. */
export const STAGE2_OFFSET = 2 ** 40;

/** A stage under construction: tables come into being along the way of each address that is built. */
export interface StageBuilder {
  readonly regime: StageRegime;
  /** Makes the descriptors that a walk of an address meets, where they are not there yet; nothing where it is out of range. */
  build(input: number, upper: boolean): void;
}
