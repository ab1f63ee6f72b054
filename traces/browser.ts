/** All of `traces` that needs no file system: what a page imports. `index.ts` adds the files. */
export * from './capture/index.ts';
export {
  ACCESS_PATTERNS,
  type AccessConfig,
  type AccessPattern,
  AccessSchema,
  CPU_PROFILES,
  type CpuName,
  type CpuPrice,
  type CpuProfile,
  type ExplainedField,
  explainFields,
  FIELD_DOCS,
  type FieldDoc,
  hasField,
  nearest,
  perhaps,
  pricesOf,
  type RunConfig,
  type RunConfigInput,
  RunConfigSchema,
  readRunConfig,
  runConfig,
  setField,
} from './config/index.ts';
export * from './conformance/index.ts';
export * from './domains/index.ts';
export * from './explain/index.ts';
export * from './generate/index.ts';
export * from './image/index.ts';
export * from './input-error.ts';
export { plainNames, plainText } from './plain-text.ts';
export { sizeText } from './quantity.ts';
export * from './recording/index.ts';
export * from './reference/index.ts';
export * from './replay/index.ts';
export * from './report/index.ts';
export * from './scenarios/index.ts';
export * from './studies/index.ts';
export * from './translate/index.ts';
