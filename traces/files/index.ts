/** Files and standard input: the only part of `traces` that needs Node. */
export * from './address-list.ts';
export { fileSources } from './file-source.ts';
export { type CaptureOptions, openCaptures } from './open-captures.ts';
export * from './whole-file.ts';
