/** Fields that the cases of drivers are made of. */
import * as v from 'valibot';

/** A number of up to 52 bits, written in hexadecimal: an address, a size, a 32-bit register. */
export const hexNumber = v.pipe(
  v.string(),
  v.regex(/^0x[0-9a-f]{1,13}$/, 'a hexadecimal number of up to 52 bits, such as "0x1000"'),
  v.transform((text) => Number(text)),
);

/** A 64-bit value. */
export const hex64 = v.pipe(
  v.string(),
  v.regex(/^0x[0-9a-f]{1,16}$/, 'a hexadecimal number such as "0x1000"'),
  v.transform((text) => BigInt(text)),
);

export const integer = v.pipe(v.number(), v.safeInteger());

/** The kernel whose driver was recorded. */
export const linuxKernel = v.pipe(
  v.picklist(['linux-6.12', 'linux-7.3']),
  v.transform((kernel) => (kernel === 'linux-6.12' ? '6.12' : '7.3')),
);
