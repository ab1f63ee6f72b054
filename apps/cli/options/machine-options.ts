import { type Command, InvalidArgumentError } from 'commander';
import { MMUS, parsePlantedBugs } from '../../../devices/index.ts';
import { PRESETS } from '../../../emulator/index.ts';
import { ConfigError } from '../../../formats/index.ts';
import { CPU_PROFILES, type FieldNames, type RunConfig, readRunConfig, setField } from '../../../traces/index.ts';
import { readText } from './read-text.ts';

/** An option of the command line that stands for one field of the configuration. */
interface FieldOption {
  readonly flags: string;
  readonly field: string;
  readonly about: string;
}

/** The options that describe the machine and the run. Each is short for a `--set` of its field. */
const FIELD_OPTIONS: readonly FieldOption[] = [
  { flags: '--mmu <name>', field: 'iommu.model', about: `MMU to run: ${Object.keys(MMUS).join(', ')}` },
  { flags: '--driver <name>', field: 'iommu.driver', about: 'driver of that MMU, by name' },
  { flags: '--format <name>', field: 'table.format', about: 'table format: arm-64-lpae-s1 or arm-64-lpae-s2' },
  { flags: '--granule <size>', field: 'table.granule', about: 'translation granule: 4k, 16k or 64k' },
  { flags: '--ias <bits>', field: 'table.ias', about: 'input address size: how large an IOVA may be' },
  { flags: '--oas <bits>', field: 'table.oas', about: 'output address size: 32, 36, 40, 42, 44, 48 or 52' },
  {
    flags: '--walk <kind>',
    field: 'table.walk',
    about: 'table walks snoop the CPU caches (coherent) or not (non-coherent)',
  },
  {
    flags: '--linux <version>',
    field: 'table.linux',
    about: 'kernel whose page-table code is followed: 7.3, 6.12 or 6.1',
  },
  {
    flags: '--split <policy>',
    field: 'table.split',
    about: 'partial unmap of a block: in-place, refuse or unmap-and-remap',
  },
  {
    flags: '--invalidation <mode>',
    field: 'invalidation.mode',
    about: 'strict: at each unmap; lazy: through a flush queue',
  },
  {
    flags: '--allocator <stack>',
    field: 'table.allocator',
    about: 'where tables come from: page, pool, batch, generic-cache, ...',
  },
  {
    flags: '--access <pattern>',
    field: 'access.pattern',
    about: 'what the device does: none, touch, sequential, random, probe or linger',
  },
  { flags: '--access-size <bytes>', field: 'access.accessSize', about: 'bytes of one access' },
  {
    flags: '--accesses-per-map <n>',
    field: 'access.accessesPerMap',
    about: 'accesses per mapping, for sequential and random',
  },
  {
    flags: '--drop-sync <fraction>',
    field: 'plantedBugs.dropSync',
    about: 'leave out this share of dma_sync calls: a planted bug',
  },
  {
    flags: '--bind <mode>',
    field: 'bind.mode',
    about: 'direct: maps and unmaps at once; async: as VM_BIND jobs that are prepared first and run later',
  },
  {
    flags: '--bind-delay <cycles>',
    field: 'bind.runDelay',
    about: 'time between prepare and run of a VM_BIND job (default: 0)',
  },
  {
    flags: '--single-domain',
    field: 'domains.single',
    about: 'all maps and unmaps that name no domain belong to one (default: inferred)',
  },
  {
    flags: '--preset <name>',
    field: 'preset',
    about: `TLBs and walker to start from: ${Object.keys(PRESETS).join(', ')}`,
  },
  {
    flags: '--cpu <name>',
    field: 'cpu',
    about: `CPU whose prices are meant: ${Object.keys(CPU_PROFILES).join(', ')}`,
  },
  {
    flags: '--cpus <n>',
    field: 'cpus',
    about: 'CPUs that run at once: a number, or capture for as many as it names (default: 1)',
  },
  {
    flags: '--cpus-by <what>',
    field: 'cpuLoad.by',
    about: 'cpu: operations run on the CPU that the capture names; domain: each domain has a CPU of its own',
  },
  {
    flags: '--back-to-back',
    field: 'cpuLoad.backToBack',
    about: 'with --cpus: leave pauses out, each CPU begins its next operation as soon as it is free',
  },
  { flags: '--seed <n>', field: 'seed', about: 'seed of every choice by chance' },
];

