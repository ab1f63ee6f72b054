import type { Lesson } from '../model/index.ts';
import { FIRST_WALK, SPLIT, START_LEVEL } from './addresses.ts';
import { BREAK_BEFORE_MAKE, COHERENCY, OPERANDS, TLB, UNMAP } from './caches.ts';
import { ATTRIBUTES, BLOCK_SPLIT, CONTIGUOUS, LEAF_OR_TABLE } from './descriptors.ts';
import { FAULTS, MALI, VM_BIND } from './gpu-and-faults.ts';
import { NESTING, TAGS } from './stages.ts';

/** Every lesson, in the order in which they build on each other. */
export const LESSONS: readonly Lesson[] = [
  SPLIT,
  FIRST_WALK,
  START_LEVEL,
  LEAF_OR_TABLE,
  ATTRIBUTES,
  BLOCK_SPLIT,
  TLB,
  UNMAP,
  BREAK_BEFORE_MAKE,
  COHERENCY,
  CONTIGUOUS,
  NESTING,
  TAGS,
  OPERANDS,
  MALI,
  VM_BIND,
  FAULTS,
];
