import type { Target } from '../target.ts';
import { CAPTURE_TARGETS } from './captures.ts';
import { DEVICE_TARGETS } from './devices.ts';
import { EXPLORER_TARGETS } from './explorer.ts';
import { FILE_TARGETS } from './files.ts';
import { REPLAY_TARGETS } from './replays.ts';
import { TABLE_TARGETS } from './tables.ts';

/** Everything that is soaked. */
export const TARGETS: readonly Target[] = [
  ...CAPTURE_TARGETS,
  ...FILE_TARGETS,
  ...DEVICE_TARGETS,
  ...TABLE_TARGETS,
  ...REPLAY_TARGETS,
  ...EXPLORER_TARGETS,
];
