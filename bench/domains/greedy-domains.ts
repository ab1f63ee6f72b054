import { Coverage, LiveRanges } from '../../emulator/index.ts';
import { EventKind, NO_DOMAIN, type TraceEvent } from '../../traces/index.ts';

/**
 * The simplest that keeps every table consistent, a baseline: a map goes to the domain its thread used last if there is room, else to the first
 * with room; an unmap to the domain its thread used last if that holds the whole range, else to the first that does.
 */
export class GreedyDomains {
  readonly #domains: LiveRanges[] = [];
  readonly #last = new Map<number, number>();

  take(event: TraceEvent): number {
    if (event.kind > EventKind.UNMAP) return NO_DOMAIN;
    const isMap = event.kind === EventKind.MAP;
    const start = event.iova;
    const end = start + event.size;
    const worker = event.context > 0 ? -1 - event.context : event.pid;
    const fits = (live: LiveRanges | undefined): boolean =>
      live !== undefined && (isMap ? !live.overlaps(start, end) : live.coverage(start, end) === Coverage.WHOLE);
    const last = this.#last.get(worker) ?? NO_DOMAIN;
    let at = fits(this.#domains[last]) ? last : this.#domains.findIndex(fits);
    if (at === NO_DOMAIN && isMap) at = this.#domains.push(new LiveRanges()) - 1;
    const live = this.#domains[at];
    if (live === undefined) return NO_DOMAIN;
    this.#last.set(worker, at);
    if (isMap) live.insert(start, end, 0);
    else live.remove(start, end);
    return at;
  }
}
