/** Numbers as a person reads them. All pure, all locale-independent, so that a report is the same on every machine. */

export { hexText } from '../formats/index.ts';

/** `1234567` as `1,234,567`; fractions are rounded away. */
export function count(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
}

const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Bytes with a binary unit: `4 KiB`, `1.5 MiB`. */
export function bytes(value: number): string {
  let scaled = value;
  let unit = 0;
  while (scaled >= 1024 && unit < BINARY_UNITS.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  const digits = Number.isInteger(scaled) || scaled >= 100 ? scaled.toFixed(0) : scaled.toFixed(1);
  return `${digits} ${BINARY_UNITS[unit] ?? 'B'}`;
}

/** A power of two of bytes: "4 KiB". */
export function sizeText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && value % 1024 === 0 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value} ${units[unit]}`;
}

/** A leaf or granule size as page-table people write it: `4K`, `2M`, `1G`. */
export function pageSize(value: number): string {
  return bytes(value).replace(' ', '').replace('iB', '');
}

/** Cycles with a metric unit: `850 cycles`, `12.3 Mcycles`. */
export function cycles(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 1e9) return `${(value / 1e9).toFixed(2)} Gcycles`;
  if (magnitude >= 1e6) return `${(value / 1e6).toFixed(2)} Mcycles`;
  if (magnitude >= 1e4) return `${(value / 1e3).toFixed(1)} kcycles`;
  return `${Number.isInteger(value) ? value : value.toFixed(1)} cycles`;
}

/** A share of a whole: `12.3 %`; nothing of nothing is `-`. */
export function share(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`;
}

/** Seconds: `11.915 s`, `12.0 ms`, `85.0 us`. */
export function seconds(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 1 || magnitude === 0) return `${value.toFixed(3)} s`;
  if (magnitude >= 1e-3) return `${(value * 1e3).toFixed(1)} ms`;
  return `${(value * 1e6).toFixed(1)} us`;
}

/** A sum of decimal fractions without the noise of binary ones: rounded to a millionth (of a cycle), or to `decimals`. */
export function exact(value: number, decimals = 6): number {
  const scale = 10 ** decimals;
  return Math.round(value * scale) / scale;
}
