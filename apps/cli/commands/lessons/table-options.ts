/** What `explain` and `layout` both take: the format of a table and its granule. */
import { ConfigError, type IoPgtableFormat } from '../../../../formats/index.ts';
import { BARE_FORMATS, type BareFormat } from '../../../../traces/index.ts';

const GRANULES: Readonly<Record<string, number>> = { '4k': 12, '16k': 14, '64k': 16 };

/** @throws ConfigError for a name that is none */
export function formatOf(name: BareFormat): IoPgtableFormat {
  if (!BARE_FORMATS.includes(name)) throw new ConfigError('--format', name, BARE_FORMATS.join(', '));
  return name.toUpperCase().replaceAll('-', '_') as IoPgtableFormat;
}

/**
 * Log2 of the bytes of a granule.
 *
 * @param text `4k`, `16K`, `64KiB`
 * @throws ConfigError for one that the format has not
 */
export function granuleShiftOf(text: string, format: IoPgtableFormat): number {
  const plain = text.toLowerCase().replace(/i?b$/, '');
  const shift = Object.hasOwn(GRANULES, plain) ? GRANULES[plain] : undefined;
  const only4k = format === 'ARM_V7S' || format === 'ARM_MALI_LPAE';
  if (shift === undefined || (only4k && shift !== 12)) {
    throw new ConfigError(
      '--granule',
      text,
      only4k ? '4k (this format has no other)' : Object.keys(GRANULES).join(', '),
    );
  }
  return shift;
}
