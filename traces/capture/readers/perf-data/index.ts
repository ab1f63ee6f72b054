import { codes, startsWith } from '../../sources/index.ts';
import type { CaptureForm } from '../form.ts';
import { readFileParts, withoutHeader } from './file-parts.ts';
import { PerfDataReader } from './reader.ts';

const MAGIC = codes('PERFILE2');
/** Bytes of the header that `perf record -o -` writes: magic number and this size. */
const PIPE_HEADER = 16;

/**
 * What `perf record` writes of tracepoints and kprobes, as a file or through a pipe, compressed (`-z`) or not. The file form has its event formats at the
 * end, so of one that is compressed as a whole or comes through a pipe a copy is needed; the pipe form is read as it comes. What is written with
 * `--threads` (a folder) is not read.
 */
export const PERF_DATA: CaptureForm = {
  name: 'perf.data',
  recognises: (first) => startsWith(first, MAGIC),
  async open({ first, blocks, random, notes }) {
    const records = notes.ofRecords();
    if (first[8] === PIPE_HEADER && first[9] === 0) {
      return new PerfDataReader(withoutHeader(blocks, PIPE_HEADER), records, null);
    }
    const access = await random();
    try {
      const file = await readFileParts(notes.file, access);
      return new PerfDataReader(file.records, records, file.parts);
    } catch (error) {
      await access.close();
      throw error;
    }
  },
};
