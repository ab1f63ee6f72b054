import { describe, expect, it } from 'vitest';
import { findCycle, findDeadEnd, type Party, type Wait } from '../../../../devices/index.ts';

class Node implements Party {
  readonly name: string;
  readonly waits: Wait[] = [];

  constructor(name: string) {
    this.name = name;
  }

  on(...others: Node[]): this {
    for (const on of others) this.waits.push({ on, why: 'test', any: false });
    return this;
  }

  onAny(...others: Node[]): this {
    for (const on of others) this.waits.push({ on, why: 'test', any: true });
    return this;
  }

  waitsFor(): readonly Wait[] {
    return this.waits;
  }
}

const [a, b, c, d] = 'abcd'.split('').map((name) => new Node(name)) as [Node, Node, Node, Node];
const names = (links: readonly { who: string; on: string }[] | null) =>
  links?.map(({ who, on }) => `${who}>${on}`).join(' ');

describe('a wait graph', () => {
  it('has no cycle when every way ends', () => {
    a.on(b, c);
    b.on(d);
    c.on(d);
    expect(findCycle(a, true)).toBeNull();
  });

  it('finds the cycle behind parties that are not part of it, and leaves them out of the chain', () => {
    const [start, x, y, z] = 'sxyz'.split('').map((name) => new Node(name)) as [Node, Node, Node, Node];
    start.on(x);
    x.on(new Node('free'), y);
    y.on(z);
    z.on(x);
    expect(names(findCycle(start, false))).toBe('x>y y>z z>x');
  });

  it('takes a wait that could be satisfied otherwise for a cycle only when told that nothing else moves', () => {
    const [x, y] = [new Node('x'), new Node('y')];
    x.onAny(y);
    y.on(x);
    expect(findCycle(x, false)).toBeNull();
    expect(names(findCycle(x, true))).toBe('x>y y>x');
  });

  it('shows the way to the party that will never move', () => {
    const [x, y, z] = 'xyz'.split('').map((name) => new Node(name)) as [Node, Node, Node];
    x.on(y.on(z));
    expect(names(findDeadEnd(x))).toBe('x>y y>z');
  });
});
