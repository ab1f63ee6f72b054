import { ConfigError } from '../../formats/index.ts';
import { CPU_PROFILES, pricesOf } from './cpu-profiles.ts';
import { perhaps } from './did-you-mean.ts';
import { FIELD_DOCS, type FieldDoc, FieldSource, PRESET_SOURCES } from './field-docs.ts';
import { type RunConfig, runConfig } from './run-config.ts';

/** One field of a configuration, explained. Plain JSON. */
export interface ExplainedField {
  readonly field: string;
  /** Its value in the configuration at hand. */
  readonly value: unknown;
  readonly unit: string;
  readonly meaning: string;
  /** Where the value comes from, in words. */
  readonly source: string;
}

/**
 * The field of that name, or all fields below it: `mmu.walkCache`, `mmu`, `clockMHz`; the last part alone does where it is unique.
 * @throws ConfigError for a name that is none, with the one that may be meant
 */
export function explainFields(config: RunConfig, name: string): ExplainedField[] {
  const below = [...FIELD_DOCS].filter(([field]) => field === name || field.startsWith(`${name}.`));
  const found = below.length > 0 ? below : [...FIELD_DOCS].filter(([field]) => field.endsWith(`.${name}`));
  if (found.length === 0) {
    const sections = [...FIELD_DOCS.keys()].flatMap((field) =>
      field.split('.').map((_, at, parts) => parts.slice(0, at + 1).join('.')),
    );
    const lasts = [...FIELD_DOCS.keys()].map((field) => field.slice(field.lastIndexOf('.') + 1));
    throw new ConfigError(
      '--explain',
      name,
      `${perhaps(name, sections) || perhaps(name, lasts)}a field that tablewalk config prints, or a part of it such as mmu.walkCache`,
    );
  }
  const { cpu, clockMHz, preset } = config;
  const usual = runConfig({ cpu, clockMHz, preset, iommu: config.iommu });
  return found.map(([field, doc]) => {
    const value = valueAt(config, field);
    const isUsual = JSON.stringify(value) === JSON.stringify(valueAt(usual, field));
    return { field, value, unit: doc.unit, meaning: doc.meaning, source: sourceOf(config, field, doc, isUsual) };
  });
}

function sourceOf(config: RunConfig, field: string, { source }: FieldDoc, isUsual: boolean): string {
  if (source === FieldSource.CHOICE) return 'a choice of the run';
  if (!isUsual) return 'given for this run';
  if (source === FieldSource.PRESET) return `preset ${config.preset} (${PRESET_SOURCES[config.preset] ?? 'no source'})`;
  if (source !== FieldSource.CPU) return source;
  const price = pricesOf(config.cpu)[field];
  const profile = `cpu ${config.cpu} (${CPU_PROFILES[config.cpu].title})`;
  if (price === undefined) return 'assumed';
  return `${price.ns} ns of ${profile}: ${price.source}`;
}

function valueAt(config: RunConfig, field: string): unknown {
  let here: unknown = config;
  for (const key of field.split('.')) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as Record<string, unknown>)[key];
  }
  return here;
}
