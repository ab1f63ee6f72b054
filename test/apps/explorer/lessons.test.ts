import { describe, expect, it } from 'vitest';
import { LESSONS } from '../../../apps/explorer/lessons/index.ts';
import { type Reply, Session } from '../../../apps/explorer/model/index.ts';

const steps = LESSONS.flatMap(({ id, steps: all }) => all.map((step, at) => ({ id, at, step })));

/** A session that fails the test when anything is refused. */
function session(): Session {
  return new Session(LESSONS, (reply: Reply) => {
    if (reply.kind === 'refused') throw new Error(reply.text);
  });
}

describe('lessons', () => {
  it.each(steps)('$id, step $at: its state does not fulfil the goal, its solution does', ({ id, at, step }) => {
    const one = session();
    one.begin(id, at);
    expect(one.reached).toBe(false);
    expect(step.goal({ world: one.world, answer: '' })).toBe(false);
    for (const deed of step.solution) one.do(deed);
    expect(one.world.done.map(({ line, text }) => `${line}: ${text}`)).not.toContain(
      expect.stringContaining('allowed'),
    );
    expect(one.reached).toBe(true);
  });
});
