/** How a capture is replayed: the few choices of `tablewalk replay` that change the most. */
import { MMUS } from '../../../../devices/index.ts';
import { PRESETS } from '../../../../emulator/index.ts';
import { ConfigError } from '../../../../formats/index.ts';
import { ACCESS_PATTERNS, type RunConfig, type RunConfigInput, runConfig } from '../../../../traces/browser.ts';

/** One choice: what it is called, what may be chosen, and what is. */
export interface ReplayOption {
  readonly field: string;
  readonly label: string;
  /** Value and what it is called. The first is how the command line does it without options. */
  readonly options: readonly (readonly [value: string, title: string])[];
  readonly value: string;
}

export type ReplayChoices = Readonly<Record<string, string>>;

const USUAL = 'usual';
const PRESET_NAMES = Object.keys(PRESETS);

const FIELDS: readonly Omit<ReplayOption, 'value'>[] = [
  { field: 'mmu', label: 'MMU', options: Object.values(MMUS).map(({ name, title }) => [name, title] as const) },
  {
    field: 'preset',
    label: 'TLBs',
    options: [[USUAL, 'as usual'], ...PRESET_NAMES.map((name) => [name, name] as const)],
  },
  {
    field: 'mode',
    label: 'unmap',
    options: [
      ['strict', 'strict'],
      ['lazy', 'lazy (flush queue)'],
    ],
  },
  {
    field: 'access',
    label: 'the device',
    options: [
      ['touch', 'touches each page'],
      ...ACCESS_PATTERNS.filter((pattern) => pattern !== 'touch').map((pattern) => [pattern, pattern] as const),
    ],
  },
  {
    field: 'walk',
    label: 'walks',
    options: [
      [USUAL, 'as usual'],
      ['coherent', 'see the CPU cache'],
      ['non-coherent', 'see memory only'],
    ],
  },
];

/** Every choice with its value. */
export function replayOptions(choices: ReplayChoices): ReplayOption[] {
  return FIELDS.map((one) => ({ ...one, value: choices[one.field] ?? one.options[0]?.[0] ?? '' }));
}

/** The choices with one of them changed. @throws ConfigError for a field or a value that there is not */
export function chooseReplay(choices: ReplayChoices, field: string, value: string): ReplayChoices {
  const found = FIELDS.find((one) => one.field === field);
  if (found === undefined) throw new ConfigError('replay', field, FIELDS.map((one) => one.field).join(', '));
  const values = found.options.map(([option]) => option);
  if (!values.includes(value)) throw new ConfigError(field, value, values.join(', '));
  return { ...choices, [field]: value };
}

/** The run that the choices stand for. @throws ConfigError for what cannot be together */
export function replayConfig(choices: ReplayChoices): RunConfig {
  const { mmu = '', preset = USUAL, mode = '', access = '', walk = USUAL } = choices;
  return runConfig({
    ...(mmu === '' ? {} : { iommu: { model: mmu } }),
    ...(preset === USUAL ? {} : { preset }),
    ...(mode === '' ? {} : { invalidation: { mode } }),
    ...(access === '' ? {} : { access: { pattern: access } }),
    ...(walk === USUAL ? {} : { table: { walk } }),
  } as RunConfigInput);
}
