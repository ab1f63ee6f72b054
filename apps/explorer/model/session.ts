import { ConfigError, hexText } from '../../../formats/index.ts';
import { answer, answerLines, InputError, plainText } from '../../../traces/browser.ts';
import type { Lesson, LessonStep } from './lesson.ts';
import type { LessonView, Reply, Request, SourceView } from './messages.ts';
import { answersOf, explainText } from './registers.ts';
import { chooseReplay, type GivenFile, openFiles, Playback, replayOptions } from './replay/index.ts';
import { settingsOf, settingsText } from './settings.ts';
import { World } from './world.ts';

/** Lines that a link or a saved state may carry. */
const MOST_LINES = 400;
const MOST_ANSWER = 60;
/** Stands in a link for no lines at all, where a lesson has some to begin with. */
const NO_LINES = 'nothing';
const LONGEST_COMPLAINT = 400;

/**
 * The worker's side of the page, without a browser: takes what the page asks, keeps the world and the lesson, and answers with plain data.
 *
 * A deed is a line of `script.ts`, or one of the page's own: `address 0x…` looks at an address, `set FIELD VALUE` makes the machine anew with
 * another setting and does everything again, `answer WORDS` answers a lesson's question.
 */
export class Session {
  #world: World | null = null;
  readonly #lessons: readonly Lesson[];
  readonly #post: (reply: Reply) => void;
  #lesson: Lesson | null = null;
  #step = 0;
  #answer = '';
  #reached = false;
  /** What was brought, with its name; null while the page's own machine is there. */
  #source: { readonly name: string; readonly playback: Playback | null } | null = null;
  /** Files that are being opened: newer ones take the place of older. */
  #opening = 0;

  constructor(lessons: readonly Lesson[], post: (reply: Reply) => void) {
    this.#lessons = lessons;
    this.#post = post;
  }

  /** The world that is shown: one that nothing was done to, unless somebody has brought another. */
  get world(): World {
    this.#world ??= new World(settingsOf({}));
    return this.#world;
  }

