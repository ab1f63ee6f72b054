import { EVENT_FIELDS, type EventName, eventName } from '../../../devices/index.ts';
import { hexText } from '../../quantity.ts';
import { disagree, type FaultDraft, newFault } from './fault.ts';
import { hexOf, type LogLine, smallHex } from './log-lines.ts';

/** Lines after the first that may hold its words: other drivers' lines come between. */
const REACH = 14;
const RECEIVED = /event[:\s]+([0O]x[0-9a-fOl]{1,2})\s+received/i;
/** A run of digits that may be one of the four 64-bit words, possibly with a space in its middle. */
const WORD = /\b[0O][xX]([0-9a-fA-FOoIl]{1,8}(?: [0-9a-fA-FOoIl]{8})|[0-9a-fA-FOoIl]{1,16})(?![0-9a-zA-Z])/g;
const DECODED =
  /event:\s*([A-Z][A-Z0-9_]+)\s+client:\s*(.{0,200}?)\s+sid:\s*(0x[0-9a-f]+)\s+ssid:\s*(0x[0-9a-f]+)(?:\s+iova:\s*(0x[0-9a-f]+))?(?:\s+ipa:\s*(0x[0-9a-f]+))?/i;
const MANNER = /\b(un)?priv\s+(data|inst)\s+(read|write)\s+s([12])\b(?:\s*"([^"]*)")?/i;
const DEVICE = /\b(?:arm-smmu-v3|SMMUv3:)\s+(\S+?):/;
const PAGE_REQUEST =
  /\bsid (0x[0-9a-f]+)\.(0x[0-9a-f]+): \[(\d+)[^\]]*\]\s*(un)?privileged\s+(\w*)\s*access at iova (0x[0-9a-f]+)/i;
const COMMAND_ERROR = /CMDQ error \(cons (0x[0-9a-f]+)\):\s*(.*)/i;

const COMMAND_ERRORS: Readonly<Record<number, string>> = {
  0: 'No error',
  1: 'Illegal command',
  2: 'Abort on command fetch',
  3: 'ATC invalidate timeout',
};

const CLASSES = ['CD', 'TT', 'IN'] as const;
const CLASS_TEXTS: Readonly<Record<string, RegExp>> = {
  CD: /CD fetch/i,
  TT: /translation table fetch/i,
  IN: /input address/i,
};

/** A 64-bit word's bits, counted over the whole record. */
function bits(words: readonly bigint[], low: number, width: number): number {
  const word = words[Math.floor(low / 64)] ?? 0n;
  return Number((word >> BigInt(low % 64)) & (2n ** BigInt(width) - 1n));
}

/** Event records that Linux and Xen print: `event 0x10 received:` with its four words, and what Linux makes of them. */
export function smmuv3Faults(lines: readonly LogLine[]): FaultDraft[] {
  const faults: FaultDraft[] = [];
  for (let at = 0; at < lines.length; at++) {
    const { text, number } = lines[at] as LogLine;
    const received = RECEIVED.exec(text);
    if (received !== null) {
      faults.push(eventAt(lines, at, smallHex(received[1])));
      continue;
    }
    const error = COMMAND_ERROR.exec(text);
    const request = PAGE_REQUEST.exec(text);
    if (error !== null) faults.push(commandError(error, number));
    else if (request !== null) faults.push(pageRequest(request, lines, at));
    else if (DECODED.test(text) && !hasRecordBefore(lines, at)) faults.push(decodedAlone(lines, at));
  }
  return faults;
}

function eventAt(lines: readonly LogLine[], first: number, printed: number): FaultDraft {
  const { text, number } = lines[first] as LogLine;
  const fault = newFault('arm-smmu-v3', 'unknown event', number);
  const device = DEVICE.exec(text)?.[1];
  const words = wordsAfter(lines, first, device, fault);
  const id = words.length > 0 ? bits(words, 0, 8) : printed;
  const name = eventName(id);
  fault.name = name ?? `event ${hexText(id)}`;
  if (printed >= 0 && words.length > 0 && id !== printed) {
    disagree(fault, `the line says event ${hexText(printed)}, the first word ${hexText(id)}`);
  }
  if (words.length > 0) {
    fault.streamId = bits(words, 32, 32);
    if (bits(words, 11, 1) === 1) fault.substreamId = bits(words, 12, 20);
  }
  if (words.length < 4) fault.details.push(`${4 - words.length} of the four words are missing`);
  if (name !== undefined) decodeFields(fault, name, words);
  checkAgainstKernel(lines, first, device, fault);
  return fault;
}