/** What commander hands to an action for {@link addMachineOptions}. */
export interface MachineFlags {
  readonly config?: string;
  readonly set?: readonly string[];
  /** Bugs to plant. */
  readonly break?: string;
  readonly [flag: string]: unknown;
}

/** Adds the options that describe a machine: the short ones, `--config` and `--set`. */
export function addMachineOptions(command: Command): Command {
  for (const { flags, about } of FIELD_OPTIONS) command.option(flags, about);
  return command
    .option('--config <file>', 'JSON file with the whole machine or a part of it (tablewalk config prints all of it)')
    .option(
      '--set <field=value>',
      'one field of the machine, e.g. mmu.walkSlots=4; may be repeated',
      (one, sofar: string[]) => [...sofar, one],
      [],
    );
}

/** The machine that the options describe. @throws ConfigError; see {@link machineInput} */
export function machineFrom(flags: MachineFlags, defaults: readonly string[] = []): RunConfig {
  return readRunConfig(machineInput(flags, defaults));
}

/**
 * What the options say of the machine, and nothing that they leave open: the file first, then the short options, then the bugs of
 * `--break`, then every `--set`.
 * @param defaults fields that the command sets where the file does not, each as `--set` has it
 * @throws ConfigError
 */
export function machineInput(flags: MachineFlags, defaults: readonly string[] = []): Record<string, unknown> {
  const input = flags.config === undefined ? {} : readConfigFile(flags.config);
  for (const assignment of defaults) if (!hasField(input, assignment)) setField(input, assignment);
  for (const { flags: spelled, field } of FIELD_OPTIONS) {
    const value = flags[attributeOf(spelled)];
    // A kernel version is text: 6.10 is not 6.1.
    if (value === true) setField(input, `${field}=true`);
    if (typeof value === 'string')
      setField(input, `${field}=${field === 'table.linux' ? JSON.stringify(value) : value}`);
  }
  if (flags.break !== undefined) {
    const planted = input['plantedBugs'];
    input['plantedBugs'] = { ...(typeof planted === 'object' ? planted : {}), ...parsePlantedBugs(flags.break) };
  }
  for (const assignment of flags.set ?? []) setField(input, assignment);
  return input;
}

/** The options that stand for a field, by their names without the dashes. */
export const FIELD_NAMES: FieldNames = {
  fieldOf: (name) => FIELD_OPTIONS.find(({ flags }) => flags.startsWith(`--${name} `))?.field ?? null,
  options: FIELD_OPTIONS.map(({ flags }) => flags.slice(2).split(' ')[0] ?? ''),
};

/** A whole number of at least `least`, for options that are no field of the configuration. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least)
      throw new InvalidArgumentError(`allowed: a whole number from ${least} on.`);
    return value;
  };
}

/** A time of the trace clock, in seconds or whatever it counts. */
export function timeOfTrace(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value))
    throw new ConfigError('--until', text, 'a number, the time of the trace clock');
  return value;
}

/** `--access-size <bytes>` is `accessSize`, as commander names it. */
function attributeOf(spelled: string): string {
  const name = spelled.slice(2).split(' ')[0] ?? '';
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** Whether the field of an assignment is there already. */
function hasField(input: Record<string, unknown>, assignment: string): boolean {
  let here: unknown = input;
  for (const key of assignment.slice(0, assignment.indexOf('=')).split('.')) {
    if (typeof here !== 'object' || here === null || !(key in here)) return false;
    here = (here as Record<string, unknown>)[key];
  }
  return true;
}

function readConfigFile(file: string): Record<string, unknown> {
  const text = readText('--config', file);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new ConfigError('--config', file, `JSON (${(error as Error).message})`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new ConfigError('--config', file, 'a JSON object');
  }
  return parsed as Record<string, unknown>;
}
