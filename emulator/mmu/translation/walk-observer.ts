import type { FaultClass, StageWalk, WalkStatus } from '../walk/index.ts';

/** Which cache a walk asked. */
export type WalkCacheKind = 'walk cache' | 'IPA cache';

/**
 * Sees what the walker that is alone in time does, in order: for people who learn, and for `walk`. `cycles` is what the walk has taken
 * when the thing is done. Objects are reused; a walk that nobody watches pays nothing but a look at a field.
 */
export interface WalkObserver {
  /** A stage begins with the address in `walk.inputAddress`. `purpose` says what a stage 2 translates. */
  begin(walk: StageWalk, purpose: FaultClass): void;
  /** A cache was asked. @param level level of the descriptor that an entry would spare; -1 of the IPA cache */
  asked(cache: WalkCacheKind, stage: 1 | 2, level: number, hit: boolean, cycles: number): void;
  /** A descriptor was read at `pa`; `address` is where the stage sees it. @param status what `walk` made of it */
  descriptor(
    walk: StageWalk,
    level: number,
    address: number,
    pa: number,
    low: number,
    high: number,
    status: WalkStatus,
    cycles: number,
  ): void;
  /** A walk cache keeps what a level found. @param leaf the translation, not the way to a table */
  kept(stage: 1 | 2, level: number, leaf: boolean): void;
}