/** The words on the line itself and on those below, other drivers' lines skipped. */
function wordsAfter(lines: readonly LogLine[], first: number, device: string | undefined, fault: FaultDraft): bigint[] {
  const words: bigint[] = [];
  for (let at = first; at < lines.length && at <= first + REACH && words.length < 4; at++) {
    const { text, number } = lines[at] as LogLine;
    let rest = text;
    if (at === first) rest = text.slice(text.search(RECEIVED)).replace(RECEIVED, '');
    else {
      if (RECEIVED.test(text)) {
        // Another SMMU's record may stand between; of the same one it ends this record.
        if (device === undefined || DEVICE.exec(text)?.[1] === device) break;
        continue;
      }
      if (DECODED.test(text) || MANNER.test(text)) break;
      const of = DEVICE.exec(text)?.[1];
      if (of !== undefined && device !== undefined && of !== device) continue;
      rest = text.replace(/^.*?\b(?:arm-smmu-v3|SMMUv3:)\s+\S+?:\s*/, '');
    }
    const found = [...rest.matchAll(WORD)].map(([, digits = '']) => hexOf(digits));
    // A line of words has nothing else on it but marks and noise.
    const others = rest.replace(WORD, '').replace(/[^0-9A-Za-z]/g, '');
    if (found.length === 0 || (at !== first && others.length > 8)) continue;
    for (const word of found) if (word !== null && words.length < 4) words.push(word);
    if (at !== first) fault.lines.push(number);
  }
  return words;
}

function decodeFields(fault: FaultDraft, name: EventName, words: readonly bigint[]): void {
  const fields: Readonly<Record<string, unknown>> = EVENT_FIELDS[name];
  if (words.length >= 2) {
    if ('RnW' in fields) fault.write = bits(words, 99, 1) === 0;
    if ('InD' in fields) fault.instruction = bits(words, 98, 1) === 1;
    if ('PnU' in fields) fault.privileged = bits(words, 97, 1) === 1;
    if ('S2' in fields) fault.stage = bits(words, 103, 1) === 1 ? 2 : 1;
    if ('CLASS' in fields) {
      const kind = CLASSES[bits(words, 104, 2)];
      if (kind !== undefined) fault.class = kind;
    }
    if ('Stall' in fields && bits(words, 95, 1) === 1) {
      fault.details.push(`stalled with tag ${hexText(bits(words, 64, 16))}: the transaction waits for CMD_RESUME`);
    }
  }
  if (words.length >= 3 && 'InputAddress' in fields) fault.iova = hexText(words[2] as bigint);
  if (words.length >= 4 && fault.stage === 2 && (words[3] ?? 0n) !== 0n) {
    fault.details.push(`intermediate physical address ${hexText(words[3] as bigint)}`);
  }
}

/** Linux from 6.14 on prints its own decoding below: the best oracle there is. */
function checkAgainstKernel(
  lines: readonly LogLine[],
  first: number,
  device: string | undefined,
  fault: FaultDraft,
): void {
  for (let at = first + 1; at < lines.length && at <= first + REACH + 3; at++) {
    const { text, number } = lines[at] as LogLine;
    const of = DEVICE.exec(text)?.[1];
    if (of !== undefined && device !== undefined && of !== device) continue;
    if (RECEIVED.test(text)) return;
    const decoded = DECODED.exec(text);
    if (decoded !== null) {
      fault.lines.push(number);
      takeDecoded(fault, decoded);
    }
    const manner = MANNER.exec(text);
    if (manner !== null) {
      fault.lines.push(number);
      takeManner(fault, manner);
      return;
    }
  }
}

function takeDecoded(fault: FaultDraft, decoded: RegExpExecArray): void {
  const [, name = '', client = '', sid = '', ssid = '', iova] = decoded;
  if (fault.name === 'unknown event') fault.name = name;
  else if (fault.name !== name) disagree(fault, `the kernel says ${name}, the words ${fault.name}`);
  const stream = smallHex(sid);
  if (fault.streamId === undefined) fault.streamId = stream;
  else if (fault.streamId !== stream) {
    disagree(fault, `the kernel says StreamID ${sid}, the words ${hexText(fault.streamId)}`);
  }
  const substream = smallHex(ssid);
  if (fault.substreamId !== undefined && fault.substreamId !== substream) {
    disagree(fault, `the kernel says SubstreamID ${ssid}, the words ${hexText(fault.substreamId)}`);
  }
  const address = iova === undefined ? null : hexOf(iova);
  if (address !== null) {
    if (fault.iova === undefined) fault.iova = hexText(address);
    else if (BigInt(fault.iova) !== address) disagree(fault, `the kernel says iova ${iova}, the words ${fault.iova}`);
  }
  if (client !== '') fault.details.push(`client ${client}`);
}

