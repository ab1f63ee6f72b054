import * as v from 'valibot';
import {
  rewriteEntry,
  safeInStreamTableEntry,
  usedOfContextDescriptor,
  usedOfStreamTableEntry,
} from '../../../../devices/index.ts';
import type { TableMemory } from '../../../../formats/index.ts';
import { hexText } from '../../../quantity.ts';
import { hex64, integer, linuxKernel } from '../fields.ts';
import { defineRunner } from '../runner.ts';

const words = v.pipe(v.array(hex64), v.length(8));

/** One stream table entry or context descriptor that is changed into another: the stores, grouped by the sync between them. */
export const ENTRY_WRITER = defineRunner({
  name: 'arm-smmu-v3/entry_writer',
  recognises: (line) => 'entry' in line && 'steps' in line,
  schema: v.object({
    id: integer,
    kernel: linuxKernel,
    entry: v.picklist(['ste', 'cd']),
    from: words,
    to: words,
    steps: v.array(v.array(v.tuple([integer, hex64]))),
  }),
  perform: ({ kernel, entry, from, to, steps }, check) => {
    const made: [number, bigint][][] = [[]];
    const memory: TableMemory = {
      words: halvesOf(from),
      index: (pa) => pa / 4,
      written(pa) {
        made.at(-1)?.push([pa / 8, wordAt(this.words, pa / 8)]);
      },
    };
    check.operation(entry, [], () => {
      const stream = entry === 'ste';
      const used = stream ? usedOfStreamTableEntry : usedOfContextDescriptor;
      const safe = stream && kernel === '7.3' ? safeInStreamTableEntry : undefined;
      rewriteEntry(memory, 0, halvesOf(to), used, () => made.push([]), safe);
    });
    made.pop();
    check.equal('steps', text(steps), text(made));
  },
});

function text(steps: readonly (readonly (readonly [number, bigint])[])[]): string {
  return steps.map((step) => step.map(([i, value]) => `${i}=${hexText(value)}`).join(' ')).join(', ');
}

function halvesOf(values: readonly bigint[]): Uint32Array {
  return Uint32Array.from(values.flatMap((value) => [Number(value & 0xffff_ffffn), Number(value >> 32n)]));
}

function wordAt(halves: Uint32Array, i: number): bigint {
  return BigInt(halves[2 * i] ?? 0) + (BigInt(halves[2 * i + 1] ?? 0) << 32n);
}
