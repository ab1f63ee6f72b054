import type { IommuDomain, Machine } from '../../devices/index.ts';
import { ConfigError, Prot } from '../../formats/index.ts';
import { hexText } from '../quantity.ts';
import type { AddressList } from './address-list.ts';

/** Where `touched` maps its pages to: above the RAM of every default machine, so that data never lies among the tables. */
const TOUCHED_BASE = 0x40_0000_0000;
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** One range of a map specification. */
interface MappedRange {
  readonly iova: number;
  readonly size: number;
  readonly pa: number;
}

/** What `--map` means: ranges, or the pages that the list touches, of a given size. */
export type MapSpec = { readonly touched: number } | { readonly ranges: readonly MappedRange[] };

/** What the option takes, for messages. */
const MAP_SYNTAX = '"touched[:PAGE]" or "IOVA:SIZE:PA[,...]", sizes with k, m, g';

/**
 * Parses a map specification: `touched` or `touched:2m` maps each page of that size (4k by default) that the list touches;
 * `0x7f0000000000:64m:0x10000000` maps a range, several with commas between them.
 *
 * @throws ConfigError
 */
export function parseMapSpec(text: string): MapSpec {
  const [kind, page, ...rest] = text.split(':');
  if (kind === 'touched' && rest.length === 0) return { touched: page === undefined ? 4096 : quantity(text, page) };
  const ranges = text.split(',').map((part) => {
    const [iova, size, pa, ...more] = part.split(':');
    if (iova === undefined || size === undefined || pa === undefined || more.length > 0) {
      throw new ConfigError('--map', text, MAP_SYNTAX);
    }
    return { iova: quantity(text, iova), size: quantity(text, size), pa: quantity(text, pa) };
  });
  return { ranges };
}

function quantity(spec: string, text: string): number {
  const match = /^(0x[\da-f]+|\d+)([kmgt]?)$/i.exec(text);
  const value = match === null ? Number.NaN : Number(match[1]) * (UNITS[(match[2] ?? '').toLowerCase()] ?? 1);
  if (!Number.isSafeInteger(value)) throw new ConfigError('--map', spec, MAP_SYNTAX);
  return value;
}

/**
 * Maps what the specification says, through the driver.
 *
 * @throws ConfigError when the table refuses
 */
export function applyMapSpec(machine: Machine, domain: IommuDomain, spec: MapSpec, list: AddressList): void {
  const map = ({ iova, size, pa }: MappedRange): void => {
    const error = machine.driver.map(domain, iova, pa, size, Prot.READ | Prot.WRITE);
    if (error === 0) return;
    const range = `${hexText(iova)}:${hexText(size)}:${hexText(pa)}`;
    throw new ConfigError('--map', range, `what the table can map (error ${-error})`);
  };
  if ('ranges' in spec) {
    for (const range of spec.ranges) map(range);
    return;
  }
  const page = spec.touched;
  const pages = new Set<number>();
  for (const address of list.addresses) pages.add(Math.floor(address / page));
  let pa = Math.ceil(TOUCHED_BASE / page) * page;
  for (const number of pages) {
    map({ iova: number * page, size: page, pa });
    pa += page;
  }
}