function takeManner(fault: FaultDraft, manner: RegExpExecArray): void {
  const [, un, what = '', direction = '', stage = '', reason = ''] = manner;
  const said = {
    privileged: un === undefined,
    instruction: what.toLowerCase() === 'inst',
    write: direction.toLowerCase() === 'write',
  };
  for (const key of ['privileged', 'instruction', 'write'] as const) {
    if (fault[key] === undefined) fault[key] = said[key];
    else if (fault[key] !== said[key]) {
      disagree(fault, `the kernel says ${key} ${said[key]}, the words ${fault[key]}`);
    }
  }
  const of = stage === '2' ? 2 : 1;
  if (fault.stage === undefined) fault.stage = of;
  else if (fault.stage !== of) disagree(fault, `the kernel says stage ${of}, the words stage ${fault.stage}`);
  const kind = CLASSES.find((one) => CLASS_TEXTS[one]?.test(reason) === true);
  if (kind === undefined) return;
  if (fault.class === undefined) fault.class = kind;
  else if (fault.class !== kind) disagree(fault, `the kernel says "${reason}", the words class ${fault.class}`);
}

/** The kernel's decoding whose words were lost. */
function decodedAlone(lines: readonly LogLine[], at: number): FaultDraft {
  const { text, number } = lines[at] as LogLine;
  const fault = newFault('arm-smmu-v3', 'unknown event', number);
  const decoded = DECODED.exec(text);
  if (decoded !== null) takeDecoded(fault, decoded);
  fault.details.push('the words of the record are missing: this is what the kernel made of them');
  for (let next = at; next < lines.length && next <= at + 3; next++) {
    const manner = MANNER.exec((lines[next] as LogLine).text);
    if (manner === null) continue;
    if (next !== at) fault.lines.push((lines[next] as LogLine).number);
    takeManner(fault, manner);
    break;
  }
  return fault;
}

function hasRecordBefore(lines: readonly LogLine[], at: number): boolean {
  for (let before = at - 1; before >= 0 && before >= at - REACH - 3; before--) {
    const { text } = lines[before] as LogLine;
    if (RECEIVED.test(text)) return true;
    if (DECODED.test(text)) return false;
  }
  return false;
}

/** A device asked for a page over PCIe's page request interface, and no one serves such requests. */
function pageRequest(request: RegExpExecArray, lines: readonly LogLine[], at: number): FaultDraft {
  const [, stream, substream, group = '', un, rights = '', iova] = request;
  const fault = newFault('arm-smmu-v3', 'PRI request', (lines[at] as LogLine).number);
  const before = lines[at - 1];
  if (before !== undefined && /PRI request received/i.test(before.text)) fault.lines.unshift(before.number);
  fault.streamId = smallHex(stream);
  fault.substreamId = smallHex(substream);
  const address = iova === undefined ? null : hexOf(iova);
  if (address !== null) fault.iova = hexText(address);
  fault.write = /w/i.test(rights);
  fault.instruction = /x/i.test(rights);
  fault.privileged = un === undefined;
  fault.details.push(`page request group ${group}`);
  return fault;
}

function commandError(error: RegExpExecArray, line: number): FaultDraft {
  const [, cons = '', said = ''] = error;
  const fault = newFault('arm-smmu-v3', 'CMDQ_ERR', line);
  const value = smallHex(cons);
  const code = (value >>> 24) & 0x7f;
  const means = COMMAND_ERRORS[code];
  fault.details.push(
    `the command at index ${hexText(value & 0xf_ffff)} of the command queue: code ${code}, ${means ?? 'reserved'}`,
  );
  if (means === undefined || !said.toLowerCase().startsWith(means.toLowerCase())) {
    disagree(fault, `the line says "${said}", CMDQ_CONS.ERR is ${code} (${means ?? 'reserved'})`);
  }
  return fault;
}
