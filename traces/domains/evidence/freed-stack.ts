/** A stack of freed addresses that is never changed: pushing makes a new top, so that stacks which began alike share what they have in common. */
export interface FreedStack {
  readonly iova: number;
  readonly below: FreedStack | null;
  readonly count: number;
  /** Of all its addresses in their order. */
  readonly hash: number;
}

export function push(below: FreedStack | null, iova: number): FreedStack {
  const count = below === null ? 1 : below.count + 1;
  return { iova, below, count, hash: mix(below === null ? 1 : below.hash, iova / 4096) };
}

/** The stack without an address wherever it is in it; undefined when it is not. */
export function without(stack: FreedStack | null, iova: number): FreedStack | null | undefined {
  const above: number[] = [];
  let at = stack;
  for (; at !== null && at.iova !== iova; at = at.below) above.push(at.iova);
  if (at === null) return undefined;
  let rest = at.below;
  for (let index = above.length - 1; index >= 0; index--) rest = push(rest, above[index] as number);
  return rest;
}

/** Joins two numbers to 32 bits in which each bit depends on all of both. */
export function mix(a: number, b: number): number {
  let x = Math.imul(a ^ b, 0x9e3779b1) ^ (b >>> 3);
  x = Math.imul(x ^ (x >>> 15), 0x85ebca6b);
  return x ^ (x >>> 13);
}
