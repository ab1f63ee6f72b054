/** What the machine of the page is: few choices, all of them in the link. */
import {
  type BareTables,
  DEFAULT_MMU,
  type FormatKey,
  MMUS,
  type MmuName,
  PLANTED_BUGS,
} from '../../../devices/index.ts';
import { type MmuOptions, PRESETS, type PresetName } from '../../../emulator/index.ts';
import { ConfigError } from '../../../formats/index.ts';
import { type RunConfigInput, runConfig } from '../../../traces/browser.ts';

/** Tables of a driver's, and those that a bare MMU walks. */
export type TableChoice = FormatKey | BareTables;

export const TABLE_TITLES: Readonly<Record<TableChoice, string>> = {
  'arm-64-lpae-s1': 'stage 1',
  'arm-64-lpae-s2': 'stage 2',
  nested: 'nested (1 over 2)',
  'arm-32-lpae-s1': '32-bit LPAE, stage 1',
  'arm-32-lpae-s2': '32-bit LPAE, stage 2',
  'arm-mali-lpae': 'Mali LPAE',
  'arm-v7s': 'short descriptors',
  'both-halves': 'TTBR0 and TTBR1',
};

export interface Settings {
  readonly mmu: MmuName;
  readonly format: TableChoice;
  readonly granule: '4k' | '16k' | '64k';
  /** Input address bits. */
  readonly ias: number;
  /** Output address bits; of nested tables the bits of an IPA. */
  readonly oas: number;
  readonly walk: 'coherent' | 'non-coherent';
  readonly invalidation: 'strict' | 'lazy';
  readonly split: 'in-place' | 'refuse' | 'unmap-and-remap';
  readonly contiguous: 'no' | 'yes';
  /** TLBs and walk caches: `small` is few enough to be looked at. */
  readonly caches: 'small' | PresetName;
  /** Planted bugs by name, joined by commas: each goes wrong every time. */
  readonly bugs: string;
}

export const DEFAULT_SETTINGS: Settings = {
  mmu: DEFAULT_MMU,
  format: 'arm-64-lpae-s1',
  granule: '4k',
  ias: 48,
  oas: 48,
  walk: 'coherent',
  invalidation: 'strict',
  split: 'in-place',
  contiguous: 'no',
  caches: 'small',
  bugs: '',
};

/** One choice of the page: its field, what may be chosen, and what it means. */
export interface SettingChoice {
  readonly field: keyof Settings;
  readonly label: string;
  /** Value and what it is called. */
  readonly options: readonly (readonly [value: string, title: string])[];
}

/** A bare MMU walks these: no driver of an MMU makes such tables. */
export function isBare({ format }: Settings): boolean {
  return format === 'nested' || format === 'arm-v7s' || format === 'both-halves';
}

/** Formats that can be chosen with an MMU. */
function formatsOf(mmu: MmuName): TableChoice[] {
  const { formats, bareTables = [] } = MMUS[mmu];
  return [...formats, ...bareTables] as TableChoice[];
}

/** Every choice, as far as the others leave it open. */
export function settingChoices(settings: Settings): SettingChoice[] {
  const plain = (values: readonly (string | number)[]): (readonly [string, string])[] =>
    values.map((value) => [String(value), String(value)] as const);
  const short = settings.format === 'arm-v7s';
  const narrow = settings.format.startsWith('arm-32');
  const mali = settings.mmu === 'mali';
  return [
    { field: 'mmu', label: 'MMU', options: Object.values(MMUS).map(({ name, title }) => [name, title] as const) },
    {
      field: 'format',
      label: 'tables',
      options: formatsOf(settings.mmu).map((format) => [format, TABLE_TITLES[format]] as const),
    },
    {
      field: 'granule',
      label: 'granule',
      options:
        short || narrow || mali
          ? [['4k', '4 KiB']]
          : [
              ['4k', '4 KiB'],
              ['16k', '16 KiB'],
              ['64k', '64 KiB'],
            ],
    },
    {
      field: 'ias',
      label: 'input',
      options: plain(short || narrow ? [32] : [25, 32, 36, 39, 40, 42, 47, 48]).map(
        ([value]) => [value, `${value} bits`] as const,
      ),
    },
    {
      field: 'oas',
      label: settings.format === 'nested' ? 'IPA' : 'output',
      options: plain(short ? [32] : [32, 36, 40, 42, 44, 48]).map(([value]) => [value, `${value} bits`] as const),
    },
    {
      field: 'walk',
      label: 'walks',
      options: isBare(settings)
        ? [['coherent', 'see caches']]
        : [
            ['coherent', 'see caches'],
            ['non-coherent', 'see memory'],
          ],
    },
    {
      field: 'invalidation',
      label: 'unmap',
      options: isBare(settings)
        ? [['strict', 'strict']]
        : [
            ['strict', 'strict'],
            ['lazy', 'lazy (flush queue)'],
          ],
    },
    {
      field: 'split',
      label: 'part of a block',
      options: [
        ['in-place', 'split (6.12)'],
        ['refuse', 'refuse (later)'],
        ['unmap-and-remap', 'unmap and remap (panthor)'],
      ],
    },
    {
      field: 'contiguous',
      label: 'contiguous hint',
      options: [
        ['no', 'no'],
        ['yes', 'yes'],
      ],
    },
    {
      field: 'caches',
      label: 'TLBs',
      options: ['small', ...Object.keys(PRESETS)].map((name) => [name, name] as const),
    },
  ];
}

