import { TraceEvent } from '../../events/index.ts';
import type { CaptureForm } from '../form.ts';
import { TextStream } from '../text-stream.ts';
import { FtraceParser } from './reader.ts';

/** Text that tracers print: the last form to be tried, since it takes every text. */
export const FTRACE_TEXT: CaptureForm = {
  name: 'text of ftrace, `trace-cmd report`, `perf script` or `perf trace`',
  recognises: () => true,
  open: ({ blocks, notes }) =>
    Promise.resolve(new TextStream(notes, new TraceEvent(), blocks, (lines) => new FtraceParser(lines, notes))),
};
