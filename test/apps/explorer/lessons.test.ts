import { describe, expect, it } from 'vitest';
import { LESSONS } from '../../../apps/explorer/lessons/index.ts';
import { type Reply, Session } from '../../../apps/explorer/model/index.ts';

/** A session that fails the test when anything is refused. */
function session(): Session {
  return new Session(LESSONS, (reply: Reply) => {
    if (reply.kind === 'refused') throw new Error(reply.text);
  });
}

describe('lessons', () => {
  it('are seventeen, each with a name of its own', () => {
    expect(LESSONS).toHaveLength(17);
    expect(new Set(LESSONS.map(({ id }) => id)).size).toBe(17);
  });

  it.each(LESSONS)(
    '$id: no step begins with its goal reached, and the solution of each reaches it',
    ({ id, steps }) => {
      const one = session();
      one.begin(id);
      for (const [at, step] of steps.entries()) {
        if (at > 0) one.goTo(at);
        expect([at, one.reached, step.goal({ world: one.world, answer: '' })]).toEqual([at, false, false]);
        const before = one.world.done.length;
        for (const deed of step.solution) one.do(deed);
        const misread = one.world.done.slice(before).filter(({ text }) => text.includes('allowed'));
        expect([at, one.reached, misread]).toEqual([at, true, []]);
      }
    },
  );

  it('a step that is jumped to begins as it does for who came the whole way', () => {
    for (const { id, steps } of LESSONS.filter((lesson) => lesson.steps.length > 2).slice(0, 4)) {
      const walked = session();
      walked.begin(id);
      for (const deed of steps[0]?.solution ?? []) walked.do(deed);
      walked.goTo(1);
      const jumped = session();
      jumped.begin(id, 1);
      expect(jumped.params()).toEqual(walked.params());
    }
  });
});
