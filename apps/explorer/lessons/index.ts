import type { Lesson } from '../model/index.ts';
import { FIRST_WALK, SPLIT, START_LEVEL } from './addresses.ts';

/** Every lesson, in the order in which they build on each other. */
export const LESSONS: readonly Lesson[] = [SPLIT, FIRST_WALK, START_LEVEL];
