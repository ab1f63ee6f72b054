/** Descriptors, registers, commands, records and addresses, taken apart and drawn. */
export { type AddressSplit, type SplitPart, type SplitShape, splitIova } from './address-split.ts';
export { DESCRIPTOR_QUIRKS, type DescriptorPlace, explainEntry } from './descriptor.ts';
export { splitLines, structureLines } from './draw.ts';
export { explainRegister, registerNames } from './registers.ts';
export { explainSmmuv3, SMMUV3_STRUCTURES, type Smmuv3StructureName } from './smmuv3-words.ts';
export type { ExplainedStructure, StructureField } from './structure.ts';
