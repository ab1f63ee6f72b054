import { hexText } from '../../quantity.ts';
import { disagree, type FaultDraft, newFault } from './fault.ts';
import { hexOf, type LogLine, smallHex } from './log-lines.ts';

/** Bits of FSR (Arm IHI 0062, section on SMMU_CBn_FSR). */
const FSR_FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [1, 'TF'],
  [2, 'AFF'],
  [3, 'PF'],
  [4, 'EF'],
  [5, 'TLBMCF'],
  [6, 'TLBLKF'],
  [7, 'ASF'],
  [8, 'UUT'],
];
const FORMATS = ['short', 'AArch32 LPAE', 'AArch64'] as const;
/** Bits of sGFSR. */
const GFSR_FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [0, 'ICF'],
  [1, 'USF'],
  [2, 'SMCF'],
  [3, 'UCBF'],
  [4, 'UCIF'],
  [5, 'CAF'],
  [6, 'EF'],
  [7, 'PF'],
  [8, 'UUT'],
];

const CONTEXT = /context fault:/i;
const GLOBAL = /GFSR\s+(0x[0-9a-f]+),\s*GFSYNR0\s+(0x[0-9a-f]+)(?:,\s*GFSYNR1\s+(0x[0-9a-f]+))?/i;
const BLOCKED = /Blocked unknown Stream ID (0x[0-9a-f]+)/i;
const FIELD = /\b(fsr|iova|fsynr0?|cbfrsynra|cb)\s*=\s*((?:[0O]x)?[0-9a-fA-FOol]+)/gi;
/** Lines that the fields of one fault may be wrapped over. */
const WRAP = 3;

/** Context and global faults that Linux's arm-smmu and Xen's smmu print, in the forms of every kernel so far. */
export function smmuv2Faults(lines: readonly LogLine[]): FaultDraft[] {
  const faults: FaultDraft[] = [];
  let blocked: { readonly line: number; readonly streamId: number } | null = null;
  for (let at = 0; at < lines.length; at++) {
    const { text, number } = lines[at] as LogLine;
    if (CONTEXT.test(text)) faults.push(contextFault(lines, at));
    const unknown = BLOCKED.exec(text);
    if (unknown !== null) {
      if (blocked !== null) faults.push(unknownStream(blocked));
      blocked = { line: number, streamId: smallHex(unknown[1]) };
    }
    const global = GLOBAL.exec(text);
    if (global !== null) {
      faults.push(globalFault(global, number, blocked));
      blocked = null;
    }
  }
  if (blocked !== null) faults.push(unknownStream(blocked));
  return faults;
}