/** Settings from text, such as the fields of a link: what is missing or not allowed is as it usually is with that MMU. */
export function settingsOf(given: Readonly<Record<string, string>>): Settings {
  const mmu = (Object.keys(MMUS) as MmuName[]).find((name) => name === given['mmu']) ?? DEFAULT_SETTINGS.mmu;
  const formats = formatsOf(mmu);
  const format = formats.find((name) => name === given['format']) ?? (formats[0] as TableChoice);
  const usual = MMUS[mmu].table as Readonly<Record<string, unknown>>;
  let settings: Settings = { ...DEFAULT_SETTINGS, mmu, format };
  const bits = format.startsWith('arm-32') || format === 'arm-v7s' ? 32 : 48;
  settings = { ...settings, ias: bits, oas: format === 'arm-v7s' ? 32 : bits === 32 ? 40 : 48 };
  for (const choice of settingChoices(settings)) {
    const { field } = choice;
    if (field === 'mmu' || field === 'format') continue;
    const allowed = (value: unknown): boolean => choice.options.some(([option]) => option === String(value));
    const value = [given[field], usual[field]].find((one) => one !== undefined && allowed(one));
    if (value !== undefined)
      settings = { ...settings, [field]: typeof settings[field] === 'number' ? Number(value) : value };
    else if (!allowed(settings[field])) {
      const first = choice.options.at(-1)?.[0] ?? '';
      settings = { ...settings, [field]: typeof settings[field] === 'number' ? Number(first) : first };
    }
  }
  if (mmu === 'ipmmu-vmsa') settings = { ...settings, walk: 'non-coherent' };
  const bugs = (given['bugs'] ?? '').split(',').filter((name) => PLANTED_BUGS.some((bug) => bug.name === name));
  return { ...settings, bugs: bugs.join(',') };
}

/** What of the settings differs from how they usually are, as text. */
export function settingsText(settings: Settings): Record<string, string> {
  const { mmu, format } = settings;
  const usual = settingsOf({ mmu, format });
  const text: Record<string, string> = {};
  if (mmu !== DEFAULT_SETTINGS.mmu) text['mmu'] = mmu;
  if (format !== settingsOf({ mmu }).format) text['format'] = format;
  for (const [field, value] of Object.entries(settings)) {
    if (field !== 'mmu' && field !== 'format' && value !== usual[field as keyof Settings]) text[field] = String(value);
  }
  return text;
}

/** TLBs that a person can look at: every cache has a handful of entries, and the times of the default machine. */
const SMALL: MmuOptions = {
  masters: 1,
  tbu: {
    ...PRESETS['mmu-600-agilex5'].tbu,
    microTlb: { entries: 4, ways: 'full', policy: 'lru', latency: 1, ports: 1 },
    mainTlb: { entries: 16, ways: 4, policy: 'lru', latency: 3, ports: 3 },
  },
  walkCache: {
    ...PRESETS['mmu-600-agilex5'].walkCache,
    stage1: [4, 4, 8, 0],
    stage2: [4, 4, 8, 0],
    stage1Levels: [0, 1, 2],
    stage2Levels: [0, 1, 2],
    ways: 4,
    policy: 'lru',
  },
  configurationCache: { entries: 4, ways: 'full', policy: 'lru', latency: 3, ports: 3 },
};

/** The caches that the settings name, as what they change of an MMU's defaults. */
export function cachesOf({ caches, format }: Settings): { readonly preset: PresetName; readonly mmu: MmuOptions } {
  if (caches !== 'small') return { preset: caches, mmu: {} };
  const nested = format === 'nested' ? { ipaCache: { enabled: true, entries: 8, ways: 4, latency: 3, ports: 1 } } : {};
  return { preset: 'mmu-600-agilex5', mmu: { ...SMALL, ...nested } };
}

/** The run that the settings describe. @throws ConfigError for what cannot be together */
export function runConfigOf(settings: Settings): ReturnType<typeof runConfig> {
  const { mmu, format, granule, ias, oas, walk, split, contiguous, invalidation, bugs } = settings;
  const caches = cachesOf(settings);
  const planted: Record<string, number | boolean> = {};
  for (const name of bugs === '' ? [] : bugs.split(',')) {
    const bug = PLANTED_BUGS.find((one) => one.name === name);
    if (bug === undefined) throw new ConfigError('bugs', name, PLANTED_BUGS.map((one) => one.name).join(', '));
    planted[bug.field] = bug.value === true ? true : 1;
  }
  const panthor = mmu === 'mali' && format === 'arm-64-lpae-s1' ? { driver: 'panthor-6.12' } : {};
  return runConfig({
    iommu: { model: mmu, ...panthor },
    table: { format, granule, ias, oas, walk, split, contiguous: contiguous === 'yes' },
    preset: caches.preset,
    mmu: caches.mmu,
    invalidation: { mode: invalidation },
    access: { pattern: 'none' },
    plantedBugs: planted,
    memory: { banks: [{ base: 0x8000_0000, size: 0x2000_0000, node: 0 }] },
  } as RunConfigInput);
}
