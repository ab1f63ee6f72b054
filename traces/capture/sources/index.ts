/** Where the bytes of a capture come from, and how they are unpacked. */
export {
  BlobSource,
  type Block,
  type ByteSource,
  MemoryAccess,
  type Platform,
  type RandomAccess,
} from './byte-source.ts';
export { inflate } from './inflate.ts';
export { codes, refusedForm, startsWith } from './refused.ts';
export { type Progress, type Unpacked, unpack } from './unpack.ts';
export { unzstdWhole, ZstdStream } from './zstd.ts';
