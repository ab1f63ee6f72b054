/**
 * What can be done with the machine, one line each. Lines make links, files and lessons, and are what a person types:
 *
 *     map 0x40000000 0x80000000 2M rw     the driver maps
 *     unmap 0x40000000 4K                 and unmaps
 *     map2 … unmap2 …                     the same at stage 2 of nested tables
 *     touch 0x40000000 w                  the device reads (r), writes (w) or fetches (x); p: privileged
 *     space 1                             what follows is about this address space
 *     wait 10ms                           time goes by: a flush queue's timer runs
 *     invalidate all | asid | iova 0x40000000 [64K] [leaf]
 *     write 0x40000000 3 0x0              the CPU stores a descriptor in the table that the walk of the address meets at a level
 *     clean 0x40000000 3                  the CPU's cache line of that descriptor goes to memory
 *     bind reserve/page                   VM_BIND jobs under memory pressure, with this allocator
 */
import { type LayoutEdit, parseEdit } from '../../../traces/browser.ts';

export type Action =
  | { readonly kind: 'edit'; readonly stage: 1 | 2; readonly edit: LayoutEdit }
  | { readonly kind: 'touch'; readonly iova: number; readonly rights: string }
  | { readonly kind: 'space'; readonly number: number }
  | { readonly kind: 'wait'; readonly seconds: number }
  | {
      readonly kind: 'invalidate';
      readonly what: 'all' | 'asid' | 'iova';
      readonly iova: number;
      readonly size: number;
      readonly leafOnly: boolean;
    }
  | { readonly kind: 'write'; readonly iova: number; readonly level: number; readonly value: bigint }
  | { readonly kind: 'clean'; readonly iova: number; readonly level: number }
  | { readonly kind: 'bind'; readonly allocator: string };

/** Address spaces that a person may use at once. */
export const MOST_SPACES = 4;
const MOST_LENGTH = 120;
const UNITS: Readonly<Record<string, number>> = { s: 1, ms: 1e-3, us: 1e-6 };

/** What a line asks for; a sentence for a line that asks for nothing. */
export function parseAction(line: string): Action | string {
  if (line.length > MOST_LENGTH) return `a line of ${line.length} characters; allowed: ${MOST_LENGTH}`;
  const words = line.trim().split(/\s+/);
  const [verb = '', ...rest] = words;
  const iova = addressOf(rest[0]);
  const level = numberOf(rest[1]);
  switch (verb) {
    case 'map':
    case 'unmap':
    case 'map2':
    case 'unmap2': {
      // Of the upper half the sign stands for the bits that are all ones.
      const plain = iova < 0 ? ['0x0', ...rest.slice(1)] : rest;
      const parsed = parseEdit([verb.replace('2', ''), ...plain].join(' '));
      const edit = parsed !== null && iova < 0 ? { ...parsed, iova } : parsed;
      if (edit === null || edit.size <= 0) return `${verb}: allowed: ${usageOf(verb)}`;
      if (edit.size > 2 ** 34) return `${verb}: found ${edit.size} bytes, allowed: up to 16G`;
      return { kind: 'edit', stage: verb.endsWith('2') ? 2 : 1, edit };
    }
    case 'touch': {
      const [, rights = 'r'] = rest;
      if (Number.isNaN(iova) || rest.length > 2 || !/^[rwx]p?$/.test(rights))
        return 'touch: allowed: an address, and r, w, x, rp, wp or xp';
      return { kind: 'touch', iova, rights };
    }
    case 'space':
      if (!(iova >= 0 && iova < MOST_SPACES) || rest.length !== 1) return `space: allowed: 0 to ${MOST_SPACES - 1}`;
      return { kind: 'space', number: iova };
    case 'wait': {
      const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)(s|ms|us)$/.exec(rest[0] ?? '') ?? [];
      const seconds = Number(amount) * (UNITS[unit] ?? Number.NaN);
      if (!(seconds > 0 && seconds <= 60)) return 'wait: allowed: a time up to 60s, such as 10ms';
      return { kind: 'wait', seconds };
    }
    case 'invalidate':
      return invalidation(rest);
    case 'write': {
      const value = /^0x[0-9a-f]{1,16}$/i.test(rest[2] ?? '') ? BigInt(rest[2] ?? 0) : null;
      if (Number.isNaN(iova) || !(level >= 0 && level <= 3) || value === null)
        return `write: allowed: ${usageOf(verb)}`;
      return { kind: 'write', iova, level, value };
    }
    case 'clean':
      if (Number.isNaN(iova) || !(level >= 0 && level <= 3)) return 'clean: allowed: an address and a level';
      return { kind: 'clean', iova, level };
    case 'bind':
      return rest.length === 1
        ? { kind: 'bind', allocator: rest[0] ?? '' }
        : 'bind: allowed: a stack of allocators, such as reserve/page';
    default:
      return `found ${JSON.stringify(verb.slice(0, 20))}, allowed: ${VERBS.join(', ')}`;
  }
}

const VERBS = ['map', 'unmap', 'map2', 'unmap2', 'touch', 'space', 'wait', 'invalidate', 'write', 'clean', 'bind'];

function usageOf(verb: string): string {
  if (verb.startsWith('unmap')) return `${verb} ADDRESS SIZE`;
  if (verb.startsWith('map')) return `${verb} ADDRESS TO SIZE RIGHTS, such as ${verb} 0x40000000 0x80000000 2M rw`;
  return 'write ADDRESS LEVEL 0x…';
}

function invalidation(words: readonly string[]): Action | string {
  const [what, ...rest] = words;
  if ((what === 'all' || what === 'asid') && rest.length === 0) {
    return { kind: 'invalidate', what, iova: 0, size: 0, leafOnly: false };
  }
  const leafOnly = rest.at(-1) === 'leaf';
  const [address, size] = leafOnly ? rest.slice(0, -1) : rest;
  const iova = addressOf(address);
  const bytes = size === undefined ? 0 : numberOf(size);
  if (what !== 'iova' || Number.isNaN(iova) || Number.isNaN(bytes)) {
    return 'invalidate: allowed: all, asid, or iova ADDRESS [SIZE] [leaf]';
  }
  return { kind: 'invalidate', what, iova, size: bytes, leafOnly };
}

/** An address: a number, or below 0 one of the upper half, whose highest bits are all ones (`0xffff_8000_0000_0000`). */
function addressOf(text: string | undefined): number {
  const plain = (text ?? '').replaceAll('_', '');
  if (!/^0xfff[0-9a-f]{13}$/i.test(plain)) return numberOf(text);
  return Number(BigInt.asIntN(64, BigInt(plain)));
}

/** A number as people write it: `0x1000`, `4096`, `4K`, with underscores; NaN for none or one above 2^52. */
export function numberOf(text: string | undefined): number {
  const [, digits = '', unit = ''] = /^(0x[0-9a-f]+|\d+)([kmgt]?)$/i.exec((text ?? '').replaceAll('_', '')) ?? [];
  if (digits === '') return Number.NaN;
  const value = Number(digits) * 1024 ** ['', 'k', 'm', 'g', 't'].indexOf(unit.toLowerCase());
  return value < 2 ** 52 ? value : Number.NaN;
}
