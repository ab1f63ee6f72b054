/**
 * Who waits for whom, and whether the waiting can ever end. Nothing is recorded while things go well: each party knows what it waits
 * for at this moment, and the graph is walked only when somebody is about to block.
 */

/** One edge: somebody waits for `on`. */
export interface Wait {
  readonly on: Party;
  /** Half a sentence for people: "it is the in-fence of the job". */
  readonly why: string;
  /** True: one of several such waits is enough to go on (room in a throttle). False: all of them are needed. */
  readonly any: boolean;
}

/** Anybody who can wait or be waited for: a job, a fence, the reclaim of memory, a submitting thread. */
export interface Party {
  /** What people call it: "fence of render-1". */
  readonly name: string;
  /** What it waits for now; empty when it can go on by itself, or is finished. */
  waitsFor(): readonly Wait[];
}

/** A party that can be stopped in the middle of its work by something below it, without knowing: reclaim inside an allocation. */
export interface Worker extends Party {
  /** What it waits for in the middle of its work, or null. */
  blockedOn: Wait | null;
  /** It turned out that the wait can never end. */
  stuck(): void;
}

/** One line of a chain: `who` waits for `on`. Plain JSON. */
export interface ChainLink {
  readonly who: string;
  readonly on: string;
  readonly why: string;
}

/**
 * The waits that lead from `from` back to a party already on the way, as a closed chain; null when there are none.
 * @param followAny also follow waits that could be satisfied another way: right when nothing else in the system can move.
 */
export function findCycle(from: Party, followAny: boolean): ChainLink[] | null {
  const onPath: Party[] = [];
  const links: ChainLink[] = [];
  const finished = new Set<Party>();

  const visit = (party: Party): ChainLink[] | null => {
    const back = onPath.indexOf(party);
    if (back >= 0) return links.slice(back);
    if (finished.has(party)) return null;
    onPath.push(party);
    for (const wait of party.waitsFor()) {
      if (wait.any && !followAny) continue;
      links.push({ who: party.name, on: wait.on.name, why: wait.why });
      const cycle = visit(wait.on);
      if (cycle !== null) return cycle;
      links.pop();
    }
    onPath.pop();
    finished.add(party);
    return null;
  };
  return visit(from);
}

/** The first way from `from` to a party that waits for nothing and yet is not done: why nobody will ever wake `from`. */
export function findDeadEnd(from: Party): ChainLink[] {
  const links: ChainLink[] = [];
  const seen = new Set<Party>([from]);
  for (let party: Party | undefined = from; party !== undefined; ) {
    const wait: Wait | undefined = party.waitsFor().find(({ on }) => !seen.has(on));
    if (wait === undefined) break;
    links.push({ who: party.name, on: wait.on.name, why: wait.why });
    seen.add(wait.on);
    party = wait.on;
  }
  return links;
}
