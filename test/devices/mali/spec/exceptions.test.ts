import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  exceptionName,
  JOB_MANAGER_EXCEPTIONS,
  MmuException,
  mmuException,
} from '../../../../devices/mali/spec/index.ts';

describe('exception codes', () => {
  it('have the names that panfrost prints', () => {
    const file = gunzipSync(readFileSync('test/vectors/mmio/panfrost/exception_names.linux-6.12.jsonl.gz'));
    const lines = file.toString().trim().split('\n');
    expect(lines).toHaveLength(256);
    for (const line of lines) {
      const { code, name } = JSON.parse(line) as { code: number; name: string };
      expect(exceptionName(JOB_MANAGER_EXCEPTIONS, code), String(code)).toBe(name);
    }
  });

  it('of the MMU carry the level of the walk', () => {
    expect(exceptionName(JOB_MANAGER_EXCEPTIONS, mmuException(MmuException.PERMISSION, 3))).toBe('PERM_FAULT_3');
  });
});
