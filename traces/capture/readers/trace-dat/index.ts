import { codes, startsWith } from '../../sources/index.ts';
import type { CaptureForm } from '../form.ts';
import { readLayout, readTracingData } from './layout.ts';
import { TraceDatReader } from './reader.ts';

const MAGIC = [0x17, 0x08, 0x44, ...codes('tracing')];

/**
 * What `trace-cmd record` writes. The data of each CPU lies in a place of its own, so the file is read in as many places at once as there are CPUs; of a
 * pipe or a compressed file a copy is needed for that, as large as the unpacked capture: a temporary file in Node, memory in a browser.
 */
export const TRACE_DAT: CaptureForm = {
  name: 'trace.dat',
  recognises: (first) => startsWith(first, MAGIC),
  async open({ random, notes }) {
    const access = await random();
    try {
      const dat = await readLayout(notes.file, access);
      notes.stats.bytesBehind += Math.max(0, access.size - dat.end);
      return new TraceDatReader(access, dat, notes.ofRecords());
    } catch (error) {
      await access.close();
      throw error;
    }
  },
};

export { readTracingData };
