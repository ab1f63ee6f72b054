/** Encodings of sizes, which the formats hold for every device, under the names that this folder uses. */
export {
  GRANULE_SHIFT_TG0,
  GRANULE_SHIFT_TG1,
  OUTPUT_SIZES as ADDRESS_SIZES,
  outputBitsOf as addressBits,
  stage2StartLevel,
  walkBits,
} from '../../../formats/index.ts';
