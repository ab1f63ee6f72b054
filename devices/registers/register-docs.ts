/** What a person is told about registers. */
import { hexText } from '../../formats/index.ts';
import type { Register, RegisterMap } from './declaration.ts';

const ACCESS = {
  r: 'read only',
  rw: 'read and write',
  w: 'write only',
  w1c: 'a written 1 clears the bit',
} as const;

/** A block's registers as a Markdown table. */
export function registerTable(map: RegisterMap): string {
  const rows = Object.values(map).map((register) => {
    const { name, offset, width, access, meaning, reset = 0 } = register;
    return `| ${hexText(offset)} | ${name} | ${width} | ${ACCESS[access]}${lockText(register)} | ${hexText(reset)} | ${meaning} |`;
  });
  return [
    '| offset | register | bits | access | reset | meaning |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

/** When the register ignores writes, in words; empty where it never does. */
function lockText({ lock }: Register): string {
  if (lock === null) return '';
  const named = Object.entries(lock.register.fields ?? {})
    .filter(([, { word, lowMask }]) => word === 0 && (lowMask & lock.bits) !== 0)
    .map(([name]) => name);
  return `, ignored while ${lock.register.name}.${named.length > 0 ? named.join(' or ') : hexText(lock.bits)} is set`;
}
