/** The name among `known` that is nearest to what was typed, where one is near enough to be meant; else null. */
export function nearest(typed: string, known: Iterable<string>): string | null {
  let best: string | null = null;
  let least = Math.max(2, Math.floor(typed.length / 3)) + 1;
  for (const name of known) {
    const distance = editDistance(typed.toLowerCase(), name.toLowerCase(), least);
    if (distance < least) {
      least = distance;
      best = name;
    }
  }
  return best;
}

/** What to put in front of the allowed names in a complaint: `perhaps granule is meant; `, or nothing where none is near. */
export function perhaps(typed: string, known: Iterable<string>): string {
  const meant = nearest(typed, known);
  return meant === null ? '' : `perhaps ${meant} is meant; `;
}

/** Letters to change, add, leave out or swap with their neighbour to make one of the other; `most` where it is as much or more. */
function editDistance(from: string, to: string, most: number): number {
  if (Math.abs(from.length - to.length) >= most) return most;
  let before: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const changed = (last[j - 1] as number) + Number(from[i - 1] !== to[j - 1]);
      let cost = Math.min(changed, (last[j] as number) + 1, (row[j - 1] as number) + 1);
      const swaps = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      if (swaps) cost = Math.min(cost, (before[j - 2] as number) + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return Math.min(last[to.length] as number, most);
}
