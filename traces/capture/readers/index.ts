import type { CaptureForm } from './form.ts';
import { FTRACE_TEXT } from './ftrace-text/index.ts';
import { KERNEL_LOG } from './kernel-log/index.ts';
import { PERF_DATA } from './perf-data/index.ts';
import { PERFETTO } from './perfetto/index.ts';
import { type Lookup, QEMU_LOG, QemuLogParser } from './qemu-log/index.ts';
import { TRACE_DAT } from './trace-dat/index.ts';

export type { CaptureForm, CaptureInput, EventStream } from './form.ts';
export { TextStream } from './text-stream.ts';
export { type Lookup, QEMU_LOG, QemuLogParser };

/** Every form of capture that is read, in the order in which they are tried. Text that says nothing of itself comes last. */
export const FORMS: readonly CaptureForm[] = [TRACE_DAT, PERF_DATA, PERFETTO, QEMU_LOG, KERNEL_LOG, FTRACE_TEXT];

/** What a capture may be, for error messages. */
export const SUPPORTED = `${FORMS.map(({ name }) => name).join(', ')}; plain, .gz or .zst`;
