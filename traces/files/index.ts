/** Files and standard input: the only part of `traces` that needs Node. */
export * from './address-list.ts';
export * from './database/index.ts';
export { readExperiment } from './experiment-file.ts';
export { fileSources } from './file-source.ts';
export { makeFolder } from './folder.ts';
export { loadImage, readLeafList, writeImage } from './image-folder.ts';
export { type CaptureOptions, openCaptures } from './open-captures.ts';
export { CompareRun, type FileReplayOptions, ReplayRun } from './replay-run.ts';
export { writeStreamLeaves } from './stream-leaves.ts';
export * from './sweep/index.ts';
export { openVectors } from './vector-lines.ts';
export * from './whole-file.ts';
