import type { MmuOptions } from '../../emulator/index.ts';
import { PRESETS } from '../../emulator/index.ts';
import { InputError } from '../input-error.ts';

/**
 * An experiment with the reference model (gem5's SMMUv3, run on an address list) as its result file describes it: the
 * configuration that was run, and every figure that came out.
 */

/** What was run. Names as in the file; sizes in bytes. */
export interface ExperimentConfig {
  /** Name of the address list. */
  readonly list: string;
  readonly sid: number;
  /** Most requests in flight. */
  readonly mo: number;
  /** Requestor ids, used in turn; requests of one id stay in order. */
  readonly ids: number;
  /** Cycles between two requests. */
  readonly gap: number;
  /** SMMU and TBU parameters that differ from gem5's defaults, by gem5's name. */
  readonly smmu: Readonly<Record<string, number | boolean | string>>;
  readonly ifc: Readonly<Record<string, number | boolean | string>>;
  readonly memoryNanoseconds: number;
  readonly clockGigahertz: number;
  readonly size: number;
  readonly write: boolean;
  readonly cr0: number;
  /** A command is issued after this many requests; -1 for none. */
  readonly invalidateAt: number;
  /** The four 32-bit words of the command. */
  readonly command: Uint32Array | null;
}

export interface Experiment {
  readonly name: string;
  readonly file: string;
  readonly config: ExperimentConfig;
  /** The figures of the file, as they stand there. */
  readonly expected: Readonly<Record<string, unknown>>;
}

/**
 * Reads the text of an experiment file.
 *
 * @param file what it is called in complaints, and where it names itself nothing
 * @throws InputError
 */
export function parseExperiment(file: string, text: string): Experiment {
  let parsed: unknown;
  try {
    // Command words have 64 bits, more than a JSON number keeps.
    parsed = JSON.parse(text.replace(/([[,:]\s*)(\d{16,})(?=\s*[,\]}])/g, '$1"$2"'));
  } catch (error) {
    throw new InputError(file, '', (error as Error).message, 'the JSON of an experiment');
  }
  const { config, ...expected } = record(file, '', parsed);
  const { name } = expected;
  return {
    name: typeof name === 'string' ? name : (file.split(/[\\/]/).pop() ?? file).replace(/\.json$/, ''),
    file,
    config: readConfig(file, record(file, 'config', config)),
    expected,
  };
}

function readConfig(file: string, raw: Readonly<Record<string, unknown>>): ExperimentConfig {
  const number = (name: string, otherwise: number, least: number): number => {
    const value = raw[name] ?? otherwise;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least) {
      throw new InputError(file, `config.${name}`, JSON.stringify(value), `a whole number from ${least} up`);
    }
    return value;
  };
  const quantity = (name: string, otherwise: string, unit: string): number => {
    const value = String(raw[name] ?? otherwise);
    const match = /^([\d.]+)\s*([a-zA-Z]+)$/.exec(value);
    if (match === null || match[2] !== unit) throw new InputError(file, `config.${name}`, value, `a number of ${unit}`);
    return Number(match[1]);
  };
  const { bus = 'none', list, smmu, ifc, write, inval } = raw;
  if (bus !== 'none') throw new InputError(file, 'config.bus', JSON.stringify(bus), '"none": buses are not modelled');
  const invalidateAt = number('inval_at', -1, -1);
  if (typeof list !== 'string') throw new InputError(file, 'config.list', JSON.stringify(list), 'the name of a list');
  return {
    list,
    sid: number('sid', 0, 0),
    mo: number('mo', 1, 1),
    ids: number('ids', 1, 1),
    gap: number('gap', 1, 1),
    smmu: parameters(file, 'config.smmu', smmu),
    ifc: parameters(file, 'config.ifc', ifc),
    memoryNanoseconds: quantity('mem_lat', '100ns', 'ns'),
    clockGigahertz: quantity('clk', '1GHz', 'GHz'),
    size: number('size', 64, 1),
    write: write === true,
    cr0: number('cr0', 9, 0),
    invalidateAt,
    command: invalidateAt < 0 ? null : commandWords(file, inval),
  };
}

function commandWords(file: string, value: unknown): Uint32Array {
  if (!Array.isArray(value) || value.length !== 2) {
    throw new InputError(file, 'config.inval', JSON.stringify(value), 'the two 64-bit words of a command');
  }
  const words = new Uint32Array(4);
  for (const [at, word] of value.entries()) {
    const wide = BigInt(word as string | number);
    words[2 * at] = Number(wide & 0xffffffffn);
    words[2 * at + 1] = Number(wide >> 32n);
  }
  return words;
}

function record(file: string, where: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InputError(
      file,
      where,
      value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 40),
      'an object',
    );
  }
  return value as Readonly<Record<string, unknown>>;
}

function parameters(file: string, where: string, value: unknown): Readonly<Record<string, number | boolean | string>> {
  if (value === undefined) return {};
  const entries = record(file, where, value);
  for (const [name, entry] of Object.entries(entries)) {
    if (typeof entry !== 'number' && typeof entry !== 'boolean' && typeof entry !== 'string') {
      throw new InputError(file, `${where}.${name}`, JSON.stringify(entry), 'a number, a word, true or false');
    }
  }
  return entries as Readonly<Record<string, number | boolean | string>>;
}

