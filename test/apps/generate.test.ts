import { describe, expect, it } from 'vitest';
import { tablewalk, tablewalkProcess } from './run-cli.ts';

describe('tablewalk generate gpu', () => {
  it('writes a capture that replays on a Mali, and whose report says that it is synthetic', async () => {
    const capture = await tablewalk(['generate', 'gpu', '--frames', '5', '--width', '320', '--height', '240']);
    expect(capture.code).toBe(0);
    const replay = tablewalkProcess(['replay', '--mmu', 'mali', '--driver', 'panfrost-7.3', '-'], capture.stdout);
    expect(replay.stderr).toBe('');
    expect(replay.code).toBe(0);
    expect(replay.stdout).toMatch(/origin +synthetic/);
    expect(replay.stdout).toMatch(/domains +2 +named by the capture/);
  });

  it('refuses what is no number, and what it cannot draw', async () => {
    expect(await tablewalk(['generate', 'gpu', '--frames', 'many'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--frames: found "many"'),
    });
    expect(await tablewalk(['generate', 'gpu', '--spaces', '9'])).toMatchObject({ code: 2 });
  });
});

describe('tablewalk scenario gpu-stuck', () => {
  it('tells what happened, and what it rests on', async () => {
    const run = await tablewalk(['scenario', 'gpu-stuck', '--kernel', '6.12']);
    expect(run.code).toBe(0);
    expect(run.stdout).toContain('sizes and times of the GPU are assumed');
    expect(run.stdout).toMatch(/3 {2}polls that ran out/);
  });
});
