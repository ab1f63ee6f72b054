/** Faults that a capture answers: those that it tells of itself, and the fault lines of a log. */
import { streamIdOf } from '../../capture/index.ts';
import { plainNames } from '../../plain-text.ts';
import { decodeFaults, type ExplainedFault, faultRecord } from '../faults/index.ts';
import { type Answer, answer, type Question, wasMapped } from './answer.ts';
import type { MappingHistory } from './history.ts';

/** An answer, and the fault that asked for it. */
export interface AnsweredFault {
  /** Which fault it is, in one line. */
  readonly heading: string;
  /** Plain JSON. */
  readonly fault: Readonly<Record<string, unknown>>;
  readonly answer: Answer;
}

/** What is asked of every fault alike. */
export interface FaultQuestion {
  /** Only the domains of this device. */
  readonly device?: string | undefined;
  /** When a line without a time stamp was printed, by the trace's clock: the end of the capture when absent. */
  readonly time?: number | undefined;
}

/** Every fault that the capture itself tells of. */
export function captureFaults(history: MappingHistory, { device }: FaultQuestion = {}): AnsweredFault[] {
  return history.faults
    .filter((fault) => device === undefined || fault.device === device)
    .map((fault) => {
      const { iova, at, prot } = fault;
      const write = prot < 0 ? {} : { write: (prot & 2) !== 0 };
      const name = fault.device === '' ? {} : { device: fault.device };
      return {
        heading: `fault on line ${at.line} of the capture`,
        fault: { source: 'trace', line: at.line },
        answer: answer(history, { iova, time: at.time, ...write, ...name }),
      };
    });
}

/** Every fault line of a kernel log that names an address. */
export function logFaults(history: MappingHistory, log: string, question: FaultQuestion = {}): AnsweredFault[] {
  const lines = log.split('\n');
  return decodeFaults(log).flatMap((fault) => {
    const found = answerFault(history, fault, lines[(fault.lines[0] ?? 0) - 1] ?? '', question);
    if (found === null) return [];
    const heading = `${fault.source}: ${fault.name} (line ${fault.lines[0] ?? 0} of the log)`;
    return [{ heading, fault: { ...faultRecord(fault) }, answer: found }];
  });
}

/**
 * What a capture says about one fault line; null where the line has no address that could be mapped.
 *
 * @param line as it stands in the log: its time stamp, where it has one, is read as the trace's clock
 */
export function answerFault(
  history: MappingHistory,
  fault: ExplainedFault,
  line: string,
  { device, time }: FaultQuestion = {},
): Answer | null {
  const iova = fault.iova === undefined ? Number.POSITIVE_INFINITY : Number(fault.iova);
  if (iova >= 2 ** 52) return null;
  const stamp = /\[\s*(\d+\.\d+)\s*[\]<]/.exec(line)?.[1];
  const when = stamp === undefined ? time : Number(stamp);
  const name = device ?? deviceOfStream(history, fault.streamId);
  const question: Question = {
    iova,
    ...(when === undefined ? {} : { time: when }),
    ...(fault.write === undefined ? {} : { write: fault.write }),
    ...(name === undefined ? {} : { device: name }),
  };
  const found = device === undefined ? elsewhere(history, question) : answer(history, question);
  // What the line alone makes one suspect stands behind what the capture proves.
  const proven = new Set(found.suspicions.map((one) => one.name));
  return { ...found, suspicions: [...found.suspicions, ...fault.suspicions.filter((one) => !proven.has(one.name))] };
}

/** What the capture says; of an address that its device never had, what it says of the others. */
function elsewhere(history: MappingHistory, question: Question): Answer {
  const { device, ...ofAll } = question;
  const found = answer(history, question);
  if (device === undefined || wasMapped(found)) return found;
  const others = answer(history, ofAll);
  if (!wasMapped(others)) return found;
  // A domain that the capture gives to nobody may be this device's all the same.
  const owners = others.domains.filter((one) => one.devices.length > 0 && wasMapped({ domains: [one] }));
  if (owners.length === 0) return { ...others, device };
  const names = owners.map(({ domain, devices }) => `domain ${domain} of ${plainNames(devices)}`).join(' and ');
  const evidence = `no domain of ${plainNames([device])} had it as far as the capture tells; ${names} had: another device's StreamID, or a buffer mapped for the wrong device`;
  const suspicions = [{ name: 'mapped for another device', evidence }, ...others.suspicions];
  return { ...others, device, suspicions };
}

/** The device of the capture that sends a StreamID; undefined where none is known to. */
function deviceOfStream(history: MappingHistory, streamId: number | undefined): string | undefined {
  if (streamId === undefined) return undefined;
  return history.devices.flat().find((name) => streamIdOf(name) === streamId);
}
