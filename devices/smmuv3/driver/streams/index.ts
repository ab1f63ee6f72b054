/** Devices and their streams, and which address space each uses. */
export { Attacher } from './attacher.ts';
export { type Master, type MasterDescription, Masters } from './masters.ts';
export { type AttachOptions, Streams } from './streams.ts';
