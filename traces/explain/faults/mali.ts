import { CSF_EXCEPTIONS, exceptionName, JOB_MANAGER_EXCEPTIONS } from '../../../devices/index.ts';
import { hexText } from '../../quantity.ts';
import { disagree, type FaultDraft, type FaultSource, newFault } from './fault.ts';
import { hexOf, type LogLine, smallHex } from './log-lines.ts';

const HEADER =
  /(?:\b(panfrost|panthor|mali|kbase)\b.*)?(?:Unhandled Page|GPU bus) fault in AS\s?(\d+) at (VA|PA) ((?:0x)?[0-9a-fOol]+)/i;
/** Lines after the header that belong to it. */
const REACH = 14;
const ATOMIC = 0;
const EXECUTE = 1;
const READ = 2;
const WRITE = 3;

/** Page faults that panfrost, panthor and the vendor's kbase print: the header, and FAULTSTATUS taken apart below it. */
export function maliFaults(lines: readonly LogLine[]): FaultDraft[] {
  const faults: FaultDraft[] = [];
  for (let at = 0; at < lines.length; at++) {
    const header = HEADER.exec((lines[at] as LogLine).text);
    if (header !== null) faults.push(pageFault(lines, at, header));
  }
  return faults;
}

function pageFault(lines: readonly LogLine[], first: number, header: RegExpExecArray): FaultDraft {
  const [, driver = 'mali', space = '', kind = '', address = ''] = header;
  const named = driver.toLowerCase();
  const source: FaultSource = named === 'panfrost' || named === 'panthor' ? named : 'mali';
  const isPage = kind.toUpperCase() === 'VA';
  const fault = newFault(source, isPage ? 'page fault' : 'bus fault', (lines[first] as LogLine).number);
  fault.addressSpace = Number(space);
  const iova = hexOf(address);
  if (iova !== null && isPage) fault.iova = hexText(iova);
  if (!isPage) fault.details.push(`at physical address ${address}: the walk or the access was refused by the bus`);
  let status = -1;
  let code = -1;
  let access = -1;
  let saidSource = -1;
  for (let at = first + 1; at < lines.length && at <= first + REACH; at++) {
    const { text, number } = lines[at] as LogLine;
    if (HEADER.test(text)) break;
    const raw = /raw fault status:\s*(0x[0-9a-fOol]+)/i.exec(text);
    const exception = /exception type\s*(0x[0-9a-f]+)/i.exec(text);
    const kind = /access type\s*(0x[0-9a-f]+)/i.exec(text);
    const id = /source id\s*(0x[0-9a-f]+)/i.exec(text);
    if (raw !== null) status = smallHex(raw[1]);
    if (exception !== null) code = smallHex(exception[1]);
    if (kind !== null) access = smallHex(kind[1]);
    if (id !== null) saidSource = smallHex(id[1]);
    if (raw !== null || exception !== null || kind !== null || id !== null) fault.lines.push(number);
    else if (/decoded fault status|^(?:Reason|PA_VALID):/i.test(text)) fault.lines.push(number);
  }
  if (status >= 0) {
    check(fault, 'exception type', code, status & 0xff);
    check(fault, 'access type', access, (status >>> 8) & 3);
    check(fault, 'source id', saidSource, status >>> 16);
    code = status & 0xff;
    access = (status >>> 8) & 3;
    fault.details.push(`source id ${hexText(status >>> 16)}`);
  }
  if (code >= 0) takeException(fault, code, source);
  if (access >= 0) {
    fault.write = access === WRITE || access === ATOMIC;
    fault.instruction = access === EXECUTE;
    if (access !== READ && access !== WRITE)
      fault.details.push(access === ATOMIC ? 'an atomic access' : 'an instruction fetch');
  }
  return fault;
}

function takeException(fault: FaultDraft, code: number, source: FaultSource): void {
  // The vendor's driver serves both generations of GPUs: what the younger has no name for is the older's.
  const isOld = source === 'panfrost' || (source === 'mali' && CSF_EXCEPTIONS[code] === undefined);
  fault.name = exceptionName(isOld ? JOB_MANAGER_EXCEPTIONS : CSF_EXCEPTIONS, code);
  // 0xC0 to 0xDF: kind in bits 5:3, level in bits 2:0, of which 7 is a space without tables. From 0xE0 on four kinds of four levels.
  if (code >= 0xe0 && code <= 0xef) fault.level = code & 3;
  else if (code >= 0xc0 && code <= 0xdf && (code & 7) <= 4) fault.level = code & 7;
}

function check(fault: FaultDraft, what: string, said: number, is: number): void {
  if (said < 0 || said === is) return;
  disagree(fault, `the kernel says ${what} ${hexText(said)}, the raw fault status ${hexText(is)}`);
}
