/** Control characters (those above 0x7f too), line ends of Unicode, and what turns the direction of writing. */
const UNSAFE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
/** No device has a longer name: sysfs allows no more. */
const LONGEST_NAME = 255;

/**
 * Text from outside, such as a name of a file, as a terminal may show it: it stays in its line and moves no cursor. JSON, CSV and databases
 * have it as it is.
 */
export function plainText(text: string): string {
  return text.replace(UNSAFE, '?');
}

/** Names of devices, domains or events beside each other, as a terminal may show them: one that never ends is cut. */
export function plainNames(names: readonly string[]): string {
  return names.map(plainName).join(', ');
}

function plainName(name: string): string {
  return plainText(name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name);
}
