/** Page tables found in dumped memory: whose they are, their leaves, walks told step by step. */
export { BARE_FORMATS, type BareFormat, type BareTable, bareRegime } from './bare-table.ts';
export { type CapturedImage, captureImage } from './captured-image.ts';
export { type ExpectedLeaf, LeafComparison, type LeafDifference, parseLeafList } from './compare-leaves.ts';
export {
  type ImageStream,
  ImageStreams,
  type RefusedStream,
  refusalText,
  type StreamTableImage,
  streamTableOf,
} from './image-streams.ts';
export {
  forEachLeafRecord,
  type LeafOwner,
  type LeafRecord,
  type LeafScan,
  newLeafScan,
  tableFormat,
  tableQuirks,
  wholeAddress,
} from './leaf-list.ts';
export { IMAGE_DESCRIPTION, IMAGE_PAGE_SIZE, IMAGE_PAGES, type ImageStreamTable, MemoryImage } from './memory-image.ts';
export {
  type NarratedWalk,
  narrateWalk,
  permissionNames,
  splitAddress,
  WalkRecorder,
  type WalkStep,
  walkLines,
} from './narrate.ts';
export { type ImageSummary, type LeafShare, summarise } from './summary.ts';
