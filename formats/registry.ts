/** The formats by name: what each can do, how it checks a configuration, and how it makes a table (Linux `io-pgtable.c`). */
import { ConfigError } from './config/index.ts';
import { LPAE_FORMATS } from './lpae/index.ts';
import { MALI_FORMAT } from './mali/index.ts';
import { V7S_FORMAT } from './short/index.ts';
import {
  type AdjustedConfig,
  type ConfigCheck,
  FormatCapability,
  type FormatEntry,
  IO_PGTABLE_FORMATS,
  type IoPgtable,
  type IoPgtableConfig,
  type IoPgtableFormat,
  KERNELS,
  LINUX_VERSIONS,
  type Machine,
  SPLIT_POLICIES,
} from './table/index.ts';

const FORMATS: Readonly<Partial<Record<IoPgtableFormat, FormatEntry>>> = {
  ...LPAE_FORMATS,
  ARM_MALI_LPAE: MALI_FORMAT,
  ARM_V7S: V7S_FORMAT,
};

/** What a format can do, as {@link FormatCapability} bits; 0 for a format that is not there. */
export function formatCapabilities(format: IoPgtableFormat): number {
  return entryOf(format)?.capabilities ?? 0;
}

/** What a configuration becomes, and whether it is refused, without making anything. */
export function checkIoPgtableConfig(asked: IoPgtableConfig): ConfigCheck {
  const config = withDefaults(asked);
  const entry = entryOf(config.format);
  if (entry === undefined) {
    return { config, refusal: new ConfigError('format', config.format, IO_PGTABLE_FORMATS.join(', ')) };
  }
  const refusal = checkNumbers(config) ?? checkChoices(config) ?? checkHooks(config, entry.capabilities);
  return refusal === null ? entry.check(config) : { config, refusal };
}

/**
 * Makes a table (Linux `alloc_io_pgtable_ops`). `cookie` comes back in every TLB callback and allocator call.
 * @throws ConfigError for a configuration that the format refuses, or a first-level table that its base register cannot hold.
 * @throws TableMemoryError when there is no memory for the first level.
 */
export function allocIoPgtable(asked: IoPgtableConfig, machine: Machine, cookie: unknown): IoPgtable {
  const { config, refusal, warning } = checkIoPgtableConfig(asked);
  if (warning !== undefined) machine.warn(warning, config.ias, config.oas);
  if (refusal !== null) throw refusal;
  const entry = entryOf(config.format);
  if (entry === undefined) throw new ConfigError('format', config.format, IO_PGTABLE_FORMATS.join(', '));
  return entry.create(config, machine, cookie);
}

/** A name from outside may be any string, and must not find what every object has. */
function entryOf(format: IoPgtableFormat): FormatEntry | undefined {
  return Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
}

function withDefaults(asked: IoPgtableConfig): AdjustedConfig {
  return {
    quirks: 0,
    coherentWalk: true,
    allocator: null,
    tlb: null,
    linux: '6.12',
    split: KERNELS[asked.linux ?? '6.12']?.partialUnmap ?? 'in-place',
    contiguous: false,
    pgdSizing: 'whole-page',
    ...asked,
  };
}

/** The choices that are no part of Linux's configuration, whose names may come from a file. */
const CHOICES = {
  linux: LINUX_VERSIONS,
  split: SPLIT_POLICIES,
  pgdSizing: ['whole-page', 'exact', 'slab'],
} as const;

/** Linux's are integers by their types. */
const WHOLE_NUMBERS = {
  pageSizes: 'the sum of the page sizes in bytes',
  ias: 'a whole number of bits',
  oas: 'a whole number of bits',
  quirks: 'a sum of Quirk bits',
} as const;

function checkNumbers(config: AdjustedConfig): ConfigError | null {
  for (const [field, allowed] of Object.entries(WHOLE_NUMBERS)) {
    const value = config[field as keyof typeof WHOLE_NUMBERS];
    if (!Number.isInteger(value)) return new ConfigError(field, value, allowed);
  }
  return null;
}

function checkChoices(config: AdjustedConfig): ConfigError | null {
  for (const [field, allowed] of Object.entries(CHOICES)) {
    const value = config[field as keyof typeof CHOICES];
    if (!(allowed as readonly string[]).includes(value)) return new ConfigError(field, value, allowed.join(', '));
  }
  return null;
}

/** One hook without the other would free with the wrong allocator (Linux answers EINVAL). */
function checkHooks(config: AdjustedConfig, capabilities: number): ConfigError | null {
  const hooks = config.allocator;
  if (hooks === null || (hooks.alloc === undefined && hooks.free === undefined)) return null;
  if (hooks.alloc === undefined || hooks.free === undefined) {
    const found = hooks.alloc === undefined ? 'free without alloc' : 'alloc without free';
    return new ConfigError('allocator', found, 'both hooks or neither');
  }
  if ((capabilities & FormatCapability.CUSTOM_ALLOCATOR) === 0) {
    return new ConfigError('allocator', 'custom', `none: ${config.format} has no CUSTOM_ALLOCATOR capability`);
  }
  return null;
}
