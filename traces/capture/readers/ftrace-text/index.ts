import { TraceEvent } from '../../event.ts';
import type { CaptureForm } from '../form.ts';
import { TextStream } from '../text-stream.ts';
import { FtraceParser } from './reader.ts';

/** Text that tracers print: the last form to be tried, since it takes every text. */
export const FTRACE_TEXT: CaptureForm = {
  name: 'ftrace text (trace, trace_pipe), `trace-cmd report`, `perf script` or `perf trace` text',
  recognises: () => true,
  open: ({ blocks, notes }) =>
    Promise.resolve(new TextStream(notes, new TraceEvent(), blocks, (lines) => new FtraceParser(lines, notes))),
};
