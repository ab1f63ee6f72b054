/** What a person should know of a capture before they believe figures that rest on it, in sentences. */

import { plainNames } from '../plain-text.ts';
import type { CaptureStats } from './events/index.ts';
import { EventKind } from './events/index.ts';

/** What a capture without a single map or unmap holds instead, as a phrase. */
export function whatInstead(stats: CaptureStats): string {
  const accesses = stats.byKind[EventKind.ACCESS] as number;
  const faults = stats.byKind[EventKind.FAULT] as number;
  if (accesses > 0) {
    const mixed =
      stats.foreignLines === 0
        ? ' (translate --streams FILE sums it up, translate --stream and miss-curve --list take FILE#STREAM, replay --accesses all beside their trace)'
        : `, and ${count(stats.foreignLines, 'line')} of a trace in the same file (give each its own, the log with --accesses)`;
    return `a log of ${count(accesses, 'translation')}, which is a list of accesses and not of maps${mixed}`;
  }
  if (faults > 0) return `${count(faults, 'fault')} and no map or unmap`;
  if (stats.events > 0) {
    const example = stats.otherName === '' ? '' : ` (such as ${plainNames([stats.otherName])})`;
    return `${count(stats.events, 'event')} of other kinds${example}`;
  }
  if (stats.lostEvents > 0) return `a trace of which all ${stats.lostEvents} events were lost`;
  return 'a trace without events: nothing was recorded, or a filter has left nothing';
}

/** What is unusual about a capture; empty for an ordinary one. */
export function remarks(stats: CaptureStats): string[] {
  const said: string[] = [];
  if (stats.clock === 'ticks') {
    said.push('The trace clock counts ticks, not seconds (trace_clock counter, uptime or x86-tsc): times are counts.');
  } else if (stats.clock === 'none') said.push('The events carry no time.');
  if (stats.lostEvents > 0) said.push(`The tracer lost ${count(stats.lostEvents, 'event')}.`);
  if (stats.backwards > 0) {
    const by = stats.clock === 'ticks' ? `${stats.backwardsBy} ticks` : `${Number(stats.backwardsBy.toPrecision(3))} s`;
    said.push(`Time runs backwards ${count(stats.backwards, 'time')}, by ${by} at most.`);
  }
  if (stats.otherInstances > 0) {
    said.push(
      `${count(stats.otherInstances, 'event')} of further trace instances are left out: they tell of the same calls.`,
    );
  }
  if (stats.foreignLines > 0) {
    said.push(
      `${count(stats.foreignLines, 'line')} of another kind of file in the same input could not be read: give each file by itself.`,
    );
  }
  if (stats.bytesBehind > 0) {
    said.push(
      `${count(stats.bytesBehind, 'byte')} behind the end of a trace.dat could not be read: give each file by itself.`,
    );
  }
  if (stats.withoutFormat > 0) {
    said.push(
      `${count(stats.withoutFormat, 'record')} of kinds whose format the capture does not hold could not be read.`,
    );
  }
  if (stats.withoutAddress > 0) {
    said.push(`${count(stats.withoutAddress, 'map')} without a physical address: the IOVA stands for it.`);
  }
  return said;
}

function count(number: number, what: string): string {
  return `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`;
}
