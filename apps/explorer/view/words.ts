/** How numbers are written on the page. */

/** `0x7f3a_4c21_5a80`: digits in fours from the right. Below 0 it is one of the upper half, as a signed 64-bit number. */
export function addressText(value: string | number | bigint): string {
  const digits = BigInt.asUintN(64, BigInt(value)).toString(16);
  const groups: string[] = [];
  for (let end = digits.length; end > 0; end -= 4) groups.unshift(digits.slice(Math.max(0, end - 4), end));
  return `0x${groups.join('_')}`;
}

/** A number of bytes in the largest unit that divides it. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && value % 1024 === 0 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value} ${units[unit]}`;
}

/** A number of bytes rounded to three digits. */
export function roughBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toPrecision(3)} ${units[unit]}`;
}

export function cyclesText(cycles: number): string {
  const whole = Math.round(cycles);
  return `${whole.toLocaleString('en')} ${whole === 1 ? 'cycle' : 'cycles'}`;
}

/** The class that colours a level. */
export function levelClass(stage: number, level: number): string {
  return stage === 2 ? 's2' : `l${level}`;
}
