import * as v from 'valibot';
import { ConfigError } from '../../formats/index.ts';
import {
  BUG_NEEDS,
  type BugNeed,
  PLANTED_BUGS,
  type PlantedBug,
  type ShareField,
  type SwitchField,
} from './catalogue.ts';

const share = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0);
const flag = v.optional(v.boolean(), false);
const seed = v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 1);

type Entries = Record<ShareField, typeof share> & Record<SwitchField, typeof flag> & { seed: typeof seed };

/**
 * Bugs to plant into the page-table software, its driver and its cache maintenance, to see the sanitizer find them; all off is correct
 * software. One field for each row of {@link PLANTED_BUGS}, and the seed of the choices.
 */
export const PlantedBugsSchema = v.strictObject({
  ...Object.fromEntries(PLANTED_BUGS.map(({ field, value }) => [field, value === true ? flag : share])),
  seed,
} as Entries);
export type PlantedBugsConfig = Readonly<v.InferOutput<typeof PlantedBugsSchema>>;

/** Correct software. */
export const NO_BUGS: PlantedBugsConfig = v.parse(PlantedBugsSchema, {});

/** Rows that a configuration plants. */
export function plantedOf(config: PlantedBugsConfig): readonly PlantedBug[] {
  return PLANTED_BUGS.filter(({ field }) => config[field] !== 0 && config[field] !== false);
}

/**
 * Reads a list of bugs: `drop-sync=0.05,late-invalidate,bbm`. A share is a number from 0 to 1; without one a bug has its usual share.
 * @throws ConfigError for a name that is none, or a share where the bug has none
 */
export function parsePlantedBugs(list: string): Partial<PlantedBugsConfig> {
  const planted: Record<string, number | boolean> = {};
  for (const item of list.split(',')) {
    const [name = '', share] = item.trim().split('=', 2);
    const found = PLANTED_BUGS.find((one) => one.name === name);
    if (found === undefined) throw new ConfigError('--break', name, PLANTED_BUGS.map((one) => one.name).join(', '));
    const value = Number(share);
    if (share !== undefined && (found.value === true || share === '' || !(value >= 0 && value <= 1))) {
      throw new ConfigError('--break', item, found.value === true ? name : `${name}=, and a share from 0 to 1`);
    }
    planted[found.field] = share === undefined ? found.value : value;
  }
  return planted;
}

/** Fields of a configuration that the bugs of such a list need otherwise than they usually are, each as `--set` has it. */
export function settingsFor(planted: Partial<PlantedBugsConfig>): readonly string[] {
  const needs = new Set<BugNeed>();
  for (const bug of PLANTED_BUGS as readonly PlantedBug[]) {
    if (Object.hasOwn(planted, bug.field)) for (const need of bug.needs ?? []) needs.add(need);
  }
  return [...needs].map((need) => BUG_NEEDS[need]).filter((setting) => setting.includes('='));
}