function contextFault(lines: readonly LogLine[], first: number): FaultDraft {
  const fault = newFault('arm-smmu', 'context fault', (lines[first] as LogLine).number);
  const values = new Map<string, bigint>();
  for (let at = first; at < lines.length && at < first + WRAP; at++) {
    const { text, number } = lines[at] as LogLine;
    if (at > first && (CONTEXT.test(text) || /\[(?:Format|TF|PF|AFF|S1CBNDX)/.test(text))) break;
    const before = values.size;
    // A line may have been wrapped in the middle of a number's name, but not of a number.
    for (const [, name = '', digits = ''] of (at === first ? text.slice(text.search(CONTEXT)) : text).matchAll(FIELD)) {
      const key = name.toLowerCase() === 'fsynr0' ? 'fsynr' : name.toLowerCase();
      const value = key === 'cb' && /^\d+$/.test(digits) ? BigInt(digits) : hexOf(digits);
      if (value !== null && !values.has(key)) values.set(key, value);
    }
    if (at > first && values.size > before) fault.lines.push(number);
    if (values.has('cb')) break;
  }
  const fsr = Number(values.get('fsr') ?? -1n);
  if (fsr >= 0) {
    fault.name = flagsOf(FSR_FLAGS, fsr) || 'context fault';
    // SMMUs before MMU-500 have no FORMAT field, so that 0 says nothing.
    const format = (fsr >>> 9) & 3;
    if (format > 0) fault.details.push(`table format ${FORMATS[format] ?? 'reserved'}`);
    if ((fsr & 0x4000_0000) !== 0) fault.details.push('stalled: the transaction waits for RESUME');
    if (fsr >= 0x8000_0000) fault.details.push('more than one fault since the last was read');
  }
  const iova = values.get('iova');
  if (iova !== undefined) fault.iova = hexText(iova);
  const fsynr = values.get('fsynr');
  if (fsynr !== undefined) takeSyndrome(fault, Number(fsynr));
  const stream = values.get('cbfrsynra');
  if (stream !== undefined) fault.streamId = Number(stream & 0xffffn);
  const bank = values.get('cb');
  if (bank !== undefined) fault.addressSpace = Number(bank);
  checkAgainstKernel(lines, first, fault, fsr);
  return fault;
}

function takeSyndrome(fault: FaultDraft, fsynr: number): void {
  fault.write = ((fsynr >>> 4) & 1) === 1;
  fault.privileged = ((fsynr >>> 5) & 1) === 1;
  fault.instruction = ((fsynr >>> 6) & 1) === 1;
  fault.level = fsynr & 3;
}

/** Linux from 6.13 on, and the vendor's kernels, decode FSR and FSYNR0 on lines of their own. */
function checkAgainstKernel(lines: readonly LogLine[], first: number, fault: FaultDraft, fsr: number): void {
  for (let at = first + 1; at < lines.length && at <= first + 6; at++) {
    const { text: line, number } = lines[at] as LogLine;
    if (CONTEXT.test(line)) return;
    // Mail wraps these lines within their brackets or behind them.
    const goesOn = /=\s*[0-9a-f]{1,8}\s*\[[^\]]*$|\],\s*$/i.test(line) ? lines[at + 1] : undefined;
    const text = goesOn === undefined ? line : `${line} ${goesOn.text}`;
    const status = /\bFSR\s*=\s*([0-9a-f]{1,8})\s*\[([^\]]*)\](?:,\s*SID=(0x[0-9a-f]+))?/i.exec(text);
    if (status !== null) {
      fault.lines.push(number);
      if (goesOn !== undefined) fault.lines.push(goesOn.number);
      const [, raw = '', names = '', sid] = status;
      const flags = names
        .replace(/Format=\d+/, '')
        .trim()
        .split(/\s+/)
        .filter((one) => one !== '');
      if (fsr < 0) fault.name = flags.join('|');
      else {
        if (Number.parseInt(raw, 16) !== fsr) disagree(fault, `FSR is ${raw} here and ${hexText(fsr)} above`);
        const ours = FSR_FLAGS.filter(([bit]) => ((fsr >>> bit) & 1) === 1).map(([, name]) => name);
        const known = flags.filter((flag) => FSR_FLAGS.some(([, name]) => name === flag));
        if (known.sort().join() !== [...ours].sort().join()) {
          disagree(fault, `the kernel says ${known.join(' ') || 'nothing'}, FSR ${ours.join(' ') || 'nothing'}`);
        }
      }
      const stream = smallHex(sid);
      if (stream >= 0 && fault.streamId === undefined) fault.streamId = stream;
      else if (stream >= 0 && fault.streamId !== (stream & 0xffff)) {
        disagree(fault, `the kernel says SID ${sid}, CBFRSYNRA ${hexText(fault.streamId ?? 0)}`);
      }
    }
    const syndrome = /\bFSYNR0\s*=\s*([0-9a-f]{1,8})\s*\[([^\]]*)\]/i.exec(text);
    if (syndrome !== null) {
      fault.lines.push(number);
      if (goesOn !== undefined) fault.lines.push(goesOn.number);
      const [, raw = '', names = ''] = syndrome;
      if (fault.level === undefined) takeSyndrome(fault, Number.parseInt(raw, 16));
      const level = /PLVL=(\d)/.exec(names)?.[1];
      if (level !== undefined && Number(level) !== fault.level) {
        disagree(fault, `the kernel says level ${level}, FSYNR0 level ${fault.level}`);
      }
      const writes = /\bWNR\b/.test(names);
      if (writes !== fault.write) disagree(fault, `the kernel says ${writes ? 'write' : 'read'}, FSYNR0 the contrary`);
      const privileged = /\bPNU\b/.test(names);
      if (privileged !== fault.privileged) {
        disagree(fault, `the kernel says ${privileged ? 'privileged' : 'unprivileged'}, FSYNR0 the contrary`);
      }
      return;
    }
    const software = /(soft|hard) iova-to-phys(?: \(ATOS\))?\s*=\s*(0x[0-9a-f]+)/i.exec(text);
    if (software !== null) {
      const where = smallHex(software[2]) === 0 ? 'nothing' : (software[2] ?? '');
      fault.details.push(`the ${software[1] === 'soft' ? "driver's own" : "hardware's"} walk finds ${where}`);
    }
  }
}

function globalFault(
  global: RegExpExecArray,
  line: number,
  blocked: { readonly line: number; readonly streamId: number } | null,
): FaultDraft {
  const [, status, syndrome0, syndrome1] = global;
  const gfsr = smallHex(status);
  const fault = newFault('arm-smmu', flagsOf(GFSR_FLAGS, gfsr) || 'global fault', blocked?.line ?? line);
  if (blocked !== null) fault.lines.push(line);
  const synr0 = smallHex(syndrome0);
  if (synr0 >= 0) {
    fault.write = ((synr0 >>> 1) & 1) === 1;
    fault.privileged = ((synr0 >>> 2) & 1) === 1;
    fault.instruction = ((synr0 >>> 3) & 1) === 1;
  }
  const synr1 = smallHex(syndrome1);
  if (synr1 >= 0) fault.streamId = synr1 & 0xffff;
  if (gfsr >= 0x8000_0000) fault.details.push('more than one fault since the last was read');
  if (blocked !== null && blocked.streamId !== fault.streamId) {
    disagree(fault, `the line says StreamID ${hexText(blocked.streamId)}, GFSYNR1 ${hexText(fault.streamId ?? 0)}`);
  }
  return fault;
}

function unknownStream({ line, streamId }: { readonly line: number; readonly streamId: number }): FaultDraft {
  const fault = newFault('arm-smmu', 'USF', line);
  if (streamId >= 0) fault.streamId = streamId;
  return fault;
}

function flagsOf(flags: readonly (readonly [bit: number, name: string])[], value: number): string {
  return flags
    .filter(([bit]) => ((value >>> bit) & 1) === 1)
    .map(([, name]) => name)
    .join('|');
}
