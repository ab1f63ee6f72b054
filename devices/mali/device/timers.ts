/** Things that come true at a cycle, looked at when somebody reads a register. */
export class Timers<Subject> {
  #pending: { readonly subject: Subject; readonly at: number }[] = [];
  readonly #due: (subject: Subject) => void;

  constructor(due: (subject: Subject) => void) {
    this.#due = due;
  }

  add(subject: Subject, at: number): void {
    this.#pending.push({ subject, at });
  }

  /** Lets everything happen that is due. */
  settle(now: number): void {
    if (this.#pending.length === 0) return;
    const due = this.#pending.filter(({ at }) => at <= now);
    this.#pending = this.#pending.filter(({ at }) => at > now);
    for (const { subject } of due) this.#due(subject);
  }

  /** Cycle of the last thing to come, or 0. */
  get last(): number {
    return this.#pending.reduce((latest, { at }) => Math.max(latest, at), 0);
  }

  clear(): void {
    this.#pending = [];
  }
}
