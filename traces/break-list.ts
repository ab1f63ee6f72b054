import { ConfigError } from '../formats/index.ts';
import { setField } from './config/set-field.ts';

/** A bug that can be planted: its name, and the field of the configuration that it is. */
interface Break {
  readonly name: string;
  readonly field: string;
  /** What it is without `=value`: the share of the calls that go wrong, or on. */
  readonly value: number | true;
  readonly about: string;
}

/** Bugs by the name that `--break` gives them. The configuration says the same in its own words, so that a run can be repeated from it. */
export const BREAKS: readonly Break[] = [
  { name: 'drop-sync', field: 'dma.dropSyncFraction', value: 0.01, about: 'a dma_sync is left out' },
  {
    name: 'skip-invalidate',
    field: 'driver.bugs.skipInvalidation',
    value: 0.01,
    about: 'an unmap does not invalidate',
  },
  {
    name: 'late-invalidate',
    field: 'driver.bugs.lateInvalidation',
    value: true,
    about: 'an unmap invalidates when the next one does',
  },
  {
    name: 'skip-walk-flush',
    field: 'driver.bugs.skipWalkFlush',
    value: 1,
    about: 'walk caches keep the way into tables that are freed',
  },
  {
    name: 'late-walk-flush',
    field: 'driver.bugs.lateWalkFlush',
    value: true,
    about: 'walk caches are flushed when the next table goes',
  },
  {
    name: 'whole-space',
    field: 'driver.bugs.wholeSpace',
    value: 0.01,
    about: 'an unmap invalidates the whole address space',
  },
  {
    name: 'needless-walk-flush',
    field: 'driver.bugs.needlessWalkFlush',
    value: 0.01,
    about: 'an unmap of leaves flushes walk caches too',
  },
  {
    name: 'bbm',
    field: 'faults.breakBeforeMake',
    value: 0.01,
    about: 'a live leaf is changed in place, without break-before-make',
  },
  {
    name: 'alloc-in-run',
    field: 'faults.allocateInRun',
    value: 0.01,
    about: 'an operation allocates where it must not',
  },
  { name: 'leak', field: 'faults.leak', value: 0.01, about: 'a table is never freed' },
  { name: 'double-free', field: 'faults.doubleFree', value: 0.01, about: 'a table is freed twice' },
  { name: 'wrong-free', field: 'faults.wrongFree', value: 0.01, about: 'a table is freed with another size' },
];

/**
 * Plants bugs: `drop-sync=0.05,late-invalidate,bbm`. A share is a number from 0 to 1; without one a bug has its usual share.
 * @throws ConfigError for a name that is none, or a share where the bug has none
 */
export function plantBreaks(config: Record<string, unknown>, list: string): void {
  for (const item of list.split(',')) {
    const [name = '', share] = item.trim().split('=', 2);
    const found = BREAKS.find((one) => one.name === name);
    if (found === undefined) throw new ConfigError('--break', name, BREAKS.map((one) => one.name).join(', '));
    if (share === undefined) {
      setField(config, `${found.field}=${found.value}`);
      continue;
    }
    const value = Number(share);
    if (found.value === true || share === '' || !(value >= 0 && value <= 1)) {
      throw new ConfigError('--break', item, found.value === true ? name : `${name}=, and a share from 0 to 1`);
    }
    setField(config, `${found.field}=${value}`);
  }
}
