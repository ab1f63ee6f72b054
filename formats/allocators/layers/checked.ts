import type { AllocatorFindingKind } from '../allocator.ts';
import { UpperLayer } from '../layer.ts';
import { FreeVerdict, LiveBlocks } from './live-blocks.ts';

const KIND_OF: Record<Exclude<FreeVerdict, 0>, AllocatorFindingKind> = {
  [FreeVerdict.UNKNOWN]: 'unknown-free',
  [FreeVerdict.TWICE]: 'double-free',
  [FreeVerdict.WRONG_SIZE]: 'wrong-size',
  [FreeVerdict.WRONG_COOKIE]: 'wrong-cookie',
};

const DETAIL_OF: Record<Exclude<FreeVerdict, 0>, string> = {
  [FreeVerdict.UNKNOWN]: 'this allocator never gave the block out',
  [FreeVerdict.TWICE]: 'the block was freed before',
  [FreeVerdict.WRONG_SIZE]: 'the block was allocated with another size',
  [FreeVerdict.WRONG_COOKIE]: 'the block was allocated with another cookie',
};

/**
 * The top of every stack: knows each block that is out, and turns misuse into findings. A wrong free is reported and goes no
 * further, so that it cannot damage the layers below.
 */
export class CheckedAllocator extends UpperLayer {
  readonly kind = 'checked';
  readonly #blocks = new LiveBlocks();

  alloc(cookie: unknown, size: number, gfp: number): number {
    const pa = this.pass(cookie, size, gfp);
    if (pa >= 0) this.#blocks.add(pa, size, cookie);
    return pa;
  }

  override free(cookie: unknown, pa: number, size: number): void {
    const verdict = this.#blocks.remove(pa, size, cookie);
    if (verdict !== FreeVerdict.OK) {
      const out = verdict === FreeVerdict.WRONG_SIZE ? ` (${this.#blocks.sizeOf(pa)} bytes)` : '';
      this.context.report(KIND_OF[verdict], pa, size, DETAIL_OF[verdict] + out);
      return;
    }
    this.stats.took(1, size);
    this.below.free(cookie, pa, size);
  }

  /** Reports every block that is still out as a leak; how many there are. */
  reportLeaks(): number {
    this.#blocks.forEach((pa, size) => {
      this.context.report('leak', pa, size, 'the block was never freed');
    });
    return this.#blocks.live;
  }
}
