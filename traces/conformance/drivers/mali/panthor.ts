/** Every kind of panthor's cases. */
import type { DriverRunner } from '../runner.ts';
import { PAGE_RUNNERS } from './panthor-pages.ts';
import { SLOT_RUNNERS } from './panthor-slots.ts';
import { VALUE_RUNNERS } from './panthor-values.ts';

export const PANTHOR_RUNNERS: readonly DriverRunner[] = [...VALUE_RUNNERS, ...SLOT_RUNNERS, ...PAGE_RUNNERS];
