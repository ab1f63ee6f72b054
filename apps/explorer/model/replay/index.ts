/** Captures and memory images that a person brings. */
export { ImageRig } from './image-rig.ts';
export { LoadedCapture } from './loaded-capture.ts';
export { type GivenFile, openFiles } from './open-files.ts';
export { Playback } from './playback.ts';
export { chooseReplay, type ReplayOption, replayOptions } from './replay-options.ts';
export type { Samples } from './samples.ts';
