import { Context, EventKind, type TraceEvent } from '../../traces/index.ts';

/** A poorer capture made of a good one. */
export interface Form {
  readonly name: string;
  /** Whether the capture still has this event, the how-maniest of so many. */
  readonly shows: (index: number, count: number) => boolean;
  /** Takes from an event what the capture does not tell, beside its domain and device. */
  readonly hide: (event: TraceEvent) => void;
}

const all = (): boolean => true;
const nothing = (): void => {};

export const AS_RECORDED: Form = { name: 'as recorded', shows: all, hide: nothing };

/** The inference was never tuned on these. */
export const HELD_OUT: readonly Form[] = [
  {
    name: 'no attach lines',
    shows: all,
    hide: (event) => {
      if (event.kind > EventKind.UNMAP) event.kind = EventKind.OTHER;
    },
  },
  {
    name: 'one task for all',
    shows: all,
    hide: (event) => {
      event.pid = 1;
      event.context = Context.TASK;
    },
  },
  {
    name: 'no times',
    shows: all,
    hide: (event) => {
      event.time = 0;
    },
  },
  { name: 'first third lost', shows: (index, count) => index >= count / 3, hide: nothing },
  { name: 'last third lost', shows: (index, count) => index < (2 * count) / 3, hide: nothing },
  { name: 'every 10th line lost', shows: (index) => index % 10 !== 9, hide: nothing },
  { name: 'every 200th line lost', shows: (index) => index % 200 !== 199, hide: nothing },
  {
    name: '1,000 lines lost in the middle',
    shows: (index, count) => index < count / 2 || index >= count / 2 + 1000,
    hide: nothing,
  },
  {
    name: '3,000 lines lost in the middle',
    shows: (index, count) => index < count / 2 || index >= count / 2 + 3000,
    hide: nothing,
  },
];