/** gem5's replacement policies in our words. */
const POLICIES: Readonly<Record<string, string>> = { rr: 'round-robin', lru: 'lru', rand: 'random' };

type Setter = (machine: Machine, value: never) => void;
/** A configuration under construction: plain nested objects. */
type Machine = Record<string, unknown>;

/** The object under `name`, made when it is not there. */
function child(machine: Machine, name: string): Machine {
  machine[name] ??= {};
  return machine[name] as Machine;
}

const put =
  (...path: readonly string[]): Setter =>
  (machine: Machine, value: unknown) => {
    const holder = path.slice(0, -1).reduce(child, machine);
    holder[path.at(-1) as string] = value;
  };
const policy =
  (...path: readonly string[]): Setter =>
  (machine: Machine, value: string) =>
    put(...path, 'policy')(machine, (POLICIES[value] ?? value) as never);
const levelsOf =
  (name: string): Setter =>
  (machine: Machine, mask: number) =>
    put('walkCache', name)(machine, [0, 1, 2, 3].filter((level) => (mask & (1 << level)) !== 0) as never);
const sizeOf =
  (name: 'stage1' | 'stage2', level: number, defaults: readonly number[]): Setter =>
  (machine: Machine, entries: number) => {
    const walkCache = child(machine, 'walkCache');
    walkCache[name] ??= [...defaults];
    (walkCache[name] as number[])[level] = entries;
  };

/** The fields that a cache's parameters set: gem5 prefix to our path. */
function cacheParameters(prefix: string, ...path: readonly string[]): Readonly<Record<string, Setter>> {
  return {
    [`${prefix}_enable`]: put(...path, 'enabled'),
    [`${prefix}_entries`]: put(...path, 'entries'),
    // gem5 writes fully associative as 0.
    [`${prefix}_assoc`]: (machine, ways) => put(...path, 'ways')(machine, (ways === 0 ? 'full' : ways) as never),
    [`${prefix}_policy`]: policy(...path),
    [`${prefix}_lat`]: put(...path, 'latency'),
    [`${prefix}_slots`]: put(...path, 'ports'),
  };
}

/** Parameters of gem5's SMMUv3 object (src/dev/arm/SMMUv3.py) and where they go. */
const SMMU_PARAMETERS: Readonly<Record<string, Setter>> = {
  ...cacheParameters('tlb', 'tlb'),
  ...cacheParameters('cfg', 'configurationCache'),
  ...cacheParameters('ipa', 'ipaCache'),
  walk_enable: put('walkCache', 'enabled'),
  walk_assoc: put('walkCache', 'ways'),
  walk_policy: policy('walkCache'),
  walk_lat: put('walkCache', 'latency'),
  walk_slots: put('walkCache', 'ports'),
  wc_nonfinal_enable: put('walkCache', 'nonFinal'),
  wc_s1_levels: levelsOf('stage1Levels'),
  wc_s2_levels: levelsOf('stage2Levels'),
  ...Object.fromEntries(
    [0, 1, 2, 3].flatMap((level) => [
      [`walk_S1L${level}`, sizeOf('stage1', level, [4, 28, 348, 4])],
      [`walk_S2L${level}`, sizeOf('stage2', level, [4, 28, 92, 4])],
    ]),
  ),
  xlate_slots: put('slots'),
  ptw_slots: put('walkSlots'),
  ifc_smmu_lat: put('link', 'request'),
  smmu_ifc_lat: put('link', 'response'),
  request_port_width: put('portWidth'),
};

/** Parameters of gem5's SMMUv3DeviceInterface object. */
const INTERFACE_PARAMETERS: Readonly<Record<string, Setter>> = {
  ...cacheParameters('utlb', 'tbu', 'microTlb'),
  ...cacheParameters('tlb', 'tbu', 'mainTlb'),
  port_width: put('tbu', 'portWidth'),
  wrbuf_slots: put('tbu', 'writeBufferSlots'),
  xlate_slots: put('tbu', 'slots'),
  prefetch_enable: put('tbu', 'prefetch'),
  prefetch_reserve_last_way: put('tbu', 'prefetchOwnsLastWay'),
};

/**
 * The machine of an experiment: preset `gem5` with the parameters that the file overrides.
 *
 * @throws InputError for a parameter that the model does not have
 */
export function machineOf({ file, config }: Experiment): MmuOptions {
  const machine: Machine = structuredClone(PRESETS.gem5) as Machine;
  put('memory', 'latency')(machine, (config.memoryNanoseconds * config.clockGigahertz) as never);
  const apply = (what: string, known: Readonly<Record<string, Setter>>, given: Readonly<Record<string, unknown>>) => {
    for (const [name, value] of Object.entries(given)) {
      const setter = Object.hasOwn(known, name) ? known[name] : undefined;
      if (setter === undefined) {
        throw new InputError(file, `config.${what}.${name}`, 'an unknown parameter', Object.keys(known).join(', '));
      }
      setter(machine, value as never);
    }
  };
  apply('smmu', SMMU_PARAMETERS, config.smmu);
  apply('ifc', INTERFACE_PARAMETERS, config.ifc);
  return machine as MmuOptions;
}
