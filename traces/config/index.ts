/** What one run is, as plain JSON that is checked once. */
export { ACCESS_PATTERNS, type AccessConfig, type AccessPattern, AccessSchema } from './access.ts';
export { checkConfig, hasField } from './check.ts';
export { CPU_PROFILES, type CpuName, type CpuPrice, type CpuProfile, DEFAULT_CPU, pricesOf } from './cpu-profiles.ts';
export { nearest, perhaps } from './did-you-mean.ts';
export { type EditCosts, EditCostsSchema } from './edit-costs.ts';
export { type ExplainedField, explainFields } from './explain-field.ts';
export { FIELD_DOCS, type FieldDoc } from './field-docs.ts';
export type { IovaCosts } from './iova-costs.ts';
export { type RunConfig, type RunConfigInput, RunConfigSchema, readRunConfig, runConfig } from './run-config.ts';
export { setField } from './set-field.ts';
