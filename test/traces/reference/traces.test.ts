import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { runExperiment, type TranslationRecord } from '../../../traces/index.ts';
import { experimentOf, image, listOf, traced, VECTORS } from './vectors.ts';

/** Bytes of a record of the reference's traces. */
const RECORD_BYTES = 48;

describe('the MMU against gem5, every translation of a trace and every figure of its experiment', () => {
  it.each(traced)('%s', (name) => {
    const bytes = gunzipSync(readFileSync(join(VECTORS, 'traces', `${name}.trace.bin.gz`)));
    const trace = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const experiment = experimentOf(name);
    const wide = (at: number): number => Number(trace.getBigUint64(at, true));
    let at = 0;
    let different = 0;
    let first = '';
    const compare = (record: TranslationRecord): void => {
      const same =
        record.iova === wide(at) &&
        record.pa === wide(at + 8) &&
        record.startTick === wide(at + 16) &&
        record.endTick === wide(at + 24) &&
        record.flags === trace.getUint32(at + 32, true) &&
        record.descriptorReads === trace.getUint32(at + 36, true) &&
        record.configurationReads === trace.getUint32(at + 40, true) &&
        record.walkCacheLookups === trace.getUint32(at + 44, true);
      if (!same) {
        different++;
        if (first === '') first = `record ${at / RECORD_BYTES}: ${JSON.stringify(record)}`;
      }
      at += RECORD_BYTES;
    };
    const result = runExperiment(experiment, image, listOf(experiment.config.list), compare);
    expect(result.differences).toEqual([]);
    expect(first).toBe('');
    expect(different).toBe(0);
    expect(at).toBe(bytes.length);
  });
});
