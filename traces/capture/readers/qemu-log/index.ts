import { TraceEvent } from '../../events/index.ts';
import type { CaptureForm } from '../form.ts';
import { TextStream } from '../text-stream.ts';
import { QemuLogParser } from './parser.ts';

/** A line of the log, wherever it stands: other output of QEMU may come first. */
const LINE = /^(\d+@\d+\.\d+:)?smmu(v3)?_\w+/m;

/** What QEMU prints with `-trace 'smmu*'`. */
export const QEMU_LOG: CaptureForm = {
  name: 'QEMU `-trace smmu*` log',
  recognises: (first) => LINE.test(new TextDecoder('latin1').decode(first)),
  open: ({ blocks, notes }) =>
    Promise.resolve(new TextStream(notes, new TraceEvent(), blocks, (lines) => new QemuLogParser(lines, notes))),
};

export { type Lookup, QemuLogParser } from './parser.ts';
