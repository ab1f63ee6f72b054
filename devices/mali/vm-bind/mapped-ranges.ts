import { Errno, errnoName, Gfp, hexText, type IoPgtable, type IotlbGather } from '../../../formats/index.ts';
import { type GpuVaOverlap, GpuVaSpace } from '../gpuvm/index.ts';
import { RangeEditor } from './range-editor.ts';
import type { BindJob } from './vm-bind-job.ts';

/** What a VM maps, in its table and as the ranges that its jobs asked for, and the two edits of both. */
export class MappedRanges {
  /** As of the last edit: physical addresses, with `Prot` bits for flags. */
  readonly ranges: GpuVaSpace<null>;
  /** Mapped ranges that edits ran into, and what of them stuck out and was kept. */
  overlaps = 0;
  remaps = 0;
  readonly #editor: RangeEditor;
  readonly #gather: IotlbGather | null;
  readonly #split: IoPgtable['config']['split'];

  /** @param gather takes what an edit unmaps; without it leaves are invalidated one by one */
  constructor(table: IoPgtable, gather: IotlbGather | null) {
    this.ranges = new GpuVaSpace(0, 2 ** table.config.ias);
    this.#editor = new RangeEditor(table);
    this.#gather = gather;
    this.#split = table.config.split;
  }

  /** Smallest page of the table. */
  get smallest(): number {
    return this.#editor.smallest;
  }

  /** Maps the range, over whatever is mapped there. @returns 0 or a negative error number */
  map(job: BindJob): number {
    const { iova, size, pa = 0, prot = 0 } = job.request;
    const cut = this.unmap(job);
    if (cut !== 0) return cut;
    const result = this.#editor.map(iova, pa, size, prot, Gfp.KERNEL, this.#gather);
    if (result === 0) this.ranges.add({ start: iova, end: iova + size, object: null, offset: pa, flags: prot });
    else job.reason = result === -Errno.ENOMEM ? 'no table for the mapping' : `the table says ${errnoName(result)}`;
    return result;
  }

  /** Unmaps what is mapped in the range, neighbours in one go; what sticks out stays mapped, as ranges of its own. */
  unmap(job: BindJob): number {
    const { iova, size } = job.request;
    const overlaps = this.ranges.overlaps(iova, iova + size);
    for (let first = 0; first < overlaps.length; ) {
      const { start } = overlaps[first] as GpuVaOverlap<null>;
      let end = start;
      let next = first;
      for (; next < overlaps.length && (overlaps[next] as GpuVaOverlap<null>).start === end; next++) {
        const part = overlaps[next] as GpuVaOverlap<null>;
        end = part.end;
        this.overlaps++;
        this.remaps += (part.previous === null ? 0 : 1) + (part.next === null ? 0 : 1);
      }
      const whole = this.#editor.unmap(start, end - start, this.#gather);
      if (this.#editor.unmapped > 0) this.ranges.cut(start, start + this.#editor.unmapped);
      if (!whole) return this.#stoppedAt(job, start + this.#editor.unmapped);
      first = next;
    }
    return 0;
  }

  /** Only a block that is not split stops an unmap inside known mappings: for lack of a table, or because none is ever split. */
  #stoppedAt(job: BindJob, iova: number): number {
    const refuses = this.#split === 'refuse';
    const why = refuses ? "of which a part cannot go (split: 'refuse')" : 'that needs a table to be split';
    job.reason = `stopped at ${hexText(iova)}, in a block ${why}`;
    return refuses ? -Errno.EINVAL : -Errno.ENOMEM;
  }
}