  /** Takes one message. What goes wrong is said in a reply of one line. @returns when all of it is done */
  async take(request: Request): Promise<void> {
    try {
      if (request.kind === 'files') await this.#openFiles(request.files);
      else if (request.kind === 'seek') await this.#seek(request.event, request.address);
      else if (request.kind === 'replay') await this.#replay(request.field, request.value);
      else if (request.kind === 'explain') await this.#explain(request.text);
      else if (request.kind === 'why') await this.#why();
      else this.#take(request);
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof InputError || error instanceof RangeError)) throw error;
      const text = plainText(error.message.replace(/\s+/g, ' ')).slice(0, LONGEST_COMPLAINT);
      this.#post({ kind: 'refused', text });
    }
  }

  /** Does one deed, and looks whether the lesson's goal is reached. */
  do(deed: string): void {
    const [verb = '', ...words] = deed.trim().split(/\s+/);
    if (verb === 'address') this.#look(words.join(''));
    else if (verb === 'set') this.#set(words[0] ?? '', words.slice(1).join(' '));
    else if (verb === 'answer') this.#answer = words.join(' ').toLowerCase().slice(0, MOST_ANSWER);
    else this.world.run(deed.trim());
    const step = this.step;
    if (step !== null && !this.#reached) this.#reached = step.goal({ world: this.world, answer: this.#answer });
  }

  /** The step of the lesson that the learner is at; null without a lesson. */
  get step(): LessonStep | null {
    return this.#lesson?.steps[this.#step] ?? null;
  }

  get reached(): boolean {
    return this.#reached;
  }

  /** Begins a lesson at a step. @throws ConfigError for one that there is not */
  begin(id: string, step = 0): void {
    const lesson = this.#lessons.find((one) => one.id === id);
    if (lesson === undefined) throw new ConfigError('lesson', id, this.#lessons.map((one) => one.id).join(', '));
    this.#lesson = lesson;
    const last = Math.min(Math.max(0, step), lesson.steps.length - 1);
    // A step without a state of its own goes on from the ones before, solved.
    let from = last;
    while (from > 0 && lesson.steps[from]?.start === undefined) from--;
    this.#start(from);
    for (let at = from; at < last; at++) {
      for (const deed of lesson.steps[at]?.solution ?? []) this.do(deed);
      this.#enter(at + 1);
    }
  }

  /** Goes to another step; what has a state of its own begins with it. */
  goTo(step: number): void {
    if (this.#lesson === null || this.#lesson.steps[step] === undefined) return;
    if (step !== this.#step + 1) this.begin(this.#lesson.id, step);
    else if (this.#lesson.steps[step]?.start !== undefined) this.#start(step);
    else this.#enter(step);
  }

  #take(request: Exclude<Request, { kind: 'files' | 'seek' | 'replay' | 'explain' | 'why' }>): void {
    switch (request.kind) {
      case 'open':
        this.#open(request.params);
        break;
      case 'do':
        for (const deed of request.deeds) this.do(deed);
        break;
      case 'close':
        if (this.#source === null) break;
        this.#replace(new World(settingsOf({})));
        break;
      case 'undo': {
        if (this.#source !== null) break;
        const { settings, done, address } = this.world;
        this.#replace(
          new World(
            settings,
            done.slice(0, -1).map(({ line }) => line),
          ),
        );
        this.world.address = address;
        break;
      }
      case 'reset': {
        if (this.#source !== null) break;
        if (this.#lesson !== null) this.begin(this.#lesson.id, this.#step);
        else this.#replace(new World(this.world.settings));
        break;
      }
      case 'lesson':
        if (request.id === '') {
          this.#lesson = null;
          this.#reached = false;
        } else if (request.id === this.#lesson?.id) this.goTo(request.step);
        else this.begin(request.id, request.step);
        break;
      case 'show': {
        const step = this.step;
        if (step === null || this.#lesson === null) return;
        this.begin(this.#lesson.id, this.#step);
        for (const deed of step.solution) this.do(deed);
        break;
      }
      case 'entry': {
        const entry = this.world.entry(request.stage, request.table, request.index);
        this.#post({ kind: 'entry', entry });
        return;
      }
    }
    this.#show();
  }

  async #openFiles(files: readonly GivenFile[]): Promise<void> {
    if (files.length === 0) return;
    const ticket = ++this.#opening;
    const opened = await openFiles(files, (done, what) => {
      if (ticket === this.#opening) this.#post({ kind: 'progress', done, what });
    });
    if (ticket !== this.#opening) return;
    const name = files.map((file) => file.name.slice(0, MOST_ANSWER)).join(', ');
    this.#lesson = null;
    this.#replace(new World(settingsOf({}), [], opened instanceof Playback ? opened.rig : opened));
    this.#source = { name, playback: opened instanceof Playback ? opened : null };
    if (opened instanceof Playback) {
      this.#post({ kind: 'samples', samples: opened.samples });
      this.#standAt(opened);
    }
    this.#show();
  }

  async #seek(event: number, address?: string): Promise<void> {
    const playback = this.#source?.playback ?? null;
    if (playback === null || !(event >= 0)) return;
    if (!(await playback.seek(Math.floor(event))) || this.#source?.playback !== playback) return;
    this.#standAt(playback);
    if (address !== undefined) this.#look(address);
    this.#show();
  }

  /** Replays the capture anew, with another choice, and stands where it stood. */
  async #replay(field: string, value: string): Promise<void> {
    const source = this.#source;
    const before = source?.playback ?? null;
    if (source === null || before === null) return;
    const choices = chooseReplay(before.choices, field, value);
    const ticket = ++this.#opening;
    const playback = await Playback.start(before.capture, choices, (done) => {
      if (ticket === this.#opening) this.#post({ kind: 'progress', done, what: 'the capture is replayed' });
    });
    if (ticket !== this.#opening || this.#source !== source) return;
    const { at } = before.rig;
    this.#source = { name: source.name, playback };
    this.#post({ kind: 'samples', samples: playback.samples });
    if (at < playback.capture.count) await playback.seek(at);
    if (ticket !== this.#opening) return;
    this.#standAt(playback);
    this.#show();
  }

  /** Pasted words; fault lines are answered by the capture that is open. */
  async #explain(text: string): Promise<void> {
    const found = explainText(text);
    const { playback = null } = this.#source ?? {};
    if (playback === null || found.faults.length === 0) {
      this.#post({ kind: 'explained', ...found, answers: [] });
      return;
    }
    const { capture, rig } = playback;
    const answers = answersOf(found, text, await capture.history(), rig.replayer.lastTime, (time) =>
      capture.eventAt(time),
    );
    this.#post({ kind: 'explained', ...found, answers });
  }

  async #why(): Promise<void> {
    const { playback = null } = this.#source ?? {};
    if (playback === null) return;
    const iova = Number(this.world.address);
    const time = playback.rig.replayer.lastTime;
    const history = await playback.capture.history();
    // A replay counts its domains as the history does.
    this.#post({ kind: 'why', lines: answerLines(answer(history, { iova, time, domain: this.world.space })) });
  }

  /** The world is the capture's, and looks at the operation that was the last. */
  #standAt({ rig }: Playback): void {
    if (this.world.rig !== rig || this.world.done.length > 0) this.#world = new World(settingsOf({}), [], rig);
    this.world.space = rig.domain;
    this.world.address = BigInt(Math.max(0, rig.iova));
  }

  #open(params: Readonly<Record<string, string>>): void {
    const { lesson = '', step = '0', do: lines = '', address = '' } = params;
    this.#lesson = null;
    this.#reached = false;
    if (lesson !== '') this.begin(lesson, Number.parseInt(step, 10) || 0);
    if (lesson === '' || lines !== '') {
      const script = lines === '' || lines === NO_LINES ? [] : lines.split(';').slice(0, MOST_LINES);
      this.#replace(new World(settingsOf(params), script));
    }
    if (address !== '') this.#look(address);
  }

  /** What a link needs to bring this state back. */
  params(): Record<string, string> {
    const { settings, done, address } = this.world;
    // What was brought is a file of the person's own: no link has it.
    if (this.#source !== null) return {};
    const lines = done.map(({ line }) => line).slice(0, MOST_LINES);
    return {
      ...(this.#lesson === null ? {} : { lesson: this.#lesson.id, step: String(this.#step) }),
      ...settingsText(settings),
      ...(lines.length > 0 ? { do: lines.join(';') } : this.#lesson === null ? {} : { do: NO_LINES }),
      address: hexText(address),
    };
  }

  #show(): void {
    this.#post({
      kind: 'state',
      snapshot: this.world.snapshot(),
      params: this.params(),
      lesson: this.#lessonView(),
      source: this.#sourceView(),
      lessons: this.#lessons.map(({ id, title }) => ({ id, title })),
    });
  }

  #sourceView(): SourceView | null {
    if (this.#source === null) return null;
    const { name, playback } = this.#source;
    if (playback === null) return { kind: 'image', name, events: 0, at: 0, complete: true, options: [] };
    const { capture, rig, choices } = playback;
    const options = replayOptions(choices);
    return { kind: 'capture', name, events: capture.count, at: rig.at, complete: capture.complete, options };
  }

  #lessonView(): LessonView | null {
    const lesson = this.#lesson;
    const step = this.step;
    if (lesson === null || step === null) return null;
    return {
      id: lesson.id,
      title: lesson.title,
      step: this.#step,
      steps: lesson.steps.length,
      text: step.text,
      task: step.task,
      question: step.question ?? '',
      answer: this.#answer,
      reached: this.#reached,
    };
  }

  #look(text: string): void {
    const plain = text.replaceAll('_', '');
    if (!/^(0x[0-9a-f]{1,16}|\d{1,19})$/i.test(plain))
      throw new ConfigError('address', text.slice(0, 40), 'up to 64 bits, such as 0x7f3a_4c21_5a80');
    this.world.address = BigInt.asUintN(64, BigInt(plain));
  }

  #set(field: string, value: string): void {
    if (this.#source !== null) throw new ConfigError('set', field, 'nothing while a capture or an image is open');
    const { settings, done, address } = this.world;
    const given: Record<string, string> = Object.fromEntries(
      Object.entries(settings).map(([name, one]) => [name, String(one)]),
    );
    // Another MMU or format has sizes of its own.
    const fresh = field === 'mmu' || field === 'format';
    const kept = fresh ? { mmu: given['mmu'] ?? '', bugs: given['bugs'] ?? '' } : given;
    const world = new World(
      settingsOf({ ...kept, [field]: value }),
      done.map(({ line }) => line),
    );
    world.address = address;
    this.#replace(world);
  }

  #replace(world: World): void {
    this.#world = world;
    this.#source = null;
    this.#opening++;
  }

  #start(step: number): void {
    const lesson = this.#lesson;
    if (lesson === null) return;
    const { settings = {}, lines = [], address } = lesson.steps[step]?.start ?? lesson.start;
    this.#replace(new World(settingsOf(settings), lines));
    if (address !== undefined) this.#look(address);
    this.#enter(step);
  }

  #enter(step: number): void {
    this.#step = step;
    this.#answer = '';
    this.#reached = false;
  }
}
